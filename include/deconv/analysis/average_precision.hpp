#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"

// How well scores put the pictures of a class before all others: the measure of Zeiler and Fergus 2013,
// Table 6.
namespace deconv {

/// `plain`: the mean, over the positives, of the precision among all that score at least as high. `voc2012`:
/// each of these precisions is the highest at this or any larger recall, as the development kit of PASCAL VOC
/// 2010 to 2012 has it: the area under the falling envelope of precision over recall.
enum class AveragePrecision : std::uint8_t { voc2012, plain };

/// The average precision of scores, 0 to 1. `relevance`, one a score: 1 positive, -1 negative, 0 neither (a
/// difficult one, which counts in nothing). Equal scores enter together, so that the order in which they are
/// given does not matter; a score that is no number enters last. NaN without positives. Throws ArgumentError
/// when the two differ in length. Cost: a sort.
[[nodiscard]] inline double average_precision(std::span<const double> scores,
                                              std::span<const std::int8_t> relevance,
                                              AveragePrecision kind = AveragePrecision::voc2012) {
  require<ArgumentError>(scores.size() == relevance.size(), "average precision of ", scores.size(),
                         " scores with ", relevance.size(), " marks");
  std::vector<std::size_t> order;
  Index positives = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (relevance[i] == 0) continue;
    order.push_back(i);
    positives += relevance[i] > 0;
  }
  if (positives == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto score = [&](std::size_t i) {
    return std::isnan(scores[i]) ? -std::numeric_limits<double>::infinity() : scores[i];
  };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score(a) > score(b); });
  struct Point {
    Index found;  ///< positives that this and higher scores have
    double precision;
  };
  std::vector<Point> curve;
  Index found = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    found += relevance[order[i]] > 0;
    if (i + 1 < order.size() && score(order[i + 1]) == score(order[i])) continue;
    curve.push_back({found, static_cast<double>(found) / static_cast<double>(i + 1)});
  }
  if (kind == AveragePrecision::voc2012)
    for (std::size_t i = curve.size() - 1; i-- > 0;)
      curve[i].precision = std::max(curve[i].precision, curve[i + 1].precision);
  double area = 0;
  Index before = 0;
  for (const Point& point : curve) {
    area += static_cast<double>(point.found - before) * point.precision;
    before = point.found;
  }
  return area / static_cast<double>(positives);
}

/// The mean of those that are numbers; NaN where none is.
[[nodiscard]] inline double mean_average_precision(std::span<const double> each) {
  double sum = 0;
  Index count = 0;
  for (const double one : each)
    if (!std::isnan(one)) sum += one, ++count;
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace deconv
