// Kernels that are wrong on purpose: barriers by number.

#include "common/named_barrier.cuh"
#include "reports.hpp"

using namespace simt;
using namespace simt::test;
using namespace deconv::cuda;

namespace {

constexpr const char* this_file = "reports_named_barrier.cpp";

__global__ void meets(int id, int threads, int come) {
  if (static_cast<int>(threadIdx.x) < come) named_barrier_sync(id, threads);
}
constexpr unsigned line_of_meeting = __LINE__ - 2;

__global__ void counts_differently() { named_barrier_sync(1, threadIdx.x < 32 ? 64 : 96); }
constexpr unsigned line_of_count = __LINE__ - 1;

__global__ void arrives_twice() {
  named_barrier_arrive(4, 64);
  if (threadIdx.x < 32) named_barrier_arrive(4, 64);
}
constexpr unsigned line_of_first = __LINE__ - 3, line_of_second = __LINE__ - 2;

__global__ void divides_a_warp() {
  if (threadIdx.x % 2 == 0) {
    named_barrier_sync(1, 32);
  } else {
    named_barrier_sync(1, 32);
  }
}
constexpr unsigned line_of_even = __LINE__ - 5, line_of_odd = __LINE__ - 3;

// The second warp reads what the first has written, which arrives at a barrier when it has written, or has
// yet to (`after`); the second `waits` there or does not.
__global__ void hands_on(int* out, bool waits, bool after) {
  __shared__ int buffer[32];
  const unsigned i = threadIdx.x % 32;
  if (threadIdx.x < 32) {
    if (after) named_barrier_arrive(1, 64);
    buffer[i] = 1;
    if (!after) named_barrier_arrive(1, 64);
  } else {
    waits ? named_barrier_sync(1, 64) : named_barrier_arrive(1, 64);
    out[i] = buffer[31 - i];
  }
}
constexpr unsigned line_of_write = __LINE__ - 7, line_of_read = __LINE__ - 3;

// The buffer is written again, whether or not its readers have arrived.
__global__ void writes_again(int* out, bool waits) {
  __shared__ int buffer[32];
  const unsigned i = threadIdx.x % 32;
  if (threadIdx.x < 32) {
    buffer[i] = 1;
    named_barrier_sync(1, 64);
    if (waits) named_barrier_sync(2, 64);
    buffer[i] = 2;
  } else {
    named_barrier_sync(1, 64);
    out[i] = buffer[31 - i];
    named_barrier_arrive(2, 64);
  }
}
constexpr unsigned line_of_again = __LINE__ - 7, line_of_read_before = __LINE__ - 4;

// Of three warps each pair meets in turn; the news of the first write goes through the second warp.
__global__ void passes_on(int* out, bool second_waits) {
  __shared__ int value[32];
  const unsigned warp = threadIdx.x / 32, i = threadIdx.x % 32;
  if (warp == 0) {
    value[i] = 7;
    named_barrier_arrive(1, 64);
  } else if (warp == 1) {
    second_waits ? named_barrier_sync(1, 64) : named_barrier_arrive(1, 64);
    named_barrier_arrive(2, 64);
  } else {
    named_barrier_sync(2, 64);
    out[i] = value[31 - i];
  }
}

void check_race(const std::optional<Violation>& report, const char* kernel, unsigned one, unsigned other) {
  REQUIRE(report);
  check_report(report, Mistake::race, kernel, this_file, report->line == one ? one : other);
}

}  // namespace

TEST_CASE("a numbered barrier to which too few threads come is reported") {
  const auto report = report_of(meets, 1, 96, 0, 5, 96, 64);
  check_report(report, Mistake::deadlock, "meets", this_file, line_of_meeting);
  CHECK_THAT(report->what(), Contains("64 of 96 threads have come"));
  CHECK_THAT(report->what(), Contains("thread (64,0,0) has ended"));
  CHECK_FALSE(report_of(meets, 1, 96, 0, 5, 64, 64));
}

TEST_CASE("numbered barriers that cannot be are reported") {
  for (const int id : {0, -1, 16})
    check_report(report_of(meets, 1, 64, 0, id, 64, 64), Mistake::divergent_barrier, "meets", this_file,
                 line_of_meeting);
  for (const int threads : {0, 40, 96, -32})
    check_report(report_of(meets, 1, 64, 0, 1, threads, 64), Mistake::divergent_barrier, "meets", this_file,
                 line_of_meeting);
}

TEST_CASE("threads that do not agree on a numbered barrier are reported") {
  const auto count = report_of(counts_differently, 1, 128, 0);
  check_report(count, Mistake::divergent_barrier, "counts_differently", this_file, line_of_count);
  CHECK_THAT(count->what(), Contains("which others take for one of"));
  const auto twice = report_of(arrives_twice, 1, 96, 0);
  REQUIRE(twice);
  check_report(twice, Mistake::divergent_barrier, "arrives_twice", this_file,
               twice->line == line_of_first ? line_of_first : line_of_second);
  const auto divided = report_of(divides_a_warp, 1, 32, 0);
  REQUIRE(divided);
  check_report(divided, Mistake::divergent_barrier, "divides_a_warp", this_file,
               divided->line == line_of_even ? line_of_even : line_of_odd);
  CHECK_THAT(divided->what(), Contains("by another line than its warp"));
}

TEST_CASE("what was written before an arrival is seen after a wait, and nothing else") {
  Memory<int> out(32);
  for (std::uint64_t order = 0; order < 8; ++order) {
    set_seed(order);
    INFO("order " << order);
    CHECK_FALSE(report_of(hands_on, 2, 64, 0, out.get(), true, false));
    const auto arrives = report_of(hands_on, 1, 64, 0, out.get(), false, false);
    const auto late = report_of(hands_on, 1, 64, 0, out.get(), true, true);
    for (const auto& report : {arrives, late}) {
      REQUIRE(report);
      if (report->mistake == Mistake::unwritten_shared) continue;  // the reader came first
      check_race(report, "hands_on", line_of_write, line_of_read);
    }
    CHECK_FALSE(report_of(writes_again, 2, 64, 0, out.get(), true));
    check_race(report_of(writes_again, 1, 64, 0, out.get(), false), "writes_again", line_of_again,
               line_of_read_before);
    CHECK_FALSE(report_of(passes_on, 2, 96, 0, out.get(), true));
    CHECK(report_of(passes_on, 1, 96, 0, out.get(), false));
  }
  set_seed(1);
}
