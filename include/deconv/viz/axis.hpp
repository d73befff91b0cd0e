#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "deconv/core/error.hpp"

namespace deconv::viz {

/// `logarithmic`: equal factors are equally long; only numbers above 0 have a place.
enum class AxisScale : std::uint8_t { linear, logarithmic };

/// One axis of a plot, as asked for.
struct Axis {
  std::string label = {};
  std::string unit = {};  ///< put in brackets after the label where there is one
  AxisScale scale = AxisScale::linear;
  bool whole = false;  ///< ticks at whole numbers alone: epochs, for example
  std::optional<double> low = std::nullopt,
                        high = std::nullopt;  ///< ends of the axis; absent: what the data needs
};

/// A place on an axis with its number.
struct Tick {
  double value = 0;
  std::string text = {};
};

namespace detail {

/// The fewest digits that tell multiples of `step` apart; with an exponent where plain digits would be many.
[[nodiscard]] inline std::string tick_text(double value, double step) {
  std::array<char, 64> text{};
  const auto put = [&](std::chars_format format, int digits) {
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, format, digits);
    return std::string(text.data(), end.ptr);
  };
  if (std::abs(value) < step / 2) return "0";
  const double size = std::abs(value);
  const int decimals = -static_cast<int>(std::floor(std::log10(step) + 1e-9));
  if (size < 1e6 && decimals <= 4) return put(std::chars_format::fixed, std::max(0, decimals));
  const int digits = static_cast<int>(std::floor(std::log10(size) + 1e-9)) + decimals;
  std::string result = put(std::chars_format::scientific, std::clamp(digits, 0, 15));
  // 1.5e-05 reads better as 1.5e-5.
  const auto exponent = result.find('e') + 1;
  if (result[exponent] == '+') result.erase(exponent, 1);
  const auto first = exponent + (result[exponent] == '-' ? 1 : 0);
  while (first + 1 < result.size() && result[first] == '0') result.erase(first, 1);
  return result;
}

}  // namespace detail

/// An axis whose ends are known: where numbers lie on it, and its ticks.
class PlacedAxis {
 public:
  /// Takes the ends that are asked for, the others from the smallest and largest of the data (a linear end of
  /// the data's is moved out to a tick). Data that is not finite, or without a place, does not count.
  /// `ticks`: about how many are wanted. Throws ArgumentError when the ends asked for are not ascending,
  /// finite and (logarithmic) above 0.
  PlacedAxis(const Axis& axis, double smallest, double largest, int ticks)
      : logarithmic_(axis.scale == AxisScale::logarithmic) {
    for (const auto& end : {axis.low, axis.high})
      require<ArgumentError>(
          !end || has_place(*end), "axis ", axis.label, ": an end of ", end.value_or(0),
          logarithmic_ ? " where a number above 0 is wanted" : " where a number is wanted");
    require<ArgumentError>(!axis.low || !axis.high || *axis.low < *axis.high, "axis ", axis.label,
                           ": ascending ends wanted, met ", axis.low.value_or(0), " and ",
                           axis.high.value_or(0));
    bool empty = !(smallest <= largest);
    if (empty) smallest = largest = logarithmic_ ? 1 : 0;
    low_ = axis.low.value_or(axis.high ? std::min(smallest, *axis.high) : smallest);
    high_ = axis.high.value_or(axis.low ? std::max(largest, *axis.low) : largest);
    if (logarithmic_) {
      if (!axis.low) low_ = std::max(low_ / 1.1, std::numeric_limits<double>::min());
      if (!axis.high) high_ = std::min(high_ * 1.1, std::numeric_limits<double>::max());
      logarithmic_ticks();
    } else {
      // Room around a single value; and no axis so long that its length is not a number.
      if (!(high_ - low_ > 1e-12 * std::max(std::abs(low_), std::abs(high_)))) {
        const double room = low_ == 0 ? 1 : std::abs(low_) * 0.1;
        if (!axis.low && !empty && low_ != 0) low_ -= room;
        if (!axis.high || high_ <= low_) high_ += room;
      }
      low_ = std::max(low_, -1e300);
      high_ = std::min(high_, 1e300);
      linear_ticks(axis, ticks);
    }
  }

  /// Whether a number can be shown at all.
  [[nodiscard]] bool has_place(double value) const noexcept {
    return std::isfinite(value) && (!logarithmic_ || value > 0);
  }
  /// Where it lies: 0 at the low end, 1 at the high one; beyond them for numbers beyond.
  [[nodiscard]] double place(double value) const noexcept {
    if (logarithmic_) return (std::log(value) - std::log(low_)) / (std::log(high_) - std::log(low_));
    return (value - low_) / (high_ - low_);
  }
  [[nodiscard]] double low() const noexcept { return low_; }
  [[nodiscard]] double high() const noexcept { return high_; }
  [[nodiscard]] const std::vector<Tick>& ticks() const noexcept { return ticks_; }

 private:
  void linear_ticks(const Axis& axis, int wanted) {
    const double rough = (high_ - low_) / std::max(1, wanted);
    const double power = std::pow(10, std::floor(std::log10(rough)));
    double step = 10 * power;
    for (const double factor : {5.0, 2.0, 1.0})
      if (factor * power >= rough * 0.999) step = factor * power;
    if (axis.whole) step = std::max(1.0, std::ceil(step - 1e-9));
    if (!axis.low) low_ = std::floor(low_ / step + 1e-9) * step;
    if (!axis.high) high_ = std::ceil(high_ / step - 1e-9) * step;
    if (!(high_ > low_)) high_ = low_ + step;
    const double first = std::ceil(low_ / step - 1e-9);
    for (int i = 0; i < 100; ++i) {
      const double value = (first + i) * step;
      if (value > high_ + step * 1e-6) break;
      ticks_.push_back({value, detail::tick_text(value, step)});
    }
  }

  /// Powers of ten; with 2 and 5 between them where there are few.
  void logarithmic_ticks() {
    const int first = static_cast<int>(std::floor(std::log10(low_)));
    const int last = static_cast<int>(std::ceil(std::log10(high_)));
    const int stride = std::max(1, (last - first) / 8);
    const bool between = std::log10(high_) - std::log10(low_) < 2.5;
    for (int power = first; power <= last; power += stride)
      for (const int factor : {1, 2, 5}) {
        const double decade = std::pow(10, power), value = factor * decade;
        if (!has_place(value) || (factor > 1 && !between) || value < low_ * (1 - 1e-9) ||
            value > high_ * (1 + 1e-9))
          continue;
        ticks_.push_back({value, detail::tick_text(value, decade)});
      }
  }

  bool logarithmic_;
  double low_ = 0, high_ = 1;
  std::vector<Tick> ticks_;
};

}  // namespace deconv::viz
