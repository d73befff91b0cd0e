#pragma once

#include "common/tile.cuh"
#include "conv2d_geometry.cuh"

// What reads the operands of the convolutions' products, as common/product_loop.cuh wants it. Every tensor is
// nhwc, weights are K x R x S x C/groups. `Width` elements go in one access; with 4 the innermost counts must
// be multiples of 4 and the pointers aligned.
namespace deconv::cuda {

/// Rows of a correlation: pixel i of the block's, along the depth (tap row, tap column, channel).
template <class T, class Tile, int Width>
class TapGather {
  using Items = DepthItems<Tile, Tile::rows, Width>;

 public:
  /// src: channel 0 of the group in image 0; `pitch` elements from pixel to pixel, `channels` of the group.
  __device__ TapGather(const T* src, int pitch, int channels, const CorrelationAxis& y,
                       const CorrelationAxis& x, const PhaseAxis& rows_y, const PhaseAxis& rows_x,
                       const PixelRows& pixels, int first_depth)
      : radix_(rows_x.taps, channels),
        src_(src + pixels.image() * (static_cast<Index>(y.read) * x.read * pitch)),
        pitch_(pitch),
        height_(y.read),
        width_(x.read),
        taps_y_(rows_y.taps),
        step_y_(rows_y.read_step),
        step_x_(rows_x.read_step) {
#pragma unroll
    for (int i = 0; i < Items::places; ++i) {
      // Far outside, so that every tap reads 0.
      tap_[i] = 0;
      y_[i] = -(1 << 30);
      x_[i] = 0;
      const int row = Items::place(i);
      if (row < pixels.left()) {
        const auto place = pixels[row];
        y_[i] = rows_y.origin + place.y * rows_y.origin_step;
        x_[i] = rows_x.origin + place.x * rows_x.origin_step;
        tap_[i] = (place.image * height_ + y_[i]) * width_ + x_[i];
      }
    }
#pragma unroll
    for (int item = 0; item < Items::items; ++item)
      at_[Items::slot(item)] = radix_.digits(static_cast<unsigned>(first_depth + Items::depth(item)));
  }

  __device__ void fetch() {
#pragma unroll
    for (int item = 0; item < Items::items; ++item) {
      const Digits& tap = at_[Items::slot(item)];
      const int i = Items::place_index(item);
      const int down = tap.high * step_y_, across = tap.middle * step_x_;
      const int offset = down * width_ + across;
      const int y = y_[i] + down, x = x_[i] + across;
      const bool inside = tap.high < taps_y_ && static_cast<unsigned>(y) < static_cast<unsigned>(height_) &&
                          static_cast<unsigned>(x) < static_cast<unsigned>(width_) && Items::active(item);
      values_[item] = zeros<T, Width>();
      if (inside)
        values_[item] = load_vector<Width>(src_ + static_cast<Index>(tap_[i] + offset) * pitch_ + tap.low);
    }
#pragma unroll
    for (int slot = 0; slot < Items::slots; ++slot) radix_.advance(at_[slot], Tile::depth);
  }

  __device__ void put(float* panel) const { put_items<Items>(panel, values_); }

 private:
  Radix radix_;
  const T* src_;  ///< the image of the block's first row; pixels count from its first one
  int pitch_, height_, width_, taps_y_, step_y_, step_x_;
  int tap_[Items::places];  ///< the pixel that a row's first tap reads, inside of its plane or not
  int y_[Items::places], x_[Items::places];
  Digits at_[Items::slots];
  Vector<T, Width> values_[Items::items];
};

/// Columns of the forward pass: filter i of the block's, along the depth, which is how they lie in memory.
template <class T, class Tile, int Width>
class FilterRows {
  using Items = DepthItems<Tile, Tile::columns, Width>;

 public:
  /// weights: the block's first filter, of which there are `left`, each of `depth` values.
  __device__ FilterRows(const T* weights, int left, int depth, int first_depth)
      : filter_(weights + static_cast<Index>(Items::place(0)) * depth + first_depth + Items::depth(0)),
        left_(left - Items::place(0)),
        depth_(depth),
        // A thread without filters stands behind the end.
        rest_(left_ > 0 ? depth - first_depth - Items::depth(0) : 0) {}

  __device__ void fetch() {
#pragma unroll
    for (int item = 0; item < Items::items; ++item) {
      const int further = Items::further(item), deeper = Items::deeper(item);
      values_[item] = zeros<T, Width>();
      if ((further == 0 || further < left_) && deeper < rest_ && Items::active(item))
        values_[item] = load_vector<Width>(filter_ + static_cast<Index>(further) * depth_ + deeper);
    }
    filter_ += Tile::depth;
    rest_ -= Tile::depth;
  }

  __device__ void put(float* panel) const { put_items<Items>(panel, values_); }

 private:
  const T* filter_;
  int left_, depth_, rest_;
  Vector<T, Width> values_[Items::items];
};

/// Columns of the pass back to the data: channel i of the block's, along the depth (tap row and column of the
/// phase, filter).
template <class T, class Tile, int Width>
class FilterTaps {
  using Items = ExtentItems<Tile, Tile::columns, Width>;

 public:
  /// weights: the group's first filter at the block's first channel, of which there are `left`; `filters` of
  /// the group, each kernel_y x kernel_x x channels.
  __device__ FilterTaps(const T* weights, int left, int filters, int kernel_y, int kernel_x, int channels,
                        const PhaseAxis& y, const PhaseAxis& x, int first_depth)
      : radix_(x.taps, filters),
        weights_(weights + (y.first_tap * kernel_x + x.first_tap) * channels + Items::place()),
        filter_(kernel_y * kernel_x * channels),
        row_(y.tap_step * kernel_x),
        column_(x.tap_step),
        channels_(channels),
        taps_y_(Items::place() < left ? y.taps : 0) {
#pragma unroll
    for (int item = 0; item < Items::items; ++item)
      at_[item] = radix_.digits(static_cast<unsigned>(first_depth + Items::depth(item)));
  }

  __device__ void fetch() {
#pragma unroll
    for (int item = 0; item < Items::items; ++item) {
      const Digits& tap = at_[item];
      values_[item] = zeros<T, Width>();
      if (tap.high < taps_y_ && Items::active(item))
        values_[item] = load_vector<Width>(weights_ + static_cast<Index>(tap.low) * filter_ +
                                           (tap.high * row_ + tap.middle * column_) * channels_);
      radix_.advance(at_[item], Tile::depth);
    }
  }

  __device__ void put(float* panel) const { put_items<Items>(panel, values_); }

 private:
  Radix radix_;
  const T* weights_;
  int filter_, row_, column_, channels_, taps_y_;
  Digits at_[Items::items];
  Vector<T, Width> values_[Items::items];
};

/// Rows of the weights' gradient: filter i of the block's, along the depth (image, pixel).
template <class T, class Tile, int Width>
class SignalColumns {
  using Items = ExtentItems<Tile, Tile::rows, Width>;

 public:
  /// diff_dst: the block's first pixel at its first filter; `pitch` elements from pixel to pixel, `pixels`
  /// and `filters` left.
  __device__ SignalColumns(const T* diff_dst, int pitch, int pixels, int filters)
      : diff_dst_(diff_dst + static_cast<Index>(Items::depth(0)) * pitch + Items::place()),
        pitch_(pitch),
        pixels_(Items::place() < filters ? pixels - Items::depth(0) : 0) {}

  __device__ void fetch() {
#pragma unroll
    for (int item = 0; item < Items::items; ++item) {
      const int deeper = Items::deeper(item);
      values_[item] = zeros<T, Width>();
      if (deeper < pixels_ && Items::active(item))
        values_[item] = load_vector<Width>(diff_dst_ + static_cast<Index>(deeper) * pitch_);
    }
    diff_dst_ += static_cast<Index>(Tile::depth) * pitch_;
    pixels_ -= Tile::depth;
  }

  __device__ void put(float* panel) const { put_items<Items>(panel, values_); }

 private:
  const T* diff_dst_;
  int pitch_, pixels_;
  Vector<T, Width> values_[Items::items];
};

/// Columns of the weights' gradient: value i of the block's (tap row, tap column, channel of a filter), along
/// the depth (image, output row, output column), read where that tap of that output pixel looks.
template <class T, class Tile, int Width>
class PixelTaps {
  using Items = ExtentItems<Tile, Tile::columns, Width>;

 public:
  /// src: channel 0 of the group in image 0. `first_column` and `columns` count a filter's values; `first`
  /// is the block's first output pixel.
  __device__ PixelTaps(const T* src, int pitch, int channels, const CorrelationAxis& y,
                       const CorrelationAxis& x, int first_column, int columns, Index first, int images)
      : radix_(y.write, x.write),
        pitch_(pitch),
        height_(y.read),
        width_(x.read),
        stride_y_(y.stride),
        stride_x_(x.stride) {
    const int column = first_column + Items::place();
    const int tap = column / channels, tap_y = tap / x.kernel;
    y_ = column < columns ? tap_y * y.dilation - y.pad : -(1 << 30);
    x_ = (tap - tap_y * x.kernel) * x.dilation - x.pad;
    const Index plane = static_cast<Index>(y.write) * x.write;
    const Index image = first / plane;
    src_ = src + images * (static_cast<Index>(height_) * width_ * pitch) + (column - tap * channels);
    const int left = images - static_cast<int>(image);
    const auto rest = static_cast<unsigned>(first - image * plane);
#pragma unroll
    for (int item = 0; item < Items::items; ++item) {
      at_[item] = radix_.digits(rest + static_cast<unsigned>(Items::depth(item)));
      at_[item].high -= left;
    }
  }

  __device__ void fetch() {
#pragma unroll
    for (int item = 0; item < Items::items; ++item) {
      const Digits& pixel = at_[item];
      const int y = pixel.middle * stride_y_ + y_, x = pixel.low * stride_x_ + x_;
      const bool inside = pixel.high < 0 && static_cast<unsigned>(y) < static_cast<unsigned>(height_) &&
                          static_cast<unsigned>(x) < static_cast<unsigned>(width_) && Items::active(item);
      values_[item] = zeros<T, Width>();
      if (inside) {
        const int from = (pixel.high * height_ + y) * width_ + x;
        values_[item] = load_vector<Width>(src_ + static_cast<Index>(from) * pitch_);
      }
      radix_.advance(at_[item], Tile::depth);
    }
  }

  __device__ void put(float* panel) const { put_items<Items>(panel, values_); }

 private:
  Radix radix_;
  const T* src_;  ///< behind the last image, at the thread's channel; images count up to 0
  int pitch_, height_, width_, stride_y_, stride_x_;
  int y_, x_;  ///< where the thread's tap of output pixel (0, 0) reads
  Digits at_[Items::items];
  Vector<T, Width> values_[Items::items];
};

}  // namespace deconv::cuda
