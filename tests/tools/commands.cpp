// Every command on a small network: what its JSON holds and what it writes.

#include <cmath>
#include <set>

#include "deconv/io/npy.hpp"
#include "deconv/io/safetensors.hpp"
#include "program.hpp"

namespace {

using namespace deconv;
using namespace deconv::test;

void check_timing(const io::Json& document) {
  CHECK(document.at("min_ms").get<double>() > 0);
  CHECK(document.at("median_ms").get<double>() >= document.at("min_ms").get<double>());
  // The program alone takes megabytes; a gigabyte would be far too much for the small network.
  CHECK(document.at("peak_memory_bytes").get<std::uint64_t>() > (1u << 20));
  CHECK(document.at("peak_memory_bytes").get<std::uint64_t>() < (1u << 30));
}

TEST_CASE("info names every layer with its shape, parameters, work and receptive field") {
  const SmallWorld world;
  const io::Json document = document_of({"info", "--model", world.model()});
  const io::Json& layers = document.at("layers");
  REQUIRE(layers.size() == 7);
  CHECK(layers[0].at("name") == "conv1");
  CHECK(layers[0].at("kind") == "conv2d");
  CHECK(layers[0].at("output_shape") == io::Json({1, 6, 18, 18}));
  CHECK(layers[0].at("parameters") == 6 * 3 * 9 + 6);
  CHECK(layers[0].at("multiply_adds") == 6 * 18 * 18 * 27);
  // Two 3x3 convolutions around a pool of 2 by 2: 3, 4, then 4 + 2 * 2 pixels, every second pixel a unit.
  CHECK(layers[4].at("name") == "relu2");
  CHECK(layers[4].at("receptive_field").at("size") == io::Json({8, 8}));
  CHECK(layers[4].at("receptive_field").at("jump") == io::Json({2, 2}));
  CHECK(layers[4].at("receptive_field").at("offset") == io::Json({0, 0}));
  CHECK(layers[5].at("receptive_field").at("whole") == true);
  const Index total = (6 * 27 + 6) + (5 * 54 + 5) + (5 * 49 * 4 + 4);
  CHECK(document.at("totals").at("parameters") == total);
  CHECK(document.at("preprocess").at("resize") == "exact");
  const Run people = run_program({"info", "--model", world.model()});
  CHECK(people.status == 0);
  CHECK(people.out.find("conv2") != std::string::npos);
}

TEST_CASE("convert keeps weights, graph, preprocessing and class names") {
  const SmallWorld world;
  io::write_model_file(world / "bare.safetensors", small_model(false));
  io::write_text(world / "names.txt", "n00000001 one\nn00000002 two words\nthree\nfour\n");
  const std::string output = (world / "converted.safetensors").string();
  const io::Json document =
      document_of({"convert", "--model", (world / "bare.safetensors").string(), "--preprocess", "unit",
                   "--labels", (world / "names.txt").string(), "--output", output});
  CHECK(document.at("classes") == 4);
  const io::ModelFile before = small_model(false), after = io::read_model_file(output);
  REQUIRE(after.model.weights.size() == before.model.weights.size());
  for (const auto& [name, weight] : before.model.weights) {
    const auto& other = after.model.weights.at(name);
    REQUIRE(other.shape() == weight.shape());
    CHECK(std::equal(weight.begin(), weight.end(), other.begin()));
  }
  CHECK(after.class_names == std::vector<std::string>{"one", "two words", "three", "four"});
  REQUIRE(after.preprocess);
  CHECK(after.preprocess->output_shape() == Shape{3, 20, 20});
  // A picture needs no --preprocess any more.
  CHECK(run_program({"run", "--model", output, "--image", world.picture(0)}).status == 0);
}

TEST_CASE("run writes the named activations, of an array as it is") {
  const SmallWorld world;
  const std::string npy = (world / "prob.npy").string();
  const io::Json document = document_of({"run", "--model", world.model(), "--image", world.picture(0),
                                         world.picture(1), "--output", npy, "--repeat", "3"});
  check_timing(document);
  REQUIRE(document.at("layers").size() == 1);
  CHECK(document.at("layers")[0].at("name") == "prob");
  const auto prob = io::read_npy<float>(npy);
  REQUIRE(prob.shape() == Shape{2, 4});
  for (Index n = 0; n < 2; ++n) {
    double sum = 0;
    for (Index k = 0; k < 4; ++k) sum += static_cast<double>(prob.data()[n * 4 + k]);
    CHECK(std::abs(sum - 1) < 1e-5);
  }

  const auto input = Tensor<float, Cpu>::filled({1, 3, 20, 20}, 0.25f);
  io::write_npy(world / "input.npy", input);
  const std::string named = (world / "all.safetensors").string();
  const io::Json all = document_of({"run", "--model", world.model(), "--input",
                                    (world / "input.npy").string(), "--layers", "all", "--output", named});
  CHECK(all.at("layers").size() == 7);
  const io::SafetensorsReader reader{std::filesystem::path(named)};
  CHECK(reader.entries().size() == 7);
  CHECK(reader.entry("relu2").shape == Shape{1, 5, 7, 7});
  const auto conv1 = reader.read("conv1"), relu1 = reader.read("relu1");
  const auto weights = small_model().model.weights.at("conv1.weight").clone();
  double first = 0;
  for (Index i = 0; i < 27; ++i) first += 0.25 * static_cast<double>(weights.data()[i]);
  CHECK(std::abs(static_cast<double>(conv1.data()[0]) - first) < 1e-5);
  for (Index i = 0; i < conv1.count(); ++i) CHECK(relu1.data()[i] == std::max(conv1.data()[i], 0.0f));
  // Threads do not change a bit.
  const std::string other = (world / "other.safetensors").string();
  document_of({"run", "--model", world.model(), "--input", (world / "input.npy").string(), "--layers", "all",
               "--threads", "1", "--output", other});
  CHECK(io::read_file(other) == io::read_file(named));
}

TEST_CASE("classify names the top classes and counts errors over a data set") {
  const SmallWorld world;
  const io::Json document = document_of({"classify", "--model", world.model(), "--image", world.picture(0),
                                         world.picture(1), "--top", "2", "--repeat", "2"});
  check_timing(document);
  REQUIRE(document.at("images").size() == 2);
  const std::set<std::string> names = {"square", "bar", "dot", "nothing"};
  for (const io::Json& image : document.at("images")) {
    REQUIRE(image.at("classes").size() == 2);
    CHECK(image.at("classes")[0].at("probability") >= image.at("classes")[1].at("probability"));
    CHECK(names.contains(image.at("classes")[0].at("name")));
  }
  const io::Json data =
      document_of({"classify", "--model", world.model(), "--data", world.set(), "--top", "4"});
  CHECK(data.at("images") == 6);
  CHECK(data.at("top4_error") == 0.0);
  const double error = data.at("top1_error");
  CHECK(error == (6 - data.at("top1_correct").get<double>()) / 6);

  // One picture of six is broken: an error that names it, or a counted warning.
  io::write_text(world / "set/b/broken.png", "no picture");
  const Run strict = run_program({"classify", "--model", world.model(), "--data", world.set()});
  CHECK(strict.status == 1);
  CHECK(strict.error_names("broken.png"));
  const Run lenient =
      run_program({"classify", "--model", world.model(), "--data", world.set(), "--skip-broken", "--json"});
  REQUIRE(lenient.status == 0);
  CHECK(lenient.json().at("skipped") == 1);
  CHECK(lenient.json().at("images") == 6);
  CHECK(lenient.json().at("top1_correct") == data.at("top1_correct"));
  CHECK(lenient.err.find("broken.png") != std::string::npos);
  CHECK(run_program({"classify", "--model", world.model(), "--data", world.set(), "--skip-broken", "--quiet"})
            .err.empty());
}

TEST_CASE("ten crops average over corners and mirror images") {
  const SmallWorld world;
  io::write_text(world / "crop.json",
                 R"({"size": 23, "resize": "exact", "crop": 20, "scale": 0.00392156862745098})");
  const std::vector<std::string> common = {
      "classify", "--model", world.model(), "--preprocess", (world / "crop.json").string(), "--top", "4"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), common.begin(), common.end());
    return document_of(more);
  };
  const io::Json ten = with({"--image", world.picture(0), "--crops", "10"});
  double sum = 0;
  for (const io::Json& one : ten.at("images")[0].at("classes")) sum += one.at("probability").get<double>();
  CHECK(std::abs(sum - 1) < 1e-5);
  const io::Json one = with({"--image", world.picture(0)});
  CHECK(one.at("images")[0].at("classes") != ten.at("images")[0].at("classes"));
  const io::Json data = with({"--data", world.set(), "--crops", "10"});
  CHECK(data.at("images") == 6);
  CHECK(data.at("crops") == 10);
}

TEST_CASE("project gives each unit's place, and its projection inside its receptive field alone") {
  const SmallWorld world;
  const std::string npy = (world / "p.npy").string();
  const io::Json document = document_of({"project", "--model", world.model(), "--image", world.picture(0),
                                         "--layer", "relu2", "--top", "3", "--output", npy, "--repeat", "2"});
  check_timing(document);
  const io::Json& units = document.at("units");
  REQUIRE(units.size() == 3);
  CHECK(units[0].at("activation") >= units[1].at("activation"));
  CHECK(units[1].at("activation") >= units[2].at("activation"));
  std::set<int> maps;
  const auto planes = io::read_npy<float>(npy);
  REQUIRE(planes.shape() == Shape{3, 3, 20, 20});
  for (std::size_t i = 0; i < 3; ++i) {
    const io::Json& unit = units[i];
    maps.insert(unit.at("map").get<int>());
    CHECK(unit.at("layer") == "relu2");
    const io::Json& field = unit.at("receptive_field");
    CHECK(field.at("top") == 2 * unit.at("y").get<int>());
    CHECK(field.at("left") == 2 * unit.at("x").get<int>());
    CHECK(field.at("bottom").get<int>() - field.at("top").get<int>() == 8);
    Index inside = 0;
    for (Index c = 0; c < 3; ++c)
      for (Index y = 0; y < 20; ++y)
        for (Index x = 0; x < 20; ++x) {
          const bool seen = y >= field.at("top") && y < field.at("bottom") && x >= field.at("left") &&
                            x < field.at("right");
          const float value = planes(static_cast<Index>(i), c, y, x);
          if (!seen) CHECK(value == 0.0f);
          inside += seen && value != 0.0f;
        }
    CHECK(inside > 20);
  }
  CHECK(maps.size() == 3);

  // The strongest position of a map by name, and by --at, are the same unit.
  const std::string map = std::to_string(units[0].at("map").get<int>());
  const std::string at =
      std::to_string(units[0].at("y").get<int>()) + "," + std::to_string(units[0].at("x").get<int>());
  const std::string a = (world / "a.npy").string(), b = (world / "b.npy").string();
  document_of({"project", "--model", world.model(), "--image", world.picture(0), "--layer", "relu2", "--map",
               map, "--output", a});
  document_of({"project", "--model", world.model(), "--image", world.picture(0), "--layer", "relu2", "--map",
               map, "--at", at, "--output", b});
  CHECK(io::read_file(a) == io::read_file(b));
  const auto alone = io::read_npy<float>(a);
  for (Index i = 0; i < alone.count(); ++i) CHECK(std::abs(alone.data()[i] - planes.data()[i]) <= 1e-4f);

  // The rules differ, and a seed of one divides by the activation under the deconvnet, which is linear in it.
  const std::string c = (world / "c.npy").string(), d = (world / "d.npy").string();
  document_of({"project", "--model", world.model(), "--image", world.picture(0), "--layer", "relu2", "--map",
               map, "--rule", "gradient", "--output", c});
  CHECK(io::read_file(c) != io::read_file(a));
  document_of({"project", "--model", world.model(), "--image", world.picture(0), "--layer", "relu2", "--map",
               map, "--seed-value", "one", "--output", d});
  const auto one = io::read_npy<float>(d);
  const float activation = units[0].at("activation").get<float>();
  for (Index i = 0; i < one.count(); ++i)
    CHECK(std::abs(one.data()[i] * activation - alone.data()[i]) <= 1e-4f * (1 + std::abs(alone.data()[i])));
}

TEST_CASE("project's pictures: one unit in its place, several beside their patches, a folder with both") {
  const SmallWorld world;
  const std::string one = (world / "one.png").string(), many = (world / "many.png").string();
  document_of({"project", "--model", world.model(), "--image", world.picture(0), "--layer", "relu1", "--map",
               "2", "--output", one});
  const io::Image picture = io::read_image(one);
  CHECK(picture.width() == 20);
  CHECK(picture.height() == 20);
  std::set<int> levels(picture.pixels().begin(), picture.pixels().end());
  CHECK(levels.size() > 3);
  CHECK((levels.contains(0) || levels.contains(255)));
  document_of({"project", "--model", world.model(), "--image", world.picture(0), "--layer", "relu2", "--top",
               "4", "--output", many});
  CHECK(io::read_image(many).width() > 250);

  const std::string folder = (world / "units").string();
  for (int twice = 0; twice < 2; ++twice) {  // what deconv wrote it may replace
    const io::Json document = document_of({"project", "--model", world.model(), "--image", world.picture(0),
                                           "--layer", "relu2", "--top", "2", "--output", folder});
    const auto names = names_in(folder);
    CHECK(names.size() == 5);
    // The model, three pictures, the set, two single pictures and this folder: nothing temporary is left.
    CHECK(names_in(world.path()).size() == 8);
    for (const io::Json& unit : document.at("units"))
      CHECK(std::filesystem::exists(std::filesystem::path(folder) / unit.at("file").get<std::string>()));
    CHECK(io::parse_json(io::read_text(std::filesystem::path(folder) / "project.json"), "project.json") ==
          document);
  }
  io::write_text(std::filesystem::path(folder) / "notes.txt", "mine");
  const Run refused = run_program({"project", "--model", world.model(), "--image", world.picture(0),
                                   "--layer", "relu2", "--top", "2", "--output", folder});
  CHECK(refused.status == 1);
  CHECK(names_in(folder).size() == 6);
}

TEST_CASE("features finds the strongest image of each map, as separate runs do") {
  const SmallWorld world;
  const std::string folder = (world / "features").string();
  const io::Json document =
      document_of({"features", "--model", world.model(), "--data", world.set(), "--layer", "relu1,relu2",
                   "--maps", "0,2", "--top", "3", "--batch", "4", "--output", folder, "--repeat", "1"});
  check_timing(document);
  CHECK(document.at("images") == 6);
  REQUIRE(document.at("layers").size() == 2);
  for (const io::Json& layer : document.at("layers")) {
    REQUIRE(layer.at("maps").size() == 2);
    CHECK(std::filesystem::exists(std::filesystem::path(folder) / layer.at("montage").get<std::string>()));
    for (const io::Json& map : layer.at("maps")) {
      REQUIRE(map.at("hits").size() == 3);
      std::set<std::string> images;
      double last = 1e30;
      for (const io::Json& hit : map.at("hits")) {
        images.insert(hit.at("image").get<std::string>());
        CHECK(hit.at("activation").get<double>() <= last);
        last = hit.at("activation");
      }
      CHECK(images.size() == 3);
      const io::Json& best = map.at("hits")[0];
      const io::Json alone = document_of(
          {"project", "--model", world.model(), "--image",
           (std::filesystem::path(world.set()) / best.at("image").get<std::string>()).string(), "--layer",
           layer.at("layer").get<std::string>(), "--map", std::to_string(map.at("map").get<int>())});
      CHECK(alone.at("units")[0].at("y") == best.at("y"));
      CHECK(alone.at("units")[0].at("x") == best.at("x"));
      CHECK(std::abs(alone.at("units")[0].at("activation").get<double>() -
                     best.at("activation").get<double>()) < 1e-4);
      CHECK(alone.at("units")[0].at("receptive_field") == best.at("receptive_field"));
    }
  }
  CHECK(io::parse_json(io::read_text(std::filesystem::path(folder) / "features.json"), "features.json")
            .at("layers") == document.at("layers"));

  // The same seed draws the same maps; another one others.
  const auto drawn = [&](const std::string& seed) {
    std::vector<int> maps;
    const io::Json random = document_of({"features", "--model", world.model(), "--data", world.set(),
                                         "--layer", "relu1", "--random", "3", "--top", "1", "--seed", seed});
    for (const io::Json& map : random.at("layers")[0].at("maps")) maps.push_back(map.at("map"));
    return maps;
  };
  CHECK(drawn("1").size() == 3);
  CHECK(drawn("1") == drawn("1"));
  std::set<std::vector<int>> several;
  for (const char* seed : {"1", "2", "3", "4"}) several.insert(drawn(seed));
  CHECK(several.size() > 1);
}

TEST_CASE("filters, activations and gradcam describe and draw") {
  const SmallWorld world;
  const std::string png = (world / "f.png").string(), csv = (world / "f.csv").string();
  const io::Json filters =
      document_of({"filters", "--model", world.model(), "--output", png, "--repeat", "1"});
  check_timing(filters);
  CHECK(filters.at("layer") == "conv1");
  REQUIRE(filters.at("filters").size() == 6);
  const auto weights = small_model().model.weights.at("conv1.weight").clone();
  double square = 0;
  for (Index i = 0; i < 27; ++i) square += std::pow(static_cast<double>(weights.data()[i]), 2);
  CHECK(std::abs(filters.at("filters")[0].at("rms").get<double>() - std::sqrt(square / 27)) < 1e-6);
  CHECK(io::read_image(png).width() > 100);
  document_of({"filters", "--model", world.model(), "--layer", "conv2", "--output", csv});
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 0);
  const std::string table = io::read_text(csv);
  CHECK(std::count(table.begin(), table.end(), '\n') == 6);

  const std::string maps = (world / "maps").string();
  const io::Json activations =
      document_of({"activations", "--model", world.model(), "--image", world.picture(0), "--layers",
                   "relu1,fc", "--output", maps, "--repeat", "1"});
  check_timing(activations);
  CHECK(names_in(maps) == std::vector<std::string>{"activations.json", "fc.png", "relu1.png"});

  const std::string heat = (world / "heat.npy").string();
  const io::Json gradcam = document_of({"gradcam", "--model", world.model(), "--image", world.picture(0),
                                        "--class", "1", "--output", heat, "--repeat", "1"});
  check_timing(gradcam);
  CHECK(gradcam.at("layer") == "relu2");
  CHECK(gradcam.at("images")[0].at("class") == 1);
  CHECK(gradcam.at("images")[0].at("name") == "bar");
  const auto map = io::read_npy<float>(heat);
  REQUIRE(map.shape() == Shape{1, 7, 7});
  float most = 0;
  for (const float value : map) {
    CHECK(value >= 0);
    most = std::max(most, value);
  }
  CHECK(std::abs(most - gradcam.at("images")[0].at("max").get<float>()) <= 1e-6f * most);
  const std::string folder = (world / "cam").string();
  document_of({"gradcam", "--model", world.model(), "--image", world.picture(0), world.picture(1), "--output",
               folder});
  CHECK(names_in(folder).size() == 6);
}

}  // namespace
