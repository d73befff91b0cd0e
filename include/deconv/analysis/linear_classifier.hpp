#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <Eigen/Eigenvalues>

#include "deconv/core/error.hpp"
#include "deconv/core/tensor.hpp"

// Linear classifiers on features that do not change: what Zeiler and Fergus 2013, sections 5.2 and 5.4, put
// on frozen layers. Both are smooth convex problems over one dense matrix; a few dozen lines of L-BFGS solve
// them to the last digits, the same bits every time. liblinear, the usual library, has no softmax over
// several classes (its logistic regression is one class against the rest) and copies every number into a
// sparse node of sixteen bytes, so it would serve half of this at four times the memory.
namespace deconv {

/// What is made small: |W|^2 / 2 + c * (sum of the rows' losses), the biases not counted in |W|^2. `softmax`:
/// the negative logarithm of the class's probability. `squared_hinge`: for each class by itself max(0, 1 - y
/// s)^2 with y = 1 for its own rows and -1 for the others, a linear support vector machine. `logistic`:
/// likewise log(1 + exp(-y s)).
enum class LinearLoss : std::uint8_t { softmax, squared_hinge, logistic };

struct LinearOptions {
  LinearLoss loss = LinearLoss::softmax;
  /// How much errors weigh against short weights, above 0. It is for features whose rows have a length of
  /// about 1, as standardisation here makes them.
  double c = 1;
  Index iterations = 500;   ///< of the optimiser, at most
  double tolerance = 1e-5;  ///< it ends when the gradient is this much smaller than at the start
};

/// A linear classifier with the standardisation that its features go through.
struct LinearClassifier {
  Tensor<float, Cpu> weight;  ///< K x D, for standardised features
  std::vector<double> bias;   ///< K
  std::vector<float> mean;    ///< D, of the training rows
  std::vector<float> factor;  ///< D: 1 / (deviation * sqrt(D)); 0 where a feature never changes
  Index iterations = 0;       ///< that the optimiser took
  double objective = 0;       ///< at its end
  bool converged = false;

  /// Scores N x K of features N x D. Throws ShapeError. Cost: N D K multiply-adds.
  [[nodiscard]] Tensor<double, Cpu> scores(TensorView<const float, Cpu> features) const;
};

namespace detail {

using DenseMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Limited-memory BFGS with backtracking for a convex function: x changes in place; `value(x, gradient)`
/// gives the function. Returns iterations taken and whether the gradient became small. Source: Nocedal and
/// Wright, "Numerical Optimization", algorithms 7.4 and 3.1; pairs without curvature are left out.
template <class Function>
std::pair<Index, bool> minimise(Eigen::VectorXd& x, const Function& value, Index iterations,
                                double tolerance) {
  struct Pair {
    Eigen::VectorXd step, change;
    double scale;
  };
  std::deque<Pair> memory;
  Eigen::VectorXd gradient(x.size()), next_gradient(x.size());
  double at = value(x, gradient);
  const double small = tolerance * gradient.norm();
  for (Index i = 0; i < iterations; ++i) {
    if (!(gradient.norm() > small)) return {i, true};
    Eigen::VectorXd direction = -gradient;
    std::vector<double> weights(memory.size());
    for (std::size_t m = memory.size(); m-- > 0;) {
      weights[m] = memory[m].scale * memory[m].step.dot(direction);
      direction -= weights[m] * memory[m].change;
    }
    if (!memory.empty())
      direction *= memory.back().step.dot(memory.back().change) / memory.back().change.squaredNorm();
    else
      direction /= std::max(1.0, gradient.norm());
    for (std::size_t m = 0; m < memory.size(); ++m)
      direction += (weights[m] - memory[m].scale * memory[m].change.dot(direction)) * memory[m].step;
    const double slope = gradient.dot(direction);
    double length = 1;
    Eigen::VectorXd next;
    double there = at;
    for (int halvings = 0;; ++halvings) {
      // Where no step makes it smaller, rounding is all that is left.
      if (halvings == 50 || !(slope < 0)) return {i, gradient.norm() <= 100 * small};
      next = x + length * direction;
      there = value(next, next_gradient);
      if (there <= at + 1e-4 * length * slope) break;
      length /= 2;
    }
    Pair pair{next - x, next_gradient - gradient, 0};
    const double curvature = pair.step.dot(pair.change);
    if (curvature > 1e-12 * pair.step.norm() * pair.change.norm()) {
      pair.scale = 1 / curvature;
      memory.push_back(std::move(pair));
      if (memory.size() > 12) memory.pop_front();
    }
    x = std::move(next);
    std::swap(gradient, next_gradient);
    at = there;
  }
  return {iterations, !(gradient.norm() > small)};
}

/// The sum of the losses of scores N x K and its gradient in place of the scores. `targets` as in
/// fit_linear_classifier.
inline double losses(DenseMatrix& scores, LinearLoss loss, std::span<const std::int8_t> targets) {
  double sum = 0;
  const Eigen::Index classes = scores.cols();
  for (Eigen::Index n = 0; n < scores.rows(); ++n) {
    const std::int8_t* target = targets.data() + n * classes;
    if (loss == LinearLoss::softmax) {
      const double most = scores.row(n).maxCoeff();
      scores.row(n) = (scores.row(n).array() - most).exp();
      const double total = scores.row(n).sum();
      scores.row(n) /= total;
      for (Eigen::Index k = 0; k < classes; ++k)
        if (target[k] > 0) {
          sum -= std::log(std::max(scores(n, k), std::numeric_limits<double>::min()));
          scores(n, k) -= 1;
        }
      continue;
    }
    for (Eigen::Index k = 0; k < classes; ++k) {
      double& s = scores(n, k);
      const double y = target[k];
      if (y == 0) {
        s = 0;
      } else if (loss == LinearLoss::squared_hinge) {
        const double gap = std::max(0.0, 1 - y * s);
        sum += gap * gap;
        s = -2 * y * gap;
      } else {
        const double margin = y * s;
        sum += margin > 0 ? std::log1p(std::exp(-margin)) : std::log1p(std::exp(margin)) - margin;
        s = -y / (1 + std::exp(margin));
      }
    }
  }
  return sum;
}

/// The rows X X^T of a long matrix of floats, in double, columns in order.
inline Eigen::MatrixXd gram_matrix(TensorView<const float, Cpu> rows) {
  const Eigen::Index count = rows[0], length = rows[1], block = 2048;
  using Rows = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
  const Rows all(rows.data(), count, length);
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(count, count);
  for (Eigen::Index at = 0; at < length; at += block) {
    const Eigen::MatrixXd part = all.middleCols(at, std::min(block, length - at)).cast<double>();
    gram.selfadjointView<Eigen::Lower>().rankUpdate(part);
  }
  return gram.selfadjointView<Eigen::Lower>();
}

inline void check_features(TensorView<const float, Cpu> features) {
  require<ShapeError>(features.rank() == 2 && features.count() > 0 && features.row_major(),
                      "features are N x D, met ", features.shape());
}

/// The features minus the mean, times the factors.
inline Tensor<float, Cpu> standardised(TensorView<const float, Cpu> features, const std::vector<float>& mean,
                                       const std::vector<float>& factor) {
  Tensor<float, Cpu> result(features.shape());
  const Index count = features[1];
  for (Index n = 0; n < features[0]; ++n)
    for (Index d = 0; d < count; ++d)
      result.data()[n * count + d] = (features.data()[n * count + d] - mean[static_cast<std::size_t>(d)]) *
                                     factor[static_cast<std::size_t>(d)];
  return result;
}

}  // namespace detail

inline Tensor<double, Cpu> LinearClassifier::scores(TensorView<const float, Cpu> features) const {
  detail::check_features(features);
  require<ShapeError>(features[1] == weight.shape()[1], "a classifier of ", weight.shape()[1],
                      " features met ", features.shape());
  const Index classes = weight.shape()[0], count = features[1];
  Tensor<double, Cpu> result({features[0], classes});
  std::vector<float> row(static_cast<std::size_t>(count));
  for (Index n = 0; n < features[0]; ++n) {
    for (Index d = 0; d < count; ++d) {
      const auto i = static_cast<std::size_t>(d);
      row[i] = (features.data()[n * count + d] - mean[i]) * factor[i];
    }
    const Eigen::Map<const Eigen::VectorXf> x(row.data(), count);
    for (Index k = 0; k < classes; ++k) {
      const Eigen::Map<const Eigen::VectorXf> w(weight.data() + k * count, count);
      result.data()[n * classes + k] = static_cast<double>(w.dot(x)) + bias[static_cast<std::size_t>(k)];
    }
  }
  return result;
}

/// Fits a classifier of `classes` classes to features N x D, which are standardised by their mean and
/// deviation first (and divided by sqrt(D), so that rows have a length of about 1 and one c serves layers of
/// any size). `targets` N x classes: 1 the row's class, -1 not its class, 0 neither (that score of that row
/// does not count; not for softmax, which wants one 1 a row). Where there are fewer rows than features the
/// weights are sought among the sums of rows, where the least ones lie: the same minimum in N dimensions.
/// Throws ShapeError, ArgumentError. Memory: the features once more, in float, and N x N doubles. Cost: N^2
/// min(N, D) and N^2 D multiply-adds, then N min(N, D) classes a pass, the passes being some hundreds at
/// most.
[[nodiscard]] inline LinearClassifier fit_linear_classifier(TensorView<const float, Cpu> features,
                                                            std::span<const std::int8_t> targets,
                                                            Index classes,
                                                            const LinearOptions& options = {}) {
  detail::check_features(features);
  const Index rows = features[0], count = features[1];
  require<ArgumentError>(classes >= 1 && static_cast<Index>(targets.size()) == rows * classes, "targets of ",
                         rows, " rows and ", classes, " classes wanted, met ", targets.size());
  require<ArgumentError>(options.c > 0 && std::isfinite(options.c), "c: a number above 0 wanted, met ",
                         options.c);
  require<ArgumentError>(options.iterations >= 1 && options.tolerance > 0,
                         "iterations of at least 1 and a tolerance "
                         "above 0 wanted, met ",
                         options.iterations, " and ", options.tolerance);
  for (Index n = 0; n < rows && options.loss == LinearLoss::softmax; ++n)
    require<ArgumentError>(
        std::count(targets.data() + n * classes, targets.data() + (n + 1) * classes, 1) == 1, "row ", n,
        ": softmax wants one class a row");

  LinearClassifier made;
  std::vector<double> sum(static_cast<std::size_t>(count)), square(static_cast<std::size_t>(count));
  for (Index n = 0; n < rows; ++n)
    for (Index d = 0; d < count; ++d) sum[static_cast<std::size_t>(d)] += features.data()[n * count + d];
  for (const double total : sum) made.mean.push_back(static_cast<float>(total / static_cast<double>(rows)));
  for (Index n = 0; n < rows; ++n)
    for (Index d = 0; d < count; ++d) {
      const double off = features.data()[n * count + d] - made.mean[static_cast<std::size_t>(d)];
      square[static_cast<std::size_t>(d)] += off * off;
    }
  for (std::size_t d = 0; d < square.size(); ++d) {
    const double deviation = std::sqrt(square[d] / static_cast<double>(rows));
    const bool changes = deviation > 1e-6 * std::abs(static_cast<double>(made.mean[d])) && deviation > 1e-30;
    require<ArgumentError>(std::isfinite(deviation), "feature ", d, ": finite numbers wanted");
    made.factor.push_back(
        changes ? static_cast<float>(1 / (deviation * std::sqrt(static_cast<double>(count)))) : 0.0f);
  }
  const Tensor<float, Cpu> x = detail::standardised(features, made.mean, made.factor);
  using Rows = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
  const Rows x_rows(x.data(), rows, count);

  // Coordinates of the rows in an orthonormal basis of what they span: X = Z B^T with B = X^T U L^(-1/2).
  detail::DenseMatrix z;
  Eigen::MatrixXd back;  // U L^(-1/2), N x r
  const bool short_rows = rows < count;
  if (short_rows) {
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(detail::gram_matrix(x.view()));
    const double least = 1e-12 * std::max(solver.eigenvalues().maxCoeff(), 0.0);
    const Eigen::Index rank = (solver.eigenvalues().array() > least).count();
    const Eigen::VectorXd roots = solver.eigenvalues().tail(rank).array().sqrt();
    z = solver.eigenvectors().rightCols(rank) * roots.asDiagonal();
    back = solver.eigenvectors().rightCols(rank) * roots.cwiseInverse().asDiagonal();
  } else {
    z = x_rows.cast<double>();
  }
  const Eigen::Index width = z.cols();
  detail::DenseMatrix scores;
  const auto objective = [&](const Eigen::VectorXd& point, Eigen::VectorXd& gradient) {
    const Eigen::Map<const detail::DenseMatrix> v(point.data(), width, classes);
    const auto b = point.tail(classes).transpose();
    scores.noalias() = z * v;
    scores.rowwise() += b;
    const double total = detail::losses(scores, options.loss, targets);
    Eigen::Map<detail::DenseMatrix> slope(gradient.data(), width, classes);
    slope.noalias() = options.c * (z.transpose() * scores);
    slope += v;
    gradient.tail(classes) = options.c * scores.colwise().sum().transpose();
    made.objective = 0.5 * v.squaredNorm() + options.c * total;
    return made.objective;
  };
  Eigen::VectorXd point = Eigen::VectorXd::Zero((width + 1) * classes);
  std::tie(made.iterations, made.converged) =
      detail::minimise(point, objective, options.iterations, options.tolerance);
  Eigen::VectorXd gradient(point.size());
  made.objective = objective(point, gradient);
  const Eigen::Map<const detail::DenseMatrix> v(point.data(), width, classes);
  made.bias.assign(point.data() + width * classes, point.data() + point.size());
  made.weight = Tensor<float, Cpu>({classes, count});
  Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> weight(made.weight.data(),
                                                                                           classes, count);
  if (short_rows) {
    const Eigen::MatrixXf mix = (back * v).cast<float>();  // N x classes
    weight.noalias() = mix.transpose() * x_rows;
  } else {
    weight = v.transpose().cast<float>();
  }
  return made;
}

/// Targets of rows with one class each, for fit_linear_classifier. Throws ArgumentError for a class that
/// there is not.
[[nodiscard]] inline std::vector<std::int8_t> class_targets(std::span<const Index> labels, Index classes) {
  std::vector<std::int8_t> targets(labels.size() * static_cast<std::size_t>(classes), std::int8_t{-1});
  for (std::size_t n = 0; n < labels.size(); ++n) {
    require<ArgumentError>(labels[n] >= 0 && labels[n] < classes, "row ", n, ": class ", labels[n], " of ",
                           classes);
    targets[n * static_cast<std::size_t>(classes) + static_cast<std::size_t>(labels[n])] = 1;
  }
  return targets;
}

/// The share of rows whose first highest score is that of their class. NaN without rows.
[[nodiscard]] inline double accuracy_of(TensorView<const double, Cpu> scores, std::span<const Index> labels) {
  require<ShapeError>(scores.rank() == 2 && scores[0] == static_cast<Index>(labels.size()), "scores ",
                      scores.shape(), " for ", labels.size(), " labels");
  Index right = 0;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const double* row = scores.data() + static_cast<Index>(n) * scores[1];
    right += std::max_element(row, row + scores[1]) - row == labels[n];
  }
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

}  // namespace deconv
