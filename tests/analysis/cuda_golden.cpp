// The expected values of the test data, on the Cuda device: real networks forward and projected by the
// kernels.
#include <cmath>
#include <string>
#include <vector>

#include "analysis/golden.hpp"
#include "deconv/analysis/projection.hpp"
#include "deconv/core/transfer.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#include "support/relative_error.hpp"

using namespace deconv;

#if !defined(DECONV_TEST_CUDA)

TEST_CASE("expected values on the Cuda device") {
  WARN("this build has no Cuda device, not even an emulated one");
}

#else

TEST_CASE("logits and projections of real networks agree with the expected values on the Cuda device") {
  const auto* golden = test::Golden::get();
  if (golden == nullptr || !test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  // Both sides in float32, in different orders of summation, through up to 26 layers.
  constexpr double tolerance = 1e-4;
  const Network<float, Cuda> squeezenet(gpu,
                                        io::read_onnx(*test::test_data("models") / "squeezenet1.1.onnx")),
      tiny_vgg(gpu, io::read_onnx(*test::test_data("models") / "tinyvgg.onnx"));
  int arrays = 0, undecided = 0;
  for (const test::GoldenImage& image : test::golden_images()) {
    const auto& network = image.squeezenet ? squeezenet : tiny_vgg;
    const auto input = golden->input(image);
    const auto trace = network.forward(gpu, to_device(gpu, input.view()));
    const auto scores = to_host(gpu, trace.activation(gpu, golden->score(image)).view());
    INFO(image.name);
    CHECK(!(test::relative_error(scores, golden->array(image.file_prefix + "_logits.npy")) > tolerance));
    for (const auto& [name, facts] : golden->facts(image)["deconv"].items()) {
      const std::string file = image.file_prefix + "_deconv_" + name + ".npy";
      if (!golden->has(file)) continue;
      INFO(name);
      const auto place = facts["unit"].get<std::vector<Index>>();
      const std::vector<Unit> unit{{0, place[0], place[1], place[2]}};
      const auto result = project(network, gpu, trace, test::golden_layer(name), std::span<const Unit>(unit));
      REQUIRE(result.size() == 1);
      const double error =
          test::relative_error(result[0].in_plane(image.side, image.side), golden->array(file));
      // One pooling switch on the way down from one unit is decided by less than float32 can tell, see
      // golden_values.cpp.
      if (error > tolerance) ++undecided;
      CHECK(!(error > (undecided == 1 ? 2e-3 : tolerance)));
      ++arrays;
    }
  }
  CHECK(arrays == 4 + 3 + 3);
  CHECK(undecided <= 1);
}

#endif
