// Layout conversion, windows cut from planes, padding.
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/pad2d.hpp"
#include "deconv/ops/reference/copy_layout.hpp"
#include "deconv/ops/reference/pad2d.hpp"
#include "deconv/ops/reference/window_copy.hpp"
#include "deconv/ops/window_copy.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

TEST_CASE("layouts convert into each other") {
  for (const Index channels : {1, 2, 3, 4, 15, 16, 17, 96})
    for (const auto& [height, width] : {std::pair<Index, Index>{1, 1}, {5, 7}, {29, 31}})
      for (const bool from_rows : {true, false}) {
        const Shape shape{2, channels, height, width};
        // One side keeps the row-major layout, the other follows the backend.
        check_op(declare_op(
            message("copy_layout ", shape, from_rows ? " from nchw" : " to nchw"),
            {{shape, Fill::any, from_rows}}, {{shape, Fill::any, !from_rows}}, tolerance::exact,
            OnIntegers::exact, [](const auto& in, const auto& out) { reference::copy_layout(in[0], out[0]); },
            [](const auto& context, const auto& in, const auto& out) {
              copy_layout(context, in[0], out[0]);
            }));
      }
  const Context<Cpu> context(1);
  Tensor<float, Cpu> a({2, 3}), b({3, 2}), c({2, 3});
  std::fill(a.begin(), a.end(), 4.0f);
  copy_layout(context, a, c.view());
  CHECK(std::count(c.begin(), c.end(), 4.0f) == 6);
  CHECK_THROWS_AS(copy_layout(context, a, b.view()), ShapeError);
}

/// Element i of a pattern that no two neighbours share.
template <class T>
T pattern(Index i) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(i * 0x1234567 + (i >> 7));
  else
    return static_cast<T>(static_cast<float>(i % 2039) - 1000.0f);
}

template <class T>
void check_layouts_of() {
  each_device([](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    for (const Shape& shape :
         {Shape{2, 3, 7, 9}, Shape{1, 80, 13, 11}, Shape{2, 130, 8, 8}, Shape{3, 48, 2, 2},
          Shape{1, 2, 50, 64}, Shape{2, 0, 3, 3}, Shape{1, 5, 1, 1}, Shape{2, 64, 16, 16}})
      for (const Index shift : {0, 1, 4})
        for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
          Tensor<T, Cpu> src(shape, layout);
          for (Index i = 0; i < src.count(); ++i) src.data()[i] = pattern<T>(i);
          const Layout other = layout == Layout::nchw ? Layout::nhwc : Layout::nchw;
          const auto poison = Tensor<T, Cpu>::filled(shape, pattern<T>(-1), other);
          ShiftedTensor<T, D> from(context, src, shift), to(context, poison, shift / 2);
          copy_layout(context, from.view(), to.view());
          const auto met = to_host(context, to.view());
          Index wrong = 0;
          for (Index n = 0; n < shape[0]; ++n)
            for (Index c = 0; c < shape[1]; ++c)
              for (Index y = 0; y < shape[2]; ++y)
                for (Index x = 0; x < shape[3]; ++x)
                  wrong += std::memcmp(&met(n, c, y, x), &src(n, c, y, x), sizeof(T)) != 0;
          INFO(D::name << ' ' << name_of(dtype_of<T>) << ' ' << shape << " from " << name_of(layout)
                       << ", shift " << shift);
          CHECK(wrong == 0);
        }
  });
}

TEST_CASE("tensors of every element type convert, wherever their memory begins") {
  check_layouts_of<float>();
  check_layouts_of<double>();
  check_layouts_of<half>();
  check_layouts_of<bfloat16>();
  check_layouts_of<std::int64_t>();
  check_layouts_of<std::int32_t>();
  check_layouts_of<std::uint8_t>();
  check_layouts_of<std::uint16_t>();
}

/// Windows cut from two tensors by turns, all of them overhanging, missing or inside their planes.
template <class T, Device D>
std::vector<WindowPlace<TensorView<const T, D>>> places_in(
    const std::vector<std::type_identity_t<TensorView<const T, D>>>& tensors,
    const std::vector<std::array<Index, 2>>& corners) {
  std::vector<WindowPlace<TensorView<const T, D>>> places;
  for (std::size_t u = 0; u < corners.size(); ++u) {
    const auto& planes = tensors[u % tensors.size()];
    places.push_back({planes, static_cast<Index>(u * 5) % planes[0], corners[u][0], corners[u][1]});
  }
  return places;
}

void check_windows(const Shape& planes, const Shape& others, const Shape& windows,
                   const std::vector<std::array<Index, 2>>& corners, double nonzero) {
  check_op(declare_op(
               message("gather_windows ", windows, " from ", planes), {{planes}, {others}}, {{windows}},
               tolerance::exact, OnIntegers::exact,
               [&](const auto& in, const auto& out) {
                 using T = typename std::decay_t<decltype(out[0])>::value_type;
                 reference::gather_windows<T>(places_in<T, Cpu>({in[0], in[1]}, corners), out[0]);
               },
               [&](const auto& context, const auto& in, const auto& out) {
                 using T = typename std::decay_t<decltype(out[0])>::value_type;
                 using D = DeviceOf<decltype(context)>;
                 gather_windows<T, D>(context, places_in<T, D>({in[0], in[1]}, corners), out[0]);
               }),
           nonzero);
}

TEST_CASE("windows may overhang their planes on every side, or miss them") {
  // Channels in fours, in eights, and in neither.
  for (const Index channels : {20, 16, 3}) {
    const Shape planes{3, channels, 9, 8}, others{2, channels, 9, 8};
    const std::vector<std::array<Index, 2>> corners{{2, 3}, {-3, -2}, {5, 6},   {-2, -2},
                                                    {0, 0}, {4, -5},  {100, 0}, {0, -70}};
    for (const auto& [height, width] : {std::pair<Index, Index>{4, 5}, {7, 7}, {14, 13}, {9, 8}, {1, 6}})
      check_windows(planes, others, {8, channels, height, width}, corners, 0.1);
  }
  // Whole rows of a matrix, as reverse passes ask for them.
  check_windows({3, 1, 1, 40}, {1, 1, 1, 40}, {4, 1, 1, 40}, {{0, 0}, {0, 0}, {0, 0}, {0, 0}}, 0.9);
  // More windows than one launch takes.
  std::vector<std::array<Index, 2>> many;
  for (Index u = 0; u < 230; ++u) many.push_back({u % 12 - 4, u % 13 - 5});
  check_windows({4, 4, 6, 5}, {5, 4, 6, 5}, {230, 4, 3, 4}, many, 0.1);
}

TEST_CASE("windows that miss their planes from afar are empty, and misfits are named") {
  each_device([](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    const auto ones = [&](const Shape& shape) {
      return to_device(context, Tensor<float, Cpu>::filled(shape, 1.0f).view());
    };
    const auto src = ones({2, 3, 4, 4});
    auto dst = ones({4, 3, 2, 2});
    constexpr Index far = Index{1} << 40;
    using Place = WindowPlace<TensorView<const float, D>>;
    gather_windows<float, D>(
        context, std::vector<Place>{{src, 1, far, 0}, {src, 0, 0, far}, {src, 0, -far, -far}, {src, 1, 1, 1}},
        dst.view());
    const auto met = to_host(context, dst.view());
    CHECK(std::count(met.begin(), met.begin() + 36, 0.0f) == 36);
    CHECK(std::count(met.begin() + 36, met.end(), 1.0f) == 12);
  });
  const Context<Cpu> context(1);
  using Place = WindowPlace<TensorView<const float, Cpu>>;
  Tensor<float, Cpu> src({2, 3, 4, 4}), dst({1, 3, 2, 2}), two({1, 2, 2, 2}), pair({2, 3, 2, 2}),
      woven({1, 3, 2, 2}, Layout::nhwc), larger({1, 3, 5, 4});
  const std::vector<Place> one{{src, 0}}, beyond{{src, 2}}, unlike{{src, 0}, {larger, 0}};
  CHECK_NOTHROW(gather_windows<float, Cpu>(context, one, dst.view()));
  CHECK_THROWS_AS((gather_windows<float, Cpu>(context, beyond, dst.view())), ShapeError);
  CHECK_THROWS_AS((gather_windows<float, Cpu>(context, one, two.view())), ShapeError);
  CHECK_THROWS_AS((gather_windows<float, Cpu>(context, one, pair.view())), ShapeError);
  CHECK_THROWS_AS((gather_windows<float, Cpu>(context, one, woven.view())), ShapeError);
  CHECK_THROWS_AS((gather_windows<float, Cpu>(context, unlike, pair.view())), ShapeError);
}

TEST_CASE("windows of switches keep their width") {
  each_device([](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    using Place = WindowPlace<SwitchesView<const std::byte, D>>;
    for (const Layout layout : {Layout::nchw, Layout::nhwc})
      for (const Index channels : {3, 16})
        for (const Index taps : {9, 300, 70000}) {
          auto plane = Switches<D>::make({2, channels, 4, 5}, layout, taps, context.workspace());
          auto windows = Switches<D>::make({2, channels, 3, 3}, layout, taps, context.workspace());
          plane.view().visit([&]<class T>(TensorView<T, D> view) {
            Tensor<T, Cpu> values(view.shape(), layout);
            for (Index i = 0; i < values.count(); ++i)
              values.data()[i] = static_cast<T>(std::min(taps - 1, Index{100} * i) % taps);
            copy_from_host(context, values, view);
            gather_windows(context, std::vector<Place>{{plane.view(), 1, -1, 3}, {plane.view(), 0, 1, 1}},
                           windows.view());
            const auto met = to_host(context, TensorView<T, D>(reinterpret_cast<T*>(windows.view().data()),
                                                               windows.shape(), layout));
            const T beyond = std::numeric_limits<T>::max();
            for (Index c = 0; c < channels; ++c) {
              CHECK(met(0, c, 0, 0) == beyond);
              CHECK(met(0, c, 2, 1) == values(1, c, 1, 4));
              CHECK(met(0, c, 1, 2) == beyond);
              CHECK(met(1, c, 2, 2) == values(0, c, 3, 3));
            }
          });
          auto other =
              Switches<D>::make({1, channels, 3, 3}, layout, taps == 9 ? 300 : 9, context.workspace());
          CHECK_THROWS_AS(gather_windows(context, std::vector<Place>{{plane.view(), 1, 0, 0}}, other.view()),
                          ShapeError);
        }
  });
}

TEST_CASE("what lies outside its plane is cleared, and nothing else") {
  const Shape shape{4, 19, 6, 7};
  const std::vector<Index> tops{-2, 0, 5, -10}, lefts{3, -4, 7, 1};
  check_op(declare_op(
               "zero_outside", {{shape}}, {{shape}}, tolerance::exact, OnIntegers::exact,
               [&](const auto& in, const auto& out) {
                 std::copy(in[0].begin(), in[0].end(), out[0].begin());
                 reference::zero_outside(out[0], tops, lefts, 9, 8);
               },
               [&](const auto& context, const auto& in, const auto& out) {
                 copy_layout(context, in[0], out[0]);
                 zero_outside(context, out[0], tops, lefts, 9, 8);
               }),
           0.1);
  // More windows than one launch takes, of odd and of vectored rows.
  for (const Index channels : {3, 16}) {
    const Shape many{401, channels, 3, 4};
    std::vector<Index> down, right;
    for (Index i = 0; i < many[0]; ++i) {
      down.push_back(i % 12 - 4);
      right.push_back(i % 13 - 5);
    }
    check_op(declare_op(
                 message("zero_outside of ", many), {{many}}, {{many}}, tolerance::exact, OnIntegers::exact,
                 [&](const auto& in, const auto& out) {
                   std::copy(in[0].begin(), in[0].end(), out[0].begin());
                   reference::zero_outside(out[0], down, right, 6, 5);
                 },
                 [&](const auto& context, const auto& in, const auto& out) {
                   copy_layout(context, in[0], out[0]);
                   zero_outside(context, out[0], down, right, 6, 5);
                 }),
             0.1);
  }
  const Context<Cpu> context(1);
  Tensor<float, Cpu> windows(shape);
  CHECK_THROWS_AS(zero_outside(context, windows.view(), std::vector<Index>{1}, lefts, 9, 8), ShapeError);
}

TEST_CASE("padding, cropping and their adjoint") {
  const Shape shape{2, 18, 6, 7};
  for (const Pad2dParams& params :
       {Pad2dParams{1, 2, 3, 4, 0}, Pad2dParams{-1, -2, 0, -3, 0}, Pad2dParams{2, -3, -1, 5, 1.5f},
        Pad2dParams{0, 0, 0, 0, 7}, Pad2dParams{-5, 6, 0, -6, -2}}) {
    const Shape padded = pad2d_output_shape(shape, params);
    check_op(
        declare_op(
            message("pad2d_forward to ", padded), {{shape}}, {{padded}}, tolerance::exact, OnIntegers::exact,
            [&](const auto& in, const auto& out) { reference::pad2d_forward(in[0], params, out[0]); },
            [&](const auto& context, const auto& in, const auto& out) {
              pad2d_forward(context, in[0], params, out[0]);
            }),
        0.1);
    check_op(declare_op(
                 message("pad2d_reverse from ", padded), {{padded}}, {{shape}}, tolerance::exact,
                 OnIntegers::exact,
                 [&](const auto& in, const auto& out) { reference::pad2d_reverse(in[0], params, out[0]); },
                 [&](const auto& context, const auto& in, const auto& out) {
                   pad2d_reverse(context, in[0], params, out[0]);
                 }),
             0.01);
    Pad2dParams linear = params;
    linear.value = 0;
    check_adjoint(
        "pad2d", shape, padded,
        [=](const auto& context, auto x, auto y) { pad2d_forward(context, x, linear, y); },
        [=](const auto& context, auto y, auto x) { pad2d_reverse(context, y, linear, x); });
  }
  // Whole vectors inside and around, in both layouts.
  const Shape even{2, 16, 8, 16};
  const Pad2dParams eights{3, 8, 2, 16, 0.5f};
  const Shape wide = pad2d_output_shape(even, eights);
  check_op(declare_op(
      message("pad2d_forward to ", wide), {{even}}, {{wide}}, tolerance::exact, OnIntegers::exact,
      [&](const auto& in, const auto& out) { reference::pad2d_forward(in[0], eights, out[0]); },
      [&](const auto& context, const auto& in, const auto& out) {
        pad2d_forward(context, in[0], eights, out[0]);
      }));
  CHECK_THROWS_AS(pad2d_output_shape(shape, {-3, 0, -3, 0, 0}), ShapeError);
  CHECK_THROWS_AS(pad2d_output_shape({2, 3}, {}), ShapeError);
}

}  // namespace
}  // namespace deconv::test
