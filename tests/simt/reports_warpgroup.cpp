// Kernels that are wrong on purpose: a warpgroup's products.

#include "common/async_copy.cuh"
#include "common/bulk_copy.cuh"
#include "common/named_barrier.cuh"
#include "common/shared_memory.cuh"
#include "common/warpgroup.cuh"
#include "reports.hpp"

#include <cmath>
#include <vector>

using namespace simt;
using namespace simt::test;
using namespace deconv::cuda;
using deconv::half;

namespace {

constexpr const char* this_file = "reports_warpgroup.cpp";

// Two operands of 8 KiB, rows of 128 bytes in groups of eight: a 64 x 64, b 64 x 64.
constexpr unsigned operand_bytes = 64 * 128;

__device__ void fill(unsigned bytes) {
  auto* const shared = dynamic_shared<std::uint32_t>();
  for (unsigned i = threadIdx.x; i < bytes / 4; i += blockDim.x) shared[i] = 0x3c003c00u;  // ones
  publish_to_bulk();
  __syncthreads();
}
__device__ SharedMatrix operand(unsigned offset) {
  return shared_matrix(dynamic_shared<char>() + offset, MatrixSwizzle::bytes128, 0, 1024);
}
__device__ void zero(float (&d)[32]) {
  for (float& value : d) value = 0;
}
__device__ void store(float* out, const float (&d)[32]) {
  for (int i = 0; i < 32; ++i) out[threadIdx.x * 32 + static_cast<unsigned>(i)] = d[i];
}

// What is wrong with it.
enum Wrong {
  nothing,
  no_begin,
  write_without_begin,
  write_before_the_wait,
  write_between_products,
  no_wait,
  other_operands,
  other_product,
  one_thread_stays_away,
  one_thread_closes_early,
  overwrite_the_operand,
  beyond_shared_memory,
  inside_the_pattern,
  unwritten_operand,
  operand_on_its_way,
  unpublished_operand,
};

__global__ void multiplies(float* out, Wrong wrong, const std::uint32_t* ones) {
  fill(wrong == unwritten_operand ? 2 * operand_bytes - 256 : 2 * operand_bytes);
  auto* const shared = dynamic_shared<std::uint32_t>();
  const bool third = threadIdx.x == 3;
  float d[32];
  zero(d);
  SharedMatrix a = operand(0), b = operand(operand_bytes);
  if (wrong == other_operands && third) a = advanced(a, 32);
  if (wrong == beyond_shared_memory) b = advanced(b, 1024);
  if (wrong == inside_the_pattern) b = advanced(b, 0u - 128u);
  if (wrong == operand_on_its_way && third) copy_async<16>(shared + 4, ones);
  if (wrong == unpublished_operand && third) shared[4] = 0;
  if (wrong == unpublished_operand) __syncthreads();
  if (wrong != no_begin) begin_products();
  if (wrong == one_thread_stays_away && third) return;
  if (wrong == other_product && third) {
    multiply_add_group<half, 64>(d, a, b);
  } else {
    multiply_add_group<half, 64>(d, a, b);  // first product
  }
  if (wrong == write_between_products && third) d[5] = 1;
  if (wrong == one_thread_closes_early && third) close_products();
  multiply_add_group<half, 64>(d, advanced(a, 32), advanced(b, 32));  // second product
  close_products();
  if (wrong == write_before_the_wait && third) d[31] = 1;
  if (wrong == overwrite_the_operand && third) shared[operand_bytes / 4 + 70] = 0;  // overwrites
  if (wrong == no_wait) return;
  wait_for_products<0>(d);  // wait
  if (wrong == write_without_begin) {
    if (third) d[0] += 1;
    multiply_add_group<half, 64>(d, a, b);  // third product
    close_products();
    wait_for_products<0>(d);
  }
  store(out, d);
}

__global__ void in_half_a_warpgroup(float* out) {
  fill(2 * operand_bytes);
  float d[32];
  zero(d);
  begin_products();  // of 64 threads
  store(out, d);
}

// Two groups of products on the way; d0 is waited for, d1 is not.
__global__ void looks_too_early(float* out, float* early) {
  fill(2 * operand_bytes);
  float d0[32], d1[32];
  zero(d0);
  zero(d1);
  const SharedMatrix a = operand(0), b = operand(operand_bytes);
  begin_products();
  multiply_add_group<half, 64>(d0, a, b);
  close_products();
  multiply_add_group<half, 64>(d1, a, b);
  multiply_add_group<half, 64>(d1, a, b);
  close_products();
  wait_for_products<1>(d0);
  store(out, d0);
  store(early, d1);
  wait_for_products<0>(d1);
  store(out + 128 * 32, d1);
}

// The second warpgroup writes where an operand of the first lies, once the first says that it may.
__global__ void hands_back(bool waits) {
  fill(2 * operand_bytes);
  if (threadIdx.x < 128) {
    float d[32];
    zero(d);
    begin_products();
    multiply_add_group<half, 64>(d, operand(0), operand(operand_bytes));
    close_products();
    if (waits) wait_for_products<0>();
    named_barrier_arrive(1, 256);
    if (!waits) wait_for_products<0>();
  } else {
    named_barrier_sync(1, 256);
    dynamic_shared<std::uint32_t>()[threadIdx.x] = 0;  // writes again
  }
}

__global__ void describes(const void* where, unsigned offset, unsigned stride) {
  const auto* const base = where ? static_cast<const char*>(where) : dynamic_shared<char>();
  (void)shared_matrix(base + offset, MatrixSwizzle::none, 128, stride);  // describes
}

unsigned line_of(const char* remark) { return line_with(__FILE__, remark); }

class Case {
 public:
  Case() : ones_(4), out_(3 * 128 * 32) { REQUIRE(cudaMemset(ones_.get(), 0, 16) == cudaSuccess); }
  void expect(Wrong wrong, Mistake mistake, const char* remark, const char* words) {
    INFO("case " << wrong);
    for (std::uint64_t order = 0; order < 4; ++order) {
      set_seed(order);
      const auto report = report_of(multiplies, 1, 128, 2 * operand_bytes, out_.get(), wrong, ones_.get());
      check_report(report, mistake, "multiplies", this_file, line_of(remark));
      CHECK_THAT(report->what(), Contains(words));
    }
    set_seed(1);
  }
  float* out() { return out_.get(); }
  std::uint32_t* ones() { return ones_.get(); }

 private:
  Memory<std::uint32_t> ones_;
  Memory<float> out_;
};

}  // namespace

TEST_CASE("products that are used as they should be are not reported") {
  Case c;
  CHECK_FALSE(report_of(multiplies, 5, 128, 2 * operand_bytes, c.out(), nothing, c.ones()));
}

TEST_CASE("accumulators that are not handed over, or touched too early, are reported") {
  Case c;
  c.expect(no_begin, Mistake::accumulators, "first product", "multiplies without begin_products()");
  c.expect(write_without_begin, Mistake::accumulators, "third product", "written to since begin_products()");
  c.expect(write_between_products, Mistake::accumulators, "second product", "that it has not waited for");
  c.expect(write_before_the_wait, Mistake::accumulators, "wait", "before this wait");
  c.expect(no_wait, Mistake::accumulators, "second product", "ends without having waited");
}

TEST_CASE("accumulators are NaN until their products are waited for") {
  Memory<float> out(2 * 128 * 32), early(128 * 32);
  REQUIRE_FALSE(report_of(looks_too_early, 1, 128, 2 * operand_bytes, out.get(), early.get()));
  std::vector<float> sums(2 * 128 * 32), seen(128 * 32);
  REQUIRE(cudaMemcpy(sums.data(), out.get(), sums.size() * 4, cudaMemcpyDeviceToHost) == cudaSuccess);
  REQUIRE(cudaMemcpy(seen.data(), early.get(), seen.size() * 4, cudaMemcpyDeviceToHost) == cudaSuccess);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    REQUIRE(sums[i] == 16);
    REQUIRE(std::isnan(seen[i]));
    REQUIRE(sums[seen.size() + i] == 32);
  }
}

TEST_CASE("a warpgroup whose threads do not agree is reported") {
  Case c;
  c.expect(other_operands, Mistake::missing_lanes, "first product", "describes other operands");
  c.expect(one_thread_closes_early, Mistake::missing_lanes, "second product",
           "closed another number of groups");
  c.expect(one_thread_stays_away, Mistake::missing_lanes, "wait", "127 of the 128 threads");
  const auto other = report_of(multiplies, 1, 128, 2 * operand_bytes, c.out(), other_product, c.ones());
  REQUIRE(other);
  CHECK(other->mistake == Mistake::missing_lanes);
  CHECK_THAT(other->what(), Contains("issues another product"));
  const auto half_a_group = report_of(in_half_a_warpgroup, 1, 64, 2 * operand_bytes, c.out());
  check_report(half_a_group, Mistake::missing_lanes, "in_half_a_warpgroup", this_file,
               line_of("of 64 threads"));
}

TEST_CASE("operands that are not there are reported") {
  Case c;
  c.expect(beyond_shared_memory, Mistake::out_of_bounds, "first product", "out of bounds");
  c.expect(inside_the_pattern, Mistake::misaligned, "first product", "repeats every 1024 bytes");
  c.expect(unwritten_operand, Mistake::unwritten_shared, "first product",
           "nothing of this block has written");
  c.expect(operand_on_its_way, Mistake::race, "first product", "has not been waited for");
  c.expect(unpublished_operand, Mistake::unpublished, "first product", "not been shown");
}

TEST_CASE("operands that are overwritten before their product is waited for are reported") {
  Case c;
  for (std::uint64_t order = 0; order < 8; ++order) {
    set_seed(order);
    const auto report =
        report_of(multiplies, 1, 128, 2 * operand_bytes, c.out(), overwrite_the_operand, c.ones());
    REQUIRE(report);
    // Found by the thread that writes, or by the product, if other threads have yet to issue it.
    const unsigned writes = line_of("overwrites"), reads = line_of("second product");
    check_report(report, Mistake::race, "multiplies", this_file, report->line == writes ? writes : reads);
  }
  set_seed(1);
}

TEST_CASE("operands that are handed back before their product is waited for are reported") {
  for (std::uint64_t order = 0; order < 4; ++order) {
    set_seed(order);
    CHECK_FALSE(report_of(hands_back, 1, 256, 2 * operand_bytes, true));
    const auto report = report_of(hands_back, 1, 256, 2 * operand_bytes, false);
    check_report(report, Mistake::race, "hands_back", this_file, line_of("writes again"));
    CHECK_THAT(report->what(), Contains("a product that reads it has not been waited for"));
  }
  set_seed(1);
}

TEST_CASE("descriptors that cannot be are reported") {
  Memory<char> global(1024);
  const unsigned line = line_of("describes");
  const void* const here = nullptr;
  CHECK_FALSE(report_of(describes, 1, 1, 1024, here, 32u, 256u));
  check_report(report_of(describes, 1, 1, 1024, here, 8u, 256u), Mistake::misaligned, "describes", this_file,
               line);
  check_report(report_of(describes, 1, 1, 1024, here, 0u, 200u), Mistake::misaligned, "describes", this_file,
               line);
  check_report(report_of(describes, 1, 1, 1024, here, 0u, 1u << 18), Mistake::misaligned, "describes",
               this_file, line);
  check_report(report_of(describes, 1, 1, 1024, global.get(), 0u, 256u), Mistake::out_of_bounds, "describes",
               this_file, line);
}
