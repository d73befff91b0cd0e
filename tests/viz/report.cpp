// The report's page: what is in it, and that no text in it can do more than be read.
#include <cstdint>
#include <string>
#include <vector>

#include "deconv/io/file.hpp"
#include "deconv/viz/report.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

using namespace deconv;

namespace {

std::string base64_of(const std::string& text) {
  return viz::base64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

Index count(const std::string& page, const std::string& part) {
  Index found = 0;
  for (std::size_t at = page.find(part); at != std::string::npos; at = page.find(part, at + 1)) ++found;
  return found;
}

io::Image picture(std::uint8_t value, Index side = 8) {
  io::Image image(side, side);
  for (auto& byte : image.pixels()) byte = value;
  return image;
}

viz::ReportOcclusion experiment() {
  viz::ReportOcclusion what;
  what.picture = picture(100);
  what.tops = {0, 4};
  what.lefts = {0, 2, 4};
  what.patch_height = what.patch_width = 4;
  what.lines = {{"probability", {"1", "2", "3", "4", "5", "6"}}};
  what.maps.push_back({picture(50), "a map", viz::PictureCoding::png, true});
  return what;
}

}  // namespace

TEST_CASE("base64 gives RFC 4648's examples, and every byte") {
  CHECK(base64_of("").empty());
  CHECK(base64_of("f") == "Zg==");
  CHECK(base64_of("fo") == "Zm8=");
  CHECK(base64_of("foo") == "Zm9v");
  CHECK(base64_of("foob") == "Zm9vYg==");
  CHECK(base64_of("fooba") == "Zm9vYmE=");
  CHECK(base64_of("foobar") == "Zm9vYmFy");
  CHECK(base64_of("\xff\xfe\xfb") == "//77");
}

TEST_CASE("a JPEG for a page reads back as nearly the same picture") {
  const io::Image grey = picture(90, 24);
  const io::Bytes bytes = io::encode_jpeg(grey, 95);
  const io::Image back = io::decode_image(bytes, "page");
  REQUIRE(back.width() == 24);
  REQUIRE(back.height() == 24);
  for (const std::uint8_t value : back.pixels()) CHECK(std::abs(int{value} - 90) <= 2);
  CHECK_THROWS_AS(io::encode_jpeg(grey, 0), ArgumentError);
  CHECK_THROWS_AS(io::encode_jpeg(io::Image(), 90), ArgumentError);
}

TEST_CASE("no text of a report becomes markup, in HTML or in its data") {
  const std::string evil = "</script><img src=x onerror=alert(1)>&\"\xff";
  viz::Report report(evil, evil);
  report.section(evil);
  report.heading(evil);
  report.paragraph(evil);
  report.table({evil, {evil}, {{evil}}});
  report.picture({picture(1), evil, viz::PictureCoding::jpeg, false});
  report.add_map(evil, {3, {{picture(1), picture(2), evil}}});
  report.finish_maps();
  auto what = experiment();
  what.lines[0].first = evil;
  what.maps[0].caption = evil;
  report.occlusion(what);
  const std::string page = report.html();
  CHECK(count(page, "onerror") > 8);  // it is there, as text
  CHECK(count(page, "<img src=x") == 0);
  CHECK(count(page, "</script>") == 3);  // two widgets' data and the program
  CHECK(count(page, "\xff") == 0);
}

TEST_CASE("a report lists its sections and holds its tables, pictures and widgets") {
  viz::Report report("title", "subtitle");
  report.section("first");
  report.table(
      {"numbers", {"name", "value", "spread"}, {{"a", "1.5", "0.1 \xc2\xb1 0.2"}, {"b", "-2e-3", ""}}});
  report.section("second");
  report.add_map("conv1", {0, {{picture(1), picture(2), "hit"}}});
  report.add_map("conv1", {5, {}});  // without a hit: left out
  report.add_map("conv1", {7, {{picture(1), picture(2), "hit"}, {picture(3), picture(4), "hit"}}});
  report.add_map("conv2", {1, {{picture(1), picture(2), "hit"}}});
  report.finish_maps();
  report.finish_maps();  // nothing is left to show
  report.occlusion(experiment());
  report.plot("<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>", "a plot");
  const std::string page = report.html();
  CHECK(count(page, "<section") == 2);
  CHECK(count(page, "</section>") == 2);
  CHECK(count(page, "href=\"#section-2\"") == 1);
  CHECK(count(page, "<td class=\"number\">") == 4);
  CHECK(count(page, "data-widget=\"maps\"") == 1);
  CHECK(count(page, "\"layer\":") == 2);
  CHECK(count(page, "\"projection\":\"data:image/png;base64,") == 4);
  CHECK(count(page, "\"patch\":\"data:image/jpeg;base64,") == 4);
  CHECK(count(page, "type=\"range\" min=\"0\" max=\"1\"") == 1);
  CHECK(count(page, "type=\"range\" min=\"0\" max=\"2\"") == 1);
  CHECK(count(page, "default-src 'none'") == 1);
  // Nothing is fetched: no address but data, SVG's name space and anchors.
  CHECK(count(page, "http") == count(page, "http://www.w3.org/2000/svg") + count(page, "http-equiv"));

  const test::ScratchFolder folder;
  report.write(folder / "report.html");
  CHECK(io::read_text(folder / "report.html") == page);
  CHECK_THROWS_AS(report.write(folder / "absent" / "report.html"), IoError);
}

TEST_CASE("what does not fit a report's shape is refused") {
  viz::Report report("title");
  CHECK_THROWS_AS(report.table({"t", {"a", "b"}, {{"1"}}}), ArgumentError);
  CHECK_THROWS_AS(report.plot("<html>", "no plot"), ArgumentError);
  auto what = experiment();
  what.lines[0].second.pop_back();
  CHECK_THROWS_AS(report.occlusion(what), ArgumentError);
  what = experiment();
  what.tops.clear();
  CHECK_THROWS_AS(report.occlusion(what), ArgumentError);
}
