#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "deconv/core/shape.hpp"

// Where the pixels of a convolution lie. A correlation writes pixels and reads, for each, the pixels under
// its taps; the forward pass is one, and the pass back to the data is one for each phase.
namespace deconv::cuda {

/// One axis of a correlation: the window's geometry and the extents of what is read and written.
struct CorrelationAxis {
  int kernel, stride, dilation, pad;
  int read, write;
  int tap_step;   ///< reverse: taps from one of a phase to the next, stride / gcd(stride, dilation)
  int read_step;  ///< reverse: pixels read between those, dilation / gcd(stride, dilation)
};

/// The rows of one phase along one axis: row i writes pixel first_pixel + i * pixel_step, and its tap j reads
/// pixel origin + i * origin_step + j * read_step under the weights' tap first_tap + j * tap_step.
struct PhaseAxis {
  int rows, first_pixel, pixel_step;
  int origin, origin_step;
  int taps, first_tap, tap_step, read_step;
};

/// Forward: everything is one phase.
__host__ __device__ inline PhaseAxis forward_axis(const CorrelationAxis& axis) {
  return {axis.write, 0, 1, -axis.pad, axis.stride, axis.kernel, 0, 1, axis.dilation};
}

/// The phases of an axis on the way back: one for each of its first `stride` pixels.
__host__ __device__ inline int phases_of(const CorrelationAxis& axis) {
  return axis.stride < axis.write ? axis.stride : axis.write;
}

/// Reverse: every stride-th pixel from `first_pixel`, all with the same residue (y + pad) mod stride. Tap r
/// reaches them when r * dilation has that residue too, from row (y + pad - r * dilation) / stride, so that
/// what a phase skips is exactly what would be multiplied by the zeros between the rows.
__host__ __device__ inline PhaseAxis reverse_axis(const CorrelationAxis& axis, int first_pixel) {
  PhaseAxis phase{};
  phase.first_pixel = first_pixel;
  phase.pixel_step = axis.stride;
  phase.rows = (axis.write - 1 - first_pixel) / axis.stride + 1;
  phase.origin_step = 1;
  phase.tap_step = axis.tap_step;
  phase.read_step = -axis.read_step;
  int residue = (first_pixel + axis.pad) % axis.stride;
  if (residue < 0) residue += axis.stride;
  const int tries = axis.kernel < axis.tap_step ? axis.kernel : axis.tap_step;
  int tap = 0;
  while (tap < tries && static_cast<std::int64_t>(tap) * axis.dilation % axis.stride != residue) ++tap;
  if (tap < tries) {
    phase.first_tap = tap;
    phase.taps = (axis.kernel - 1 - tap) / axis.tap_step + 1;
    // Both differ from a multiple of the stride by the same residue, so this divides evenly.
    phase.origin = (first_pixel + axis.pad - tap * axis.dilation) / axis.stride;
  }
  return phase;
}

/// A number in mixed radix: a tap's row, column and channel, or a pixel's image, row and column.
struct Digits {
  int high, middle, low;
};

/// Counting in steps without a division.
class Radix {
 public:
  __device__ Radix(int middle, int low) : middle_(middle > 0 ? middle : 1), low_(low) {}
  [[nodiscard]] __device__ Digits digits(unsigned value) const {
    const unsigned rest = value / static_cast<unsigned>(low_),
                   low = value - rest * static_cast<unsigned>(low_);
    const unsigned high = rest / static_cast<unsigned>(middle_);
    return {static_cast<int>(high), static_cast<int>(rest - high * static_cast<unsigned>(middle_)),
            static_cast<int>(low)};
  }
  /// value += step. The lowest digit rarely wraps more than once: only where it counts less than a step.
  __device__ void advance(Digits& value, int step) const {
    value.low += step;
    while (value.low >= low_) {
      value.low -= low_;
      if (++value.middle == middle_) {
        value.middle = 0;
        ++value.high;
      }
    }
  }
  /// value += the digits of another: one carry from each, however large the step.
  __device__ void add(Digits& value, const Digits& step) const {
    value.low += step.low;
    value.middle += step.middle;
    value.high += step.high;
    if (value.low >= low_) {
      value.low -= low_;
      ++value.middle;
    }
    if (value.middle >= middle_) {
      value.middle -= middle_;
      ++value.high;
    }
  }

 private:
  int middle_, low_;
};

/// The pixels that a block's rows are, in order image, row, column: the block's first row is divided once in
/// 64 bits, its others in 32.
class PixelRows {
 public:
  struct Place {
    int image;  ///< counted from image()
    int y, x;   ///< rows of the phase, not pixels
  };

  /// `down` x `across` rows in each of `images`; `first` is the block's first one.
  __device__ PixelRows(Index images, int down, int across, Index first)
      : across_(static_cast<unsigned>(across)), plane_(static_cast<unsigned>(down) * across_) {
    const Index left = images * plane_ - first;
    left_ = left > 0x7fffffff ? 0x7fffffff : static_cast<int>(left);
    if (left_ > 0) {
      image_ = first / plane_;
      rest_ = static_cast<unsigned>(first - image_ * plane_);
    }
  }
  /// Rows from the block's first to the last of all; <= 0 when the block has nothing to do.
  [[nodiscard]] __device__ int left() const { return left_; }
  /// The image of the block's first row.
  [[nodiscard]] __device__ Index image() const { return image_; }
  /// For i < left().
  [[nodiscard]] __device__ Place operator[](int i) const {
    const unsigned at = rest_ + static_cast<unsigned>(i), images = at / plane_;
    const unsigned pixel = at - images * plane_, y = pixel / across_;
    return {static_cast<int>(images), static_cast<int>(y), static_cast<int>(pixel - y * across_)};
  }

 private:
  unsigned across_, plane_;
  int left_ = 0;
  Index image_ = 0;
  unsigned rest_ = 0;
};

}  // namespace deconv::cuda
