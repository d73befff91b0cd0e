#include "deconv/analysis/class_activation_map.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "analysis/golden.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "support/catch.hpp"
#include "support/relative_error.hpp"

using namespace deconv;
using test::golden_images;
using test::relative_error;

TEST_CASE("Grad-CAM agrees with the expected values") {
  const auto* golden = test::Golden::get();
  if (golden == nullptr) return;
  const Context<Cpu> context;
  for (const auto& image : golden_images()) {
    INFO(image.name);
    const std::string theirs = image.squeezenet ? "fire7" : "conv_2_2";
    ClassActivationMapOptions options;
    options.layer = test::golden_layer(theirs);
    const auto maps =
        class_activation_maps<float>(golden->network(image), context, golden->input(image), options);
    REQUIRE(maps.size() == 1);
    const auto expected = golden->array(image.file_prefix + "_gradcam_" + theirs + ".npy");
    CHECK(maps[0].map.shape() == expected.shape());
    CHECK(!(relative_error(maps[0].map, expected) > 1e-4));
  }
}
