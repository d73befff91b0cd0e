#pragma once

#include "common/element.cuh"
#include "common/reduce.cuh"
#include "deconv/core/shape.hpp"

// Softmax, log-softmax and their reverse passes along one axis. Lines along the axis fall into three kinds:
//
//   contiguous, up to 1024 elements   a warp a line, the whole line in its registers: memory is read once
//   contiguous, longer                a block a line, which it reads again from L1 and L2 for each reduction
//   `inner` elements apart            a block of 32 neighbouring lines by 8 stripes of the axis:
//
//        line   0 1 2 ... 31
//      a = 0    . . .      .   stripe 0         all loads take 32 neighbours; stripes are put together in
//      a = 1    . . .      .   stripe 1         order through shared memory
//      ...
//      a = 8    . . .      .   stripe 0
//
// Sums and maxima go in one fixed order. Bytes: each operand once (longer lines: src three times forward, two
// of them from caches as long as they hold a line). Flops: an exp and about 6 more an element.
namespace deconv::cuda {

/// How a line's elements turn into its results. prepare() is given `each`, which calls its argument for all
/// of this thread's elements, and `reduce`, whose sum and maximum go over all threads of the line.
template <bool Log>
struct SoftmaxForward {
  static constexpr int operands = 1;
  float largest = 0, total = 0;
  template <class Each, class Reduce>
  __device__ void prepare(const Each& each, const Reduce& reduce) {
    float most = -__builtin_huge_valf();
    each([&](float value, float) { most = fmaxf(most, value); });
    largest = reduce.most(most);
    float sum = 0;
    each([&](float value, float) { sum += expf(value - largest); });
    sum = reduce.sum(sum);
    total = Log ? logf(sum) : 1.0f / sum;
  }
  __device__ float result(float value, float) const {
    return Log ? (value - largest) - total : expf(value - largest) * total;
  }
};

/// The first operand is the forward pass's result, the second the signal.
template <bool Log>
struct SoftmaxReverse {
  static constexpr int operands = 2;
  float total = 0;
  template <class Each, class Reduce>
  __device__ void prepare(const Each& each, const Reduce& reduce) {
    float sum = 0;
    each([&](float dst, float signal) { sum += Log ? signal : dst * signal; });
    total = reduce.sum(sum);
  }
  __device__ float result(float dst, float signal) const {
    return Log ? signal - expf(dst) * total : dst * (signal - total);
  }
};

struct WarpReduce {
  __device__ float sum(float value) const { return warp_sum(value); }
  __device__ float most(float value) const { return warp_max(value); }
};

template <int Warps>
struct BlockReduce {
  __device__ float sum(float value) const { return block_sum<Warps>(value); }
  __device__ float most(float value) const { return block_max<Warps>(value); }
};

/// Threads of a block of short lines, few, so that a batch's lines spread over all multiprocessors; and of a
/// long line.
inline constexpr int softmax_warps = 2, softmax_threads = 256;

/// Lines of at most 32 * N * Chunks elements, a warp each.
template <class T, int N, int Chunks, class Rule>
__global__ void __launch_bounds__(32 * softmax_warps)
    softmax_short_lines(Rule rule, Index lines, int extent, const T* a, const T* b, T* dst) {
  const Index line = static_cast<Index>(blockIdx.x) * softmax_warps + threadIdx.x / 32;
  if (line >= lines) return;
  const int first = static_cast<int>(threadIdx.x % 32) * N;
  const Index start = line * extent + first;
  Vector<T, N> as[Chunks], bs[Chunks];
#pragma unroll
  for (int chunk = 0; chunk < Chunks; ++chunk) {
    if (first + chunk * 32 * N >= extent) continue;
    as[chunk] = load_vector<N>(a + start + chunk * 32 * N);
    if constexpr (Rule::operands == 2) bs[chunk] = load_vector<N>(b + start + chunk * 32 * N);
  }
  const auto second = [&](int chunk, int i) {
    if constexpr (Rule::operands == 2) return to_float(bs[chunk].at[i]);
    return 0.0f;
  };
  rule.prepare(
      [&](const auto& body) {
#pragma unroll
        for (int chunk = 0; chunk < Chunks; ++chunk) {
          if (first + chunk * 32 * N >= extent) continue;
#pragma unroll
          for (int i = 0; i < N; ++i) body(to_float(as[chunk].at[i]), second(chunk, i));
        }
      },
      WarpReduce{});
#pragma unroll
  for (int chunk = 0; chunk < Chunks; ++chunk) {
    if (first + chunk * 32 * N >= extent) continue;
    Vector<T, N> result;
#pragma unroll
    for (int i = 0; i < N; ++i)
      result.at[i] = from_float<T>(rule.result(to_float(as[chunk].at[i]), second(chunk, i)));
    store_vector<N>(dst + start + chunk * 32 * N, result);
  }
}

/// Longer lines, a block each.
template <class T, int N, class Rule>
__global__ void __launch_bounds__(softmax_threads)
    softmax_long_lines(Rule rule, Index extent, const T* a, const T* b, T* dst) {
  const Index start = static_cast<Index>(blockIdx.x) * extent;
  const auto each_vector = [&](const auto& body) {
    for (Index i = static_cast<Index>(threadIdx.x) * N; i < extent; i += softmax_threads * N) {
      const auto first = load_vector<N>(a + start + i);
      auto second = first;
      if constexpr (Rule::operands == 2) second = load_vector<N>(b + start + i);
      body(i, first, second);
    }
  };
  rule.prepare(
      [&](const auto& body) {
        each_vector([&](Index, const auto& first, const auto& second) {
#pragma unroll
          for (int i = 0; i < N; ++i) body(to_float(first.at[i]), to_float(second.at[i]));
        });
      },
      BlockReduce<softmax_threads / 32>{});
  each_vector([&](Index at, const auto& first, const auto& second) {
    Vector<T, N> result;
#pragma unroll
    for (int i = 0; i < N; ++i)
      result.at[i] = from_float<T>(rule.result(to_float(first.at[i]), to_float(second.at[i])));
    store_vector<N>(dst + start + at, result);
  });
}

inline constexpr int softmax_columns = 32, softmax_stripes = 8;

/// Puts the stripes of each of a block's lines together, in order; all threads must call it.
struct StripeReduce {
  template <class Join>
  static __device__ float joined(float value, const Join& join) {
    __shared__ float of_stripe[softmax_stripes][softmax_columns];
    __syncthreads();  // what an earlier call left may still be read
    of_stripe[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    float result = of_stripe[0][threadIdx.x];
#pragma unroll
    for (int stripe = 1; stripe < softmax_stripes; ++stripe)
      result = join(result, of_stripe[stripe][threadIdx.x]);
    return result;
  }
  __device__ float sum(float value) const {
    return joined(value, [](float a, float b) { return a + b; });
  }
  __device__ float most(float value) const {
    return joined(value, [](float a, float b) { return fmaxf(a, b); });
  }
};

/// Lines whose elements lie `inner` apart; block (group of lines, outer) in one number.
template <class T, class Rule>
__global__ void __launch_bounds__(softmax_columns* softmax_stripes)
    softmax_columns_of(Rule rule, Index extent, Index inner, unsigned groups, const T* a, const T* b,
                       T* dst) {
  const Index outer = blockIdx.x / groups,
              line = static_cast<Index>(blockIdx.x % groups) * softmax_columns + threadIdx.x;
  const Index start = outer * extent * inner + line;
  const bool there = line < inner;
  const auto each = [&](const auto& body) {
    if (!there) return;
#pragma unroll 4
    for (Index i = threadIdx.y; i < extent; i += softmax_stripes) {
      const Index at = start + i * inner;
      float second = 0;
      if constexpr (Rule::operands == 2) second = to_float(b[at]);
      body(at, to_float(a[at]), second);
    }
  };
  rule.prepare(
      [&](const auto& body) { each([&](Index, float first, float second) { body(first, second); }); },
      StripeReduce{});
  each([&](Index at, float first, float second) { dst[at] = from_float<T>(rule.result(first, second)); });
}

}  // namespace deconv::cuda
