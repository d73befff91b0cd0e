#include "copy_layout.cuh"

#include <algorithm>

#include "common/bits.cuh"
#include "common/instances.cuh"
#include "common/launch.cuh"
#include "deconv/ops/cuda/copy_layout.hpp"

namespace deconv::cuda {
namespace {

/// Calls body with the vector width of a side as a constant: 16 bytes where `wide`, else one element.
template <class B, class Body>
void with_width(bool wide, const Body& body) {
  if (wide)
    body(std::integral_constant<int, vector_width<B>>{});
  else
    body(std::integral_constant<int, 1>{});
}

template <class B>
void run_tiles(const Context<Cuda>& context, const B* src, B* dst, Index images, Index rows, Index columns) {
  const Index row_tiles = parts_of<Index>(rows, layout_tile);
  const Index column_tiles = parts_of<Index>(columns, layout_tile);
  // The grid's limit, in whole images.
  const Index at_once = std::max<Index>(1, divider_limit / (row_tiles * column_tiles));
  const bool wide_read = vector_aligned<vector_width<B>>(src, columns);
  const bool wide_write = vector_aligned<vector_width<B>>(dst, rows);
  for (Index first = 0; first < images; first += at_once) {
    const Index tiles = std::min(at_once, images - first) * row_tiles * column_tiles;
    const Index offset = first * rows * columns;
    with_width<B>(wide_read, [&](auto read) {
      with_width<B>(wide_write, [&](auto write) {
        launch(context, &transpose_tiles<B, read(), write()>, static_cast<unsigned>(tiles), layout_threads, 0,
               src + offset, dst + offset, rows, columns, static_cast<unsigned>(row_tiles),
               static_cast<unsigned>(column_tiles));
      });
    });
  }
}

template <class B, bool ToWoven>
void run_weave(const Context<Cuda>& context, const B* src, B* dst, Index images, Index few, Index many) {
  WeaveShape shape;
  shape.few = few;
  shape.many = many;
  // Whole lines of 64 elements, so that every tile is as well aligned as the first.
  shape.span = static_cast<int>(layout_elements / few / layout_tile * layout_tile);
  shape.stride = shape.span + vector_width<B>;
  const Index spans = parts_of<Index>(many, shape.span);
  shape.spans = static_cast<unsigned>(spans);
  shape.by_few = Divider(few);
  const Index at_once = std::max<Index>(1, divider_limit / spans);
  const B *planes = ToWoven ? src : dst, *woven = ToWoven ? dst : src;
  const bool wide_planes = vector_aligned<vector_width<B>>(planes, many);
  const bool wide_woven = vector_aligned<vector_width<B>>(woven, few * many);
  for (Index first = 0; first < images; first += at_once) {
    const Index tiles = std::min(at_once, images - first) * spans, offset = first * few * many;
    with_width<B>(wide_planes, [&](auto plane_width) {
      with_width<B>(wide_woven, [&](auto woven_width) {
        shape.by_vectors_of_span = Divider(shape.span / plane_width());
        launch(context, &weave<B, plane_width(), woven_width(), ToWoven>, static_cast<unsigned>(tiles),
               layout_threads, 0, src + offset, dst + offset, shape);
      });
    });
  }
}

}  // namespace

template <class T>
void copy_layout(const Context<Cuda>& context, TensorView<const T, Cuda> src, TensorView<T, Cuda> dst) {
  if (src.layout() == dst.layout() || (src.row_major() && dst.row_major()))
    return copy_on_device(context.device(), context.stream(), dst.data(), src.data(), dst.bytes());
  const bool to_nhwc = dst.layout() == Layout::nhwc;
  const Index channels = src[1], plane = src[2] * src[3];
  const Index rows = to_nhwc ? channels : plane, columns = to_nhwc ? plane : channels;
  const auto* from = as_bits(src.data());
  auto* to = as_bits(dst.data());
  if (rows <= layout_few && rows <= columns)
    run_weave<Bits<T>, true>(context, from, to, src[0], rows, columns);
  else if (columns <= layout_few)
    run_weave<Bits<T>, false>(context, from, to, src[0], columns, rows);
  else
    run_tiles(context, from, to, src[0], rows, columns);
}

#define DECONV_INSTANCE(T) \
  template void copy_layout<T>(const Context<Cuda>&, TensorView<const T, Cuda>, TensorView<T, Cuda>);
DECONV_FOR_ELEMENTS(DECONV_INSTANCE)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
