#pragma once

#include "common/async_copy.cuh"
#include "common/matrix_tile.cuh"
#include "conv2d_geometry.cuh"

// What copies the operands of the convolutions' products into shared memory, as common/staged_loop.cuh wants
// it, 16 bytes at a time.
namespace deconv::cuda {

/// What a correlation on the matrix units reads: planes of nhwc pixels whose first channel lies at multiples
/// of 16 bytes. The depth runs over (tap row, tap column, chunk of 16 bytes of channels); the last chunk of a
/// tap may be cut short.
template <class T>
struct PixelSource {
  const T* data = nullptr;  ///< channel 0 of group 0 in image 0
  int height = 0, width = 0;
  int pitch = 0;        ///< elements from pixel to pixel
  int group = 0;        ///< elements from a group's channels to the next's
  int chunks = 0;       ///< of a tap
  int last_bytes = 16;  ///< of the last chunk of a tap

  [[nodiscard]] __device__ Index image() const { return static_cast<Index>(height) * width * pitch; }
};

/// Rows of a correlation along the depth. `Places` says where row i of the block stands: left() rows, and
/// [i] gives image (counted from image()), y and x in rows of the phase.
template <class T, class Tile>
class TapChunks {
  static constexpr int together = Tile::threads / line_chunks, passes = Tile::rows / together;
  static_assert(Tile::rows % together == 0);

 public:
  template <class Places>
  __device__ TapChunks(const PixelSource<T>& src, int group, const PhaseAxis& rows_y, const PhaseAxis& rows_x,
                       const Places& places, int first_chunk)
      : radix_(rows_x.taps, src.chunks),
        data_(src.data + places.image() * src.image() + group * src.group),
        pitch_(src.pitch),
        height_(src.height),
        width_(src.width),
        taps_y_(rows_y.taps),
        step_y_(rows_y.read_step),
        step_x_(rows_x.read_step),
        last_chunk_(src.chunks - 1),
        last_bytes_(src.last_bytes),
        to_(panel_offset(line(), chunk())) {
#pragma unroll
    for (int pass = 0; pass < passes; ++pass) {
      // Far outside, so that every tap reads 0.
      pixel_[pass] = 0;
      y_[pass] = -(1 << 30);
      x_[pass] = 0;
      const int row = line() + pass * together;
      if (row < places.left()) {
        const auto place = places[row];
        y_[pass] = rows_y.origin + place.y * rows_y.origin_step;
        x_[pass] = rows_x.origin + place.x * rows_x.origin_step;
        pixel_[pass] = (place.image * height_ + y_[pass]) * width_ + x_[pass];
      }
    }
    at_ = radix_.digits(static_cast<unsigned>(first_chunk + chunk()));
  }

  /// Where a thread's first chunk stands in a panel: its line and chunk.
  __device__ static int line() { return static_cast<int>(threadIdx.x) / line_chunks; }
  __device__ static int chunk() { return static_cast<int>(threadIdx.x) % line_chunks; }

  __device__ void start(unsigned char* panel) {
    const int down = at_.high * step_y_, across = at_.middle * step_x_;
    const int offset = down * width_ + across;
    const int bytes = at_.high < taps_y_ ? at_.low == last_chunk_ ? last_bytes_ : chunk_bytes : 0;
#pragma unroll
    for (int pass = 0; pass < passes; ++pass) {
      const int y = y_[pass] + down, x = x_[pass] + across;
      const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(height_) &&
                          static_cast<unsigned>(x) < static_cast<unsigned>(width_) && bytes > 0;
      const T* const from =
          inside ? data_ + static_cast<Index>(pixel_[pass] + offset) * pitch_ + at_.low * chunk_of<T> : data_;
      // Lines a multiple of 8 apart exchange their chunks alike.
      copy_async_first(panel + to_ + pass * together * line_bytes, from, inside ? bytes : 0);
    }
    radix_.advance(at_, line_chunks);
  }

 private:
  Radix radix_;
  const T* data_;  ///< the image of the block's first row; pixels count from its first one
  int pitch_, height_, width_, taps_y_, step_y_, step_x_, last_chunk_, last_bytes_, to_;
  int pixel_[passes];  ///< the pixel that a row's first tap reads, inside of its plane or not
  int y_[passes], x_[passes];
  Digits at_;
};

/// Columns of a correlation along the depth, which is how (packed) filters lie in memory.
template <class T, class Tile>
class FilterChunks {
  static constexpr int together = Tile::threads / line_chunks;
  static constexpr int passes = (Tile::columns + together - 1) / together;
  static constexpr bool guarded = Tile::columns % together != 0;

 public:
  /// filters: the block's first filter, of which there are `left`, each of `chunks` and `pitch` elements.
  __device__ FilterChunks(const T* filters, int left, int chunks, Index pitch, int first_chunk)
      : filters_(filters),
        at_(filters + static_cast<Index>(line()) * pitch + (first_chunk + chunk()) * chunk_of<T>),
        step_(pitch * together),
        left_(left - line()),
        rest_(chunks - first_chunk - chunk()),
        to_(panel_offset(line(), chunk())) {}

  __device__ void start(unsigned char* panel) {
#pragma unroll
    for (int pass = 0; pass < passes; ++pass) {
      if (guarded && line() + pass * together >= Tile::columns) continue;
      const bool there = pass * together < left_ && rest_ > 0;
      copy_async_or_zero<chunk_bytes>(panel + to_ + pass * together * line_bytes,
                                      there ? at_ + pass * step_ : filters_, there);
    }
    at_ += line_chunks * chunk_of<T>;
    rest_ -= line_chunks;
  }

 private:
  __device__ static int line() { return static_cast<int>(threadIdx.x) / line_chunks; }
  __device__ static int chunk() { return static_cast<int>(threadIdx.x) % line_chunks; }

  const T *filters_, *at_;
  Index step_;
  int left_, rest_, to_;
};

}  // namespace deconv::cuda
