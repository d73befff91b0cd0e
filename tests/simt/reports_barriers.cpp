// Kernels that are wrong on purpose: barriers and meetings of a warp to which not everybody comes.

#include "reports.hpp"

using namespace simt;
using namespace simt::test;

namespace {

constexpr const char* this_file = "reports_barriers.cpp";

__global__ void some_return_before_the_barrier(int* out, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= count) return;
  __syncthreads();
  out[i] = i;
}
constexpr unsigned line_of_return = __LINE__ - 3;

__global__ void barriers_in_both_branches(int* out) {
  if (threadIdx.x < 7) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}
constexpr unsigned line_of_first_branch = __LINE__ - 6, line_of_second_branch = line_of_first_branch + 2;

__global__ void shuffle_without_the_others(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  int value = i;
  if (i % 32 < 16) value = __shfl_down_sync(0xffffffffu, value, 1);
  out[i] = value;
}
constexpr unsigned line_of_shuffle = __LINE__ - 3;

__global__ void shuffle_from_outside_the_mask(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < 8) out[i] = __shfl_sync(0x000000ffu, i, 8);
}
constexpr unsigned line_of_outside = __LINE__ - 2;

__global__ void vote_against_a_shuffle(unsigned* out) {
  const unsigned i = threadIdx.x;
  if (i < 16) {
    out[i] = __ballot_sync(0xffffffffu, 1);
  } else {
    out[i] = __shfl_sync(0xffffffffu, i, 0);
  }
}
constexpr unsigned line_of_vote = __LINE__ - 5, line_of_other = __LINE__ - 3;

__global__ void mask_without_the_caller(unsigned* out) { out[threadIdx.x] = __ballot_sync(0xfffffffeu, 1); }
constexpr unsigned line_of_mask = __LINE__ - 1;

__global__ void barrier_against_a_warp(int* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncwarp(threadIdx.x == 40 ? 0x00000100u : 0xffffffffu);
  }
  out[threadIdx.x] = 1;
}

// Waits for a value that only a thread behind the barrier would write.
__global__ void waits_for_ever(volatile int* flag) {
  while (*flag == 0) {
  }
}
constexpr unsigned line_of_wait = __LINE__ - 3;

// Not a mistake: the half-warps meet by themselves, at different lines.
__global__ void half_warps(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < 16) {
    out[i] = __shfl_xor_sync(0x0000ffffu, i, 1);
  } else {
    out[i] = __shfl_xor_sync(0xffff0000u, i, 2);
  }
}

}  // namespace

TEST_CASE("a thread that returns before a barrier is reported") {
  Memory<int> out(64);
  const auto report = report_of(some_return_before_the_barrier, 3, 64, 0, out.get(), 50);
  check_report(report, Mistake::divergent_barrier, "some_return_before_the_barrier", this_file,
               line_of_return);
  CHECK(report->block == Position{0, 0, 0});
  CHECK(report->thread.x < 50);
  CHECK_THAT(report->what(), Contains("49 others of the block's 64 threads"));
  CHECK_THAT(report->what(), Contains("thread (50,0,0) has ended"));
  CHECK_FALSE(report_of(some_return_before_the_barrier, 3, 50, 0, out.get(), 50));
}

TEST_CASE("barriers on different lines do not meet") {
  Memory<int> out(64);
  const auto report = report_of(barriers_in_both_branches, 1, 64, 0, out.get());
  REQUIRE(report);
  const unsigned line = report->thread.x < 7 ? line_of_first_branch : line_of_second_branch;
  check_report(report, Mistake::divergent_barrier, "barriers_in_both_branches", this_file, line);
  const unsigned other = report->thread.x < 7 ? line_of_second_branch : line_of_first_branch;
  CHECK_THAT(report->what(), Contains("reports_barriers.cpp:" + std::to_string(other)));
  CHECK_FALSE(report_of(barriers_in_both_branches, 1, 7, 0, out.get()));
}

TEST_CASE("a shuffle whose mask names threads that do not come is reported") {
  Memory<int> out(64);
  const auto report = report_of(shuffle_without_the_others, 1, 32, 0, out.get());
  check_report(report, Mistake::missing_lanes, "shuffle_without_the_others", this_file, line_of_shuffle);
  CHECK(report->thread.x < 16);
  CHECK_THAT(report->what(), Contains("__shfl_down_sync with the mask 0xffffffff"));
  CHECK_THAT(report->what(), Contains("thread (16,0,0) has ended"));
}

TEST_CASE("a shuffle from a lane outside its mask is reported") {
  Memory<int> out(32);
  const auto report = report_of(shuffle_from_outside_the_mask, 1, 32, 0, out.get());
  check_report(report, Mistake::missing_lanes, "shuffle_from_outside_the_mask", this_file, line_of_outside);
  CHECK_THAT(report->what(), Contains("from lane 8, which does not take part"));
}

TEST_CASE("lanes that meet in different operations are reported") {
  Memory<unsigned> out(32);
  const auto report = report_of(vote_against_a_shuffle, 1, 32, 0, out.get());
  REQUIRE(report);
  check_report(report, Mistake::missing_lanes, "vote_against_a_shuffle", this_file,
               report->thread.x < 16 ? line_of_vote : line_of_other);
  CHECK_THAT(report->what(), Contains("calls something else"));
}

TEST_CASE("a mask must name its caller") {
  Memory<unsigned> out(32);
  const auto report = report_of(mask_without_the_caller, 1, 32, 0, out.get());
  check_report(report, Mistake::missing_lanes, "mask_without_the_caller", this_file, line_of_mask);
  CHECK(report->thread == Position{0, 0, 0});
}

TEST_CASE("a barrier and a warp that wait for each other are reported") {
  Memory<int> out(64);
  const auto report = report_of(barrier_against_a_warp, 1, 64, 0, out.get());
  REQUIRE(report);
  CHECK(report->mistake == Mistake::missing_lanes);
  CHECK_THAT(report->what(), Contains("__syncwarp"));
}

TEST_CASE("a kernel that waits for ever is reported") {
  Memory<int> flag(1);
  REQUIRE(cudaMemset(flag.get(), 0, sizeof(int)) == cudaSuccess);
  set_patience(1 << 20);
  const auto report = report_of(waits_for_ever, 1, 32, 0, flag.get());
  set_patience(0);
  check_report(report, Mistake::deadlock, "waits_for_ever", this_file, line_of_wait);
}

TEST_CASE("parts of a warp may meet at lines of their own") {
  Memory<int> out(32);
  CHECK_FALSE(report_of(half_warps, 1, 32, 0, out.get()));
}

TEST_CASE("after a report the device goes on") {
  Memory<int> out(64);
  for (int round = 0; round < 3; ++round) {
    CHECK(report_of(some_return_before_the_barrier, 8, 64, 0, out.get(), 50));
    CHECK_FALSE(report_of(some_return_before_the_barrier, 8, 64, 0, out.get(), 64));
    std::vector<int> host(64);
    REQUIRE(cudaMemcpy(host.data(), out.get(), 256, cudaMemcpyDeviceToHost) == cudaSuccess);
    for (int i = 0; i < 64; ++i) CHECK(host[static_cast<std::size_t>(i)] == i);
  }
}
