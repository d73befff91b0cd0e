#pragma once

#include "common/element.cuh"
#include "common/planes.cuh"
#include "common/reduce.cuh"
#include "deconv/ops/lrn_params.hpp"

// Local response normalisation. Three ways to find an element's neighbours:
//
// nhwc, across channels, sizes 3 and 5: a thread owns one vector of a pixel's channels. Forward it reads
// those beside it, which its neighbours read too: two of three loads come from L1.
//
//        [ . . v v ][ o o o o ][ v v . . ]     squares, sums of 5, powers: all in registers
//
// The reverse pass needs the denominators of neighbours, which are dear, so lanes hand each other squares and
// ratios by shuffles. A warp loads 32 vectors in a row and finishes 30: the two at its ends lend theirs only.
//
// nchw, across channels, sizes 3 and 5: a thread owns one pixel and walks through a piece of its channels
// with the last values in registers: each is read once, neighbouring threads read neighbouring pixels.
//
// Everything else (other sizes, within a channel, channels that are no multiple of a vector): a thread an
// element, which adds up its region, neighbours in L1; the reverse pass writes powers and ratios to scratch
// memory in between.
//
// Bytes: src and dst once; reverse src, diff_dst and diff_src once. Flops: about 15 and 2 square roots an
// element forward, 25 and 2 in reverse.
namespace deconv::cuda {

/// Which power the normaliser takes: some have a way of their own.
enum class LrnPower { three_quarters, half, one, other };

struct LrnCoefficients {
  float k, scale, beta;
  LrnPower power;
};

/// s^-beta and s^(-beta - 1).
struct Normaliser {
  float power, next;
};

/// The reciprocal square root of the hardware is right to 2 units in the last place; infinity becomes 0 as in
/// the formula, and 0, where only 0 can stand above it, NaN.
__device__ inline Normaliser three_quarters_normaliser(float s) {
  const float root = rsqrtf(s);  // s^-1/2
  const float power = root * (root > 0.0f ? root * rsqrtf(root) : root);
  return {power, power * (root * root)};
}

/// `Common` stands for beta = 3/4; all others are told apart at run time.
template <bool Common>
__device__ inline Normaliser normaliser(const LrnCoefficients& c, float s) {
  if (Common || c.power == LrnPower::three_quarters) return three_quarters_normaliser(s);
  if (c.power == LrnPower::half) {
    const float root = rsqrtf(s);
    return {root, root * (root * root)};
  }
  const float power = c.power == LrnPower::one ? 1.0f / s : powf(s, -c.beta);
  return {power, power / s};
}

/// The elements from N before `centre` to 2 N behind, as floats, with 0 for what is not of its pixel;
/// `centre` is the pixel's channel `channel`.
template <class T, int N>
__device__ inline void load_beside(const T* centre, Index channel, Index channels, float (&values)[3 * N]) {
#pragma unroll
  for (int part = 0; part < 3; ++part) {
    const Index first = channel + (part - 1) * N;
    Vector<T, N> vector{};
    if (first >= 0 && first < channels) vector = load_vector<N>(centre + (part - 1) * N);
#pragma unroll
    for (int i = 0; i < N; ++i) values[part * N + i] = to_float(vector.at[i]);
  }
}

/// The sum of squares of `Size` channels around place `i`.
template <int Size, int Count>
__device__ inline float squares_around(const float (&values)[Count], int i) {
  float sum = 0;
#pragma unroll
  for (int j = -(Size - 1) / 2; j <= Size / 2; ++j) sum += values[i + j] * values[i + j];
  return sum;
}

/// Across channels in nhwc, where vector `item` of the tensor is one of pixel item / vectors; `count`
/// vectors.
template <class T, int N, int Size, bool Common>
__global__ void __launch_bounds__(box_threads)
    lrn_across_woven(std::uint32_t count, Divider vectors, Index channels, LrnCoefficients c, const T* src,
                     T* dst) {
  static_assert(Size / 2 <= N);
  const std::uint32_t item = item_of_thread();
  if (item >= count) return;
  const Index at = static_cast<Index>(item) * N, channel = static_cast<Index>(vectors(item).remainder) * N;
  float values[3 * N];
  load_beside<T, N>(src + at, channel, channels, values);
  Vector<T, N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float s = c.k + c.scale * squares_around<Size>(values, N + i);
    result.at[i] = from_float<T>(values[N + i] * normaliser<Common>(c, s).power);
  }
  store_vector<N>(dst + at, result);
}

/// A warp of the reverse pass works on so many vectors, and has one more to each side.
inline constexpr int lrn_warp_vectors = 30;

/// `own` with the last `Before` elements of the lane below in front and the first `Behind` of the lane above
/// behind it, 0 where those are not of the same pixel. All lanes must call it.
template <int Before, int Behind, int N>
__device__ inline void with_neighbours(const float (&own)[N], bool first, bool last,
                                       float (&around)[Before + N + Behind]) {
#pragma unroll
  for (int i = 0; i < Before; ++i) {
    const float below = __shfl_up_sync(all_lanes, own[N - Before + i], 1);
    around[i] = first ? 0.0f : below;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) around[Before + i] = own[i];
#pragma unroll
  for (int i = 0; i < Behind; ++i) {
    const float above = __shfl_down_sync(all_lanes, own[i], 1);
    around[Before + N + i] = last ? 0.0f : above;
  }
}

/// diff_src_i = g_i s_i^-beta - 2 scale beta x_i * the sum of g_j x_j s_j^(-beta-1) over the j whose region
/// holds i. The lanes at both ends of a warp only lend their squares and ratios: of these their inner
/// elements are right, and no others are asked for.
template <class T, int N, int Size, bool Common>
__global__ void __launch_bounds__(box_threads)
    lrn_across_woven_reverse(std::uint32_t count, Divider vectors, LrnCoefficients c, const T* src,
                             const T* diff_dst, T* diff_src) {
  constexpr int before = (Size - 1) / 2, behind = Size / 2;
  static_assert(before + behind <= N);
  const int lane = static_cast<int>(threadIdx.x % 32);
  const std::int64_t wanted = static_cast<std::int64_t>(item_of_thread() / 32) * lrn_warp_vectors + lane - 1;
  const bool there = wanted >= 0 && wanted < count;
  const std::uint32_t item = there ? static_cast<std::uint32_t>(wanted) : 0, place = vectors(item).remainder;
  const bool first = place == 0, last = vectors(item + 1).remainder == 0;
  const Index at = static_cast<Index>(item) * N;
  Vector<T, N> xs{}, gs{};
  if (there) {
    xs = load_vector<N>(src + at);
    gs = load_vector<N>(diff_dst + at);
  }
  float squares[N], ratios[N], direct[N], squares_beside[before + N + behind],
      ratios_beside[behind + N + before];
#pragma unroll
  for (int i = 0; i < N; ++i) squares[i] = to_float(xs.at[i]) * to_float(xs.at[i]);
  with_neighbours<before, behind>(squares, first, last, squares_beside);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    float sum = 0;
#pragma unroll
    for (int j = 0; j < Size; ++j) sum += squares_beside[i + j];
    const Normaliser powers = normaliser<Common>(c, c.k + c.scale * sum);
    direct[i] = to_float(gs.at[i]) * powers.power;
    ratios[i] = to_float(gs.at[i]) * to_float(xs.at[i]) * powers.next;
  }
  with_neighbours<behind, before>(ratios, first, last, ratios_beside);
  if (!there || lane == 0 || lane > lrn_warp_vectors) return;
  const float factor = 2 * c.scale * c.beta;
  Vector<T, N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    float sum = 0;
#pragma unroll
    for (int j = 0; j < Size; ++j) sum += ratios_beside[i + j];
    result.at[i] = from_float<T>(direct[i] - factor * to_float(xs.at[i]) * sum);
  }
  store_vector<N>(diff_src + at, result);
}

/// Channels that a thread of the nchw kernels walks through; its neighbours read up to 4 of them again.
inline constexpr int lrn_piece = 32;

/// The last `Count` numbers that came by.
template <int Count>
struct Passing {
  float at[Count] = {};
  __device__ void push(float value) {
#pragma unroll
    for (int i = 0; i + 1 < Count; ++i) at[i] = at[i + 1];
    at[Count - 1] = value;
  }
  [[nodiscard]] __device__ float sum() const {
    float total = 0;
#pragma unroll
    for (int i = 0; i < Count; ++i) total += at[i];
    return total;
  }
};

/// Across channels in nchw; a plane of `box` is one image, a row a piece of channels, a column a pixel.
template <class T, int Size, bool Common>
__global__ void __launch_bounds__(box_threads)
    lrn_across_planes(Box box, Index pixels, int channels, LrnCoefficients c, const T* __restrict__ src,
                      T* __restrict__ dst) {
  constexpr int before = (Size - 1) / 2, behind = Size / 2;
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const auto place = box.place(item);
  const Index first = place.plane * channels * pixels + place.column;
  const int begin = place.row * lrn_piece, end = min(channels, begin + lrn_piece);
  // The newest value is `behind` channels ahead of the one that is normalised.
  Passing<Size> squares;
  Passing<behind + 1> values;
#pragma unroll Size
  for (int channel = begin - before; channel < end + behind; ++channel) {
    const bool inside = channel >= 0 && channel < channels;
    const float value = inside ? to_float(src[first + channel * pixels]) : 0.0f;
    squares.push(value * value);
    values.push(value);
    const int centre = channel - behind;
    if (centre < begin) continue;
    const float s = c.k + c.scale * squares.sum();
    dst[first + centre * pixels] = from_float<T>(values.at[0] * normaliser<Common>(c, s).power);
  }
}

template <class T, int Size, bool Common>
__global__ void __launch_bounds__(box_threads)
    lrn_across_planes_reverse(Box box, Index pixels, int channels, LrnCoefficients c,
                              const T* __restrict__ src, const T* __restrict__ diff_dst,
                              T* __restrict__ diff_src) {
  constexpr int before = (Size - 1) / 2, behind = Size / 2;
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const auto place = box.place(item);
  const Index first = place.plane * channels * pixels + place.column;
  const int begin = place.row * lrn_piece, end = min(channels, begin + lrn_piece);
  const float factor = 2 * c.scale * c.beta;
  // Values come in first; `behind` channels later their denominators are known, and `before` channels after
  // that the sums of ratios.
  Passing<Size> squares, ratios;
  Passing<Size> values;
  Passing<behind + 1> signals;
  Passing<before + 1> directs;
#pragma unroll Size
  for (int channel = begin - before - behind; channel < end + before + behind; ++channel) {
    const bool inside = channel >= 0 && channel < channels;
    const Index at = first + channel * pixels;
    const float value = inside ? to_float(src[at]) : 0.0f;
    squares.push(value * value);
    values.push(value);
    signals.push(inside ? to_float(diff_dst[at]) : 0.0f);
    const int centre = channel - behind;
    const float s = c.k + c.scale * squares.sum();
    const Normaliser powers = normaliser<Common>(c, s);
    const bool there = centre >= 0 && centre < channels;
    ratios.push(there ? signals.at[0] * values.at[Size - 1 - behind] * powers.next : 0.0f);
    directs.push(signals.at[0] * powers.power);
    const int done = centre - before;
    if (done < begin || done >= end) continue;
    diff_src[first + done * pixels] = from_float<T>(directs.at[0] - factor * values.at[0] * ratios.sum());
  }
}

/// A region around an element, as `reach` before and behind along channels, rows and columns.
struct LrnRegionShape {
  int channels, height, width;
  int before, behind;
  bool across, woven;
};

/// Calls body(offset) for every element of the tensor in the region of (plane n, c, y, x), in one order.
template <class Body>
__device__ inline void each_neighbour(const LrnRegionShape& r, int before, int behind, Index n, int channel,
                                      int y, int x, const Body& body) {
  const Index plane = static_cast<Index>(r.height) * r.width;
  const auto offset = [&](int c, int row, int column) {
    const Index pixel = static_cast<Index>(row) * r.width + column;
    return r.woven ? (n * plane + pixel) * r.channels + c : (n * r.channels + c) * plane + pixel;
  };
  if (r.across) {
    const int last = min(r.channels - 1 - channel, behind) + channel;
    for (int c = max(0, channel - before); c <= last; ++c) body(offset(c, y, x));
    return;
  }
  const int bottom = min(r.height - 1 - y, behind) + y, right = min(r.width - 1 - x, behind) + x;
  for (int row = max(0, y - before); row <= bottom; ++row)
    for (int column = max(0, x - before); column <= right; ++column) body(offset(channel, row, column));
}

/// An element of `box`: planes of nhwc images, or nchw planes with their channel as the vector's number.
struct LrnElement {
  Index n, at;
  int c, y, x;
  __device__ LrnElement(const Box& box, const LrnRegionShape& r, Index first_plane, std::uint32_t item) {
    const auto place = box.place(item);
    n = first_plane + place.plane;
    c = place.vector;
    y = place.row;
    x = place.column;
    if (!r.woven) {
      c = static_cast<int>(n % r.channels);
      n /= r.channels;
    }
    const Index pixel = static_cast<Index>(y) * r.width + x, plane = static_cast<Index>(r.height) * r.width;
    at = r.woven ? (n * plane + pixel) * r.channels + c : (n * r.channels + c) * plane + pixel;
  }
};

/// s of an element, for any region.
template <class T>
__device__ inline float region_denominator(const LrnRegionShape& r, const LrnCoefficients& c,
                                           const LrnElement& e, const T* src) {
  float sum = 0;
  each_neighbour(r, r.before, r.behind, e.n, e.c, e.y, e.x, [&](Index at) {
    const float value = to_float(src[at]);
    sum += value * value;
  });
  return c.k + c.scale * sum;
}

template <class T>
__global__ void __launch_bounds__(box_threads)
    lrn_any(Box box, LrnRegionShape r, LrnCoefficients c, Index first_plane, const T* src, T* dst) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const LrnElement e(box, r, first_plane, item);
  const float s = region_denominator(r, c, e, src);
  dst[e.at] = from_float<T>(to_float(src[e.at]) * normaliser<false>(c, s).power);
}

/// powers = s^-beta, ratios = g x s^(-beta-1).
template <class T>
__global__ void __launch_bounds__(box_threads)
    lrn_ratios(Box box, LrnRegionShape r, LrnCoefficients c, Index first_plane, const T* src,
               const T* diff_dst, float* powers, float* ratios) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const LrnElement e(box, r, first_plane, item);
  const Normaliser its = normaliser<false>(c, region_denominator(r, c, e, src));
  powers[e.at] = its.power;
  ratios[e.at] = to_float(diff_dst[e.at]) * to_float(src[e.at]) * its.next;
}

template <class T>
__global__ void __launch_bounds__(box_threads)
    lrn_any_reverse(Box box, LrnRegionShape r, LrnCoefficients c, Index first_plane, const T* src,
                    const T* diff_dst, const float* powers, const float* ratios, T* diff_src) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const LrnElement e(box, r, first_plane, item);
  float sum = 0;
  each_neighbour(r, r.behind, r.before, e.n, e.c, e.y, e.x, [&](Index at) { sum += ratios[at]; });
  diff_src[e.at] = from_float<T>(to_float(diff_dst[e.at]) * powers[e.at] -
                                 2 * c.scale * c.beta * to_float(src[e.at]) * sum);
}

}  // namespace deconv::cuda
