#include "average_pool2d.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/ops/cuda/average_pool2d.hpp"

namespace deconv::cuda {
namespace {

/// The divisors along one axis; `whole` is the axis on whole planes, with `after` pixels of padding behind
/// it.
Counted counted_along(const Axis& whole, Index after, bool count_padding) {
  if (!count_padding) return {whole, 0, whole.extent};
  return {whole, -whole.before, static_cast<int>(std::min<Index>(whole.extent + after, divider_limit))};
}

/// Where gathered signals come from and go to.
template <class T>
struct Gather {
  Geometry g;
  Counted rows, columns;
  Index inner;
  const T* diff_dst;
  T* diff_src;
  [[nodiscard]] Index read() const { return Index{g.y.outputs} * g.x.outputs * inner; }
  [[nodiscard]] Index written() const { return Index{g.y.extent} * g.x.extent * inner; }
};

template <int N, class T, class Origins>
void run_gather(const Context<Cuda>& context, const Gather<T>& task, Index first_plane, Index planes,
                Origins origins) {
  over_planes(planes, task.g.y.extent, task.g.x.extent, task.inner / N, [&](Index first, const Box& box) {
    if constexpr (std::is_same_v<Origins, PlacedWindows>) origins.first_plane = first;
    const Index at = first_plane + first;
    launch(context, &average_unpool<T, N, Origins>, grid_of(box), box_threads, 0, box, task.g, task.rows,
           task.columns, origins, task.inner, task.diff_dst + at * task.read(),
           task.diff_src + at * task.written());
  });
}

/// The origins of some images as kernel parameters. Throws ShapeError where 31 bits do not hold them.
PlacedWindows placed_windows(const OutputOrigins& origins, Index first_image, Index images,
                             Index planes_an_image) {
  PlacedWindows placed{};
  placed.planes_an_image = Divider(planes_an_image);
  for (Index i = 0; i < images; ++i) {
    const auto at = static_cast<std::size_t>(first_image + i);
    placed.tops[i] = static_cast<int>(origins.tops[at]);
    placed.lefts[i] = static_cast<int>(origins.lefts[at]);
  }
  return placed;
}

/// An axis of whole planes for windows that begin at these outputs; checks that its numbers fit.
Axis whole_axis(const Axis& axis, Index before, Index extent, std::span<const Index> origins) {
  Index furthest = 0;
  for (const Index origin : origins) furthest = std::max(furthest, origin < 0 ? -origin : origin);
  return axis_of(axis.kernel, axis.stride, axis.dilation, before, extent, furthest + axis.outputs);
}

template <int N, class T>
void run_means(const Context<Cuda>& context, TensorView<const T, Cuda> src, TensorView<T, Cuda> dst) {
  const Index pixels = src[2] * src[3], channels = src[1];
  if (src.layout() == Layout::nchw) {
    const Index planes = src[0] * channels;
    launch(context, &plane_means<T, N>,
           dim3(static_cast<unsigned>(parts_of<Index>(planes, box_threads / 32))), box_threads, 0, planes,
           pixels, src.data(), dst.data());
    return;
  }
  const Index groups = parts_of<Index>(channels / N, mean_vectors), at_once = divider_limit / groups;
  require<ShapeError>(pixels <= divider_limit, "planes of ", pixels,
                      " pixels are too large for global_average_pool_forward on a GPU");
  for (Index first = 0; first < src[0]; first += at_once) {
    const auto blocks = static_cast<unsigned>(std::min(at_once, src[0] - first) * groups);
    launch(context, &plane_means_woven<T, N>, dim3(blocks), dim3(mean_vectors, mean_stripes), 0,
           Divider(groups), static_cast<int>(pixels), channels, src.data() + first * pixels * channels,
           dst.data() + first * channels);
  }
}

template <int N, bool Woven, class T>
void run_spread(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                TensorView<T, Cuda> diff_src, float scale) {
  const Planes planes(diff_src.shape(), diff_src.layout());
  const Index pixels = diff_src[2] * diff_src[3], plane_size = pixels * planes.inner;
  over_planes(planes.count, 1, Woven ? pixels : pixels / N, Woven ? planes.inner / N : 1,
              [&](Index first, const Box& box) {
                launch(context, &spread_means<T, N, Woven>, grid_of(box), box_threads, 0, box, scale,
                       planes.inner, plane_size, diff_dst.data() + first * planes.inner,
                       diff_src.data() + first * plane_size);
              });
}

}  // namespace

template <class T>
void average_pool2d_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                            const AveragePool2dParams& params, TensorView<T, Cuda> dst) {
  const Planes planes(src.shape(), src.layout());
  const Geometry g = geometry_of(params.window, src.shape(), dst.shape());
  const Counted rows = counted_along(g.y, params.window.padding.bottom, params.count_padding),
                columns = counted_along(g.x, params.window.padding.right, params.count_padding);
  const Index read = Index{g.y.extent} * g.x.extent * planes.inner,
              written = Index{g.y.outputs} * g.x.outputs * planes.inner;
  const auto run = [&](auto width) {
    constexpr int N = decltype(width)::value;
    over_planes(planes.count, g.y.outputs, g.x.outputs, planes.inner / N, [&](Index first, const Box& box) {
      launch(context, &average_pool<T, N>, grid_of(box), box_threads, 0, box, g, rows, columns, planes.inner,
             src.data() + first * read, dst.data() + first * written);
    });
  };
  constexpr int width = vector_width<T>;
  if (vector_aligned<width>(src.data(), planes.inner) && vector_aligned<width>(dst.data(), 0))
    run(std::integral_constant<int, width>{});
  else
    run(std::integral_constant<int, 1>{});
}

template <class T>
void average_pool2d_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                            const AveragePool2dParams& params, TensorView<T, Cuda> diff_src,
                            const OutputOrigins* origins) {
  const Planes planes(diff_src.shape(), diff_src.layout());
  const Geometry g = geometry_of(params.window, diff_src.shape(), diff_dst.shape());
  const Padding& pad = origins != nullptr ? origins->padding : params.window.padding;
  const Axis y = origins == nullptr ? g.y : whole_axis(g.y, pad.top, origins->height, origins->tops),
             x = origins == nullptr ? g.x : whole_axis(g.x, pad.left, origins->width, origins->lefts);
  const Gather<T> task{g,
                       counted_along(y, pad.bottom, params.count_padding),
                       counted_along(x, pad.right, params.count_padding),
                       planes.inner,
                       diff_dst.data(),
                       diff_src.data()};
  const auto run = [&](auto width) {
    constexpr int N = decltype(width)::value;
    if (origins == nullptr) return run_gather<N>(context, task, 0, planes.count, WholePlanes{});
    const Index each = planes.count / diff_src[0];
    for (Index image = 0; image < diff_src[0]; image += PlacedWindows::most) {
      const Index images = std::min<Index>(PlacedWindows::most, diff_src[0] - image);
      run_gather<N>(context, task, image * each, images * each,
                    placed_windows(*origins, image, images, each));
    }
  };
  constexpr int width = vector_width<T>;
  if (vector_aligned<width>(diff_src.data(), planes.inner) && vector_aligned<width>(diff_dst.data(), 0))
    run(std::integral_constant<int, width>{});
  else
    run(std::integral_constant<int, 1>{});
}

template <class T>
void global_average_pool_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                 TensorView<T, Cuda> dst) {
  const Index along = src.layout() == Layout::nhwc ? src[1] : src[2] * src[3];
  constexpr int width = vector_width<T>;
  if (vector_aligned<width>(src.data(), along))
    run_means<width>(context, src, dst);
  else
    run_means<1>(context, src, dst);
}

template <class T>
void global_average_pool_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                                 TensorView<T, Cuda> diff_src, Index pixels) {
  const bool woven = diff_src.layout() == Layout::nhwc;
  const Index along = woven ? diff_src[1] : diff_src[2] * diff_src[3];
  constexpr int width = vector_width<T>;
  const bool aligned =
      vector_aligned<width>(diff_src.data(), along) && (!woven || vector_aligned<width>(diff_dst.data(), 0));
  const float scale = 1.0f / static_cast<float>(pixels);
  if (woven)
    aligned ? run_spread<width, true>(context, diff_dst, diff_src, scale)
            : run_spread<1, true>(context, diff_dst, diff_src, scale);
  else
    aligned ? run_spread<width, false>(context, diff_dst, diff_src, scale)
            : run_spread<1, false>(context, diff_dst, diff_src, scale);
}

#define DECONV_INSTANCE(T)                                                                      \
  template void average_pool2d_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>,      \
                                          const AveragePool2dParams&, TensorView<T, Cuda>);     \
  template void average_pool2d_reverse<T>(const Context<Cuda>&, TensorView<const T, Cuda>,      \
                                          const AveragePool2dParams&, TensorView<T, Cuda>,      \
                                          const OutputOrigins*);                                \
  template void global_average_pool_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>, \
                                               TensorView<T, Cuda>);                            \
  template void global_average_pool_reverse<T>(const Context<Cuda>&, TensorView<const T, Cuda>, \
                                               TensorView<T, Cuda>, Index);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
