#include "lrn.cuh"

#include "common/launch.cuh"
#include "deconv/ops/cuda/lrn.hpp"

namespace deconv::cuda {
namespace {

LrnCoefficients coefficients_of(const LrnParams& params) {
  const LrnPower power = params.beta == 0.75f  ? LrnPower::three_quarters
                         : params.beta == 0.5f ? LrnPower::half
                         : params.beta == 1.0f ? LrnPower::one
                                               : LrnPower::other;
  return {params.k, static_cast<float>(deconv::detail::lrn_scale(params)), params.beta, power};
}

LrnRegionShape region_of(const LrnParams& params, const Shape& shape, Layout layout) {
  for (const Index extent : {shape[1], shape[2], shape[3]})
    require<ShapeError>(extent <= divider_limit, "an extent of ", extent, " is too large for lrn on a GPU");
  const auto reach = static_cast<int>(params.size);
  return {static_cast<int>(shape[1]),
          static_cast<int>(shape[2]),
          static_cast<int>(shape[3]),
          (reach - 1) / 2,
          reach / 2,
          params.region == LrnRegion::across_channels,
          layout == Layout::nhwc};
}

/// Calls body(first image or plane, box) with one piece an element, as LrnElement finds them.
template <class Body>
void over_elements(const Shape& shape, Layout layout, const Body& body) {
  const Planes planes(shape, layout);
  over_planes(planes.count, shape[2], shape[3], planes.inner, body);
}

template <class Body>
void with_size(Index size, bool common, const Body& body) {
  using std::integral_constant;
  const auto sized = [&](auto constant) {
    common ? body(constant, std::true_type{}) : body(constant, std::false_type{});
  };
  size == 5 ? sized(integral_constant<int, 5>{}) : sized(integral_constant<int, 3>{});
}

template <class T, int Size, bool Common>
void run_woven(const Context<Cuda>& context, TensorView<const T, Cuda> src, LrnCoefficients c, T* dst) {
  constexpr int N = vector_width<T>;
  const Index pixels = src[0] * src[2] * src[3], channels = src[1];
  over_planes(pixels, 1, 1, channels / N, [&](Index first, const Box& box) {
    const Index at = first * channels;
    launch(context, &lrn_across_woven<T, N, Size, Common>, grid_of(box), box_threads, 0, box.count,
           box.vectors, channels, c, src.data() + at, dst + at);
  });
}

template <class T, int Size, bool Common>
void run_woven_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> src, LrnCoefficients c,
                       const T* diff_dst, T* diff_src) {
  constexpr int N = vector_width<T>;
  const Index pixels = src[0] * src[2] * src[3], channels = src[1];
  over_planes(pixels, 1, 1, channels / N, [&](Index first, const Box& box) {
    const Index at = first * channels;
    const std::uint32_t warps = parts_of<std::uint32_t>(box.count, lrn_warp_vectors);
    launch(context, &lrn_across_woven_reverse<T, N, Size, Common>, dim3(parts_of(warps, box_threads / 32)),
           box_threads, 0, box.count, box.vectors, c, src.data() + at, diff_dst + at, diff_src + at);
  });
}

template <class T, int Size, bool Common>
void run_planes(const Context<Cuda>& context, TensorView<const T, Cuda> src, LrnCoefficients c, T* dst) {
  const Index pixels = src[2] * src[3], channels = src[1];
  over_planes(src[0], parts_of<Index>(channels, lrn_piece), pixels, 1, [&](Index first, const Box& box) {
    const Index at = first * pixels * channels;
    launch(context, &lrn_across_planes<T, Size, Common>, grid_of(box), box_threads, 0, box, pixels,
           static_cast<int>(channels), c, src.data() + at, dst + at);
  });
}

template <class T, int Size, bool Common>
void run_planes_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> src, LrnCoefficients c,
                        const T* diff_dst, T* diff_src) {
  const Index pixels = src[2] * src[3], channels = src[1];
  over_planes(src[0], parts_of<Index>(channels, lrn_piece), pixels, 1, [&](Index first, const Box& box) {
    const Index at = first * pixels * channels;
    launch(context, &lrn_across_planes_reverse<T, Size, Common>, grid_of(box), box_threads, 0, box, pixels,
           static_cast<int>(channels), c, src.data() + at, diff_dst + at, diff_src + at);
  });
}

}  // namespace

template <class T>
void lrn_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src, const LrnParams& params,
                 TensorView<T, Cuda> dst) {
  const LrnCoefficients c = coefficients_of(params);
  const LrnRegionShape region = region_of(params, src.shape(), src.layout());
  const bool short_region = region.across && (params.size == 3 || params.size == 5);
  const bool aligned =
      vector_aligned<vector_width<T>>(src.data(), src[1]) && vector_aligned<vector_width<T>>(dst.data(), 0);
  const bool common = c.power == LrnPower::three_quarters;
  if (short_region && region.woven && aligned)
    with_size(params.size, common, [&](auto size, auto usual) {
      run_woven<T, decltype(size)::value, decltype(usual)::value>(context, src, c, dst.data());
    });
  else if (short_region && !region.woven)
    with_size(params.size, common, [&](auto size, auto usual) {
      run_planes<T, decltype(size)::value, decltype(usual)::value>(context, src, c, dst.data());
    });
  else
    over_elements(src.shape(), src.layout(), [&](Index first, const Box& box) {
      launch(context, &lrn_any<T>, grid_of(box), box_threads, 0, box, region, c, first, src.data(),
             dst.data());
    });
}

template <class T>
void lrn_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                 TensorView<const T, Cuda> diff_dst, const LrnParams& params, TensorView<T, Cuda> diff_src) {
  const LrnCoefficients c = coefficients_of(params);
  const LrnRegionShape region = region_of(params, src.shape(), src.layout());
  const bool short_region = region.across && (params.size == 3 || params.size == 5);
  constexpr int width = vector_width<T>;
  const bool aligned = vector_aligned<width>(src.data(), src[1]) &&
                       vector_aligned<width>(diff_dst.data(), 0) && vector_aligned<width>(diff_src.data(), 0);
  const bool common = c.power == LrnPower::three_quarters;
  if (short_region && region.woven && aligned)
    return with_size(params.size, common, [&](auto size, auto usual) {
      run_woven_reverse<T, decltype(size)::value, decltype(usual)::value>(context, src, c, diff_dst.data(),
                                                                          diff_src.data());
    });
  if (short_region && !region.woven)
    return with_size(params.size, common, [&](auto size, auto usual) {
      run_planes_reverse<T, decltype(size)::value, decltype(usual)::value>(context, src, c, diff_dst.data(),
                                                                           diff_src.data());
    });
  auto powers = context.make<float>({src.count()}), ratios = context.make<float>({src.count()});
  over_elements(src.shape(), src.layout(), [&](Index first, const Box& box) {
    launch(context, &lrn_ratios<T>, grid_of(box), box_threads, 0, box, region, c, first, src.data(),
           diff_dst.data(), powers.data(), ratios.data());
  });
  over_elements(src.shape(), src.layout(), [&](Index first, const Box& box) {
    launch(context, &lrn_any_reverse<T>, grid_of(box), box_threads, 0, box, region, c, first, src.data(),
           diff_dst.data(), powers.data(), ratios.data(), diff_src.data());
  });
}

#define DECONV_INSTANCE(T)                                                                                 \
  template void lrn_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>, const LrnParams&,          \
                               TensorView<T, Cuda>);                                                       \
  template void lrn_reverse<T>(const Context<Cuda>&, TensorView<const T, Cuda>, TensorView<const T, Cuda>, \
                               const LrnParams&, TensorView<T, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
