#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/viz/plot_data.hpp"
#include "deconv/viz/svg_text.hpp"

// How a plot becomes SVG.
namespace deconv::viz {

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
      : plot_(checked(plot)), top_(top), out_(out), x_(placed_x()), y_(placed(plot.y, false)) {
    double widest = 0;
    for (const Tick& tick : y_.ticks()) widest = std::max(widest, plot_text_width(tick.text));
    left_ = widest + 14 + (axis_title(plot.y).empty() ? 0 : 20);
    right_ = static_cast<double>(plot.width) - 16;
    upper_ = top + 10 + (plot.title.empty() ? 0 : 20) + (plot.note.empty() ? 0 : 16);
    lower_ = top + static_cast<double>(plot.height) - 26 - (axis_title(plot.x).empty() ? 0 : 18);
    name_room();
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
    for (std::size_t i = 0; i < plot_.bars.size(); ++i) bars(i);
    for (std::size_t i = 0; i < plot_.series.size(); ++i) line(i);
    out_ += "</svg>\n";
  }

 private:
  [[nodiscard]] static bool countable(const Axis& axis, double value) {
    return std::isfinite(value) && (axis.scale == AxisScale::linear || value > 0);
  }
  [[nodiscard]] static const Plot& checked(const Plot& plot) {
    const auto check = [&](const char* what, const std::string& name, const auto& values,
                           std::size_t wanted) {
      require<ArgumentError>(values.size() == wanted, "plot ", plot.title, ": ", what, name, ": ", wanted,
                             " numbers wanted, met ", values.size());
    };
    for (const Series& series : plot.series) {
      require<ArgumentError>(series.x.size() == series.y.size(), "series ", series.name,
                             ": as many x as y wanted, met ", series.x.size(), " and ", series.y.size());
      if (!series.error.empty()) check("the errors of series ", series.name, series.error, series.x.size());
    }
    require<ArgumentError>(plot.bars.empty() || !plot.groups.empty(), "plot ", plot.title,
                           ": bars want groups to stand in");
    require<ArgumentError>(plot.groups.empty() || plot.x.scale == AxisScale::linear, "plot ", plot.title,
                           ": groups stand on a linear axis");
    for (const Bars& bars : plot.bars) {
      check("bars ", bars.name, bars.values, plot.groups.size());
      if (!bars.error.empty()) check("the errors of bars ", bars.name, bars.error, plot.groups.size());
    }
    return plot;
  }

  /// Of `errors` the one of a point that has one, else 0.
  [[nodiscard]] static double error_of(const std::vector<double>& errors, std::size_t i) {
    return i < errors.size() && std::isfinite(errors[i]) && errors[i] > 0 ? errors[i] : 0;
  }

  [[nodiscard]] PlacedAxis placed(const Axis& axis, bool of_x) const {
    double smallest = std::numeric_limits<double>::infinity(), largest = -smallest;
    const auto count = [&](double value) {
      if (!countable(axis, value)) return;
      smallest = std::min(smallest, value);
      largest = std::max(largest, value);
    };
    for (const Series& series : plot_.series)
      for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (!countable(plot_.x, series.x[i]) || !countable(plot_.y, series.y[i])) continue;
        const double error = of_x ? 0 : error_of(series.error, i);
        const double value = (of_x ? series.x : series.y)[i];
        for (const double end : {value, value - error, value + error}) count(end);
      }
    if (!of_x)
      for (const Bars& bars : plot_.bars)
        for (std::size_t i = 0; i < bars.values.size(); ++i) {
          if (!countable(axis, bars.values[i])) continue;
          const double error = error_of(bars.error, i);
          // Bars stand on zero; a logarithmic axis has none.
          for (const double end : {0.0, bars.values[i], bars.values[i] - error, bars.values[i] + error})
            count(end);
        }
    return PlacedAxis(axis, smallest, largest, of_x ? 10 : 6);
  }
  [[nodiscard]] PlacedAxis placed_x() const {
    if (plot_.groups.empty()) return placed(plot_.x, true);
    Axis axis = plot_.x;
    axis.low = -0.5;
    axis.high = static_cast<double>(plot_.groups.size()) - 0.5;
    return PlacedAxis(axis, *axis.low, *axis.high, 1);
  }

  /// Names of groups that are wider than their group are slanted, for which they need room below and, the
  /// first of them, at the left.
  void name_room() {
    if (plot_.groups.empty()) return;
    double widest = 0;
    for (const std::string& name : plot_.groups) widest = std::max(widest, plot_text_width(name));
    const double slot = (right_ - left_) / static_cast<double>(plot_.groups.size());
    slanted_ = widest > slot - 6;
    if (!slanted_) return;
    const double first = plot_text_width(plot_.groups.front()) * 0.82 - slot / 2 + 6;
    left_ = std::max(left_, first);
    names_height_ = widest * 0.58;
    lower_ -= names_height_;
    require<ArgumentError>(upper_ < lower_ - 20 && left_ < right_ - 20, "plot ", plot_.title,
                           ": the names of its groups leave no room; a larger size wanted than ", plot_.width,
                           " x ", plot_.height);
  }

  /// Place in the palette: bars first, then series.
  [[nodiscard]] Rgb colour(std::size_t i) const {
    const auto& own =
        i < plot_.bars.size() ? plot_.bars[i].colour : plot_.series[i - plot_.bars.size()].colour;
    return own.value_or(series_colours[i % series_colours.size()]);
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

  /// Names beside strokes and boxes in rows that end at the right edge; rows push the plot down.
  void legend() {
    double x = left_, y = upper_ + 8;
    bool any = false;
    const auto entry = [&](const std::string& name, const auto& sign) {
      if (name.empty()) return;
      const double width = 30 + plot_text_width(name) + 14;
      if (x > left_ && x + width > right_) {
        x = left_;
        y += 18;
      }
      sign();
      text(x + 30, y + 4, name);
      x += width;
      any = true;
    };
    for (std::size_t i = 0; i < plot_.bars.size(); ++i)
      entry(plot_.bars[i].name, [&] { box(x + 6, y - 6, 14, 12, colour(i)); });
    for (std::size_t i = 0; i < plot_.series.size(); ++i) {
      const Series& series = plot_.series[i];
      entry(series.name, [&] {
        const Rgb ink = colour(plot_.bars.size() + i);
        if (series.line) path(segment(x, y, x + 24, y), svg_colour(ink), series.thin ? 1 : 2, style(i));
        if (series.points || !series.line) dot(x + 12, y, ink);
      });
    }
    if (!any) return;
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
    if (plot_.groups.empty())
      numbers();
    else
      names();
    path("M" + svg_number(left_) + " " + svg_number(upper_) + "V" + svg_number(lower_) + "H" +
             svg_number(right_),
         "#333333", 1);
    if (const std::string label = axis_title(plot_.x); !label.empty())
      text((left_ + right_) / 2, lower_ + names_height_ + 36, label, " text-anchor=\"middle\"");
    if (const std::string label = axis_title(plot_.y); !label.empty()) {
      const std::string x = svg_number(14), y = svg_number((upper_ + lower_) / 2);
      out_ += "<text transform=\"translate(" + x + " " + y + ") rotate(-90)\" text-anchor=\"middle\">" +
              xml_text(label) + "</text>\n";
    }
  }

  void numbers() {
    double free = -1e9;  // labels that would touch the one before are left out
    for (const Tick& tick : x_.ticks()) {
      const double x = left_ + x_.place(tick.value) * (right_ - left_);
      path(segment(x, lower_, x, lower_ + 4), "#333333", 1);
      const double half = plot_text_width(tick.text) / 2;
      if (x - half < free) continue;
      text(x, lower_ + 17, tick.text, " text-anchor=\"middle\"");
      free = x + half + 4;
    }
  }
  void names() {
    for (std::size_t i = 0; i < plot_.groups.size(); ++i) {
      const double x = left_ + x_.place(static_cast<double>(i)) * (right_ - left_);
      if (!slanted_) {
        text(x, lower_ + 17, plot_.groups[i], " text-anchor=\"middle\"");
        continue;
      }
      path(segment(x, lower_, x, lower_ + 4), "#333333", 1);
      out_ += "<text transform=\"translate(" + svg_number(x + 4) + " " + svg_number(lower_ + 14) +
              ") rotate(-35)\" text-anchor=\"end\">" + xml_text(plot_.groups[i]) + "</text>\n";
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
    const bool again = !series.colour && plot_.bars.size() + i >= series_colours.size();
    std::string more = series.dashed || again ? " stroke-dasharray=\"6 4\"" : "";
    if (series.thin) more += " stroke-opacity=\"0.45\"";
    return more;
  }
  void dot(double x, double y, Rgb fill) {
    out_ += "<circle cx=\"" + svg_number(x) + "\" cy=\"" + svg_number(y) + "\" r=\"2.5\" fill=\"" +
            svg_colour(fill) + "\"/>\n";
  }

  void box(double x, double y, double width, double height, Rgb fill) {
    out_ += "<rect x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" width=\"" + svg_number(width) +
            "\" height=\"" + svg_number(height) + "\" fill=\"" + svg_colour(fill) + "\"/>\n";
  }

  // Inside the axes, from their upper left corner. What lies far beyond the axes keeps its direction and
  // stays a number that viewers take.
  [[nodiscard]] double inner_x(double value) const {
    return std::clamp(x_.place(value) * (right_ - left_), -1e6, 1e6);
  }
  [[nodiscard]] double inner_y(double value) const {
    if (plot_.y.scale == AxisScale::logarithmic && !(value > 0)) return lower_ - upper_;
    return std::clamp((1 - y_.place(value)) * (lower_ - upper_), -1e6, 1e6);
  }

  /// The line from value - error to value + error with its ends across.
  void error_bar(double x, double value, double error, double half_width, std::string_view stroke) {
    if (error == 0) return;
    const double above = inner_y(value + error), below = inner_y(value - error);
    const double from = x - half_width, to = x + half_width;
    path(segment(x, above, x, below) + segment(from, above, to, above) + segment(from, below, to, below),
         stroke, 1.25);
  }

  void bars(std::size_t number) {
    const Bars& bars = plot_.bars[number];
    const double share = 0.8 / static_cast<double>(plot_.bars.size());  // of a group's width
    const double base = plot_.y.scale == AxisScale::logarithmic ? y_.low() : std::max(0.0, y_.low());
    for (std::size_t i = 0; i < bars.values.size(); ++i) {
      if (!countable(plot_.y, bars.values[i])) continue;
      const double begin = static_cast<double>(i) - 0.4 + share * static_cast<double>(number);
      const double left = inner_x(begin), width = inner_x(begin + share) - left;
      const double from = inner_y(base), to = inner_y(bars.values[i]), gap = std::min(1.0, width / 8);
      box(left + gap, std::min(from, to), width - 2 * gap, std::abs(to - from), colour(number));
      error_bar(left + width / 2, bars.values[i], error_of(bars.error, i), std::min(5.0, width / 4),
                "#222222");
    }
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
    const Rgb ink = colour(plot_.bars.size() + number);
    const bool dotted = series.points || !series.line;
    std::string d;
    std::vector<Pixel> run, dots;
    const auto flush = [&] {
      char command = 'M';
      if (series.line)
        for (const auto& [x, y] : thinned(run)) {
          d += command + svg_number(x) + " " + svg_number(y);
          command = 'L';
        }
      // A point between two gaps is a line of no length, which only a dot shows.
      if (run.size() == 1 && !dotted) dots.push_back(run[0]);
      if (dotted) dots.insert(dots.end(), run.begin(), run.end());
      run.clear();
    };
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!countable(plot_.x, series.x[i]) || !countable(plot_.y, series.y[i])) {
        flush();
        continue;
      }
      run.emplace_back(inner_x(series.x[i]), inner_y(series.y[i]));
      error_bar(run.back().first, series.y[i], error_of(series.error, i), 4, svg_colour(ink));
    }
    flush();
    if (!d.empty())
      path(d, svg_colour(ink), series.thin ? 1 : 2, " stroke-linejoin=\"round\"" + style(number));
    for (const auto& [x, y] : dots) dot(x, y, ink);
  }

  const Plot& plot_;
  double top_;
  std::string& out_;
  PlacedAxis x_, y_;
  double left_ = 0, right_ = 0, upper_ = 0, lower_ = 0;
  bool slanted_ = false;     ///< names of groups
  double names_height_ = 0;  ///< what slanted ones take below
};

}  // namespace detail

}  // namespace deconv::viz
