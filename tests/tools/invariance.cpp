// deconv invariance on a small network: what it writes, and what it refuses.

#include <cmath>

#include "program.hpp"

using namespace deconv;
using namespace deconv::test;

TEST_CASE("invariance follows a picture's class and distances, in every kind of output") {
  const SmallWorld world;
  const std::vector<std::string> base{"invariance",     "--model",     world.model(), "--image",
                                      world.picture(0), "--translate", "-4:4:2",      "--scale",
                                      "none",           "--rotate",    "0:180:90"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return more;
  };
  const io::Json document = document_of(with({"--layers", "first,relu2"}));
  CHECK(document.at("layers") == io::Json({"relu1", "relu2"}));
  const io::Json& image = document.at("images")[0];
  const io::Json classes = document_of({"classify", "--model", world.model(), "--image", world.picture(0)});
  const io::Json& top = classes.at("images")[0].at("classes")[0];
  CHECK(image.at("class") == top.at("class"));
  CHECK(!(std::abs(image.at("probability").get<double>() - top.at("probability").get<double>()) > 1e-5));
  REQUIRE(image.at("curves").size() == 2);
  const io::Json& down = image.at("curves")[0];
  CHECK(down.at("change") == "down");
  CHECK(down.at("amounts") == io::Json({-4.0, -2.0, 0.0, 2.0, 4.0}));
  CHECK(!(down.at("layers")[0].at("relative")[2].get<double>() > 1e-6));
  CHECK(down.at("layers")[0].at("relative")[3].get<double>() > 0.01);
  CHECK(image.at("curves")[1].at("probability").size() == 3);

  const std::string csv = (world / "curves.csv").string(), svg = (world / "curves.svg").string();
  CHECK(run_program(with({"--output", csv, "--quiet"})).status == 0);
  const std::string table = io::read_text(csv);
  CHECK(table.starts_with("image,class,change,amount,probability,distance relu1,relative relu1,"));
  CHECK(std::count(table.begin(), table.end(), '\n') == 9);
  CHECK(run_program(with({"--output", svg, "--quiet"})).status == 0);
  CHECK(io::read_text(svg).find("</svg>") != std::string::npos);
  CHECK(run_program(with({"--output", (world / "all").string(), "--quiet"})).status == 0);
  CHECK(names_in(world / "all") ==
        std::vector<std::string>{"invariance.csv", "invariance.json", "invariance.svg"});

  const io::Json set =
      document_of({"invariance", "--model", world.model(), "--data", world.set(), "--pictures", "2",
                   "--translate", "0:1:1", "--scale", "none", "--rotate", "none"});
  REQUIRE(set.at("images").size() == 2);
  CHECK(set.at("images")[0].at("class") == 0);
}

TEST_CASE("invariance says which option is wrong") {
  const SmallWorld world;
  const auto wrong = [&](std::vector<std::string> more, const std::string& part, int status = 2) {
    more.insert(more.begin(), {"invariance", "--model", world.model(), "--image", world.picture(0)});
    const Run run = run_program(more);
    INFO(run.err);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
  };
  wrong({"--rotate", "0:90"}, "--rotate");
  wrong({"--scale", "0:1:0.5"}, "--scale");
  wrong({"--translate", "5:1:1"}, "--translate");
  wrong({"--fill", "1", "--border", "reflect"}, "--fill");
  wrong({"--translate", "none", "--scale", "none", "--rotate", "none"}, "--rotate");
  wrong({"--data", world.set()}, "--data");
  wrong({"--pictures", "3"}, "--pictures");
  wrong({"--layers", "relu9"}, "relu2", 1);
  wrong({"--class", "4"}, "0 to 3", 1);
  wrong({"--output", (world / "x.png").string()}, ".svg");
}
