// Maps weighted by their gradients, and planes resized.
#include "deconv/ops/weighted_maps.hpp"

#include "deconv/ops/reference/resize_planes.hpp"
#include "deconv/ops/reference/weighted_maps.hpp"
#include "deconv/ops/resize_planes.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

TEST_CASE("maps are added up under the means of their gradients, and rectified") {
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{2, 5, 4, 4}, Shape{3, 37, 3, 5}, Shape{1, 130, 13, 13},
                             Shape{2, 3, 20, 9}}) {
    const Shape weights{shape[0], shape[1]}, planes{shape[0], shape[2], shape[3]};
    check_op(declare_op(
                 message("gradient_weighted_maps ", shape), {{shape}, {shape}}, {{weights}, {planes}},
                 // Means may cancel, and about half of the sums are negative.
                 tolerance::differences, OnIntegers::within_tolerance,
                 [](const auto& in, const auto& out) {
                   reference::gradient_weighted_maps(in[0], in[1], out[0], out[1]);
                 },
                 [](const auto& context, const auto& in, const auto& out) {
                   gradient_weighted_maps(context, in[0], in[1], out[0], out[1]);
                 }),
             shape.count() == 1 ? 0 : 0.2);
  }
}

TEST_CASE("planes grow, shrink and stay by interpolation") {
  struct Sizes {
    Shape src, dst;
  };
  for (const auto& [src, dst] :
       {Sizes{{1, 1, 1}, {1, 5, 4}}, Sizes{{2, 13, 13}, {2, 60, 57}}, Sizes{{3, 4, 7}, {3, 4, 7}},
        Sizes{{2, 9, 8}, {2, 3, 5}}, Sizes{{1, 2, 3}, {1, 40, 31}}}) {
    check_op(declare_op(
        message("resize_planes ", src, " to ", dst), {{src}}, {{dst}}, tolerance::differences,
        OnIntegers::within_tolerance,
        [](const auto& in, const auto& out) { reference::resize_planes(in[0], out[0]); },
        [](const auto& context, const auto& in, const auto& out) { resize_planes(context, in[0], out[0]); }));
  }
}

TEST_CASE("operands that do not fit are named") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> maps({2, 3, 4, 5}), other({2, 3, 5, 4}), weights({2, 3}), dst({2, 4, 5}),
      wrong({2, 5, 4});
  CHECK_THROWS_AS(gradient_weighted_maps<float>(context, maps, other, weights.view(), dst.view()),
                  ShapeError);
  CHECK_THROWS_AS(gradient_weighted_maps<float>(context, maps, maps, dst.view(), dst.view()), ShapeError);
  CHECK_THROWS_AS(gradient_weighted_maps<float>(context, maps, maps, weights.view(), wrong.view()),
                  ShapeError);
  Tensor<float, Cpu> one({1, 4, 5}), none({2, 0, 5});
  CHECK_THROWS_AS(resize_planes<float>(context, one, dst.view()), ShapeError);
  CHECK_THROWS_AS(resize_planes<float>(context, none, dst.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
