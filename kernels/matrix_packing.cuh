#pragma once

#include "common/matrix_panel.cuh"
#include "matrix_correlation.cuh"

// Operands of the matrix units rearranged where they do not lie as the loaders want them: pixels of too few
// channels for copies of 16 bytes, and filters whose channels are not what is summed over.
namespace deconv::cuda {

/// Pixels widened to `wide` elements (zeros behind the channels), and planes shifted and widened so that
/// every tap of every window is there: packed pixel x is pixel x - left, zero outside of the plane.
template <class T>
struct PixelPacking {
  const T* src;
  T* packed;
  Index lines;  ///< of all images
  int width, channels;
  int packed_width, wide, left;
};

/// Writes 16 bytes a thread and round; packed_width * wide is a multiple of that. Bytes: src once (by more
/// accesses than that takes), packed once.
template <class T>
__global__ void pack_pixels(const PixelPacking<T> p) {
  const Index line_parts = static_cast<Index>(p.packed_width) * p.wide / chunk_of<T>,
              parts = p.lines * line_parts;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < parts; i += step) {
    const Index line = i / line_parts;
    const auto first = static_cast<int>(i - line * line_parts) * chunk_of<T>;
    const T* const from = p.src + line * (static_cast<Index>(p.width) * p.channels);
    Vector<T, chunk_of<T>> values;
#pragma unroll
    for (int e = 0; e < chunk_of<T>; ++e) {
      const int x = (first + e) / p.wide, channel = first + e - x * p.wide, pixel = x - p.left;
      const bool there =
          channel < p.channels && static_cast<unsigned>(pixel) < static_cast<unsigned>(p.width);
      values.at[e] = there ? from[pixel * p.channels + channel] : from_float<T>(0.0f);
    }
    store_vector<chunk_of<T>>(p.packed + i * chunk_of<T>, values);
  }
}

/// Filters along the depth of a forward pass over packed pixels: packed[map][tap row][tap column][wide], or,
/// with the taps of a row merged, packed[map][tap row][row of taps], each row filled up with zeros to whole
/// chunks. Also plain copies of filters that are not aligned.
template <class T>
struct ForwardFilterPacking {
  const T* weights;
  T* packed;
  Index rows;                 ///< maps times tap rows times, unless merged, tap columns
  int taps;                   ///< of a row of `packed`
  int channels, wide, depth;  ///< depth: elements of a row of `packed`
};

template <class T>
__global__ void pack_filters_forward(const ForwardFilterPacking<T> p) {
  const Index count = p.rows * p.depth, step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    const Index row = i / p.depth;
    const auto at = static_cast<int>(i - row * p.depth);
    const int tap = at / p.wide, channel = at - tap * p.wide;
    p.packed[i] = tap < p.taps && channel < p.channels
                      ? p.weights[(row * p.taps + tap) * p.channels + channel]
                      : from_float<T>(0.0f);
  }
}

/// Filters along the depth of the pass back to the data: packed[phase][group][column][tap row][tap
/// column][map], zeros behind the maps and where a merged pixel has no such tap.
template <class T>
struct ReverseFilterPacking {
  MatrixCorrelation<T> c;  ///< whose phases, columns and pitches are meant
  const T* weights;
  T* packed;
  int kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x, pad_y, pad_x;
  int channels, maps, depth;  ///< of a group; depth: elements of a tap
  Index count;                ///< elements of `packed`
};

/// The tap under which a pixel reads row or column `at`, or -1.
__device__ inline int tap_between(int pixel, int at, int pad, int stride, int dilation, int kernel) {
  const int distance = pixel + pad - at * stride, tap = distance / dilation;
  return distance >= 0 && tap * dilation == distance && tap < kernel ? tap : -1;
}

/// Neighbouring threads take neighbouring channels, which lie together in the weights; each writes 16 bytes
/// of its own channel's filter. Bytes: weights once, packed once.
template <class T>
__global__ void pack_filters_reverse(const ReverseFilterPacking<T> p) {
  const Index parts = p.count / chunk_of<T>, step = static_cast<Index>(gridDim.x) * blockDim.x;
  const int tap_chunks = p.depth / chunk_of<T>;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < parts; i += step) {
    const int column = static_cast<int>(i % p.c.columns);
    Index rest = i / p.c.columns;
    const Index phase_chunks = p.c.filter_pitch / chunk_of<T>;
    const auto chunk = static_cast<int>(rest % phase_chunks);
    rest /= phase_chunks;
    const auto group = static_cast<int>(rest % p.c.groups), phase = static_cast<int>(rest / p.c.groups);
    const PhaseAxis y = p.c.phase_y(phase), x = p.c.phase_x(phase);
    const int tap = chunk / tap_chunks, map = (chunk - tap * tap_chunks) * chunk_of<T>;
    int channel = column, down = 0, across = 0;
    if (p.c.merged != 0) {
      const int pixel = column / p.channels;
      channel = column - pixel * p.channels;
      down = pixel / p.c.merged;
      across = pixel - down * p.c.merged;
    }
    Vector<T, chunk_of<T>> values;
    int tap_y = -1, tap_x = -1;
    if (tap < y.taps * x.taps) {
      const int row = tap / x.taps;
      tap_y = tap_between(y.first_pixel + down, y.origin + row * y.read_step, p.pad_y, p.stride_y,
                          p.dilation_y, p.kernel_y);
      tap_x = tap_between(x.first_pixel + across, x.origin + (tap - row * x.taps) * x.read_step, p.pad_x,
                          p.stride_x, p.dilation_x, p.kernel_x);
    }
#pragma unroll
    for (int e = 0; e < chunk_of<T>; ++e) {
      const bool there = tap_y >= 0 && tap_x >= 0 && map + e < p.maps;
      const Index filter = static_cast<Index>(group) * p.maps + map + e;
      values.at[e] =
          there ? p.weights[((filter * p.kernel_y + tap_y) * p.kernel_x + tap_x) * p.channels + channel]
                : from_float<T>(0.0f);
    }
    store_vector<chunk_of<T>>(p.packed + phase * p.c.filter_phase + group * p.c.filter_group +
                                  column * p.c.filter_pitch + static_cast<Index>(chunk) * chunk_of<T>,
                              values);
  }
}

}  // namespace deconv::cuda
