#include "deconv/ops/max_unpool2d.hpp"

#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/reference/max_unpool2d.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"
#include "support/pool_shapes.hpp"

namespace deconv::test {
namespace {

/// A rising index for every element: a few places apart, from anywhere in dst, so that planes are crossed
/// when `across`.
Tensor<std::int64_t, Cpu> some_indices(const Shape& pooled, const Shape& plane, bool across) {
  Tensor<std::int64_t, Cpu> indices(pooled);
  const Index planes = pooled[0] * pooled[1], each = pooled[2] * pooled[3], room = plane[2] * plane[3];
  for (Index p = 0; p < planes; ++p)
    for (Index i = 0; i < each; ++i)
      indices.data()[p * each + i] = (across ? planes - 1 - p : p) * room + i * room / each;
  return indices;
}

TEST_CASE("unpooling by indices and its reverse agree with the naive reference") {
  for (const bool across : {false, true})
    for (const auto& one :
         {std::pair<Shape, Shape>{{2, 3, 2, 3}, {2, 3, 5, 7}}, {{4, 48, 15, 14}, {4, 48, 31, 29}}}) {
      const Shape pooled = one.first, plane = one.second;
      const auto indices = some_indices(pooled, plane, across);
      check_op(
          declare_op(
              message("max_unpool2d ", plane), {{pooled}}, {{plane}}, tolerance::exact, OnIntegers::exact,
              [&](const auto& in, const auto& out) {
                reference::max_unpool2d(in[0], indices.view(), out[0]);
              },
              [&](const auto& context, const auto& in, const auto& out) {
                const auto laid_out = in_layout<std::int64_t>(indices, out[0].layout());
                const auto there = to_device(context, laid_out.view());
                max_unpool2d(context, in[0], there, out[0]);
              }),
          0.1);
      check_op(declare_op(
          message("max_unpool2d_reverse ", plane), {{plane}}, {{pooled}}, tolerance::exact, OnIntegers::exact,
          [&](const auto& in, const auto& out) {
            using T = typename std::decay_t<decltype(out[0])>::value_type;
            reference::max_unpool2d_reverse<T>(in[0], indices.view(), out[0]);
          },
          [&](const auto& context, const auto& in, const auto& out) {
            const auto laid_out = in_layout<std::int64_t>(indices, out[0].layout());
            const auto there = to_device(context, laid_out.view());
            max_unpool2d_reverse(context, in[0], there, out[0]);
          }));
    }
}

TEST_CASE("where indices repeat the last element in raster order stays, on any number of threads") {
  const Shape pooled{1, 1, 100, 400}, plane{1, 1, 200, 200};
  const auto indices = Tensor<std::int64_t, Cpu>::filled(pooled, 7);
  Tensor<float, Cpu> src(pooled);
  for (Index i = 0; i < src.count(); ++i) src.data()[i] = static_cast<float>(i);
  each_device([&](const auto& context) {
    const auto values = to_device(context, src.view());
    const auto places = to_device(context, indices.view());
    auto there = context.template make<float>(plane);
    max_unpool2d(context, values, places, there.view());
    const auto dst = to_host(context, there.view());
    CHECK(dst.data()[7] == 39999.0f);
    CHECK(std::count(dst.begin(), dst.end(), 0.0f) == 39999);
  });
}

TEST_CASE("unpooling the indices of a max pooling puts the maxima back") {
  const Context<Cpu> context(2);
  const Shape shape{2, 5, 8, 6};
  const auto src = make_input<float>({shape}, false, 9);
  const MaxPool2dParams params{Window2d::square(2, 2)};
  const Shape pooled = pool2d_output_shape(shape, params.window);
  Tensor<float, Cpu> maxima(pooled), back(shape), again(pooled);
  auto switches = Switches<Cpu>::make(pooled, Layout::nchw, 4, context.workspace());
  max_pool2d_forward(context, src, params, maxima.view(), switches);
  const auto indices = switches_to_indices(context, switches, params, shape);
  max_unpool2d(context, maxima, indices, back.view());
  CHECK(std::count(back.begin(), back.end(), 0.0f) == 2 * 5 * 48 - 2 * 5 * 12);
  for (Index i = 0; i < back.count(); ++i) CHECK((back.data()[i] == 0 || back.data()[i] == src.data()[i]));
  max_unpool2d_reverse(context, src, indices, again.view());
  CHECK(std::equal(again.begin(), again.end(), maxima.begin()));
}

TEST_CASE("indices outside the tensor are refused") {
  const Context<Cpu> context(2);
  Tensor<float, Cpu> src({1, 1, 1, 2}), dst({1, 1, 2, 2}), two({1, 2, 2, 2});
  for (const std::int64_t wrong :
       {std::int64_t{-1}, std::int64_t{4}, std::numeric_limits<std::int64_t>::min()}) {
    const auto indices = Tensor<std::int64_t, Cpu>::from({1, 1, 1, 2}, std::vector<std::int64_t>{0, wrong});
    CHECK_THROWS_AS(max_unpool2d(context, src, indices, dst.view()), FormatError);
    CHECK_THROWS_AS(max_unpool2d_reverse(context, dst, indices, src.view()), FormatError);
  }
  const auto indices = Tensor<std::int64_t, Cpu>::filled({1, 1, 1, 2}, 0);
  CHECK_THROWS_AS(max_unpool2d(context, src, indices, two.view()), ShapeError);
  CHECK_THROWS_AS(max_unpool2d(context, dst, indices, dst.view()), ShapeError);
}

#if defined(DECONV_TEST_CUDA)
TEST_CASE("on a GPU elements whose index lies outside go nowhere, and bring back 0") {
  if (!cuda_context()) return;
  const Context<Cuda>& context = *cuda_context();
  const auto indices = Tensor<std::int64_t, Cpu>::from(
      {1, 1, 1, 4},
      std::vector<std::int64_t>{-1, 4, std::numeric_limits<std::int64_t>::min(), std::int64_t{2}});
  const auto values = Tensor<float, Cpu>::from({1, 1, 1, 4}, std::vector<float>{1, 2, 3, 4});
  const auto places = to_device(context, indices.view());
  const auto src = to_device(context, values.view());
  auto dst = context.make<float>({1, 1, 2, 2}), back = context.make<float>({1, 1, 1, 4});
  max_unpool2d(context, src, places, dst.view());
  max_unpool2d_reverse(context, dst, places, back.view());
  const auto there = to_host(context, dst.view()), again = to_host(context, back.view());
  CHECK(std::vector<float>(there.begin(), there.end()) == std::vector<float>{0, 0, 4, 0});
  CHECK(std::vector<float>(again.begin(), again.end()) == std::vector<float>{0, 0, 0, 4});
}
#endif

}  // namespace
}  // namespace deconv::test
