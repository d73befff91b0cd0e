#include "deconv/ops/fill_patches.hpp"

#include "deconv/ops/reference/fill_patches.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

PatchGrid square(Index rows, Index columns, Index from, Index step, Index size) {
  return {rows, columns, from, from, step, step, size, size};
}

TEST_CASE("patches wander over copies of an image as the naive reference has it") {
  for (const auto& [image, grid] :
       std::vector<std::pair<Shape, PatchGrid>>{{{1, 3, 12, 13}, square(4, 4, 0, 3, 4)},
                                                {{1, 3, 12, 13}, square(3, 5, -2, 4, 5)},
                                                {{1, 1, 1, 1}, square(1, 2, 0, 1, 1)},
                                                {{1, 16, 8, 16}, square(3, 3, 0, 4, 4)},
                                                {{1, 19, 5, 8}, {2, 3, 1, -1, 2, 3, 3, 2}},
                                                {{1, 4, 6, 8}, {1, 4, 0, 8, 1, -3, 6, 2}},
                                                {{1, 4, 6, 8}, square(2, 2, 0, 1, 0)}})
    for (const Index first : {Index{0}, grid.count() / 2}) {
      const Shape batch = image.with(0, grid.count() - first);
      check_op(declare_op(
                   message("fill_patches ", image, ", ", grid.rows, "x", grid.columns, " from ", first),
                   {{image}, {{image[1]}}}, {{batch}}, tolerance::exact, OnIntegers::exact,
                   [&, g = grid](const auto& in, const auto& out) {
                     reference::fill_patches(in[0], in[1], g, first, out[0]);
                   },
                   [&, g = grid](const auto& context, const auto& in, const auto& out) {
                     fill_patches(context, in[0], in[1], g, first, out[0]);
                   }),
               0.9);
    }
}

TEST_CASE("fill_patches names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> image({1, 3, 4, 4}), two({2, 3, 4, 4}), values({3}), pair({2}), batch({4, 3, 4, 4}),
      woven({4, 3, 4, 4}, Layout::nhwc), none({0, 3, 4, 4});
  const PatchGrid grid = square(2, 2, 0, 2, 2);
  CHECK_NOTHROW(fill_patches(context, image, values, grid, 0, batch.view()));
  CHECK_NOTHROW(fill_patches(context, image, values, grid, 4, none.view()));
  CHECK_THROWS_AS(fill_patches(context, image, values, grid, 1, batch.view()), ShapeError);
  CHECK_THROWS_AS(fill_patches(context, image, values, grid, -1, none.view()), ShapeError);
  CHECK_THROWS_AS(fill_patches(context, image, pair, grid, 0, batch.view()), ShapeError);
  CHECK_THROWS_AS(fill_patches(context, two, values, grid, 0, batch.view()), ShapeError);
  CHECK_THROWS_AS(fill_patches(context, image, values, grid, 0, woven.view()), ShapeError);
  CHECK_THROWS_AS(fill_patches(context, image, values, square(2, 2, 0, 2, -1), 0, batch.view()),
                  ArgumentError);
}

}  // namespace
}  // namespace deconv::test
