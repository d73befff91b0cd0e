#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/core/shape.hpp"
#include "deconv/viz/axis.hpp"
#include "deconv/viz/svg_text.hpp"

// Line plots as SVG.
namespace deconv::viz {

/// A line through points in their order. A point whose x or y is not finite, or has no place on a
/// logarithmic axis, breaks the line.
struct Series {
  std::string name = {};  ///< for the legend; empty: not in it
  std::vector<double> x = {}, y = {};
  std::optional<Rgb> colour =
      std::nullopt;   ///< absent: the next of a palette that colour-blind people can tell apart
  bool thin = false;  ///< for noisy data behind another line
  bool dashed = false;
  bool points = false;  ///< a dot at each point
};

/// A vertical line through the whole plot with a word beside it.
struct PlotMark {
  double x = 0;
  std::string text = {};
};

/// One plot.
struct Plot {
  std::string title = {};
  std::string note = {};  ///< a smaller line below the title
  Axis x = {}, y = {};
  std::vector<Series> series = {};
  std::vector<PlotMark> marks = {};
  Index width = 720, height = 320;  ///< pixels, all in all; 160 to 16384
};

/// The palette of series: blue, vermilion, green, orange, purple, sky, black (Okabe and Ito 2008).
inline constexpr std::array<Rgb, 7> series_colours{
    {{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {230, 159, 0}, {204, 121, 167}, {86, 180, 233}, {0, 0, 0}}};

namespace detail {

inline constexpr double plot_font = 12, plot_small_font = 11;

/// About how many pixels a line of text is wide: what reserves room for it. UTF-8 characters of several bytes
/// count once.
[[nodiscard]] inline double plot_text_width(std::string_view text, double font = plot_font) {
  const auto characters = std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; });
  return static_cast<double>(characters) * font * 0.58;
}

[[nodiscard]] inline std::string axis_title(const Axis& axis) {
  return axis.unit.empty() ? axis.label : axis.label + " (" + axis.unit + ")";
}

/// One plot in the making, at a place of a larger drawing.
class PlotWriter {
 public:
  PlotWriter(const Plot& plot, double top, std::string& out)
      : plot_(plot), top_(top), out_(out), x_(placed(plot.x, &Series::x)), y_(placed(plot.y, &Series::y)) {
    double widest = 0;
    for (const Tick& tick : y_.ticks()) widest = std::max(widest, plot_text_width(tick.text));
    left_ = widest + 14 + (axis_title(plot.y).empty() ? 0 : 20);
    right_ = static_cast<double>(plot.width) - 16;
    upper_ = top + 10 + (plot.title.empty() ? 0 : 20) + (plot.note.empty() ? 0 : 16);
    lower_ = top + static_cast<double>(plot.height) - 26 - (axis_title(plot.x).empty() ? 0 : 18);
  }

  /// Where the plot's left axis wants to stand; plots one below the other share the largest.
  [[nodiscard]] double left() const noexcept { return left_; }

  void write(double left) {
    left_ = left;
    titles();
    legend();
    frame();
    // A drawing of its own cuts off what lies beyond the axes, and needs no identifiers for it, which could
    // meet those of another plot on the same page. It leaves room for dots on the axes.
    constexpr double room = 3;
    const std::string size =
        svg_number(right_ - left_ + 2 * room) + " " + svg_number(lower_ - upper_ + 2 * room);
    const std::size_t gap = size.find(' ');
    out_ += "<svg x=\"" + svg_number(left_ - room) + "\" y=\"" + svg_number(upper_ - room) + "\" width=\"" +
            size.substr(0, gap) + "\" height=\"" + size.substr(gap + 1) + "\" viewBox=\"-3 -3 " + size +
            "\">\n";
    for (const PlotMark& mark : plot_.marks) this->mark(mark);
    for (std::size_t i = 0; i < plot_.series.size(); ++i) line(i);
    out_ += "</svg>\n";
  }

 private:
  [[nodiscard]] static bool countable(const Axis& axis, double value) {
    return std::isfinite(value) && (axis.scale == AxisScale::linear || value > 0);
  }
  [[nodiscard]] PlacedAxis placed(const Axis& axis, std::vector<double> Series::*values) const {
    double smallest = std::numeric_limits<double>::infinity(), largest = -smallest;
    for (const Series& series : plot_.series) {
      require<ArgumentError>(series.x.size() == series.y.size(), "series ", series.name,
                             ": as many x as y wanted, met ", series.x.size(), " and ", series.y.size());
      for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (!countable(plot_.x, series.x[i]) || !countable(plot_.y, series.y[i])) continue;
        smallest = std::min(smallest, (series.*values)[i]);
        largest = std::max(largest, (series.*values)[i]);
      }
    }
    return PlacedAxis(axis, smallest, largest, values == &Series::x ? 10 : 6);
  }

  [[nodiscard]] Rgb colour(std::size_t i) const {
    return plot_.series[i].colour.value_or(series_colours[i % series_colours.size()]);
  }

  void text(double x, double y, std::string_view words, std::string_view more = "") {
    out_ += "<text x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\"" + std::string(more) + ">" +
            xml_text(words) + "</text>\n";
  }
  void path(const std::string& d, std::string_view stroke, double width, std::string_view more = "") {
    out_ += "<path d=\"" + d + "\" fill=\"none\" stroke=\"" + std::string(stroke) + "\" stroke-width=\"" +
            svg_number(width) + "\"" + std::string(more) + "/>\n";
  }
  [[nodiscard]] static std::string segment(double x0, double y0, double x1, double y1) {
    return "M" + svg_number(x0) + " " + svg_number(y0) + "L" + svg_number(x1) + " " + svg_number(y1);
  }

  void titles() {
    double y = top_ + 20;
    if (!plot_.title.empty()) {
      text(left_, y, plot_.title, " font-size=\"14\" font-weight=\"bold\"");
      y += 16;
    }
    if (!plot_.note.empty()) text(left_, y, plot_.note, " font-size=\"11\" fill=\"#555555\"");
  }

  /// Names beside strokes in rows that end at the right edge; rows push the plot down.
  void legend() {
    std::vector<std::size_t> named;
    for (std::size_t i = 0; i < plot_.series.size(); ++i)
      if (!plot_.series[i].name.empty()) named.push_back(i);
    if (named.empty()) return;
    double x = left_, y = upper_ + 8;
    for (const std::size_t i : named) {
      const Series& series = plot_.series[i];
      const double width = 30 + plot_text_width(series.name) + 14;
      if (x > left_ && x + width > right_) {
        x = left_;
        y += 18;
      }
      path(segment(x, y, x + 24, y), svg_colour(colour(i)), series.thin ? 1 : 2, style(i));
      if (series.points) dot(x + 12, y, colour(i));
      text(x + 30, y + 4, series.name);
      x += width;
    }
    upper_ = y + 14;
    require<ArgumentError>(upper_ < lower_ - 20, "plot ", plot_.title,
                           ": its legend leaves no room; a larger height wanted than ", plot_.height);
  }

  void frame() {
    for (const Tick& tick : y_.ticks()) {
      const double y = lower_ - y_.place(tick.value) * (lower_ - upper_);
      path(segment(left_, y, right_, y), "#dddddd", 1);
      text(left_ - 6, y + 4, tick.text, " text-anchor=\"end\"");
    }
    double free = -1e9;  // labels that would touch the one before are left out
    for (const Tick& tick : x_.ticks()) {
      const double x = left_ + x_.place(tick.value) * (right_ - left_);
      path(segment(x, lower_, x, lower_ + 4), "#333333", 1);
      const double half = plot_text_width(tick.text) / 2;
      if (x - half < free) continue;
      text(x, lower_ + 17, tick.text, " text-anchor=\"middle\"");
      free = x + half + 4;
    }
    path("M" + svg_number(left_) + " " + svg_number(upper_) + "V" + svg_number(lower_) + "H" +
             svg_number(right_),
         "#333333", 1);
    if (const std::string label = axis_title(plot_.x); !label.empty())
      text((left_ + right_) / 2, lower_ + 36, label, " text-anchor=\"middle\"");
    if (const std::string label = axis_title(plot_.y); !label.empty()) {
      const std::string x = svg_number(14), y = svg_number((upper_ + lower_) / 2);
      out_ += "<text transform=\"translate(" + x + " " + y + ") rotate(-90)\" text-anchor=\"middle\">" +
              xml_text(label) + "</text>\n";
    }
  }

  void mark(const PlotMark& mark) {
    if (!countable(plot_.x, mark.x)) return;
    const double x = x_.place(mark.x) * (right_ - left_);
    path(segment(x, 0, x, lower_ - upper_), "#888888", 1, " stroke-dasharray=\"2 3\"");
    if (mark.text.empty()) return;
    // Upright, so that near neighbours do not write over each other.
    out_ += "<text transform=\"translate(" + svg_number(x - 4) + " 4) rotate(-90)\" text-anchor=\"end\" " +
            "font-size=\"" + svg_number(plot_small_font) + "\" fill=\"#555555\">" + xml_text(mark.text) +
            "</text>\n";
  }

  /// The palette's second round is dashed.
  [[nodiscard]] std::string style(std::size_t i) const {
    const Series& series = plot_.series[i];
    const bool again = !series.colour && i >= series_colours.size();
    std::string more = series.dashed || again ? " stroke-dasharray=\"6 4\"" : "";
    if (series.thin) more += " stroke-opacity=\"0.45\"";
    return more;
  }
  void dot(double x, double y, Rgb fill) {
    out_ += "<circle cx=\"" + svg_number(x) + "\" cy=\"" + svg_number(y) + "\" r=\"2.5\" fill=\"" +
            svg_colour(fill) + "\"/>\n";
  }

  using Pixel = std::pair<double, double>;

  /// Of a run of points that share a column of pixels the first, the lowest, the highest and the last: more
  /// could not be seen, and a million points would be a file of tens of megabytes.
  [[nodiscard]] static std::vector<Pixel> thinned(const std::vector<Pixel>& points) {
    std::vector<Pixel> kept;
    for (std::size_t begin = 0; begin < points.size();) {
      std::size_t end = begin, low = begin, high = begin;
      for (; end < points.size() && std::floor(points[end].first) == std::floor(points[begin].first); ++end) {
        if (points[end].second < points[low].second) low = end;
        if (points[end].second > points[high].second) high = end;
      }
      std::array<std::size_t, 4> chosen{begin, std::min(low, high), std::max(low, high), end - 1};
      for (std::size_t i = 0; i < chosen.size(); ++i)
        if (i == 0 || chosen[i] != chosen[i - 1]) kept.push_back(points[chosen[i]]);
      begin = end;
    }
    return kept;
  }

  void line(std::size_t number) {
    const Series& series = plot_.series[number];
    const double width = right_ - left_, height = lower_ - upper_;
    std::string d;
    std::vector<Pixel> run, dots;
    const auto flush = [&] {
      char command = 'M';
      for (const auto& [x, y] : thinned(run)) {
        d += command + svg_number(x) + " " + svg_number(y);
        command = 'L';
      }
      // A point between two gaps is a line of no length, which only a dot shows.
      if (run.size() == 1 && !series.points) dots.push_back(run[0]);
      if (series.points) dots.insert(dots.end(), run.begin(), run.end());
      run.clear();
    };
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!countable(plot_.x, series.x[i]) || !countable(plot_.y, series.y[i])) {
        flush();
        continue;
      }
      // What lies far beyond the axes keeps its direction and stays a number that viewers take.
      run.emplace_back(std::clamp(x_.place(series.x[i]) * width, -1e6, 1e6),
                       std::clamp((1 - y_.place(series.y[i])) * height, -1e6, 1e6));
    }
    flush();
    if (!d.empty())
      path(d, svg_colour(colour(number)), series.thin ? 1 : 2, " stroke-linejoin=\"round\"" + style(number));
    for (const auto& [x, y] : dots) dot(x, y, colour(number));
  }

  const Plot& plot_;
  double top_;
  std::string& out_;
  PlacedAxis x_, y_;
  double left_ = 0, right_ = 0, upper_ = 0, lower_ = 0;
};

}  // namespace detail

/// The plots one below the other as an SVG document, or as an element for an HTML page. Throws ArgumentError
/// when there is none, sizes are out of range, a series has not as many x as y, or an axis asks for ends that
/// it cannot have. A plot without data has axes alone. Size: a few kilobytes and at most four points a pixel
/// column and series.
[[nodiscard]] inline std::string to_svg(std::span<const Plot> plots) {
  require<ArgumentError>(!plots.empty(), "at least one plot wanted");
  double width = 0, height = 0;
  for (const Plot& plot : plots) {
    require<ArgumentError>(
        plot.width >= 160 && plot.width <= 16384 && plot.height >= 160 && plot.height <= 16384, "plot ",
        plot.title, ": 160 to 16384 pixels a side wanted, met ", plot.width, " x ", plot.height);
    width = std::max(width, static_cast<double>(plot.width));
    height += static_cast<double>(plot.height);
  }
  const std::string w = svg_number(width), h = svg_number(height);
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w + "\" height=\"" + h +
                    "\" viewBox=\"0 0 " + w + " " + h +
                    "\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"" +
                    svg_number(detail::plot_font) + "\" fill=\"#222222\">\n";
  out += "<rect width=\"" + w + "\" height=\"" + h + "\" fill=\"#ffffff\"/>\n";
  std::vector<detail::PlotWriter> writers;
  double top = 0, left = 0;
  for (const Plot& plot : plots) {
    writers.emplace_back(plot, top, out);
    left = std::max(left, writers.back().left());
    top += static_cast<double>(plot.height);
  }
  for (detail::PlotWriter& writer : writers) writer.write(left);
  return out + "</svg>\n";
}

/// The same of one plot.
[[nodiscard]] inline std::string to_svg(const Plot& plot) { return to_svg(std::span<const Plot>(&plot, 1)); }

}  // namespace deconv::viz
