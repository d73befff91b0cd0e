#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/window_copy.hpp"

namespace deconv {

/// Rows and columns of a constant added around each plane; negative numbers crop.
struct Pad2dParams {
  Index top = 0, left = 0, bottom = 0, right = 0;
  float value = 0;
  friend bool operator==(const Pad2dParams&, const Pad2dParams&) = default;
};

[[nodiscard]] inline Shape pad2d_output_shape(const Shape& src, const Pad2dParams& params,
                                              std::string_view what = "pad2d") {
  require<ShapeError>(src.rank() == 4, what, ": wants a rank-4 input N,C,H,W, met ", src);
  const Index height = src[2] + params.top + params.bottom;
  const Index width = src[3] + params.left + params.right;
  require<ShapeError>(height >= 1 && width >= 1, what, ": leaves nothing of a plane of ", src[2], "x",
                      src[3]);
  return {src[0], src[1], height, width};
}

/// dst = src with `value` around it, or cropped. src N x C x H x W, dst as pad2d_output_shape says, one
/// layout, no overlap. Throws ShapeError. Bytes: src and dst once.
template <class T, Device D>
void pad2d_forward(const Context<D>& context, Source<T, D> src, const Pad2dParams& params,
                   TensorView<T, D> dst) {
  detail::check_shape("pad2d_forward", "dst", pad2d_output_shape(src.shape(), params, "pad2d_forward"),
                      dst.shape());
  detail::check_rank4_pair("pad2d_forward", src, dst);
  detail::copy_windows<T, D>(context, src, -params.top, -params.left, static_cast<T>(params.value), dst);
}

/// The adjoint: diff_src = the part of diff_dst that src went to, 0 where src was cropped away. Only top and
/// left count, so that windows of larger planes can be passed. diff_dst N x C x P x Q, diff_src N x C x H x
/// W, one layout. Throws ShapeError.
template <class T, Device D>
void pad2d_reverse(const Context<D>& context, Source<T, D> diff_dst, const Pad2dParams& params,
                   TensorView<T, D> diff_src) {
  detail::check_rank4_pair("pad2d_reverse", diff_dst, diff_src);
  require<ShapeError>(diff_dst[0] == diff_src[0] && diff_dst[1] == diff_src[1],
                      "pad2d_reverse: images and channels of ", diff_dst.shape(), " differ from ",
                      diff_src.shape());
  detail::copy_windows<T, D>(context, diff_dst, params.top, params.left, T{}, diff_src);
}

}  // namespace deconv
