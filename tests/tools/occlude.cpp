// deconv occlude: kinds of output, the grid, fills and bad command lines.
#include <string>
#include <vector>

#include "deconv/analysis/occlusion.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/nn/network.hpp"
#include "tools/program.hpp"

using namespace deconv;
using test::document_of;
using test::run_program;

namespace {

/// A model and a picture in a folder of their own.
struct Files {
  test::ScratchFolder folder;
  std::string model = (folder / "small.safetensors").string(), picture = (folder / "one.png").string();
  Files() {
    io::write_model_file(folder / "small.safetensors", test::small_model());
    io::write_png(folder / "one.png", test::small_picture(1));
  }
  std::vector<std::string> arguments(std::vector<std::string> more) const {
    std::vector<std::string> all{"occlude", "--model", model, "--image", picture, "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

}  // namespace

TEST_CASE("occlude says what the library says, as numbers, arrays, tables and pictures") {
  const Files files;
  const std::string out = (files.folder / "out").string();
  const auto document = document_of(files.arguments({"--size", "5,4", "--stride", "3,8", "--output", out}));
  CHECK(document["positions"] == 18);
  CHECK(document["rows"] == 6);
  CHECK(document["columns"] == 3);
  CHECK(document["layer"] == "relu2");
  for (const char* name :
       {"figure.png", "activation.png", "probability.png", "class_map.png", "covered.png", "projection.png",
        "occlusion.csv", "activation.npy", "score.npy", "top_class.npy", "occlude.json"})
    CHECK(std::filesystem::exists(files.folder / "out" / name));

  const auto file = test::small_model();
  const io::Image seen = file.preprocess->view(io::read_image(files.picture));
  Tensor<float, Cpu> image({1, 3, 20, 20});
  file.preprocess->normalise(seen, {image.data(), Shape{3, 20, 20}});
  auto model = test::small_model().model;
  const Network<float, Cpu> network(std::move(model));
  OcclusionOptions how;
  how.height = 5, how.width = 4, how.stride_y = 3, how.stride_x = 8;
  const auto expected = occlude_by_brute_force<float, Cpu>(network, Context<Cpu>(1), image.view(), how);
  const auto met = io::read_npy<float>(files.folder / "out" / "probability.npy");
  REQUIRE(met.shape() == Shape{6, 3});
  for (Index i = 0; i < met.count(); ++i)
    CHECK_FALSE(!(std::abs(met.data()[i] - expected.probability.data()[i]) <= 1e-5f));
  const auto& one = document["images"][0];
  CHECK(one["strongest_map"] == expected.maps[0]);
  CHECK(one["classes"][0]["class"] == expected.whole_top_class);
  const float least = *std::min_element(met.begin(), met.end());
  CHECK(one["classes"][0]["minimum"]["value"].get<float>() == Approx(least));
  CHECK(one["unit"]["map"] == expected.maps[0]);

  for (const char* kind : {"a.npy", "a.safetensors", "a.csv", "a.png"}) {
    const auto run = run_program(
        files.arguments({"--size", "5,4", "--stride", "3,8", "--output", (files.folder / kind).string()}));
    INFO(kind << ": " << run.err);
    CHECK(run.status == 0);
    CHECK(std::filesystem::file_size(files.folder / kind) > 100);
  }
  const auto npy = io::read_npy<float>(files.folder / "a.npy");
  CHECK(std::equal(npy.begin(), npy.end(), met.begin(), met.end()));
}

TEST_CASE("occlude's fills differ, brute force is the same, and a level is a picture's") {
  const Files files;
  const auto minimum = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--size", "10", "--stride", "5", "--class", "1"});
    return document_of(files.arguments(std::move(more)))["images"][0]["classes"][0]["minimum"]["value"]
        .get<float>();
  };
  const float zero = minimum({"--fill", "zero"}), grey = minimum({"--fill", "grey"}),
              mean = minimum({"--fill", "mean"});
  CHECK(zero != grey);
  CHECK(mean != grey);
  CHECK(grey == Approx(minimum({"--fill", "128"})));
  CHECK(zero == Approx(minimum({"--fill", "0"})));  // this model's preprocessing has no mean
  CHECK(grey == Approx(minimum({"--fill", "grey", "--brute-force"})).epsilon(1e-5));
}

TEST_CASE("occlude names the option that is wrong") {
  const Files files;
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{"--size", "0"}, "--size"},         {{"--size", "5,6,7"}, "--size"}, {{"--size", "21"}, "--size 21"},
      {{"--stride", "x"}, "--stride"},     {{"--fill", "pink"}, "--fill"},  {{"--fill", "300"}, "--fill"},
      {{"--output", "a.svg"}, "--output"},
  };
  for (const auto& [options, part] : wrong) {
    const auto run = run_program(files.arguments(options));
    INFO(part << ": " << run.err);
    CHECK(run.status == 2);
    CHECK(run.error_names(part));
  }
  const auto run = run_program(files.arguments({"--size", "5", "--layer", "relu3"}));
  CHECK(run.status == 1);
  CHECK(run.error_names("relu2"));
  CHECK(test::names_in(files.folder.path()) == std::vector<std::string>{"one.png", "small.safetensors"});
}
