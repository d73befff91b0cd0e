// Kernels that are wrong on purpose: a warpgroup's registers.

#include "common/warpgroup.cuh"
#include "reports.hpp"

using namespace simt;
using namespace simt::test;
using namespace deconv::cuda;

namespace {

constexpr const char* this_file = "reports_registers.cpp";

__global__ void changes_registers(int wrong) {
  const unsigned group = threadIdx.x / 128;
  if (wrong == 0) {
    group == 2 ? give_registers<40>() : take_registers<232>();
  } else if (wrong == 1) {
    take_registers<240>();  // takes too many
  } else if (wrong == 2) {
    take_registers<64>();
    give_registers<72>();  // gives none
  } else if (threadIdx.x % 128 < 96) {
    give_registers<24>();  // without the fourth warp
  }
}

unsigned line_of(const char* remark) { return line_with(__FILE__, remark); }

}  // namespace

TEST_CASE("registers given by one warpgroup may be taken by others") {
  CHECK_FALSE(report_of(changes_registers, 2, 384, 0, 0));
}

TEST_CASE("registers that are not there are reported") {
  const auto many = report_of(changes_registers, 1, 384, 0, 1);
  check_report(many, Mistake::registers, "changes_registers", this_file, line_of("takes too many"));
  CHECK_THAT(many->what(), Contains("would have 720, of 512"));
  const auto grown = report_of(changes_registers, 1, 128, 0, 2);
  check_report(grown, Mistake::registers, "changes_registers", this_file, line_of("gives none"));
  const auto three = report_of(changes_registers, 1, 128, 0, 3);
  check_report(three, Mistake::missing_lanes, "changes_registers", this_file,
               line_of("without the fourth warp"));
  CHECK_THAT(three->what(), Contains("96 of the 128 threads"));
}
