#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/io/atomic_file.hpp"
#include "deconv/viz/canvas.hpp"
#include "deconv/viz/report_page.hpp"
#include "deconv/viz/report_text.hpp"
#include "deconv/viz/svg_text.hpp"

namespace deconv::viz {

/// How a picture is put into a page. `png` is exact; `jpeg` takes a tenth of the bytes, for photographs.
enum class PictureCoding : std::uint8_t { png, jpeg };

/// A picture of a report with the text below it. `crisp`: enlarged pixel by pixel, not smoothly.
struct ReportPicture {
  io::Image image;
  std::string caption;
  PictureCoding coding = PictureCoding::png;
  bool crisp = false;
};

/// A table of a report. Columns whose cells are all numbers stand to the right.
struct ReportTable {
  std::string caption;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  ///< of as many cells as there are columns
};

/// One strong unit of a feature map.
struct ReportHit {
  io::Image projection, patch;
  std::string caption;
};

/// A feature map with the units that excite it most, strongest first.
struct ReportMap {
  Index map = 0;
  std::vector<ReportHit> hits;
};

/// An occlusion experiment to walk through: where the patch can be, and what holds there. Values are
/// row-major over tops and lefts.
struct ReportOcclusion {
  io::Image picture;               ///< what the network sees, unoccluded
  std::vector<Index> tops, lefts;  ///< upper left corners of the patch, in pixels of the picture
  Index patch_height = 0, patch_width = 0;
  /// A line of text for each position under a label: "probability of tabby", "0.93".
  std::vector<std::pair<std::string, std::vector<std::string>>> lines;
  /// Maps of the values, drawn at the picture's proportions.
  std::vector<ReportPicture> maps;
};

/// One page in one file that opens in any browser without a server or a network: text, tables, pictures,
/// plots, a browser of feature maps and occlusion experiments with sliders, in the order in which they are
/// added. All pictures are inside (a third larger than their files). It works from the keyboard, on narrow
/// screens, in the dark and on paper. Every text is shown as it is: no markup in it takes effect. Memory: the
/// page's bytes.
class Report {
 public:
  explicit Report(std::string title, std::string subtitle = {})
      : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

  /// Begins a section that the page's list of contents names.
  void section(const std::string& title) {
    close();
    const std::string anchor = message("section-", sections_.size() + 1);
    sections_.emplace_back(anchor, title);
    body_ += "<section aria-labelledby=\"" + anchor + "\">\n<h2 id=\"" + anchor + "\">" + xml_text(title) +
             "</h2>\n";
  }
  void heading(std::string_view text) { body_ += "<h3>" + xml_text(text) + "</h3>\n"; }
  void paragraph(std::string_view text) { body_ += "<p>" + xml_text(text) + "</p>\n"; }

  /// Throws ArgumentError when a row has another number of cells than there are columns.
  void table(const ReportTable& table) {
    std::vector<bool> numbers(table.columns.size(), !table.rows.empty());
    for (const auto& row : table.rows) {
      require<ArgumentError>(row.size() == table.columns.size(), "table ", quoted(table.caption),
                             ": rows of ", table.columns.size(), " cells wanted, met ", row.size());
      for (std::size_t i = 0; i < row.size(); ++i) numbers[i] = numbers[i] && is_number(row[i]);
    }
    // A table that is wider than the screen moves by itself, from the keyboard too.
    body_ += "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"" +
             xml_text(table.caption.empty() ? "table" : table.caption) + "\"><table>";
    if (!table.caption.empty()) body_ += "<caption>" + xml_text(table.caption) + "</caption>";
    const auto line = [&](const std::vector<std::string>& cells, std::string_view name) {
      body_ += "<tr>";
      for (std::size_t i = 0; i < cells.size(); ++i)
        body_ += "<" + std::string(name) + (numbers[i] ? " class=\"number\">" : ">") + xml_text(cells[i]) +
                 "</" + std::string(name) + ">";
      body_ += "</tr>\n";
    };
    body_ += "<thead>";
    line(table.columns, "th");
    body_ += "</thead><tbody>\n";
    for (const auto& row : table.rows) line(row, "td");
    body_ += "</tbody></table></div>\n";
  }

  void picture(const ReportPicture& picture) {
    body_ += "<div class=\"picture\">" + figure(picture) + "</div>\n";
  }
  /// Pictures side by side, as many in a row as the screen has room for.
  void gallery(std::span<const ReportPicture> pictures) {
    body_ += "<div class=\"gallery\">\n";
    for (const ReportPicture& picture : pictures) body_ += figure(picture);
    body_ += "</div>\n";
  }
  /// A plot as to_svg() makes it. Throws ArgumentError when the text is no SVG element.
  void plot(std::string_view svg, std::string_view caption) {
    require<ArgumentError>(svg.starts_with("<svg"), "an SVG element wanted, met ",
                           quoted(std::string(svg.substr(0, 20))));
    body_ += "<figure class=\"picture\"><div class=\"plot\" tabindex=\"0\" role=\"img\" aria-label=\"" +
             xml_text(caption) + "\">" + std::string(svg) + "</div><figcaption>" + xml_text(caption) +
             "</figcaption></figure>\n";
  }

  /// A map for the browser of layers and maps. Maps of one layer are added one after another; the browser
  /// stands where finish_maps() is called. Maps without a hit are left out.
  void add_map(const std::string& layer, const ReportMap& map) {
    if (map.hits.empty()) return;
    io::Json one{{"map", map.map}, {"hits", io::Json::array()}};
    for (const ReportHit& hit : map.hits)
      one["hits"].push_back({{"projection", png_address(hit.projection)},
                             {"patch", jpeg_address(hit.patch)},
                             {"crisp", std::max(hit.patch.width(), hit.patch.height()) <= tiny_side},
                             {"caption", hit.caption}});
    if (layer_ != layer || maps_.empty()) {
      maps_ += maps_.empty() ? "[" : "]},\n";
      maps_ += "{\"layer\":" + script_json(layer) + ",\"maps\":[";
      layer_ = layer;
    } else {
      maps_ += ",\n";
    }
    maps_ += script_json(one);
  }
  /// Puts the browser of the maps added so far here. Nothing when there is none.
  void finish_maps() {
    if (maps_.empty()) return;
    const std::string id = message("maps-", ++widgets_);
    body_ += "<div data-widget=\"maps\" id=\"" + id + "\">\n<label class=\"field\" for=\"" + id +
             "-layer\">Layer</label><select id=\"" + id +
             "-layer\"></select>\n<fieldset><legend>Feature map, by its strongest projection</legend>"
             "<div class=\"maps\"></div></fieldset>\n<h3 class=\"note\" aria-live=\"polite\"></h3>\n"
             "<div class=\"hits\"></div>\n";
    body_ += script(maps_ + "]}]") + "</div>\n";
    maps_.clear();
    layer_.clear();
  }

  /// Throws ArgumentError when values are fewer or more than positions, or there is no position.
  void occlusion(const ReportOcclusion& what) {
    const std::size_t positions = what.tops.size() * what.lefts.size();
    require<ArgumentError>(positions > 0 && what.patch_height > 0 && what.patch_width > 0,
                           "an occlusion experiment with positions and a patch wanted");
    io::Json data{{"height", what.picture.height()},
                  {"width", what.picture.width()},
                  {"tops", what.tops},
                  {"lefts", what.lefts},
                  {"columns", what.lefts.size()},
                  {"patch_height", what.patch_height},
                  {"patch_width", what.patch_width},
                  {"lines", io::Json::array()}};
    for (const auto& [label, values] : what.lines) {
      require<ArgumentError>(values.size() == positions, "occlusion: ", positions, " values of ",
                             quoted(label), " wanted, met ", values.size());
      data["lines"].push_back({{"label", label}, {"values", values}});
    }
    const std::string id = message("occlusion-", ++widgets_);
    const auto slider = [&](std::string_view name, std::string_view text, std::size_t count) {
      const std::string own = id + "-" + std::string(name);
      return "<label class=\"field\" for=\"" + own + "\">" + std::string(text) + "</label><input id=\"" +
             own + "\" type=\"range\" min=\"0\" max=\"" + std::to_string(count - 1) + "\" value=\"" +
             std::to_string(count / 2) + "\">\n";
    };
    body_ +=
        "<div data-widget=\"occlusion\">\n" + slider("down", "Patch: down", what.tops.size()) +
        slider("across", "Patch: across", what.lefts.size()) +
        "<p><output aria-live=\"polite\"></output></p>\n<div class=\"occlusion\">\n" +
        "<figure><div class=\"stage\" data-filled=\"true\"><img src=\"" + jpeg_address(what.picture, 90) +
        "\" alt=\"the picture with the patch\"></div><figcaption>The picture and the patch; click to move "
        "it</figcaption></figure>\n";
    for (const ReportPicture& map : what.maps)
      body_ += "<figure><div class=\"stage\"><img" + std::string(map.crisp ? " class=\"crisp\"" : "") +
               " src=\"" + address(map) + "\" alt=\"" + xml_text(map.caption) + "\"></div><figcaption>" +
               xml_text(map.caption) + "</figcaption></figure>\n";
    body_ += "</div>\n" + script(script_json(data)) + "</div>\n";
  }

  /// The whole page.
  [[nodiscard]] std::string html() const {
    std::string page =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\">\n"
        // The browser itself sees to it that the page asks no network for anything.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
        "'unsafe-inline'; script-src 'unsafe-inline'\">\n<link rel=\"icon\" href=\"data:,\">\n<title>";
    page +=
        xml_text(title_) + "</title>\n<style>" + std::string(detail::report_style) +
        "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">To the content</a>\n<header><h1>" +
        xml_text(title_) + "</h1>\n<p class=\"faint\">" + xml_text(subtitle_) +
        "</p></header>\n<nav aria-label=\"Contents\"><ul>";
    for (const auto& [anchor, title] : sections_)
      page += "<li><a href=\"#" + anchor + "\">" + xml_text(title) + "</a></li>";
    page +=
        "</ul></nav>\n<main id=\"content\">\n<noscript><p>The browser of feature maps and the occlusion "
        "sliders want JavaScript; all else is here.</p></noscript>\n" +
        body_ + (sections_.empty() ? "" : "</section>\n") + "</main>\n<script>" +
        std::string(detail::report_program) + "</script>\n</body>\n</html>\n";
    return page;
  }
  /// Writes the page, whole or not at all. Throws IoError.
  void write(const std::filesystem::path& path) const { io::write_text(path, html()); }

 private:
  void close() {
    if (!sections_.empty()) body_ += "</section>\n";
  }
  [[nodiscard]] static bool is_number(const std::string& cell) {
    return cell.empty() || cell.find_first_not_of("0123456789.,+-%ekMG \xc2\xb1") == std::string::npos;
  }
  [[nodiscard]] static std::string address(const ReportPicture& picture) {
    return picture.coding == PictureCoding::jpeg ? jpeg_address(picture.image) : png_address(picture.image);
  }
  [[nodiscard]] static std::string figure(const ReportPicture& picture) {
    return "<figure><img" + std::string(picture.crisp ? " class=\"crisp\"" : "") + " src=\"" +
           address(picture) + "\" width=\"" + std::to_string(picture.image.width()) + "\" height=\"" +
           std::to_string(picture.image.height()) + "\" alt=\"" + xml_text(picture.caption) +
           "\"><figcaption>" + xml_text(picture.caption) + "</figcaption></figure>\n";
  }
  [[nodiscard]] static std::string script(const std::string& json) {
    return "<script type=\"application/json\">" + json + "</script>\n";
  }

  std::string title_, subtitle_, body_, maps_, layer_;
  std::vector<std::pair<std::string, std::string>> sections_;
  int widgets_ = 0;
};

}  // namespace deconv::viz
