// deconv maximise on a small network: what it writes, that the same seed writes the same, and what it
// refuses.

#include <cmath>
#include <filesystem>

#include "deconv/io/npy.hpp"
#include "program.hpp"

using namespace deconv;
using namespace deconv::test;

namespace {

std::vector<std::string> maximise(const SmallWorld& world, const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"maximise", "--model", world.model(), "--steps", "6", "--jitter", "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("maximise raises what it says") {
  const SmallWorld world;
  const std::string array = (world / "made.npy").string();
  const io::Json document =
      document_of(maximise(world, {"--layer", "relu2", "--map", "3,0", "--output", array}));
  CHECK(document.at("command") == "maximise");
  CHECK(document.at("layer") == "relu2");
  CHECK(document.at("steps") == 6);
  REQUIRE(document.at("units").size() == 2);
  CHECK(document.at("units")[0].at("map") == 3);
  for (const io::Json& unit : document.at("units")) {
    REQUIRE(unit.at("objective").size() == 7);
    for (const io::Json& value : unit.at("objective")) CHECK(std::isfinite(value.get<double>()));
  }
  const auto made = io::read_npy<float>(array);
  CHECK(made[0] == 2);
  const std::string again = (world / "again.npy").string();
  static_cast<void>(document_of(maximise(world, {"--layer", "relu2", "--map", "3,0", "--output", again})));
  CHECK(io::read_file(array, 1 << 20) == io::read_file(again, 1 << 20));
  static_cast<void>(
      document_of(maximise(world, {"--layer", "relu2", "--map", "3,0", "--seed", "2", "--output", again})));
  CHECK(!(io::read_file(array, 1 << 20) == io::read_file(again, 1 << 20)));
}

TEST_CASE("maximise makes pictures of classes, and a folder with the steps on the way") {
  const SmallWorld world;
  const std::string picture = (world / "one.png").string(), folder = (world / "folder").string();
  const io::Json document = document_of(maximise(world, {"--class", "1", "--output", picture}));
  CHECK(document.at("units")[0].at("class") == 1);
  CHECK(document.at("units")[0].at("objective").back() > document.at("units")[0].at("objective")[0]);
  const auto shape = document.at("shape");
  const io::Image image = io::read_image(picture);
  CHECK(image.height() == shape[1]);
  CHECK(image.width() == shape[2]);
  static_cast<void>(document_of(
      maximise(world, {"--class", "1,0", "--start", "mean", "--frames", "3", "--output", folder})));
  for (const char* name : {"class0.png", "class1.png", "step0.png", "step3.png", "step6.png", "inputs.npy",
                           "objective.svg", "maximise.json"})
    CHECK(std::filesystem::exists(std::filesystem::path(folder) / name));
}

TEST_CASE("maximise says what it cannot do") {
  const SmallWorld world;
  const auto fails = [&](const std::vector<std::string>& more, int status, const std::string& part) {
    const Run run = run_program(maximise(world, more));
    INFO(run.err);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
  };
  fails({}, 2, "--map");
  fails({"--map", "1"}, 2, "--layer");
  fails({"--layer", "relu2"}, 2, "--map");
  fails({"--class", "1", "--map", "1", "--layer", "relu2"}, 2, "--class");
  fails({"--class", "0,1,0"}, 2, "twice");
  fails({"--class", "one"}, 2, "--class");
  fails({"--class", "0", "--clip", "100"}, 2, "--clip");
  fails({"--class", "0", "--frames", "3"}, 2, "--frames");
  fails({"--class", "0", "--output", "a.csv"}, 2, "--output");
  fails({"--class", "99999"}, 1, "99999");
  fails({"--layer", "relu9", "--map", "0"}, 1, "relu9");
  fails({"--class", "0", "--start", (world / "none.png").string()}, 1, "none.png");
}
