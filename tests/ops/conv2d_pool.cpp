/// Convolution, rectifier and max-pooling as one op: against the reference on every device, and on the
/// emulated (or real) tensor cores the one kernel against the separate ones, bit for bit.

#include "deconv/ops/conv2d_pool.hpp"

#include <cstring>
#include <limits>

#include "deconv/ops/reference/conv2d_pool.hpp"
#include "support/convolution_passes.hpp"
#include "support/convolutions.hpp"
#include "support/each_device.hpp"

namespace deconv::test {
namespace {

struct Pooled {
  Convolution convolution;
  Window2d window;
  std::optional<float> slope = 0.0f;
  [[nodiscard]] std::string name() const {
    return message(convolution.name("and max_pool2d"), ", pooled by ", window);
  }
  [[nodiscard]] Shape dst() const { return pool2d_output_shape(convolution.dst(), window); }
};

Convolution square(Shape src, Index maps, Index kernel, Index stride, Index pad, Index groups = 1) {
  return {std::move(src), maps, {Window2d::square(kernel, stride, pad), groups}};
}

/// What the kernel distinguishes: packed pixels or not, channels in chunks, groups, several tiles of maps,
/// windows that overlap or not, that hang over the plane by padding or rounding, oblong and dilated ones.
std::vector<Pooled> cases() {
  const Window2d threes = Window2d::square(3, 2), padded = Window2d::square(3, 2, 1),
                 overhanging = Window2d::square(3, 2, 0, Rounding::ceil), twos = Window2d::square(2, 2),
                 oblong{2, 3, 1, 2, 1, 1, {1, 0, 1, 1}, Rounding::floor},
                 dilated{3, 2, 2, 1, 2, 3, {2, 1, 1, 0}, Rounding::ceil},
                 lopsided{2, 2, 2, 2, 1, 1, {1, 1, 1, 0}, Rounding::ceil};
  const Conv2dParams grouped{{2, 2, 1, 2, 2, 1, {1, 0, 0, 1}, Rounding::floor}, 2};
  const Conv2dParams spread{{3, 3, 1, 1, 2, 3, {2, 2, 3, 3}, Rounding::floor}, 1};
  return {{square({2, 3, 29, 31}, 96, 7, 2, 1), threes},                 // ZFNet's first layers
          {square({1, 3, 39, 43}, 24, 11, 4, 2), overhanging},           // AlexNet's
          {square({1, 64, 10, 18}, 136, 3, 1, 1), twos},                 // VGG's
          {square({2, 3, 9, 8}, 20, 3, 1, 1), overhanging},              // merged taps at the plane's edge
          {square({2, 32, 9, 11}, 64, 3, 1, 1), padded, 0.25f},          // a leaky rectifier
          {square({2, 5, 13, 9}, 20, 3, 1, 1), lopsided, std::nullopt},  // none
          {{{2, 16, 9, 11}, 32, grouped}, oblong},
          {{{2, 5, 9, 8}, 70, spread}, dilated},
          {square({3, 8, 8, 8}, 9, 1, 1, 0), Window2d::square(8)},  // one window a plane
          {square({2, 24, 7, 7}, 100, 3, 1, 1), Window2d::square(2, 3)}};
}

TEST_CASE("convolution and pooling in one op agree with the naive reference") {
  for (const Pooled& c : cases()) {
    const Convolution& conv = c.convolution;
    const auto op = declare_op(
        c.name(), {{conv.src}, weights_of(conv, Weights::as_backend), {{conv.out_channels}}}, {{c.dst()}},
        tolerance::long_sums, OnIntegers::exact,
        [&](const auto& in, const auto& out) {
          reference::conv2d_pool_forward(in[0], in[1], in[2], conv.params, c.slope, {c.window}, out[0]);
        },
        [&](const auto& context, const auto& in, const auto& out) {
          conv2d_pool_forward<ElementOf<decltype(out[0])>>(context, in[0], in[1], in[2], conv.params, c.slope,
                                                           {c.window}, out[0]);
        });
    check_op(op, 0.2);
  }
}

TEST_CASE("convolution and pooling refuse what does not fit") {
  const Context<Cpu> context(1);
  const Tensor<float, Cpu> src({1, 2, 6, 6}), weights({4, 2, 3, 3}), bias({3});
  const Conv2dParams params{Window2d::square(3, 1, 1), 1};
  Tensor<float, Cpu> dst({1, 4, 3, 3}), wrong({1, 4, 3, 2});
  const MaxPool2dParams pool{Window2d::square(2, 2)};
  CHECK_THROWS_AS(conv2d_pool_forward<float>(context, src, weights, {}, params, {}, pool, wrong.view()),
                  ShapeError);
  CHECK_THROWS_AS(conv2d_pool_forward<float>(context, src, weights, bias, params, {}, pool, dst.view()),
                  ShapeError);
  CHECK_FALSE(conv2d_pool_pays<float>(context, src.shape(), weights.shape(), params, pool));
}

#if defined(DECONV_TEST_CUDA)

/// Maxima and switches as the host has them.
template <class T>
struct PooledResult {
  Tensor<T, Cpu> maxima;
  Tensor<std::uint8_t, Cpu> taps;
};

enum class Kernels { separate, fused, fused_off_vectors };

/// What stays unwritten is NaN and 255.
template <class T>
PooledResult<T> run_pooled(const Pooled& c, Kernels kernels, cuda::TileChoice choice, Maths maths,
                           TensorView<const T, Cpu> src, TensorView<const T, Cpu> weights,
                           TensorView<const T, Cpu> bias) {
  const Context<Cuda> context = cuda_context()->with(maths);
  const Conv2dParams& params = c.convolution.params;
  const auto nan = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
  const auto pixels = to_device(context, in_layout<T>(src, Layout::nhwc).view());
  const auto filters = to_device(context, in_layout<T>(weights, Layout::nhwc).view());
  const auto values = to_device(context, bias);
  const auto empty = Tensor<T, Cpu>::filled(c.dst(), nan, Layout::nhwc);
  const Index shift = kernels == Kernels::fused_off_vectors ? 1 : 0;
  ShiftedTensor<T, Cuda> maxima(context, empty.view(), shift);
  const auto no_taps = Tensor<std::uint8_t, Cpu>::filled(c.dst(), 255, Layout::nhwc);
  ShiftedTensor<std::uint8_t, Cuda> taps(context, no_taps.view(), 0);
  const SwitchesView<std::byte, Cuda> switches(reinterpret_cast<std::byte*>(taps.view().data()), c.dst(),
                                               Layout::nhwc, 1);
  if (kernels == Kernels::separate) {
    auto plane = context.make<T>(c.convolution.dst(), Layout::nhwc);
    cuda::conv2d_forward<T>(context, pixels, filters, values.data(), params, plane.view(), c.slope, choice);
    cuda::max_pool2d_forward<T>(context, plane.view(), c.window, maxima.view(), switches);
  } else {
    REQUIRE(cuda::conv2d_pool_forward<T>(context, pixels, filters, values.data(), params, c.slope, c.window,
                                         maxima.view(), switches, choice));
    // Without switches the maxima must be the same.
    ShiftedTensor<T, Cuda> again(context, empty.view(), shift);
    REQUIRE(cuda::conv2d_pool_forward<T>(context, pixels, filters, values.data(), params, c.slope, c.window,
                                         again.view(), {}, choice));
    CHECK(same_bits(context, again.view(), maxima.view()));
  }
  return {to_host(context, maxima.view()), to_host(context, taps.view())};
}

/// The tiles of the warpgroups' table that serve a type, the widest of which leaves no room for floats.
template <class T>
std::vector<int> warpgroup_tiles() {
  return std::is_same_v<T, float> ? std::vector<int>{1, 2, 3} : std::vector<int>{0, 1, 2, 3};
}
bool on_warpgroups(const Pooled& c, Maths maths) {
  return c.convolution.params.groups == 1 && maths != Maths::tf32x3;
}

/// Every tile against the separate kernels, on the same units.
template <class T>
int check_bits(const Pooled& c, Maths maths, TensorView<const T, Cpu> src, TensorView<const T, Cpu> weights,
               TensorView<const T, Cpu> bias) {
  int checked = 0;
  const auto check = [&](cuda::Units units, const std::vector<int>& tiles, int off_vectors) {
    const auto wanted = run_pooled<T>(c, Kernels::separate, {-1, 1, units}, maths, src, weights, bias);
    for (const int tile : tiles) {
      INFO(c.name() << ", units " << static_cast<int>(units) << ", tile " << tile << ", "
                    << name_of(dtype_of<T>) << ", " << name_of(maths));
      const Kernels kernels = tile == off_vectors ? Kernels::fused_off_vectors : Kernels::fused;
      const auto met = run_pooled<T>(c, kernels, {tile, 1, units}, maths, src, weights, bias);
      CHECK(std::memcmp(met.maxima.data(), wanted.maxima.data(), wanted.maxima.bytes()) == 0);
      CHECK(std::memcmp(met.taps.data(), wanted.taps.data(), wanted.taps.bytes()) == 0);
      ++checked;
    }
  };
  check(cuda::Units::matrix, {0, 1, 2, -1}, 1);
  if (on_warpgroups(c, maths)) check(cuda::Units::warpgroup, warpgroup_tiles<T>(), 2);
  return checked;
}

/// On random numbers, or on small integers, among which there are many ties.
template <class T>
int check_cases(Maths maths, bool integers) {
  int checked = 0;
  for (const Pooled& c : cases())
    checked += check_bits<T>(c, maths, make_input<T>({c.convolution.src}, integers, 61),
                             make_input<T>({c.convolution.weights()}, integers, 62),
                             make_input<T>({{c.convolution.out_channels}}, integers, 63));
  return checked;
}

TEST_CASE("one kernel pools with the bits and switches of the separate ones") {
  if (!cuda_context()) return;
  // Nine cases, one of them in groups.
  CHECK(check_cases<half>(Maths::float32, false) == 10 * 4 + 9 * 4);
  CHECK(check_cases<bfloat16>(Maths::float32, true) == 10 * 4 + 9 * 4);
  CHECK(check_cases<float>(Maths::tf32, true) == 10 * 4 + 9 * 3);
  CHECK(check_cases<float>(Maths::tf32x3, false) == 10 * 4);
}

TEST_CASE("NaN and infinities win or lose alike in one kernel and in two") {
  if (!cuda_context()) return;
  const auto check = [&]<class T>(T, Maths maths) {
    for (const Pooled& c : {cases()[2], cases()[4], cases()[5]}) {
      auto src = make_input<T>({c.convolution.src}, false, 61);
      src.data()[17] = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
      src.data()[src.count() / 2] = static_cast<T>(std::numeric_limits<float>::infinity());
      src.data()[src.count() - 5] = static_cast<T>(-std::numeric_limits<float>::infinity());
      check_bits<T>(c, maths, src, make_input<T>({c.convolution.weights()}, false, 62),
                    make_input<T>({{c.convolution.out_channels}}, false, 63));
    }
  };
  check(half(), Maths::float32);
  check(bfloat16(), Maths::float32);
  check(float(), Maths::tf32);
}

TEST_CASE("windows without a tap inside the plane pool to minus infinity and switch 0") {
  if (!cuda_context()) return;
  // Of two rows a window sees the one above and the one below.
  const Pooled c{square({2, 16, 2, 9}, 24, 3, 1, 1), {2, 2, 1, 1, 3, 1, {1, 0, 1, 0}, Rounding::floor}};
  const auto check = [&]<class T>(T, Maths maths) {
    const auto src = make_input<T>({c.convolution.src}, false, 61),
               weights = make_input<T>({c.convolution.weights()}, false, 62),
               bias = make_input<T>({{c.convolution.out_channels}}, false, 63);
    check_bits<T>(c, maths, src, weights, bias);
    for (const auto units : {cuda::Units::matrix, cuda::Units::warpgroup}) {
      const auto met = run_pooled<T>(c, Kernels::fused, {-1, 1, units}, maths, src, weights, bias);
      CHECK(std::all_of(met.maxima.begin(), met.maxima.end(),
                        [](T value) { return number(value) == -std::numeric_limits<double>::infinity(); }));
      CHECK(std::all_of(met.taps.begin(), met.taps.end(), [](std::uint8_t tap) { return tap == 0; }));
    }
  };
  check(half(), Maths::float32);
  check(bfloat16(), Maths::float32);
  check(float(), Maths::tf32);
}

TEST_CASE("the one kernel's switches are the reference's on integers") {
  if (!cuda_context()) return;
  for (const Pooled& c : cases()) {
    INFO(c.name());
    const Convolution& conv = c.convolution;
    const auto src = make_input<double>({conv.src}, true, 61),
               weights = make_input<double>({conv.weights()}, true, 62),
               bias = make_input<double>({{conv.out_channels}}, true, 63);
    Tensor<double, Cpu> maxima(c.dst());
    auto switches = Switches<Cpu>::make(c.dst(), Layout::nchw, c.window.taps(), Context<Cpu>(1).workspace());
    reference::conv2d_pool_forward<double>(src, weights, bias, conv.params, c.slope, {c.window},
                                           maxima.view(), switches);
    // On the units that the shape calls for, too.
    for (const auto units : {cuda::Units::by_maths, cuda::Units::matrix, cuda::Units::warpgroup}) {
      if (units == cuda::Units::warpgroup && !on_warpgroups(c, Maths::tf32)) continue;
      const auto met = run_pooled<float>(
          c, Kernels::fused, {-1, 1, units}, Maths::tf32, make_input<float>({conv.src}, true, 61),
          make_input<float>({conv.weights()}, true, 62), make_input<float>({{conv.out_channels}}, true, 63));
      CHECK(different(in_layout<float>(met.maxima.view(), Layout::nchw), maxima) == 0);
      const auto taps = in_layout<std::uint8_t>(met.taps.view(), Layout::nchw);
      CHECK(std::memcmp(taps.data(), switches.view().data(), taps.bytes()) == 0);
    }
  }
}

TEST_CASE("blocks of warpgroups take many patches, one after the other") {
  if (!cuda_context()) return;
  // More tiles than an emulated (or real) GPU has multiprocessors; strides of 2 that are not merged; images,
  // rows and columns of patches, of which the last ones hang over the plane.
  const Pooled c{square({2, 16, 40, 63}, 72, 3, 2, 1), Window2d::square(3, 2, 1)};
  const auto check = [&]<class T>(T, Maths maths) {
    check_bits<T>(c, maths, make_input<T>({c.convolution.src}, false, 61),
                  make_input<T>({c.convolution.weights()}, false, 62),
                  make_input<T>({{c.convolution.out_channels}}, false, 63));
  };
  check(half(), Maths::float32);
  check(float(), Maths::tf32);
}

TEST_CASE("pooling warpgroups asked for by name are refused where they do not serve") {
  if (!cuda_context()) return;
  const auto refused = [&]<class T>(T, const Convolution& conv, Maths maths, cuda::TileChoice choice,
                                    const char* why) {
    const Context<Cuda> context = cuda_context()->with(maths);
    const auto src = context.make<T>(conv.src, Layout::nhwc),
               weights = context.make<T>(conv.weights(), Layout::nhwc);
    const Window2d twos = Window2d::square(2, 2);
    auto dst = context.make<T>(pool2d_output_shape(conv.dst(), twos), Layout::nhwc);
    CHECK_THROWS_AS(static_cast<void>(cuda::conv2d_pool_forward<T>(
                        context, src, weights, nullptr, conv.params, 0.0f, twos, dst.view(), {}, choice)),
                    ArgumentError);
    CHECK_THROWS_WITH(static_cast<void>(cuda::conv2d_pool_forward<T>(
                          context, src, weights, nullptr, conv.params, 0.0f, twos, dst.view(), {}, choice)),
                      Contains(why));
  };
  constexpr auto groups = cuda::Units::warpgroup;
  const Convolution plain = square({1, 16, 16, 16}, 16, 3, 1, 1);
  refused(float(), plain, Maths::tf32x3, {-1, 1, groups}, "single products");
  refused(half(), square({1, 32, 9, 9}, 32, 3, 1, 1, 2), Maths::float32, {-1, 1, groups}, "one group");
  refused(half(), square({1, 16, 40, 40}, 16, 3, 9, 1), Maths::float32, {-1, 1, groups}, "strides up to 8");
  refused(float(), plain, Maths::tf32, {0, 1, groups}, "three stages beside");  // 256 columns of floats
  refused(half(), plain, Maths::float32, {4, 1, groups}, "at least 64 columns");
  refused(half(), plain, Maths::float32, {99, 1, groups}, "tile 99");
  refused(half(), plain, Maths::float32, {-1, 2, groups}, "splits");
  refused(half(), plain, Maths::float32, {3, 1, cuda::Units::matrix}, "128 rows");
}

TEST_CASE("what is not for one kernel is left to two") {
  if (!cuda_context()) return;
  const Context<Cuda>& context = *cuda_context();
  const auto done = [&]<class T>(T, const Convolution& conv, const Window2d& window, Maths maths) {
    const auto src = context.make<T>(conv.src, Layout::nhwc),
               weights = context.make<T>(conv.weights(), Layout::nhwc);
    auto dst = context.make<T>(pool2d_output_shape(conv.dst(), window), Layout::nhwc);
    return cuda::conv2d_pool_forward<T>(context.with(maths), src, weights, nullptr, conv.params, 0.0f, window,
                                        dst.view(), {});
  };
  const Convolution plain = square({1, 16, 16, 16}, 16, 3, 1, 1);
  const Window2d twos = Window2d::square(2, 2);
  CHECK(done(half(), plain, twos, Maths::float32));
  CHECK(done(float(), plain, twos, Maths::tf32));
  // Steps that tensor copies do not take, in as many tiles as make warpgroups the better choice.
  CHECK(done(half(), square({2, 64, 99, 99}, 128, 3, 9, 0), twos, Maths::float32));
  CHECK_FALSE(done(float(), plain, twos, Maths::float32));
  CHECK_FALSE(done(half(), plain, Window2d::square(12), Maths::float32));
  CHECK_FALSE(done(half(), square({1, 6, 9, 9}, 6, 3, 1, 1, 6), twos, Maths::float32));
}

TEST_CASE("one kernel pays where the plane outweighs what patches compute twice") {
  if (!cuda_context()) return;
  const Context<Cuda>& context = *cuda_context();
  const MaxPool2dParams threes{Window2d::square(3, 2)}, padded{Window2d::square(3, 2, 1)},
      twos{Window2d::square(2, 2)};
  const Convolution first = square({128, 3, 224, 224}, 96, 7, 2, 1),  // ZFNet's first
      second = square({128, 96, 55, 55}, 256, 5, 2, 0),               // and second
      vgg = square({128, 64, 224, 224}, 64, 3, 1, 1);                 // VGG's conv1_2
  const auto pays = [&]<class T>(T, const Convolution& c, const MaxPool2dParams& pool, Maths maths) {
    return conv2d_pool_pays<T>(context.with(maths), c.src, c.weights(), c.params, pool);
  };
  CHECK(pays(bfloat16(), first, threes, Maths::float32));
  CHECK(pays(half(), vgg, twos, Maths::float32));
  CHECK(pays(float(), vgg, twos, Maths::tf32));
  CHECK_FALSE(pays(float(), vgg, twos, Maths::float32));
  CHECK_FALSE(pays(bfloat16(), second, padded, Maths::float32));
  CHECK_FALSE(pays(half(), vgg, {Window2d::square(12)}, Maths::float32));
}

#endif

}  // namespace
}  // namespace deconv::test
