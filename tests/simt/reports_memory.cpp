// Kernels that are wrong on purpose: races, shared memory that was never written, bounds, alignment.

#include "common/async_copy.cuh"
#include "common/matrix_units.cuh"
#include "common/shared_memory.cuh"
#include "reports.hpp"

using namespace simt;
using namespace simt::test;

namespace {

constexpr const char* this_file = "reports_memory.cpp";

template <class T>
__global__ void reads_before_the_barrier(T* out) {
  __shared__ T tile[64];
  const unsigned i = threadIdx.x;
  tile[i] = static_cast<T>(1);
  if (i == 63) tile[0] = static_cast<T>(2);
  __syncthreads();
  out[i] = tile[i];
}
constexpr unsigned line_of_first_write = __LINE__ - 5, line_of_second_write = __LINE__ - 4;

__global__ void overwrites_what_others_read(int* out) {
  __shared__ int tile[64];
  const unsigned i = threadIdx.x;
  tile[i] = 1;
  __syncthreads();
  out[i] = tile[(i + 40) % 64];
  tile[i] = 2;
}
constexpr unsigned line_of_read = __LINE__ - 3, line_of_overwrite = __LINE__ - 2;

__global__ void hands_on_without_the_warps_barrier(int* out) {
  __shared__ int tile[32];
  const unsigned i = threadIdx.x;
  tile[i] = 1;
  __syncwarp();
  const int seen = tile[i ^ 1];
  tile[i] = seen + 1;
  out[i] = seen;
}

__global__ void orders_half_a_warp(int* out) {
  __shared__ int tile[32];
  const unsigned i = threadIdx.x;
  tile[i] = 1;
  __syncwarp(i < 16 ? 0x0000ffffu : 0xffff0000u);
  out[i] = tile[(i + 8) % 32];
}

__global__ void counts_beside_an_atomic(int* out) {
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  atomicAdd(&count, 1);
  if (threadIdx.x == 5) count += 1;
  __syncthreads();
  if (threadIdx.x == 0) *out = count;
}

__global__ void reads_what_nobody_wrote(float* out, int written) {
  __shared__ float tile[32];
  const int i = static_cast<int>(threadIdx.x);
  if (i < written) tile[i] = 1;
  __syncthreads();
  out[i] = tile[31 - i];
}
constexpr unsigned line_of_unwritten = __LINE__ - 2;

__global__ void reads_unwritten_dynamic(float* out) {
  out[threadIdx.x] = deconv::cuda::dynamic_shared<float>()[threadIdx.x];
}

__global__ void writes_past_global(float* out, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i <= count) out[i] = 0;
}
constexpr unsigned line_of_global = __LINE__ - 2;

__global__ void reads_before_global(float* out) { out[0] = out[static_cast<int>(threadIdx.x) - 1]; }

__global__ void writes_past_shared(float* out) {
  __shared__ float tile[10];
  const unsigned i = threadIdx.x;
  tile[i + 1] = 1;
  __syncthreads();
  out[i] = tile[i + 1];
}

__global__ void writes_past_dynamic(std::uint8_t* out) {
  auto* tile = deconv::cuda::dynamic_shared<std::uint8_t>();
  const unsigned i = threadIdx.x;
  tile[i + 1] = 1;
  __syncthreads();
  out[i] = tile[i + 1];
}

__global__ void follows(const int* pointer, int* out) { *out = *pointer; }
constexpr unsigned line_of_follows = __LINE__ - 1;

__device__ float4 four_at(const float* place) { return *reinterpret_cast<const float4*>(place); }
constexpr unsigned line_of_four = __LINE__ - 1;
__global__ void loads_four(float* out, const float* in, int shift) {
  const float4 v = four_at(in + shift);
  out[threadIdx.x] = v.x + v.w;
}

__global__ void does_not_wait(int* out, const int* in, bool barrier, bool wait) {
  __shared__ int tile[32];
  const unsigned i = threadIdx.x;
  deconv::cuda::copy_async<4>(&tile[i], in + i);
  deconv::cuda::close_copy_group();
  if (wait) deconv::cuda::wait_for_copy_groups<0>();
  if (barrier) __syncthreads();
  out[i] = tile[31 - i];
}

__global__ void loads_a_misaligned_row(unsigned* out) {
  __shared__ __align__(16) unsigned short rows[33][8];
  for (unsigned c = 0; c < 8; ++c) rows[threadIdx.x][c] = 1;
  if (threadIdx.x == 0) {
    for (unsigned c = 0; c < 8; ++c) rows[32][c] = 1;
  }
  __syncthreads();
  std::uint32_t registers[1];
  deconv::cuda::load_matrices(registers, &rows[threadIdx.x][threadIdx.x == 3 ? 1 : 0]);
  out[threadIdx.x] = registers[0];
}
constexpr unsigned line_of_row = __LINE__ - 3;

}  // namespace

TEST_CASE("a write beside another's write is a race, for elements of every size") {
  Memory<int> ints(64);
  Memory<short> shorts(64);
  Memory<signed char> bytes(64);
  const auto check = [](const std::optional<Violation>& report) {
    REQUIRE(report);
    const bool first = report->thread.x == 0;
    check_report(report, Mistake::race, "reads_before_the_barrier", this_file,
                 first ? line_of_first_write : line_of_second_write);
    CHECK_THAT(report->what(), Contains(first ? "thread (63,0,0) wrote it" : "thread (0,0,0) wrote it"));
    CHECK_THAT(report->what(), Contains("reports_memory.cpp:" +
                                        std::to_string(first ? line_of_second_write : line_of_first_write)));
    CHECK_THAT(report->what(), Contains("::tile"));
  };
  check(report_of(reads_before_the_barrier<int>, 1, 64, 0, ints.get()));
  check(report_of(reads_before_the_barrier<short>, 1, 64, 0, shorts.get()));
  check(report_of(reads_before_the_barrier<signed char>, 1, 64, 0, bytes.get()));
  CHECK_FALSE(report_of(reads_before_the_barrier<int>, 1, 63, 0, ints.get()));
}

TEST_CASE("a write after another's read without a barrier is a race") {
  Memory<int> out(64);
  const auto report = report_of(overwrites_what_others_read, 1, 64, 0, out.get());
  REQUIRE(report);
  // Whichever of the two comes second is told of.
  const bool wrote = report->line == line_of_overwrite;
  check_report(report, Mistake::race, "overwrites_what_others_read", this_file,
               wrote ? line_of_overwrite : line_of_read);
  CHECK_THAT(report->what(), Contains(wrote ? "read it" : "wrote it"));
}

TEST_CASE("within a warp only the warp's barrier orders") {
  Memory<int> out(32);
  const auto report = report_of(hands_on_without_the_warps_barrier, 1, 32, 0, out.get());
  REQUIRE(report);
  CHECK(report->mistake == Mistake::race);
  const auto half = report_of(orders_half_a_warp, 1, 32, 0, out.get());
  REQUIRE(half);
  // The other half may not even have written.
  CHECK((half->mistake == Mistake::race || half->mistake == Mistake::unwritten_shared));
}

TEST_CASE("an update beside atomic ones is a race") {
  Memory<int> out(1);
  const auto report = report_of(counts_beside_an_atomic, 1, 32, 0, out.get());
  REQUIRE(report);
  CHECK(report->mistake == Mistake::race);
  CHECK_THAT(report->what(), Contains("counts_beside_an_atomic(int*)::count"));
}

TEST_CASE("shared memory that this block never wrote is not read") {
  Memory<float> out(32);
  CHECK_FALSE(report_of(reads_what_nobody_wrote, 1, 32, 0, out.get(), 32));
  // The block before it wrote all of it.
  const auto report = report_of(reads_what_nobody_wrote, 1, 32, 0, out.get(), 31);
  check_report(report, Mistake::unwritten_shared, "reads_what_nobody_wrote", this_file, line_of_unwritten);
  CHECK(report->thread == Position{0, 0, 0});
  CHECK_THAT(report->what(), Contains("offset 124 of"));
  CHECK_THAT(report->what(), Contains("has 128 bytes"));

  const auto dynamic = report_of(reads_unwritten_dynamic, 1, 8, 64, out.get());
  REQUIRE(dynamic);
  CHECK(dynamic->mistake == Mistake::unwritten_shared);
  CHECK_THAT(dynamic->what(), Contains("of the block's 64 bytes of dynamic shared memory"));
}

TEST_CASE("an access outside its allocation is reported to the byte") {
  Memory<float> out(100), next(100);
  CHECK_FALSE(report_of(writes_past_global, 2, 64, 0, out.get(), 99));
  const auto report = report_of(writes_past_global, 2, 64, 0, out.get(), 100);
  check_report(report, Mistake::out_of_bounds, "writes_past_global", this_file, line_of_global);
  CHECK(report->block == Position{1, 0, 0});
  CHECK(report->thread == Position{36, 0, 0});
  CHECK_THAT(report->what(), Contains("writes 4 bytes at offset 400 of an allocation of 400 bytes"));

  const auto before = report_of(reads_before_global, 1, 1, 0, next.get());
  REQUIRE(before);
  CHECK(before->mistake == Mistake::out_of_bounds);
}

TEST_CASE("an access outside shared memory is reported") {
  Memory<float> out(32);
  Memory<std::uint8_t> bytes(64);
  CHECK_FALSE(report_of(writes_past_shared, 1, 9, 0, out.get()));
  const auto report = report_of(writes_past_shared, 1, 10, 0, out.get());
  REQUIRE(report);
  CHECK(report->thread == Position{9, 0, 0});

  CHECK_FALSE(report_of(writes_past_dynamic, 1, 32, 33, bytes.get()));
  const auto dynamic = report_of(writes_past_dynamic, 1, 33, 33, bytes.get());
  REQUIRE(dynamic);
  CHECK(dynamic->mistake == Mistake::out_of_bounds);
  CHECK_THAT(dynamic->what(), Contains("offset 33 of the block's 33 bytes of dynamic shared memory"));
}

TEST_CASE("pointers that do not belong to the device are reported") {
  Memory<int> out(1);
  const auto null = report_of(follows, 1, 1, 0, nullptr, out.get());
  check_report(null, Mistake::out_of_bounds, "follows", this_file, line_of_follows);
  CHECK_THAT(null->what(), Contains("null pointer"));

  const auto host = std::make_unique<int>(7);
  const auto report = report_of(follows, 1, 1, 0, host.get(), out.get());
  check_report(report, Mistake::out_of_bounds, "follows", this_file, line_of_follows);
  CHECK_THAT(report->what(), Contains("memory of the host"));

  int* freed = nullptr;
  REQUIRE(cudaMalloc(&freed, 12) == cudaSuccess);
  REQUIRE(cudaFree(freed) == cudaSuccess);
  const auto stale = report_of(follows, 1, 1, 0, freed, out.get());
  check_report(stale, Mistake::out_of_bounds, "follows", this_file, line_of_follows);
  CHECK_THAT(stale->what(), Contains("offset 0 of freed memory that had 12 bytes"));

  int* pinned = nullptr;  // which the device may read
  REQUIRE(cudaMallocHost(&pinned, sizeof(int)) == cudaSuccess);
  *pinned = 9;
  CHECK_FALSE(report_of(follows, 1, 1, 0, pinned, out.get()));
  REQUIRE(cudaFreeHost(pinned) == cudaSuccess);
  int value = 0;
  REQUIRE(cudaMemcpy(&value, out.get(), sizeof(int), cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(value == 9);
}

TEST_CASE("a vector from an address that is no multiple of its size is reported") {
  Memory<float> in(64), out(1);
  CHECK_FALSE(report_of(loads_four, 1, 1, 0, out.get(), in.get(), 4));
  const auto report = report_of(loads_four, 1, 1, 0, out.get(), in.get(), 2);
  check_report(report, Mistake::misaligned, "loads_four", this_file, line_of_four);
  CHECK_THAT(report->what(), Contains("offset 8 of an allocation of 256 bytes"));
  CHECK_THAT(report->what(), Contains("float4"));
}

TEST_CASE("what an asynchronous copy brings is there after the wait and the barrier") {
  Memory<int> in(32), out(32);
  CHECK_FALSE(report_of(does_not_wait, 1, 32, 0, out.get(), in.get(), true, true));
  const auto no_wait = report_of(does_not_wait, 1, 32, 0, out.get(), in.get(), true, false);
  REQUIRE(no_wait);
  CHECK(no_wait->mistake == Mistake::race);
  CHECK_THAT(no_wait->what(), Contains("an asynchronous copy to it has not been waited for"));
  CHECK_THAT(no_wait->what(), Contains("started the copy"));
  CHECK(report_of(does_not_wait, 1, 32, 0, out.get(), in.get(), false, true));

  Memory<int> few(31);
  const auto past = report_of(does_not_wait, 1, 32, 0, out.get(), few.get(), true, true);
  REQUIRE(past);
  CHECK(past->mistake == Mistake::out_of_bounds);
  CHECK(past->thread == Position{31, 0, 0});
  const auto odd = report_of(does_not_wait, 1, 32, 0, out.get(),
                             reinterpret_cast<int*>(reinterpret_cast<char*>(in.get()) + 2), true, true);
  REQUIRE(odd);
  CHECK(odd->mistake == Mistake::misaligned);
}

TEST_CASE("rows for the matrix units are aligned to 16 bytes") {
  Memory<unsigned> out(32);
  const auto report = report_of(loads_a_misaligned_row, 1, 32, 0, out.get());
  check_report(report, Mistake::misaligned, "loads_a_misaligned_row", this_file, line_of_row);
  CHECK(report->thread == Position{3, 0, 0});
}
