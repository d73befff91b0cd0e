// deconv stages on a small network: every stage has its pictures, and the unit is that of project.

#include <algorithm>

#include "program.hpp"

using namespace deconv;
using namespace deconv::test;

TEST_CASE("stages writes a folder of pictures, and its unit is project's") {
  const SmallWorld world;
  const std::string folder = (world / "stages").string();
  // The layer's strongest unit: one that is silent has nothing to send down.
  const io::Json unit = document_of({"project", "--model", world.model(), "--image", world.picture(1),
                                     "--layer", "relu2", "--top", "1"})
                            .at("units")[0];
  REQUIRE(unit.at("activation").get<double>() > 0);
  const std::string map = unit.at("map").dump();
  const io::Json document = document_of({"stages", "--model", world.model(), "--image", world.picture(1),
                                         "--layer", "relu2", "--map", map, "--output", folder});
  CHECK(document.at("y") == unit.at("y"));
  CHECK(document.at("x") == unit.at("x"));
  CHECK(document.at("activation") == unit.at("activation"));
  CHECK(document.at("receptive_field") == unit.at("receptive_field"));
  CHECK(!(document.at("projection_error").get<double>() > 1e-5));
  REQUIRE(document.at("stages").size() == 6);
  CHECK(document.at("stages")[0].at("tensor") == "data");
  CHECK(document.at("stages")[3].at("up") == "pooled");
  CHECK(document.at("stages")[2].at("down") == "unpooled");
  REQUIRE(document.at("round_trips").size() == 1);
  CHECK(document.at("round_trips")[0].at("pooled_against_switches") == 0);
  const auto names = names_in(folder);
  for (const std::string& wanted : std::vector<std::string>{
           "stages.png", "stages.json", "stages.safetensors", "00_data_up.png", "00_data_down.png",
           "05_relu2_map" + map + "_up.png", "05_relu2_map" + map + "_down.png"})
    CHECK(std::find(names.begin(), names.end(), wanted) != names.end());
  CHECK(std::count_if(names.begin(), names.end(),
                      [](const std::string& name) { return name.ends_with("_switches.png"); }) == 3);
  CHECK(io::read_image(world / "stages" / "stages.png").height() > 6 * 80);

  const Run people = run_program({"stages", "--model", world.model(), "--image", world.picture(1), "--layer",
                                  "relu2", "--map", "3", "--at", "2,1", "--rule", "guided"});
  CHECK(people.status == 0);
  CHECK(people.out.find("at 2,1") != std::string::npos);
}

TEST_CASE("stages says what is wrong") {
  const SmallWorld world;
  const auto wrong = [&](std::vector<std::string> more, const std::string& part, int status) {
    more.insert(more.begin(), {"stages", "--model", world.model(), "--image", world.picture(0)});
    const Run run = run_program(more);
    INFO(run.err);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
  };
  wrong({"--layer", "relu2"}, "--map", 2);
  wrong({"--layer", "relu2", "--map", "1", "--at", "3"}, "--at", 2);
  wrong({"--layer", "relu2", "--map", "5"}, "relu2", 1);
  wrong({"--layer", "relu2", "--map", "1", "--at", "99,0"}, "99,0", 1);
  wrong({"--layer", "relu7", "--map", "1"}, "relu2", 1);
  wrong({"--layer", "relu2", "--map", "1", "--output", (world / "x.csv").string()}, ".png", 2);
}
