#pragma once

#include "common/element.cuh"
#include "common/planes.cuh"
#include "common/reduce.cuh"
#include "common/window.cuh"

// Average pools. Windows: a thread sums the taps of one output (forward), or gathers in raster order the
// shares of the windows that cover one input pixel (reverse), for one vector of channels (nhwc) or one
// element (nchw). What overlapping windows read again comes from L1 and L2. Bytes: both operands once. Flops:
// an addition a tap and element.
//
// The mean of whole planes, nhwc: a block of 32 vectors of channels by 8 stripes of pixels,
//
//      pixel 0, 8, 16 ...  ─ c0 c1 ... c31 ─┐
//      pixel 1, 9, 17 ...  ─ c0 c1 ... c31 ─┤ + in order, through shared memory → mean of c0 ... c31
//      ...                                  │
//      pixel 7, 15, 23 ... ─ c0 c1 ... c31 ─┘
//
// nchw: a warp a plane, added across lanes by shuffles. Sums have one order, whatever the device.
namespace deconv::cuda {

/// How many taps a window's divisor counts along one axis: those in [low, high) of the whole plane.
struct Counted {
  Axis axis;
  int low, high;
  [[nodiscard]] __device__ float operator()(int output) const {
    const Range taps = axis.taps_between(axis.start(output), low, high);
    return static_cast<float>(max(0, taps.last - taps.first));
  }
};

template <class T, int N>
__device__ inline void store_scaled(T* dst, const float (&sums)[N], float scale) {
  Vector<T, N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) result.at[i] = from_float<T>(sums[i] * scale);
  store_vector<N>(dst, result);
}

template <class T, int N>
__device__ inline void add_vector(const T* from, float scale, float (&sums)[N]) {
  const auto values = load_vector<N>(from);
#pragma unroll
  for (int i = 0; i < N; ++i) sums[i] += scale * to_float(values.at[i]);
}

template <class T, int N>
__global__ void __launch_bounds__(box_threads, 4)
    average_pool(Box box, Geometry g, Counted rows_counted, Counted columns_counted, Index inner,
                 const T* src, T* dst) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const auto place = box.place(item);
  const int y0 = g.y.start(place.row), x0 = g.x.start(place.column);
  const Range rows = g.y.taps_inside(y0), columns = g.x.taps_inside(x0);
  const T* plane = src + place.plane * g.y.extent * g.x.extent * inner + place.vector * N;
  const Index step = g.x.dilation * inner;
  float sums[N] = {};
  for (int r = rows.first; r < rows.last; ++r) {
    const T* from =
        plane +
        (static_cast<Index>(y0 + r * g.y.dilation) * g.x.extent + x0 + columns.first * g.x.dilation) * inner;
#pragma unroll 3
    for (int s = columns.first; s < columns.last; ++s, from += step) add_vector<T, N>(from, 1.0f, sums);
  }
  const float counted = rows_counted(place.row) * columns_counted(place.column);
  const Index pixel = (place.plane * g.y.outputs + place.row) * g.x.outputs + place.column;
  store_scaled<T, N>(dst + pixel * inner + place.vector * N, sums, counted > 0 ? 1.0f / counted : 0.0f);
}

/// The windows of every image begin at the first output of its plane.
struct WholePlanes {
  [[nodiscard]] __device__ int top(Index) const { return 0; }
  [[nodiscard]] __device__ int left(Index) const { return 0; }
};

/// Each image's first output in its plane, for so many images as kernel parameters hold.
struct PlacedWindows {
  static constexpr int most = 128;
  Divider planes_an_image;
  Index first_plane;
  int tops[most], lefts[most];
  [[nodiscard]] __device__ std::uint32_t image(Index plane) const {
    return planes_an_image(static_cast<std::uint32_t>(first_plane + plane)).quotient;
  }
  [[nodiscard]] __device__ int top(Index plane) const { return tops[image(plane)]; }
  [[nodiscard]] __device__ int left(Index plane) const { return lefts[image(plane)]; }
};

template <class T, int N, class Origins>
__global__ void __launch_bounds__(box_threads, 4)
    average_unpool(Box box, Geometry g, Counted rows_counted, Counted columns_counted, Origins origins,
                   Index inner, const T* diff_dst, T* diff_src) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const auto place = box.place(item);
  const int top = origins.top(place.plane), left = origins.left(place.plane);
  const Range rows = g.y.covering(place.row), columns = g.x.covering(place.column);
  float sums[N] = {};
  for (int p = rows.first; p < rows.last; ++p) {
    if (g.y.tap(place.row, p) < 0) continue;
    const float rows_of_window = rows_counted(top + p);
    const Index line = (place.plane * g.y.outputs + p) * g.x.outputs;
    for (int q = columns.first; q < columns.last; ++q) {
      const float counted = rows_of_window * columns_counted(left + q);
      if (g.x.tap(place.column, q) < 0 || counted == 0) continue;
      add_vector<T, N>(diff_dst + (line + q) * inner + place.vector * N, 1.0f / counted, sums);
    }
  }
  const Index pixel = (place.plane * g.y.extent + place.row) * g.x.extent + place.column;
  store_scaled<T, N>(diff_src + pixel * inner + place.vector * N, sums, 1.0f);
}

inline constexpr int mean_vectors = 32, mean_stripes = 8;

/// The means of nhwc planes of `pixels` pixels; block (group, image) in one number.
template <class T, int N>
__global__ void __launch_bounds__(mean_vectors* mean_stripes)
    plane_means_woven(Divider groups, int pixels, Index channels, const T* src, T* dst) {
  __shared__ float partial[mean_stripes][mean_vectors * N];
  const auto block = groups(blockIdx.x);
  const Index image = block.quotient,
              channel = (static_cast<Index>(block.remainder) * mean_vectors + threadIdx.x) * N;
  float sums[N] = {};
  if (channel < channels) {
    const T* from = src + image * pixels * channels + channel;
#pragma unroll 4
    for (int pixel = static_cast<int>(threadIdx.y); pixel < pixels; pixel += mean_stripes)
      add_vector<T, N>(from + pixel * channels, 1.0f, sums);
  }
#pragma unroll
  for (int i = 0; i < N; ++i) partial[threadIdx.y][threadIdx.x * N + i] = sums[i];
  __syncthreads();
  // Each of the first rows of threads adds up some of the elements.
  for (int i = static_cast<int>(threadIdx.y); i < N; i += mean_stripes) {
    float sum = 0;
#pragma unroll
    for (int stripe = 0; stripe < mean_stripes; ++stripe) sum += partial[stripe][threadIdx.x * N + i];
    if (channel < channels)
      dst[image * channels + channel + i] = from_float<T>(sum / static_cast<float>(pixels));
  }
}

/// The means of nchw planes of `pixels` pixels, a warp a plane.
template <class T, int N>
__global__ void __launch_bounds__(box_threads) plane_means(Index planes, Index pixels, const T* src, T* dst) {
  const Index plane = static_cast<Index>(blockIdx.x) * (box_threads / 32) + threadIdx.x / 32;
  if (plane >= planes) return;
  float sums[N] = {};
#pragma unroll 4
  for (Index i = static_cast<Index>(threadIdx.x % 32) * N; i < pixels; i += 32 * N)
    add_vector<T, N>(src + plane * pixels + i, 1.0f, sums);
  float sum = 0;
#pragma unroll
  for (int i = 0; i < N; ++i) sum += sums[i];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) dst[plane] = from_float<T>(sum / static_cast<float>(pixels));
}

/// diff_src = diff_dst * scale in all of a plane. A vector holds channels of a pixel (`Woven`), or pixels of
/// a plane that all receive one value; `box` counts the vectors of a plane as columns x vectors.
template <class T, int N, bool Woven>
__global__ void __launch_bounds__(box_threads)
    spread_means(Box box, float scale, Index inner, Index plane_size, const T* diff_dst, T* diff_src) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const auto place = box.place(item);
  float values[N] = {};
  if constexpr (Woven) {
    add_vector<T, N>(diff_dst + place.plane * inner + place.vector * N, scale, values);
  } else {
    const float value = to_float(diff_dst[place.plane]) * scale;
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = value;
  }
  const Index at = Woven ? place.column * inner + place.vector * N : static_cast<Index>(place.column) * N;
  store_scaled<T, N>(diff_src + place.plane * plane_size + at, values, 1.0f);
}

}  // namespace deconv::cuda
