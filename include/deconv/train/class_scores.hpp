#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "deconv/core/error.hpp"
#include "deconv/core/tensor.hpp"

// From a network's scores to ranked classes.
namespace deconv::train {

/// The natural logarithm of the sum of exp of a row, without overflow; NaN where the row holds one.
[[nodiscard]] inline double log_sum_exp(std::span<const float> row) {
  const double most = static_cast<double>(*std::max_element(row.begin(), row.end()));
  double sum = 0;
  for (const float score : row) sum += std::exp(static_cast<double>(score) - most);
  return most + std::log(sum);
}

/// Softmax of every row: scores N x classes (further axes of extent 1 are dropped) to probabilities N x
/// classes. Throws ShapeError when the scores are not one number a class.
[[nodiscard]] inline Tensor<double, Cpu> probabilities_of(TensorView<const float, Cpu> scores) {
  const Shape& shape = scores.shape();
  require<ShapeError>(shape.rank() >= 2 && shape[1] >= 1 && shape.count() == shape[0] * shape[1],
                      "scores of shape ", shape, ": one number a class wanted");
  Tensor<double, Cpu> rows({shape[0], shape[1]});
  const auto classes = static_cast<std::size_t>(shape[1]);
  for (Index n = 0; n < shape[0]; ++n) {
    const float* from = scores.data() + n * shape[1];
    double* row = rows.data() + n * shape[1];
    const double most = static_cast<double>(*std::max_element(from, from + classes));
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      row[k] = std::exp(static_cast<double>(from[k]) - most);
      sum += row[k];
    }
    for (std::size_t k = 0; k < classes; ++k) row[k] /= sum;
  }
  return rows;
}

/// The mean of every `group` rows that follow each other: what ten crops of one picture say together. Throws
/// ShapeError unless the number of rows is a multiple of `group`.
[[nodiscard]] inline Tensor<double, Cpu> mean_of_groups(Tensor<double, Cpu> rows, Index group) {
  require<ShapeError>(rows.rank() == 2 && group >= 1 && rows.shape()[0] % group == 0, "means of ", group,
                      " rows each of ", rows.shape());
  if (group == 1) return rows;
  const Index classes = rows.shape()[1];
  auto mean = Tensor<double, Cpu>::filled({rows.shape()[0] / group, classes}, 0.0);
  for (Index n = 0; n < rows.shape()[0]; ++n)
    for (Index k = 0; k < classes; ++k) mean.data()[n / group * classes + k] += rows.data()[n * classes + k];
  for (double& value : mean) value /= static_cast<double>(group);
  return mean;
}

/// How many classes a row puts before `label`: those with more, and those before it with as much; as many as
/// there are classes when its own value is NaN.
template <class T>
[[nodiscard]] Index rank_of(std::span<const T> row, Index label) {
  const T own = row[static_cast<std::size_t>(label)];
  if (std::isnan(own)) return static_cast<Index>(row.size());
  Index rank = 0;
  for (Index k = 0; k < static_cast<Index>(row.size()); ++k) {
    const T other = row[static_cast<std::size_t>(k)];
    if (k != label && (!(other <= own) || (other == own && k < label))) ++rank;
  }
  return rank;
}

}  // namespace deconv::train
