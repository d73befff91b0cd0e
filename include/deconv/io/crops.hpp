#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "deconv/core/tensor.hpp"
#include "deconv/io/image.hpp"
#include "deconv/io/preprocess.hpp"
#include "deconv/io/resize.hpp"

// Crops of a picture beside its middle one: those of ten-crop testing and of training.
namespace deconv::io {

/// One crop of a preprocessing's frame: where its upper left corner lies in the frame, and whether it is
/// mirrored afterwards. Its size is the preprocessing's crop.
struct CropPlace {
  Offset corner;
  bool flipped = false;
  friend bool operator==(const CropPlace&, const CropPlace&) = default;
};

/// The size of the preprocessing's frame for a width x height picture. Throws ShapeError when the picture is
/// too small for it.
[[nodiscard]] inline Extent frame_extent(const Preprocess& preprocess, Index width, Index height) {
  const Box box = preprocess.frame_box(width, height);
  return {box.height, box.width};
}

/// The middle of a frame.
[[nodiscard]] inline Offset middle_corner(const Extent& frame, const Extent& crop) {
  const Box box = centre_box(frame.width, frame.height, crop.width, crop.height);
  return {box.left, box.top};
}

/// The five places of a crop in a frame: upper left, upper right, lower left, lower right, middle. Throws
/// ShapeError when the frame is smaller than the crop.
[[nodiscard]] inline std::array<Offset, 5> five_corners(const Extent& frame, const Extent& crop) {
  const Offset middle = middle_corner(frame, crop);
  const Index right = frame.width - crop.width, bottom = frame.height - crop.height;
  return {{{0, 0}, {right, 0}, {0, bottom}, {right, bottom}, middle}};
}

namespace detail {

/// Each row of [C, H, W] from right to left.
inline void mirror_rows(TensorView<float, Cpu> planes) {
  const Index width = planes.shape()[2];
  for (float* row = planes.data(); row != planes.data() + planes.count(); row += width)
    std::reverse(row, row + width);
}

/// The input of a crop of a frame that is there as a picture. A mean image is subtracted at the crop's own
/// place and mirrored with it.
inline void normalise_crop(const Preprocess& preprocess, const Image& frame, const CropPlace& place,
                           TensorView<float, Cpu> dst) {
  const Extent size{dst.shape()[1], dst.shape()[2]};
  const Offset middle = middle_corner({frame.height(), frame.width()}, size);
  const Offset from_middle{place.corner.left - middle.left, place.corner.top - middle.top};
  if (size == Extent{frame.height(), frame.width()})
    preprocess.normalise(frame, dst, from_middle);
  else
    preprocess.normalise(crop(frame, {place.corner.left, place.corner.top, size.width, size.height}), dst,
                         from_middle);
  if (place.flipped) mirror_rows(dst);
}

}  // namespace detail

/// The input that one crop of the picture gives, [C, H, W] of the preprocessing's crop, into `dst`. A mean
/// image is subtracted at the crop's own place and mirrored with it. Throws ShapeError when the picture is
/// too small, the crop reaches over the frame's edge, or `dst` has another shape.
inline void apply_crop(const Preprocess& preprocess, const Image& picture, const CropPlace& place,
                       TensorView<float, Cpu> dst) {
  const Extent whole = preprocess.resized_extent(picture.width(), picture.height());
  const Box all = preprocess.frame_box(picture.width(), picture.height());
  const Extent size = preprocess.crop.value_or(Extent{all.height, all.width});
  const Offset middle = middle_corner({all.height, all.width}, size);
  require<ShapeError>(place.corner.left >= 0 && place.corner.left <= all.width - size.width &&
                          place.corner.top >= 0 && place.corner.top <= all.height - size.height,
                      "a crop of ", size.width, "x", size.height, " at (", place.corner.left, ", ",
                      place.corner.top, ") reaches over the edge of a frame of ", all.width, "x", all.height);
  const Box window{all.left + place.corner.left, all.top + place.corner.top, size.width, size.height};
  preprocess.normalise(resize_window(picture, whole.width, whole.height, window), dst,
                       {place.corner.left - middle.left, place.corner.top - middle.top});
  if (place.flipped) detail::mirror_rows(dst);
}

/// Ten inputs of one picture, 10 x C x H x W: the four corners and the middle of the frame, then their mirror
/// images. Throws ShapeError when the preprocessing has no crop, the picture is too small, or `dst` has
/// another shape. Source: Krizhevsky et al. 2012, section 4.1.
inline void ten_crops(const Preprocess& preprocess, const Image& picture, TensorView<float, Cpu> dst) {
  require<ShapeError>(preprocess.crop.has_value(),
                      "ten crops want a preprocessing with a crop that is smaller than the resized picture");
  const Shape one{preprocess.channels(), preprocess.crop->height, preprocess.crop->width};
  require<ShapeError>(dst.count() == 10 * one.count(), "ten crops of ", one, " wanted a place for them, met ",
                      dst.shape());
  const Image frame = preprocess.frame_view(picture);
  const auto corners = five_corners({frame.height(), frame.width()}, *preprocess.crop);
  for (std::size_t i = 0; i < 5; ++i) {
    const TensorView<float, Cpu> plain(dst.data() + static_cast<Index>(i) * one.count(), one);
    const TensorView<float, Cpu> mirrored(plain.data() + 5 * one.count(), one);
    detail::normalise_crop(preprocess, frame, {corners[i], false}, plain);
    std::copy(plain.begin(), plain.end(), mirrored.begin());
    detail::mirror_rows(mirrored);
  }
}

}  // namespace deconv::io
