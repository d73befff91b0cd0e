#pragma once

#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/io/atomic_file.hpp"
#include "deconv/train/run_log.hpp"
#include "deconv/viz/plot.hpp"

namespace deconv::viz {

namespace detail {

/// What of a log stands over which x.
class CurveReader {
 public:
  explicit CurveReader(const std::vector<train::LogLine>& lines) : lines_(lines) {
    // Steps become fractions of epochs once an epoch has ended and says how long it is.
    for (const train::LogLine& line : lines)
      if (line.of_epoch && line.epoch > 0 && line.step > 0)
        epoch_ = static_cast<double>(line.step) / static_cast<double>(line.epoch);
  }

  [[nodiscard]] Axis axis() const {
    Axis axis{.label = epoch_ > 1 ? "epoch" : "step", .whole = true, .low = 0};
    return axis;
  }
  [[nodiscard]] double place(const train::LogLine& line) const {
    return static_cast<double>(line.step) / epoch_;
  }

  /// Whether a line tells of the run's results: those of epochs, and where a run ended inside an epoch.
  [[nodiscard]] static bool is_result(const train::LogLine& line) { return line.of_epoch || line.val_error; }

  /// This of results, or of the steps on the way, where it was measured.
  [[nodiscard]] Series series(std::string name, bool results, std::optional<double> train::LogLine::*field,
                              double factor) const {
    Series series{.name = std::move(name)};
    for (const train::LogLine& line : lines_)
      if (is_result(line) == results && line.*field) {
        series.x.push_back(place(line));
        series.y.push_back(*(line.*field) * factor);
      }
    series.thin = !results;
    series.points = results && series.x.size() <= 60;
    return series;
  }

  /// Where the learning rate fell: at the first line of the lower rate.
  [[nodiscard]] std::vector<PlotMark> falls() const {
    std::vector<PlotMark> marks;
    const train::LogLine* before = nullptr;
    for (const train::LogLine& line : lines_) {
      if (!line.rate) continue;
      if (before != nullptr && *line.rate < *before->rate * (1 - 1e-6))
        marks.push_back({place(*before), message("rate ", *line.rate)});
      before = &line;
    }
    return marks;
  }

 private:
  const std::vector<train::LogLine>& lines_;
  double epoch_ = 1;
};

}  // namespace detail

/// A run's curves: the loss on a logarithmic axis, and the errors of training and validation images in per
/// cent, over the epochs, with a line where the learning rate fell.
[[nodiscard]] inline std::vector<Plot> training_curves(const std::vector<train::LogLine>& lines,
                                                       const std::string& title = "") {
  const detail::CurveReader log(lines);
  const auto add = [](Plot& plot, Series series) {
    if (!series.x.empty()) plot.series.push_back(std::move(series));
  };
  using train::LogLine;
  Plot loss{.title = title, .x = log.axis(), .y = {.label = "loss", .scale = AxisScale::logarithmic}};
  Series steps = log.series("loss of steps", false, &LogLine::loss, 1);
  steps.colour = series_colours[5];
  add(loss, std::move(steps));
  Series epochs = log.series("loss of epochs", true, &LogLine::loss, 1);
  epochs.colour = series_colours[0];
  add(loss, std::move(epochs));

  Plot errors{.x = log.axis(), .y = {.label = "error", .unit = "%", .low = 0}};
  Series trained = log.series("training", true, &LogLine::train_error, 100);
  trained.dashed = true;
  trained.colour = series_colours[0];
  add(errors, std::move(trained));
  Series validated = log.series("validation", true, &LogLine::val_error, 100);
  validated.colour = series_colours[1];
  add(errors, std::move(validated));
  double best = std::numeric_limits<double>::infinity();
  for (const LogLine& line : lines)
    if (line.val_error && *line.val_error < best) {
      best = *line.val_error;
      errors.note = message("lowest validation error ", detail::tick_text(best * 100, 0.01), " % after ",
                            line.of_epoch ? "epoch " : "step ", line.of_epoch ? line.epoch : line.step);
    }
  std::vector<Plot> plots;
  for (Plot* plot : {&loss, &errors}) {
    plot->marks = log.falls();
    plots.push_back(std::move(*plot));
  }
  return plots;
}

/// Writes them as an SVG file, whole or not at all. Throws IoError.
inline void write_training_curves(const std::filesystem::path& path, const std::vector<train::LogLine>& lines,
                                  const std::string& title = "") {
  io::write_text(path, to_svg(training_curves(lines, title)));
}

}  // namespace deconv::viz
