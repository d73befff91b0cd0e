// Line and bar plots: axes and their ticks, SVG that is valid whatever goes in, and a run's curves.

#include "deconv/viz/plot.hpp"

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/io/file.hpp"
#include "deconv/viz/curves.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace deconv;
using namespace deconv::viz;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> texts(const PlacedAxis& axis) {
  std::vector<std::string> result;
  for (const Tick& tick : axis.ticks()) result.push_back(tick.text);
  return result;
}

int count(std::string_view text, std::string_view part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// Whether every element is closed by its own name, in order, and no bare mark stands in a text: what a
/// parser of XML checks, as far as our documents use it.
bool well_formed(std::string_view xml) {
  std::vector<std::string> open;
  while (!xml.empty()) {
    const auto mark = xml.find_first_of("<&");
    if (mark == std::string_view::npos) break;
    xml.remove_prefix(mark);
    if (xml[0] == '&') {
      const bool known = xml.starts_with("&amp;") || xml.starts_with("&lt;") || xml.starts_with("&gt;") ||
                         xml.starts_with("&quot;");
      if (!known) return false;
      xml.remove_prefix(1);
      continue;
    }
    const auto end = xml.find('>');
    if (end == std::string_view::npos) return false;
    const std::string_view tag = xml.substr(1, end - 1);
    if (count(tag, "<") > 0 || count(tag, "\"") % 2 != 0) return false;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.emplace_back(tag.substr(0, tag.find(' ')));
    }
    xml.remove_prefix(end + 1);
  }
  return open.empty();
}

/// The x of each point of each path inside the plots.
std::vector<std::pair<double, double>> points_of(const std::string& svg, const std::string& colour) {
  std::vector<std::pair<double, double>> points;
  const auto stroke = svg.find("stroke=\"" + colour + "\"", svg.find("viewBox=\"-3 -3"));
  REQUIRE(stroke != std::string::npos);
  const auto begin = svg.rfind("d=\"", stroke) + 3;
  std::string d = svg.substr(begin, svg.find('"', begin) - begin);
  std::replace_if(
      d.begin(), d.end(), [](char c) { return c == 'M' || c == 'L'; }, ' ');
  std::istringstream numbers(d);
  for (double x = 0, y = 0; numbers >> x >> y;) points.emplace_back(x, y);
  return points;
}

struct Box {
  double x, y, width, height;
};

/// The boxes of that colour, in their order.
std::vector<Box> boxes_of(const std::string& svg, const std::string& colour) {
  std::vector<Box> boxes;
  const std::string end = "fill=\"" + colour + "\"";
  for (auto at = svg.find("<rect "); at != std::string::npos; at = svg.find("<rect ", at + 1)) {
    std::string tag = svg.substr(at, svg.find('>', at) - at);
    if (tag.find(end) == std::string::npos) continue;
    std::replace_if(
        tag.begin(), tag.end(), [](char c) { return (c < '0' || c > '9') && c != '.' && c != '-'; }, ' ');
    std::istringstream numbers(tag);
    Box box{};
    numbers >> box.x >> box.y >> box.width >> box.height;
    boxes.push_back(box);
  }
  return boxes;
}

}  // namespace

TEST_CASE("linear axes have round ticks and end on them", "[viz][plot]") {
  CHECK(texts(PlacedAxis({}, 0.3, 9.7, 5)) == std::vector<std::string>{"0", "2", "4", "6", "8", "10"});
  CHECK(texts(PlacedAxis({}, -0.02, 0.03, 5)) ==
        std::vector<std::string>{"-0.02", "-0.01", "0", "0.01", "0.02", "0.03"});
  CHECK(texts(PlacedAxis({}, 0, 3e6, 3)) == std::vector<std::string>{"0", "1e6", "2e6", "3e6"});
  CHECK(texts(PlacedAxis({}, 0, 3e-6, 3)) == std::vector<std::string>{"0", "1e-6", "2e-6", "3e-6"});
  CHECK(texts(PlacedAxis({}, 1.5e6, 3e6, 3)) == std::vector<std::string>{"1.5e6", "2.0e6", "2.5e6", "3.0e6"});
  CHECK(texts(PlacedAxis({.whole = true}, 0, 2, 10)) == std::vector<std::string>{"0", "1", "2"});
  const PlacedAxis axis({}, 0.3, 9.7, 5);
  CHECK(axis.place(0) == 0);
  CHECK(axis.place(10) == 1);
  CHECK(axis.place(2.5) == 0.25);
  CHECK(axis.place(20) == 2);
  const PlacedAxis asked({.low = 1.5, .high = 4.5}, 0, 9, 3);
  CHECK(texts(asked) == std::vector<std::string>{"2", "3", "4"});
  CHECK(asked.place(3) == 0.5);
}

TEST_CASE("logarithmic axes tick at powers of ten, and between where they are short", "[viz][plot]") {
  const Axis wanted{.scale = AxisScale::logarithmic};
  CHECK(texts(PlacedAxis(wanted, 0.03, 2, 5)) ==
        std::vector<std::string>{"0.05", "0.1", "0.2", "0.5", "1", "2"});
  CHECK(texts(PlacedAxis(wanted, 1e-7, 1, 5)) ==
        std::vector<std::string>{"1e-7", "1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1", "1"});
  const PlacedAxis axis({.scale = AxisScale::logarithmic, .low = 1, .high = 100}, 5, 6, 5);
  CHECK(axis.place(10) == Approx(0.5));
  CHECK(!axis.has_place(0));
  CHECK(!axis.has_place(-1));
  CHECK(texts(PlacedAxis(wanted, 1e-300, 1e300, 5)).size() < 20);
}

TEST_CASE("axes of hardly any data are axes all the same", "[viz][plot]") {
  for (const auto scale : {AxisScale::linear, AxisScale::logarithmic})
    for (const auto& [low, high] : std::vector<std::pair<double, double>>{
             {inf, -inf}, {3, 3}, {1e-300, 1e-300}, {1e300, 1e300}, {1, 1 + 1e-15}, {5e-324, 1.7e308}}) {
      INFO(low << " to " << high);
      const PlacedAxis axis({.scale = scale}, low, high, 5);
      CHECK(axis.low() < axis.high());
      CHECK(axis.ticks().size() <= 100);
      CHECK((axis.place(axis.low()) == 0 && axis.place(axis.high()) == 1));
    }
  const PlacedAxis zero({}, 0, 0, 5);
  CHECK(zero.low() < zero.high());
  CHECK_THROWS_AS(PlacedAxis({.low = 2, .high = 1}, 0, 1, 5), ArgumentError);
  CHECK_THROWS_AS(PlacedAxis({.low = nan_value}, 0, 1, 5), ArgumentError);
  CHECK_THROWS_AS(PlacedAxis({.scale = AxisScale::logarithmic, .low = 0}, 0, 1, 5), ArgumentError);
}

TEST_CASE("texts are valid XML whatever they hold", "[viz][plot]") {
  CHECK(xml_text("a < b & \"c\" > d") == "a &lt; b &amp; &quot;c&quot; &gt; d");
  CHECK(xml_text("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80") == "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  CHECK(xml_text(std::string("\0\x1b[m\x7f\n", 6)) == "??[m\x7f\n");
  // Cut, overlong, surrogate, beyond Unicode, no character.
  CHECK(xml_text("\xe2\x82") == "??");
  CHECK(xml_text("\xc0\x80") == "??");
  CHECK(xml_text("\xed\xa0\x80") == "???");
  CHECK(xml_text("\xf5\x80\x80\x80") == "????");
  CHECK(xml_text("\xef\xbf\xbf") == "???");
  CHECK(xml_text("\xff") == "?");
  CHECK(svg_number(1.005) == "1");
  CHECK(svg_number(-0.001) == "0");
  CHECK(svg_number(12.5) == "12.5");
  CHECK(svg_number(100) == "100");
  CHECK_THROWS_AS(svg_number(nan_value), ArgumentError);
  CHECK_THROWS_AS(svg_number(inf), ArgumentError);
  CHECK(svg_colour({0, 114, 178}) == "#0072b2");
}

TEST_CASE("a plot has its lines where the axes say", "[viz][plot]") {
  Plot plot;
  plot.title = "a <title> & \"more\"";
  plot.x = {.label = "epoch", .low = 0, .high = 10};
  plot.y = {.label = "error", .unit = "%", .low = 0, .high = 100};
  plot.series.push_back({.name = "rising", .x = {0, 5, 10}, .y = {0, 50, 100}, .colour = Rgb{1, 2, 3}});
  const std::string svg = to_svg(plot);
  CHECK(well_formed(svg));
  CHECK(count(svg, "a &lt;title&gt; &amp; &quot;more&quot;") == 1);
  CHECK(count(svg, ">error (%)<") == 1);
  CHECK(count(svg, ">epoch<") == 1);
  CHECK(count(svg, ">rising<") == 1);
  const auto points = points_of(svg, "#010203");
  REQUIRE(points.size() == 3);
  CHECK(points[0].first == 0);
  CHECK(points[2].second == 0);
  CHECK(points[1].first == Approx(points[2].first / 2).margin(0.01));
  CHECK(points[1].second == Approx(points[0].second / 2).margin(0.01));
}

TEST_CASE("gaps stay gaps, and numbers without a place are left out", "[viz][plot]") {
  Plot plot;
  plot.y.scale = AxisScale::logarithmic;
  plot.series.push_back({.x = {0, 1, 2, 3, 4, inf, 6, 7, 8},
                         .y = {1, 2, nan_value, 3, 4, 5, 0, -1, 9},
                         .colour = Rgb{1, 2, 3}});
  const std::string svg = to_svg(plot);
  CHECK(well_formed(svg));
  CHECK(points_of(svg, "#010203").size() == 5);
  const auto path = svg.substr(svg.rfind("d=\"", svg.find("stroke=\"#010203\"")));
  CHECK(count(path.substr(0, path.find('"', 3)), "M") == 3);
  CHECK(count(svg, "<circle") == 1);  // the lone point
  CHECK(count(svg, "nan") == 0);
  CHECK(count(svg, "inf") == 0);
}

TEST_CASE("a million points become a file of a moderate size that keeps the extremes", "[viz][plot]") {
  Plot plot;
  plot.y = {.low = -1, .high = 10};
  Series series{.colour = Rgb{1, 2, 3}};
  for (int i = 0; i < 1000000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i == 777777 ? 9.0 : (i % 7) * 0.1);
  }
  plot.series.push_back(std::move(series));
  const std::string svg = to_svg(plot);
  CHECK(svg.size() < 100000);
  const auto points = points_of(svg, "#010203");
  CHECK(points.size() > 1000);
  const auto [low, high] = std::minmax_element(
      points.begin(), points.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  CHECK((high->second - low->second) / high->second > 0.7);  // the peak at 9 is among them
}

TEST_CASE("plots stand one below the other", "[viz][plot]") {
  Plot above, below;
  above.height = 200;
  below.height = 300;
  below.width = 500;
  above.y.label = "y";
  above.series.push_back({.x = {0, 1}, .y = {0, 1e5}});
  below.marks.push_back({0.5, "here"});
  const std::vector<Plot> plots{above, below};
  const std::string svg = to_svg(plots);
  CHECK(well_formed(svg));
  CHECK(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"500\""));
  CHECK(count(svg, ">here<") == 1);
}

TEST_CASE("bars stand on zero in their groups, with their errors", "[viz][plot]") {
  Plot plot;
  plot.y = {.label = "error", .unit = "%"};
  plot.groups = {"none", "all & more"};
  plot.bars.push_back({.name = "ours", .values = {10, -5}, .error = {2, 0}, .colour = Rgb{1, 2, 3}});
  plot.bars.push_back({.name = "theirs", .values = {20, nan_value}, .colour = Rgb{4, 5, 6}});
  plot.series.push_back({.name = "paper", .x = {0, 1}, .y = {12, 3}, .line = false});
  const std::string svg = to_svg(plot);
  CHECK(well_formed(svg));
  CHECK(count(svg, ">none<") == 1);
  CHECK(count(svg, ">all &amp; more<") == 1);
  for (const char* name : {">ours<", ">theirs<", ">paper<"}) CHECK(count(svg, name) == 1);
  // A box in the legend and one for each bar that is a number.
  const auto ours = boxes_of(svg, "#010203"), theirs = boxes_of(svg, "#040506");
  REQUIRE(ours.size() == 3);
  REQUIRE(theirs.size() == 2);
  // Both of a group stand side by side on the same line; the negative one hangs from it.
  const Box &up = ours[1], &down = ours[2], &other = theirs[1];
  CHECK(up.y + up.height == Approx(down.y).margin(0.02));
  CHECK(up.y + up.height == Approx(other.y + other.height).margin(0.02));
  CHECK(up.height == Approx(2 * down.height).margin(0.02));
  CHECK(other.height == Approx(2 * up.height).margin(0.02));
  CHECK(up.x + up.width < other.x);
  CHECK(other.x + other.width < down.x);
  // One error bar: from 8 to 12.
  const auto error = points_of(svg, "#222222");
  REQUIRE(error.size() == 6);
  CHECK(error[1].second - error[0].second == Approx(up.height * 0.4).margin(0.02));
  CHECK((error[0].second + error[1].second) / 2 == Approx(up.y).margin(0.02));
  CHECK(count(svg, "<circle") == 3);  // the paper's two and the legend's
}

TEST_CASE("the axis has room for errors, and bars for a logarithmic one", "[viz][plot]") {
  Plot plot;
  plot.y.scale = AxisScale::logarithmic;
  plot.groups = {"a", "b", "c"};
  plot.bars.push_back({.values = {1e-3, 0, 10}, .error = {1, 1, 1}, .colour = Rgb{1, 2, 3}});
  const std::string svg = to_svg(plot);
  CHECK(well_formed(svg));
  CHECK(count(svg, "nan") == 0);
  CHECK(count(svg, "inf") == 0);
  CHECK(boxes_of(svg, "#010203").size() == 2);

  Plot line;
  line.x = {.low = 0, .high = 1};
  line.series.push_back({.x = {0, 1}, .y = {1, 1}, .error = {nan_value, 99}, .colour = Rgb{1, 2, 3}});
  const std::string with_errors = to_svg(line);
  CHECK(count(with_errors, ">100<") == 1);
  CHECK(count(with_errors, "#010203") == 2);
}

TEST_CASE("names of groups that are too wide are slanted, and all of them are there", "[viz][plot]") {
  Plot plot;
  for (int i = 0; i < 8; ++i) plot.groups.push_back("a rather long name " + std::to_string(i));
  plot.bars.push_back({.values = {1, 2, 3, 4, 5, 6, 7, 8}, .colour = Rgb{1, 2, 3}});
  const std::string svg = to_svg(plot);
  CHECK(count(svg, "rotate(-35)") == 8);
  CHECK(boxes_of(svg, "#010203").size() == 8);
  plot.groups.resize(2);
  plot.bars[0].values.resize(2);
  CHECK(count(to_svg(plot), "rotate(-35)") == 0);
}

TEST_CASE("what a plot cannot be is said", "[viz][plot]") {
  CHECK_THROWS_AS(to_svg(std::vector<Plot>{}), ArgumentError);
  Plot plot;
  plot.series.push_back({.name = "s", .x = {1, 2}, .y = {1}});
  CHECK_THROWS_AS(to_svg(plot), ArgumentError);
  plot.series.clear();
  plot.width = 0;
  CHECK_THROWS_AS(to_svg(plot), ArgumentError);
  plot = {};
  plot.height = 160;
  for (int i = 0; i < 60; ++i) plot.series.push_back({.name = "a rather long name of a series"});
  CHECK_THROWS_AS(to_svg(plot), ArgumentError);
  plot = {};
  plot.bars.push_back({.values = {1}});
  CHECK_THROWS_AS(to_svg(plot), ArgumentError);  // no group to stand in
  plot.groups = {"a", "b"};
  CHECK_THROWS_AS(to_svg(plot), ArgumentError);
  plot.bars[0] = {.values = {1, 2}, .error = {1}};
  CHECK_THROWS_AS(to_svg(plot), ArgumentError);
  plot.bars[0].error = {};
  CHECK(well_formed(to_svg(plot)));
  plot.series.push_back({.x = {0, 1}, .y = {1, 2}, .error = {1}});
  CHECK_THROWS_AS(to_svg(plot), ArgumentError);
  plot.series.clear();
  plot.x.scale = AxisScale::logarithmic;
  CHECK_THROWS_AS(to_svg(plot), ArgumentError);
  plot.x.scale = AxisScale::linear;
  plot.groups = {"a", std::string(400, 'b')};
  CHECK_THROWS_AS(to_svg(plot), ArgumentError);
}

TEST_CASE("a run's curves mark where the rate fell", "[viz][plot]") {
  std::vector<train::LogLine> lines;
  CHECK(well_formed(to_svg(training_curves(lines))));
  for (Index epoch = 1; epoch <= 6; ++epoch) {
    train::LogLine line;
    line.epoch = epoch;
    line.rate = epoch > 4 ? 0.001 : 0.01;
    for (Index step = epoch * 100 - 80; step < epoch * 100; step += 20) {
      line.step = step;
      line.loss = 1.0 / static_cast<double>(step);
      lines.push_back(line);
    }
    line.of_epoch = true;
    line.step = epoch * 100;
    line.train_error = 0.3;
    line.val_error = epoch == 5 ? 0.0875 : 0.5;
    lines.push_back(line);
  }
  const auto plots = training_curves(lines, "run");
  REQUIRE(plots.size() == 2);
  for (const Plot& plot : plots) {
    CHECK(plot.x.label == "epoch");
    REQUIRE(plot.marks.size() == 1);
    CHECK(plot.marks[0].x == 4);
    CHECK(plot.marks[0].text == "rate 0.001");
    REQUIRE(plot.series.size() == 2);
  }
  CHECK(plots[0].series[0].x.size() == 24);
  CHECK(plots[0].series[0].x[0] == 0.2);
  CHECK(plots[0].series[1].x == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(plots[1].series[1].y[4] == 8.75);
  CHECK(plots[1].note == "lowest validation error 8.75 % after epoch 5");

  // A run that ended inside its first epoch has one result.
  train::LogLine end = lines.front();
  end.val_error = 0.25;
  const auto brief = training_curves({lines[1], end});
  CHECK(brief[1].x.label == "step");
  REQUIRE(brief[1].series.size() == 1);
  CHECK(brief[1].series[0].y == std::vector<double>{25});
  CHECK(brief[1].note == message("lowest validation error 25.00 % after step ", end.step));

  const test::ScratchFolder folder;
  write_training_curves(folder / "curves.svg", lines, "run");
  const std::string svg = io::read_text(folder / "curves.svg");
  CHECK(svg == to_svg(plots));
  CHECK(well_formed(svg));
  CHECK_THROWS_AS(write_training_curves(folder / "none" / "curves.svg", lines), IoError);
}
