/// Unpooling, rectifier and the pass back through a convolution as one op: against the reference on every
/// device, and the one kernel on the emulated (or real) tensor cores, tile by tile.

#include "deconv/ops/unpool_conv2d.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "deconv/ops/reference/unpool_conv2d.hpp"
#include "support/convolution_passes.hpp"
#include "support/convolutions.hpp"
#include "support/each_device.hpp"
#include "support/relative_error.hpp"

namespace deconv::test {
namespace {

/// A convolution from src to `plane`, pooled to `pooled`, on the way back.
struct Unpooled {
  Shape src, plane, pooled;
  Conv2dParams params;
  Window2d window;
  OverlapRule overlap = OverlapRule::sum;
  std::optional<float> slope = 0.0f;
  [[nodiscard]] Shape weights() const {
    return {plane[1], src[1] / params.groups, params.window.kernel_y, params.window.kernel_x};
  }
  [[nodiscard]] std::string name() const {
    return message("unpool ", pooled, " by ", window, " to ", plane, ", then conv2d ", params.window,
                   ", groups ", params.groups, " back to ", src,
                   overlap == OverlapRule::last ? ", last" : "");
  }
};

Unpooled layer(Shape src, Index maps, Conv2dParams params, Window2d window,
               OverlapRule overlap = OverlapRule::sum, std::optional<float> slope = 0.0f) {
  const Shape plane = conv2d_output_shape(src, maps, params);
  return {std::move(src), plane, pool2d_output_shape(plane, window), params, window, overlap, slope};
}

/// What the kernel distinguishes: merged pixels and phases, maps in one part of 128 bytes or several, groups,
/// windows that overlap, that leave gaps, and of which many cover a pixel, and windows cut from larger
/// planes.
std::vector<Unpooled> cases() {
  const auto square = [](Index kernel, Index stride, Index pad) {
    return Conv2dParams{Window2d::square(kernel, stride, pad), 1};
  };
  const Window2d threes = Window2d::square(3, 2), padded = Window2d::square(3, 2, 1),
                 overhanging = Window2d::square(3, 2, 0, Rounding::ceil), twos = Window2d::square(2, 2),
                 nine = Window2d::square(3, 1, 1), gaps = Window2d::square(2, 3),
                 dilated{3, 2, 2, 1, 2, 3, {2, 1, 1, 0}, Rounding::ceil};
  const Conv2dParams grouped{{2, 2, 1, 2, 2, 1, {1, 0, 0, 1}, Rounding::floor}, 2};
  const Conv2dParams spread{{3, 3, 1, 2, 2, 3, {2, 2, 3, 3}, Rounding::floor}, 1};
  std::vector<Unpooled> all{
      layer({2, 3, 29, 31}, 96, square(7, 2, 1), threes),                           // ZFNet's first layers
      layer({1, 3, 39, 43}, 24, square(11, 4, 2), overhanging, OverlapRule::last),  // AlexNet's
      layer({1, 64, 10, 18}, 136, square(3, 1, 1), twos),                           // VGG's
      layer({2, 96, 15, 13}, 40, square(5, 2, 0), padded),                          // ZFNet's second layers
      layer({2, 32, 9, 11}, 64, square(3, 1, 1), nine, OverlapRule::last, 0.25f),
      layer({2, 20, 13, 9}, 24, square(3, 1, 1), gaps, OverlapRule::sum, std::nullopt),
      layer({2, 16, 9, 11}, 32, grouped, padded),
      layer({2, 24, 11, 12}, 16, spread, dilated),
      layer({3, 8, 5, 5}, 16, square(1, 3, 0), Window2d::square(2))};  // phases that no tap reaches
  // Windows of larger planes: extents by no rule, paddings that place them.
  Unpooled cut{{2, 16, 7, 9}, {2, 24, 8, 6}, {2, 24, 5, 4}, square(3, 1, 1), threes};
  cut.params.window.padding = {-1, 2, 0, 0};
  cut.window.padding = {1, -1, 0, 0};
  all.push_back(cut);
  return all;
}

/// Switches that a pooling of random planes would give; where extents follow no rule, any taps.
Tensor<std::uint8_t, Cpu> taps_of(const Unpooled& c, Layout layout) {
  Tensor<std::uint8_t, Cpu> taps(c.pooled);
  const Random random(77);
  for (Index i = 0; i < taps.count(); ++i)
    taps.data()[i] = static_cast<std::uint8_t>(
        random.below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(c.window.taps())));
  return in_layout<std::uint8_t>(taps.view(), layout);
}

template <Device D>
SwitchesView<const std::byte, D> as_switches(const Tensor<std::uint8_t, D>& taps) {
  return {reinterpret_cast<const std::byte*>(taps.data()), taps.shape(), taps.layout(), 1};
}

TEST_CASE("unpooling and the pass back in one op agree with the naive reference") {
  for (const Unpooled& c : cases()) {
    Operand weights{c.weights()};
    const auto op = declare_op(
        c.name(), {{c.pooled}, weights}, {{c.src}}, tolerance::long_sums, OnIntegers::exact,
        [&](const auto& in, const auto& out) {
          const auto taps = taps_of(c, in[0].layout());
          reference::unpool_conv2d_reverse_data(in[0], as_switches(taps), {c.window}, c.overlap, c.slope,
                                                c.plane, in[1], c.params, out[0]);
        },
        [&](const auto& context, const auto& in, const auto& out) {
          const auto run = [&](const auto& taps) {
            unpool_conv2d_reverse_data<ElementOf<decltype(out[0])>>(context, in[0], as_switches(taps),
                                                                    {c.window}, c.overlap, c.slope, c.plane,
                                                                    in[1], c.params, out[0]);
          };
          const auto taps = taps_of(c, in[0].layout());
          if constexpr (std::same_as<DeviceOf<decltype(context)>, Cpu>)
            run(taps);
          else
            run(to_device(context, taps.view()));
        });
    check_op(op, 0.1);
  }
}

TEST_CASE("unpooling with the pass back refuses what does not fit") {
  const Context<Cpu> context(1);
  const Unpooled c = cases()[2];
  const auto taps = taps_of(c, Layout::nchw);
  const Tensor<float, Cpu> signals(c.pooled), weights(c.weights());
  Tensor<float, Cpu> dst(c.src), wrong(c.src.with(1, 3));
  const auto run = [&](const Shape& plane, TensorView<float, Cpu> to) {
    unpool_conv2d_reverse_data<float>(context, signals, as_switches(taps), {c.window}, c.overlap, {}, plane,
                                      weights, c.params, to);
  };
  CHECK_THROWS_AS(run(c.plane, wrong.view()), ShapeError);
  CHECK_THROWS_AS(run(c.plane.with(1, 7), dst.view()), ShapeError);
  CHECK_FALSE(
      unpool_conv2d_pays<float>(context, c.pooled, {c.window}, c.plane, c.weights(), c.params, c.src));
}

#if defined(DECONV_TEST_CUDA)

/// The one kernel with units and a tile of the tester's choice; nothing where there is none. What it does not
/// write stays NaN.
template <class T>
std::optional<Tensor<T, Cpu>> run_fused(const Unpooled& c, cuda::TileChoice choice, Maths maths,
                                        bool integers) {
  const Context<Cuda> context = cuda_context()->with(maths);
  const auto on_device = [&](const Tensor<T, Cpu>& values) {
    return to_device(context, in_layout<T>(values, Layout::nhwc).view());
  };
  const auto nan = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
  auto diff_src = to_device(context, Tensor<T, Cpu>::filled(c.src, nan, Layout::nhwc).view());
  const auto signals = on_device(make_input<T>({c.pooled}, integers, 61));
  const auto weights = on_device(make_input<T>({c.weights()}, integers, 62));
  const auto taps = to_device(context, taps_of(c, Layout::nhwc).view());
  const auto wide = Switches<Cuda>::make(c.pooled, Layout::nhwc, c.window.taps(), context.workspace());
  const auto switches = wide.view().width() == 1 ? as_switches(taps) : wide.view();
  if (!cuda::unpool_conv2d_reverse_data<T>(context, signals, switches, c.window, c.overlap, c.slope, c.plane,
                                           weights, c.params, diff_src.view(), choice))
    return {};
  return in_layout<T>(to_host(context, diff_src.view()).view(), Layout::nchw);
}

/// The reference in double on the numbers as T has them.
template <class T>
Tensor<double, Cpu> expected_of(const Unpooled& c, bool integers) {
  const auto widened = [](const Tensor<T, Cpu>& values) {
    Tensor<double, Cpu> wide(values.shape());
    for (Index i = 0; i < wide.count(); ++i) wide.data()[i] = number(values.data()[i]);
    return wide;
  };
  const auto signals = widened(make_input<T>({c.pooled}, integers, 61));
  const auto weights = widened(make_input<T>({c.weights()}, integers, 62));
  const auto taps = taps_of(c, Layout::nchw);
  Tensor<double, Cpu> expected(c.src);
  reference::unpool_conv2d_reverse_data<double>(signals, as_switches(taps), {c.window}, c.overlap, c.slope,
                                                c.plane, weights, c.params, expected.view());
  return expected;
}

/// Warpgroups serve one group and single products.
bool on_warpgroups(const Unpooled& c, Maths maths) { return c.params.groups == 1 && maths != Maths::tf32x3; }

/// The tiles of both units, and what the shape calls for: exact on integers, and one of them within `allowed`
/// on random numbers. How many were checked.
template <class T>
int check_tiles(const Unpooled& c, Maths maths, double allowed) {
  int checked = 0;
  const auto expected = expected_of<T>(c, true), random = expected_of<T>(c, false);
  CHECK(share_of_nonzero(expected) > 0.1);
  const auto check = [&](cuda::Units units, const std::vector<int>& tiles) {
    for (const int tile : tiles) {
      INFO(c.name() << ", units " << static_cast<int>(units) << ", tile " << tile << ", "
                    << name_of(dtype_of<T>) << ", " << name_of(maths));
      const auto met = run_fused<T>(c, {tile, 1, units}, maths, true);
      REQUIRE(met);
      CHECK(different(*met, expected) == 0);
      ++checked;
    }
    const auto met = run_fused<T>(c, {-1, 1, units}, maths, false);
    REQUIRE(met);
    const double error = error_against<T>(*met, random);
    INFO(c.name() << ", units " << static_cast<int>(units) << ", " << name_of(dtype_of<T>) << ", "
                  << name_of(maths) << ": error " << error);
    CHECK_FALSE(!(error <= allowed));
  };
  check(cuda::Units::by_maths, {-1});
  check(cuda::Units::matrix, {1, 2, 4});
  if (on_warpgroups(c, maths)) check(cuda::Units::warpgroup, {1, 2, 3, 4});
  return checked;
}

// A result is rounded once, its unpooled sums too; products of 16-bit numbers are exact.
constexpr double half_error = 0x1p-11, bfloat16_error = 0x1p-8, tf32_error = 0x1p-11;

TEST_CASE("every tile unpools and passes back in one kernel") {
  if (!cuda_context()) return;
  const auto check = [&]<class T>(T, Maths maths, double allowed) {
    int checked = 0;
    for (const Unpooled& c : cases()) checked += check_tiles<T>(c, maths, allowed);
    return checked;
  };
  // Ten cases, one of them in groups.
  CHECK(check(half(), Maths::float32, half_error) == 10 * 4 + 9 * 4);
  CHECK(check(bfloat16(), Maths::float32, bfloat16_error) == 10 * 4 + 9 * 4);
  CHECK(check(float(), Maths::tf32, tf32_error) == 10 * 4 + 9 * 4);
  CHECK(check(float(), Maths::tf32x3, 1e-6) == 10 * 4);
}

TEST_CASE("blocks of warpgroups unpool many patches, one after the other") {
  if (!cuda_context()) return;
  // More tiles than an emulated (or real) GPU has multiprocessors; maps in an odd number of parts, the last
  // of which has less than 32 bytes; images, rows and columns of patches, of which the last ones hang over.
  const Unpooled c =
      layer({2, 72, 40, 21}, 136, {Window2d::square(3, 1, 1), 1}, Window2d::square(3, 2), OverlapRule::last);
  check_tiles<half>(c, Maths::float32, half_error);
  check_tiles<float>(c, Maths::tf32, tf32_error);
}

TEST_CASE("NaN and infinities go through one kernel back on either units alike") {
  if (!cuda_context()) return;
  const Context<Cuda> context = *cuda_context();
  const Unpooled c = cases()[3];
  auto signals = make_input<half>({c.pooled}, true, 61);
  signals.data()[17] = static_cast<half>(std::numeric_limits<float>::quiet_NaN());
  signals.data()[signals.count() / 2] = static_cast<half>(std::numeric_limits<float>::infinity());
  const auto on_device = [&](const Tensor<half, Cpu>& values) {
    return to_device(context, in_layout<half>(values, Layout::nhwc).view());
  };
  const auto from = on_device(signals), weights = on_device(make_input<half>({c.weights()}, true, 62));
  const auto taps = to_device(context, taps_of(c, Layout::nhwc).view());
  const auto run = [&](cuda::Units units) {
    auto diff_src = context.make<half>(c.src, Layout::nhwc);
    REQUIRE(cuda::unpool_conv2d_reverse_data<half>(context, from, as_switches(taps), c.window, c.overlap,
                                                   c.slope, c.plane, weights, c.params, diff_src.view(),
                                                   {-1, 1, units}));
    return to_host(context, diff_src.view());
  };
  const auto warps = run(cuda::Units::matrix), groups = run(cuda::Units::warpgroup);
  Index finite = 0, different = 0;
  for (Index i = 0; i < warps.count(); ++i) {
    const double left = number(warps.data()[i]), right = number(groups.data()[i]);
    finite += std::isfinite(left) ? 1 : 0;
    different += left == right || (std::isnan(left) && std::isnan(right)) ? 0 : 1;
  }
  CHECK(different == 0);
  CHECK(finite > 0);
  CHECK(finite < warps.count());
}

TEST_CASE("unpooling warpgroups asked for by name are refused where they do not serve") {
  if (!cuda_context()) return;
  const auto refused = [&]<class T>(T, const Unpooled& c, Maths maths, cuda::TileChoice choice,
                                    const char* why) {
    INFO(c.name() << ", tile " << choice.tile);
    CHECK_THROWS_AS(run_fused<T>(c, choice, maths, true), ArgumentError);
    CHECK_THROWS_WITH(run_fused<T>(c, choice, maths, true), Contains(why));
  };
  constexpr auto groups = cuda::Units::warpgroup;
  const Window2d twos = Window2d::square(2, 2);
  const Conv2dParams threes{Window2d::square(3, 1, 1), 1};
  const Unpooled plain = layer({1, 16, 12, 12}, 16, threes, twos),
                 grouped = layer({1, 32, 12, 12}, 32, {Window2d::square(3, 1, 1), 2}, twos);
  refused(float(), plain, Maths::tf32x3, {-1, 1, groups}, "single products");
  refused(half(), grouped, Maths::float32, {-1, 1, groups}, "one group");
  refused(half(), plain, Maths::float32, {0, 1, groups}, "at most 128 columns");
  refused(half(), plain, Maths::float32, {99, 1, groups}, "tile 99");
  refused(half(), plain, Maths::float32, {-1, 2, groups}, "splits");
  refused(half(), plain, Maths::float32, {0, 1, cuda::Units::matrix}, "less than 128 columns");
}

TEST_CASE("what is not for one kernel back is left to three") {
  if (!cuda_context()) return;
  const auto done = [&]<class T>(T, Unpooled c, Maths maths) {
    return run_fused<T>(c, {}, maths, true).has_value();
  };
  const Context<Cuda> context = cuda_context()->with(Maths::tf32);
  const auto pays = [&](const Unpooled& c) {
    return unpool_conv2d_pays<float>(context, c.pooled, {c.window}, c.plane, c.weights(), c.params, c.src);
  };
  const Conv2dParams params{Window2d::square(3, 1, 1), 1}, far{{2, 2, 1, 1, 40, 40, {}, Rounding::floor}, 1};
  const Unpooled plain = layer({1, 16, 12, 12}, 16, params, Window2d::square(2, 2)),
                 odd = layer({1, 16, 12, 12}, 18, params, Window2d::square(2, 2)),
                 reaching = layer({1, 16, 44, 44}, 16, far, Window2d::square(2, 2)),
                 merged = layer({1, 3, 44, 44}, 16, params, Window2d::square(2, 2)),
                 late = layer({1, 16, 44, 44}, 16, params, Window2d::square(17));
  CHECK(done(half(), plain, Maths::float32));
  CHECK_FALSE(done(half(), odd, Maths::float32));       // maps in no multiple of 16 bytes
  CHECK_FALSE(done(half(), reaching, Maths::float32));  // taps too far apart for shared memory
  CHECK_FALSE(done(half(), merged, Maths::float32));    // and blocks of merged pixels, two in the plane apart
  CHECK_FALSE(done(half(), late, Maths::float32));      // switches of two bytes
  for (const Unpooled& c : {odd, reaching, merged, late})
    CHECK_FALSE(run_fused<half>(c, {-1, 1, cuda::Units::warpgroup}, Maths::float32, true).has_value());
  CHECK(pays(plain));
  CHECK_FALSE(pays(odd));
  CHECK_FALSE(pays(reaching));
  CHECK_FALSE(unpool_conv2d_pays<float>(*cuda_context(), plain.pooled, {plain.window}, plain.plane,
                                        plain.weights(), plain.params, plain.src));
}

TEST_CASE("one kernel back pays for the layers with the largest planes") {
  if (!cuda_context()) return;
  const auto pays = [&]<class T = bfloat16>(const Unpooled& c, T = {}) {
    return unpool_conv2d_pays<T>(cuda_context()->with(Maths::tf32), c.pooled, {c.window}, c.plane,
                                 c.weights(), c.params, c.src);
  };
  const auto square = [](Index kernel, Index stride, Index pad) {
    return Conv2dParams{Window2d::square(kernel, stride, pad), 1};
  };
  // On either units: ZFNet's first layer (with 16-bit numbers on warpgroups alone), AlexNet's, VGG's conv1_2.
  CHECK(pays(layer({128, 3, 224, 224}, 96, square(7, 2, 1), Window2d::square(3, 2)), float()));
  CHECK(pays(layer({128, 3, 227, 227}, 96, square(11, 4, 0), Window2d::square(3, 2))));
  CHECK(pays(layer({128, 64, 224, 224}, 64, square(3, 1, 1), Window2d::square(2, 2))));
  // VGG's conv5_3: 14 x 14 pixels leave patches of 8 x 16 half empty.
  CHECK_FALSE(pays(layer({128, 512, 14, 14}, 512, square(3, 1, 1), Window2d::square(2, 2))));
}

#endif

}  // namespace
}  // namespace deconv::test
