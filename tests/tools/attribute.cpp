// deconv attribute and deconv curvature, as users run them.

#include <cmath>

#include "deconv/io/npy.hpp"
#include "program.hpp"

namespace {

using namespace deconv;
using namespace deconv::test;

TEST_CASE("every method by itself and all in a folder, with curves") {
  const SmallWorld world;
  const std::string folder = (world / "out").string();
  const auto all = document_of({"attribute", "--model", world.model(), "--image", world.picture(0),
                                world.picture(1), "--method", "all", "--steps", "4", "--samples", "3",
                                "--curves", "--curve-steps", "10", "--quiet", "--output", folder});
  REQUIRE(all["images"].size() == 2);
  for (const auto& image : all["images"]) {
    REQUIRE(image["methods"].size() == 7);
    CHECK(image["class"].is_number());
    CHECK(image["probability"].get<double>() > 0);
    for (const auto& method : image["methods"]) {
      const double deletion = method["deletion_area"], insertion = method["insertion_area"];
      CHECK((deletion > 0 && deletion < 1 && insertion > 0 && insertion < 1));
      CHECK(method.contains("completeness_gap") == (method["method"] == "integrated-gradients"));
    }
  }
  const auto names = names_in(folder);
  for (const char* name : {"attribute.json", "montage.png", "curves.csv", "curves.svg", "saliency.npy",
                           "image1_guided-gradcam.png"})
    CHECK(std::find(names.begin(), names.end(), name) != names.end());
  CHECK(io::read_npy<float>(folder + "/guided.npy").shape() == Shape{2, 3, 20, 20});

  const std::string alone = (world / "alone.npy").string();
  const auto one = document_of({"attribute", "--model", world.model(), "--image", world.picture(0),
                                world.picture(1), "--method", "deconvnet", "--output", alone});
  const auto together = io::read_npy<float>(folder + "/deconvnet.npy"), again = io::read_npy<float>(alone);
  CHECK(std::equal(together.begin(), together.end(), again.begin()));
  CHECK(one["images"][0]["score"] == all["images"][0]["score"]);
}

TEST_CASE("a class, a unit, a path's rule and a baseline are what the options say") {
  const SmallWorld world;
  const std::vector<std::string> about{"attribute", "--model",        world.model(),
                                       "--image",   world.picture(2), "--quiet"};
  const auto with = [&](std::vector<std::string> more) {
    auto words = about;
    words.insert(words.end(), more.begin(), more.end());
    return document_of(words)["images"][0];
  };
  const auto chosen = with({"--method", "integrated-gradients", "--class", "3", "--path-rule", "midpoint",
                            "--steps", "200", "--baseline", "0.5,0.25,0"});
  CHECK(chosen["class"] == 3);
  CHECK(chosen["name"] == "nothing");
  const auto& method = chosen["methods"][0];
  const double rise = chosen["score"].get<double>() - method["baseline_score"].get<double>();
  CHECK(!(std::abs(method["completeness_gap"].get<double>()) > 0.02 * std::abs(rise)));
  const auto unit = with({"--method", "guided", "--layer", "relu2", "--map", "2", "--at", "1,3", "--output",
                          (world / "u.png").string()});
  CHECK(unit["layer"] == "relu2");
  CHECK(unit["y"] == 1);
  CHECK(unit["x"] == 3);
}

TEST_CASE("options that no method reads, and targets that cannot be, are mistakes of the command line") {
  const SmallWorld world;
  const auto refused = [&](std::vector<std::string> more, const std::string& part, int status = 2) {
    std::vector<std::string> words{"attribute", "--model", world.model(), "--image", world.picture(0)};
    words.insert(words.end(), more.begin(), more.end());
    const Run run = run_program(words);
    INFO(part << ": " << run.err);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
  };
  refused({}, "--method");
  refused({"--method", "gradient"}, "gradient-x-input");
  refused({"--method", "saliency", "--steps", "3"}, "--steps belongs to --method integrated-gradients");
  refused({"--method", "guided", "--noise", "0.1"}, "--noise");
  refused({"--method", "guided", "--signed"}, "--signed");
  refused({"--method", "saliency", "--cam-layer", "relu1"}, "--cam-layer");
  refused({"--method", "saliency", "--blur", "2"}, "--curves");
  refused({"--method", "saliency", "--curves", "--layer", "relu1", "--map", "0"}, "--curves");
  refused({"--method", "guided-gradcam", "--layer", "relu1", "--map", "0"}, "--layer");
  refused({"--method", "saliency", "--class", "1", "--layer", "relu1", "--map", "0"}, "--class");
  refused({"--method", "saliency", "--map", "0"}, "--map wants --layer");
  refused({"--method", "saliency", "--output", (world / "x.svg").string()}, "--curves");
  refused({"--method", "all", "--output", (world / "x.npy").string()}, ".safetensors");
  refused({"--method", "integrated-gradients", "--baseline", "1,a"}, "--baseline");
  refused({"--method", "saliency", "--class", "4"}, "0 to 3", 1);
  refused({"--method", "saliency", "--layer", "relu9", "--map", "0"}, "relu", 1);
  CHECK(names_in(world.path()).size() == 5);
}

TEST_CASE("a curvature comes with its directions") {
  const SmallWorld world;
  const std::string folder = (world / "curved").string();
  const auto found = document_of({"curvature", "--model", world.model(), "--image", world.picture(0),
                                  "--class", "1", "--iterations", "6", "--directions", "2", "--samples", "4",
                                  "--radius", "0.3", "--quiet", "--output", folder});
  CHECK(found["class"] == 1);
  REQUIRE(found["highest"].size() == 2);
  REQUIRE(found["lowest"].size() == 2);
  CHECK(found["highest"][0]["eigenvalue"].get<double>() >= found["highest"][1]["eigenvalue"].get<double>());
  CHECK(found["lowest"][0]["eigenvalue"].get<double>() <= found["lowest"][1]["eigenvalue"].get<double>());
  CHECK(names_in(folder) ==
        std::vector<std::string>{"curvature.json", "directions.safetensors", "montage.png"});
  const Run few =
      run_program({"curvature", "--model", world.model(), "--image", world.picture(0), "--iterations", "3"});
  CHECK(few.status == 2);
  CHECK(few.error_names("--iterations"));
}

}  // namespace
