// deconv report: one page with what was asked, or a clear word and no file. How the page behaves in a browser
// is tests/browser's.

#include <algorithm>
#include <string>

#include "program.hpp"

using namespace deconv;
using namespace deconv::test;

namespace {

Index count(const std::string& page, const std::string& part) {
  Index found = 0;
  for (std::size_t at = page.find(part); at != std::string::npos; at = page.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("a report holds all sections that its inputs allow") {
  const SmallWorld world;
  const std::string page = (world / "page.html").string(), table = (world / "errors.csv").string();
  io::write_text(table, "layer,error\nconv1,12.5\n");
  const io::Json document =
      document_of({"report",   "--model",   world.model(), "--image", world.picture(0), world.picture(1),
                   "--data",   world.set(), "--maps",      "2",       "--top",          "4",
                   "--size",   "6",         "--stride",    "4",       "--table",        table,
                   "--output", page});
  CHECK(document.at("layers") == io::Json{"relu1", "relu2"});
  CHECK(document.at("images").size() == 2);
  REQUIRE(document.at("maps").size() == 4);
  CHECK(document.at("maps")[3].at("layer") == "relu2");
  CHECK(document.at("network").at("layers") == 7);
  const std::string text = io::read_text(page);
  CHECK(count(text, "<h2") == 6);  // network, filters, maps, two images, tables
  CHECK(count(text, "data-widget=\"maps\"") == 1);
  CHECK(count(text, "data-widget=\"occlusion\"") == 2);
  CHECK(count(text, "<svg") >= 2);
  CHECK(count(text, "<td class=\"number\">12.5</td>") == 1);
  // Places of a 6 x 6 patch in steps of 4 on 20 x 20: 0, 4, 8, 12.
  CHECK(count(text, "\"tops\":[0,4,8,12]") == 2);
}

TEST_CASE("a report of a model alone has its network and filters; sections can be left out") {
  const SmallWorld world;
  const std::string page = (world / "page.html").string();
  static_cast<void>(document_of({"report", "--model", world.model(), "--output", page}));
  CHECK(count(io::read_text(page), "<h2") == 2);
  static_cast<void>(document_of({"report", "--model", world.model(), "--image", world.picture(0), "--skip",
                                 "filters,occlusion,invariance,attribution", "--output", page}));
  const std::string text = io::read_text(page);
  CHECK(count(text, "<h2") == 2);
  CHECK(count(text, "data-widget=\"occlusion\"") == 0);
  CHECK(count(text, "<svg") == 0);
  CHECK(count(text, "Activations") == 1);
}

TEST_CASE("a report that cannot be made leaves no file and says why") {
  const SmallWorld world;
  const std::string page = (world / "page.html").string();
  const auto before = names_in(world.path());
  const auto refused = [&](std::vector<std::string> more, int status, const std::string& part) {
    std::vector<std::string> arguments{"report", "--model", world.model(), "--output", page};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Run run = run_program(arguments);
    INFO(run.err);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
    CHECK(names_in(world.path()) == before);
  };
  refused({"--layers", "relu9"}, 1, "relu2");
  refused({"--image", (world / "absent.png").string()}, 1, "absent.png");
  refused({"--image", world.picture(0), "--class", "4"}, 1, "class 4");
  refused({"--image", world.picture(0), "--size", "30"}, 2, "30");
  refused({"--data", (world / "absent").string()}, 1, "absent");
  refused({"--table", (world / "absent.csv").string()}, 1, "absent.csv");
  refused({"--skip", "everything"}, 2, "--skip");
  refused({"--maps", "0"}, 2, "--maps");
  const Run other =
      run_program({"report", "--model", world.model(), "--output", (world / "page.pdf").string()});
  CHECK(other.status == 2);
  CHECK(other.error_names(".html"));
  // A table whose lines differ in length.
  const std::string table = (world / "errors.csv").string();
  io::write_text(table, "layer,error\nconv1\n");
  const Run uneven = run_program({"report", "--model", world.model(), "--table", table, "--output", page});
  CHECK(uneven.status == 1);
  CHECK(uneven.error_names("line 2"));
}
