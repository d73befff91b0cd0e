// Kernels that are wrong on purpose: a ring of stages that one warp fills and others empty.

#include "common/bulk_copy.cuh"
#include "common/shared_memory.cuh"
#include "reports_bulk.hpp"

using namespace simt;
using namespace simt::test;
using namespace deconv::cuda;

namespace {

constexpr const char* this_file = "reports_pipeline.cpp";
unsigned line_of(const std::string& remark) { return line_in(__FILE__, remark); }

// What is wrong with it.
enum Wrong {
  nothing,
  no_wait_for_full,
  no_wait_for_empty,
  parity_of_empty,
  no_arrival_on_empty,
  all_of_the_warp_wait,  // without meeting, where one loads
  arrival_before_reading,
  one_arrives_alone,
  nothing_announced,
  too_few_announced,
  too_many_announced,
  waits_for_another_stage,
  waits_for_one_barrier_less,
  one_lane_waits,            // wrong
  one_lane_waits_and_tells,  // right: a meeting of the warp follows
};

// The sum of a tensor of 32 columns by panels of 32 rows: warp 0 loads, warps 1 to 3 add up.
template <int Stages>
__global__ void pipeline(float* out, const __grid_constant__ TensorMap map, int panels, Wrong wrong) {
  float* const memory = dynamic_shared<float>();
  __shared__ Mbarrier full[Stages], empty[Stages];
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < Stages; ++stage) {
      mbarrier_init(&full[stage], 1);
      mbarrier_init(&empty[stage], wrong == one_arrives_alone ? 3 : 96);
    }
    publish_mbarriers();
  }
  __syncthreads();
  if (threadIdx.x < 32) {
    if (threadIdx.x > 0) {
      for (int i = 0; wrong == all_of_the_warp_wait && i < panels; ++i) {
        const unsigned parity = static_cast<unsigned>(i / Stages + 1) % 2;
        mbarrier_wait(&empty[i % Stages], parity);  // waits beside the loader
      }
      return;
    }
    for (int i = 0; i < panels; ++i) {
      const int stage = i % Stages;
      const unsigned parity = wrong == parity_of_empty ? 1u : static_cast<unsigned>(i / Stages + 1) % 2;
      if (wrong != no_wait_for_empty) mbarrier_wait(&empty[stage], parity);  // waits for empty
      if (wrong == nothing_announced) {
        mbarrier_arrive(&full[stage]);
      } else {
        mbarrier_arrive_expecting(&full[stage], panel_bytes - (wrong == too_few_announced ? 16 : 0) +
                                                    (wrong == too_many_announced ? 16 : 0));
      }
      bulk_load(memory + stage * 1024, &map, &full[stage], 0, i * 32);  // loads a panel
    }
    return;
  }
  float sum = 0;
  for (int i = 0; i < panels; ++i) {
    const int stage = i % Stages, other = (i + 1) % Stages;
    const int awaited = wrong == waits_for_another_stage ? other : stage;
    const bool by_one = wrong == one_lane_waits || wrong == one_lane_waits_and_tells;
    if (wrong != no_wait_for_full && !(by_one && threadIdx.x % 32 != 7) &&
        !(wrong == waits_for_one_barrier_less && i == 3)) {
      mbarrier_wait(&full[awaited], i / Stages % 2);  // waits for full
    }
    if (wrong == one_lane_waits_and_tells) __syncwarp();
    if (wrong == arrival_before_reading) mbarrier_arrive(&empty[stage]);
    for (int k = 0; k < 8; ++k) sum += memory[stage * 1024 + k * 96 + static_cast<int>(threadIdx.x)];  // adds
    if (wrong == no_arrival_on_empty || wrong == arrival_before_reading) continue;
    if (wrong == one_arrives_alone) {
      if (threadIdx.x % 32 == 0) mbarrier_arrive(&empty[stage]);
    } else {
      mbarrier_arrive(&empty[stage]);
    }
  }
  out[threadIdx.x] = sum;
}

template <int Stages>
void check_pipeline(const Tensor& tensor, Wrong wrong, Mistake mistake, const std::vector<std::string>& lines,
                    const char* words) {
  for (std::uint64_t order = 0; order < 6; ++order) {
    set_seed(order);
    const auto report =
        report_of(pipeline<Stages>, 1, 128, Stages * panel_bytes, tensor.out.get(), tensor.map(), 12, wrong);
    CAPTURE(static_cast<int>(wrong), order);
    REQUIRE(report);
    unsigned line = line_of(lines[0]);
    for (const std::string& remark : lines) {
      if (report->line == line_of(remark)) line = report->line;
    }
    check_report(report, mistake, "pipeline", this_file, line);
    CHECK_THAT(report->what(), Contains(words));
  }
  set_seed(1);
}

}  // namespace

TEST_CASE("a right pipeline is not reported, whatever the order of its threads") {
  const Tensor tensor;
  for (std::uint64_t order = 0; order < 30; ++order) {
    set_seed(order);
    CAPTURE(order);
    CHECK_FALSE(report_of(pipeline<1>, 1, 128, panel_bytes, tensor.out.get(), tensor.map(), 12, nothing));
    CHECK_FALSE(report_of(pipeline<3>, 1, 128, 3 * panel_bytes, tensor.out.get(), tensor.map(), 12, nothing));
    CHECK_FALSE(report_of(pipeline<2>, 1, 128, 2 * panel_bytes, tensor.out.get(), tensor.map(), 12,
                          one_lane_waits_and_tells));
    CHECK_FALSE(report_of(pipeline<4>, 2, 128, 4 * panel_bytes, tensor.out.get(), tensor.map(), 11, nothing));
  }
  set_seed(1);
}

TEST_CASE("stages that are read before they are full are reported") {
  const Tensor tensor;
  for (const Wrong wrong :
       {no_wait_for_full, waits_for_one_barrier_less, nothing_announced, one_lane_waits}) {
    for (std::uint64_t order = 0; order < 6; ++order) {
      set_seed(order);
      CAPTURE(static_cast<int>(wrong), order);
      const auto report =
          report_of(pipeline<3>, 1, 128, 3 * panel_bytes, tensor.out.get(), tensor.map(), 12, wrong);
      REQUIRE(report);
      const std::string text = report->what();
      INFO(text);
      CHECK((report->mistake == Mistake::race || report->mistake == Mistake::unwritten_shared));
      CHECK_THAT(report->file, Contains(this_file));
      // Who comes second is told of: the reader, or the load that overtakes it.
      CHECK((report->line == line_of("adds") || report->line == line_of("loads a panel")));
    }
  }
  check_pipeline<3>(tensor, waits_for_another_stage, Mistake::race, {"adds"},
                    "a bulk load to it has not been waited for");
  set_seed(1);
}

TEST_CASE("stages that are filled before they are empty are reported") {
  const Tensor tensor;
  check_pipeline<2>(tensor, no_wait_for_empty, Mistake::race, {"loads a panel"}, "no");
  check_pipeline<2>(tensor, parity_of_empty, Mistake::race, {"loads a panel"}, "no");
  check_pipeline<2>(tensor, arrival_before_reading, Mistake::race, {"loads a panel", "adds"}, "thread");
  check_pipeline<2>(tensor, one_arrives_alone, Mistake::race, {"loads a panel", "adds"}, "thread");
}

TEST_CASE("a thread that misses a phase is told so") {
  const Tensor tensor;
  unsigned missed = 0;
  for (std::uint64_t order = 0; order < 20; ++order) {
    set_seed(order);
    const auto report =
        report_of(pipeline<1>, 1, 128, panel_bytes, tensor.out.get(), tensor.map(), 12, all_of_the_warp_wait);
    if (!report) continue;  // all were lucky
    ++missed;
    check_report(report, Mistake::deadlock, "pipeline", this_file, line_of("waits beside the loader"));
    CHECK_THAT(report->what(), Contains("may have missed a phase"));
  }
  CHECK(missed > 0);
  set_seed(1);
}

TEST_CASE("phases that never end are reported as deadlocks that say what they lack") {
  const Tensor tensor;
  check_pipeline<2>(tensor, no_arrival_on_empty, Mistake::deadlock, {"waits for empty"},
                    "it lacks 96 of 96 arrivals");
  check_pipeline<2>(tensor, too_few_announced, Mistake::deadlock, {"waits for full", "waits for empty"},
                    "16 bytes have come that nobody has announced");
  check_pipeline<2>(tensor, too_many_announced, Mistake::deadlock, {"waits for full", "waits for empty"},
                    "it lacks");
}
