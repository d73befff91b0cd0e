// deconv evolve on states of a small network: what it finds is what `features` finds in each, and what it
// says when states do not fit.

#include <cmath>
#include <filesystem>
#include <fstream>

#include "program.hpp"

namespace {

using namespace deconv;
using namespace deconv::test;

/// The small world with a run's folder that holds three states of the network.
class Evolving : public SmallWorld {
 public:
  Evolving() {
    std::filesystem::create_directory(run_folder());
    for (const int epoch : {1, 2, 10}) {
      io::ModelFile file = small_model();
      initialise(file.model, Initialisation::he, static_cast<std::uint64_t>(epoch));
      io::write_model_file(state(epoch), file);
    }
    io::write_text(std::filesystem::path(run_folder()) / "log.jsonl", "");
  }
  [[nodiscard]] std::string run_folder() const { return (*this / "run").string(); }
  [[nodiscard]] std::string state(int epoch) const {
    return run_folder() + (epoch < 10 ? "/epoch-000" : "/epoch-00") + std::to_string(epoch) + ".safetensors";
  }
};

}  // namespace

TEST_CASE("evolve finds in each state what features finds there") {
  const Evolving world;
  const std::string folder = (world / "evolution").string();
  const io::Json document =
      document_of({"evolve", "--run", world.run_folder(), "--data", world.set(), "--layer", "relu1,relu2",
                   "--maps", "3,0", "--batch", "4", "--output", folder});
  CHECK(document.at("images") == 6);
  REQUIRE(document.at("states").size() == 3);
  CHECK(document.at("states")[2].at("epoch") == 10);
  CHECK(document.at("states")[2].at("state") == "10");
  REQUIRE(document.at("layers").size() == 2);
  int alive = 0;
  for (std::size_t s = 0; s < 3; ++s) {
    const io::Json features =
        document_of({"features", "--model", world.state(s == 2 ? 10 : static_cast<int>(s) + 1), "--data",
                     world.set(), "--layer", "relu1,relu2", "--maps", "3,0", "--top", "1"});
    for (std::size_t l = 0; l < 2; ++l) {
      const io::Json& layer = document.at("layers")[l];
      CHECK(layer.at("layer") == features.at("layers")[l].at("layer"));
      REQUIRE(layer.at("maps").size() == 2);
      for (std::size_t m = 0; m < 2; ++m) {
        const io::Json& map = layer.at("maps")[m];
        CHECK(map.at("map") == (m == 0 ? 3 : 0));
        REQUIRE(map.at("states").size() == 3);
        const io::Json &cell = map.at("states")[s],
                       &hit = features.at("layers")[l].at("maps")[m].at("hits")[0];
        for (const char* field : {"image", "index", "y", "x", "receptive_field"})
          CHECK(cell.at(field) == hit.at(field));
        const double met = cell.at("activation"), wanted = hit.at("activation");
        CHECK(!(std::abs(met - wanted) > 1e-4 * wanted));
        alive += wanted > 0 ? 1 : 0;
      }
    }
  }
  CHECK(alive > 6);  // of twelve
  // A montage a layer, three tiles of 48 pixels wide, and the document.
  CHECK(names_in(folder) == std::vector<std::string>{"evolve.json", "relu1.png", "relu2.png"});
  const io::Image montage = io::read_image(std::filesystem::path(folder) / "relu2.png");
  CHECK(montage.width() > 3 * 48);
  CHECK(montage.width() < 4 * 48);
  CHECK(io::parse_json(io::read_text(std::filesystem::path(folder) / "evolve.json"), "evolve.json")
            .at("layers") == document.at("layers"));
}

TEST_CASE("evolve takes a list of models in its order, and draws maps by the seed") {
  const Evolving world;
  const std::string png = (world / "e.png").string();
  const io::Json document =
      document_of({"evolve", "--models", world.state(10), world.state(1), "--data", world.set(), "--layer",
                   "relu1", "--random", "2", "--output", png, "--repeat", "1"});
  REQUIRE(document.at("states").size() == 2);
  CHECK(document.at("states")[0].at("state") == "0010");
  CHECK(document.at("states")[1].at("state") == "0001");
  CHECK(document.at("layers")[0].at("maps").size() == 2);
  CHECK(document.at("min_ms").get<double>() > 0);
  CHECK(io::read_image(png).width() > 2 * 48);
  // The same file three times: nothing changes, and names that tell nothing become numbers.
  const io::Json same = document_of({"evolve", "--models", world.state(2), world.state(2), world.state(2),
                                     "--data", world.set(), "--layer", "relu1", "--random", "2"});
  for (const io::Json& map : same.at("layers")[0].at("maps")) {
    CHECK(map.at("image_changes") == 0);
    CHECK(map.at("states")[0].at("activation") == map.at("states")[2].at("activation"));
  }
  CHECK(same.at("states")[2].at("state") == "3");
}

TEST_CASE("evolve says what does not fit and leaves nothing behind") {
  const Evolving world;
  const std::string output = (world / "never").string();
  const auto refused = [&](std::vector<std::string> arguments, int status, const std::string& part) {
    arguments.insert(arguments.begin(), "evolve");
    for (const std::string& more : {std::string("--data"), world.set(), std::string("--output"), output})
      arguments.push_back(more);
    const Run run = run_program(arguments);
    INFO(run.err);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
    CHECK(!std::filesystem::exists(output));
  };
  const std::string run = world.run_folder(), first = world.state(1);
  refused({"--layer", "relu1"}, 2, "--models or --run");
  refused({"--models", first, "--run", run, "--layer", "relu1"}, 2, "--");
  refused({"--run", run, "--layer", "relu1", "--maps", "0", "--random", "2"}, 2, "--random");
  refused({"--run", run}, 2, "--layer");
  refused({"--run", run, "--layer", "relu9"}, 1, "relu9");
  refused({"--run", run, "--layer", "relu1", "--maps", "6"}, 1, "0 to 5");
  refused({"--run", (world / "none").string(), "--layer", "relu1"}, 1, "none");
  refused({"--run", world.set(), "--layer", "relu1"}, 1, "epoch-0001.safetensors");
  refused({"--models", first, (world / "none.safetensors").string(), "--layer", "relu1"}, 1,
          "none.safetensors");

  // Another network among the states.
  GraphBuilder net("data", {1, 3, 20, 20});
  net.add("conv1", node::Conv2d{6, {Window2d::square(5)}});
  net.add("relu1", node::Relu{});
  io::ModelFile other = small_model();
  other.model.graph = std::move(net).finish();
  initialise(other.model, Initialisation::he, 1);
  io::write_model_file(world / "other.safetensors", other);
  refused({"--models", first, (world / "other.safetensors").string(), "--layer", "relu1"}, 1,
          "other.safetensors");

  // A state cut short, as no checkpoint of ours is, is named.
  std::filesystem::resize_file(world.state(2), 1000);
  refused({"--run", run, "--layer", "relu1"}, 1, "epoch-0002.safetensors");
}
