// deconv ablate on few pictures: every form is trained, a folder can be gone on with.

#include "program.hpp"

using namespace deconv;
using namespace deconv::test;

namespace {

/// A recipe for the small world's pictures.
std::string recipe(const SmallWorld& world) {
  io::write_text(world / "recipe.json",
                 R"({"net": "zfnet-small", "initialisation": "he", "batch": 3, "epochs": 1, "rate": 0.001,
                     "preprocess": {"resize": "exact", "size": 28, "channel_order": "grey", "scale": 0.004}})");
  return (world / "recipe.json").string();
}

}  // namespace

TEST_CASE("ablate trains the forms that are asked for, and goes on with a folder") {
  const SmallWorld world;
  const std::string folder = (world / "runs").string();
  const std::vector<std::string> command{"ablate", "--net",      "zfnet-small",  "--recipe",  recipe(world),
                                         "--data", world.set(),  "--val",        world.set(), "--epochs",
                                         "1",      "--quiet",    "--output",     folder,      "--variants",
                                         "none",   "remove:3,4", "scale:6,7:0.5"};
  const io::Json document = document_of(command);
  const io::Json& rows = document.at("lines");
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].at("parameters").get<Index>() < rows[0].at("parameters").get<Index>());
  CHECK(rows[2].at("parameters").get<Index>() < rows[0].at("parameters").get<Index>());
  for (const io::Json& row : rows) {
    CHECK(row.at("train_top1_error").get<double>() >= 0);
    CHECK(row.at("val_top1_error").get<double>() <= 1);
  }
  const auto names = names_in(folder);
  for (const std::string wanted : {"table.csv", "table.md", "ablate.json"})
    CHECK(std::find(names.begin(), names.end(), wanted) != names.end());
  auto again = command;
  again.emplace_back("--resume");
  CHECK(document_of(again).at("lines") == rows);
}

TEST_CASE("ablate says what is wrong, before it trains") {
  const SmallWorld world;
  const std::string table = (world / "table.csv").string(), how = recipe(world);
  const auto wrong = [&](std::vector<std::string> more, const std::string& part, int status) {
    more.insert(more.begin(), {"ablate", "--data", world.set(), "--recipe", how, "--output", table});
    const Run run = run_program(more);
    INFO(run.err);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
    CHECK_FALSE(std::filesystem::exists(table));
  };
  wrong({"--net", "zfnet-tiny"}, "zfnet-tiny", 1);
  wrong({"--net", "lenet32", "--variants", "remove:4"}, "4", 1);
  wrong({"--net", "zfnet-small", "--variants", "shrink:4"}, "shrink", 2);
}
