#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/average_precision.hpp"
#include "deconv/analysis/frozen_features.hpp"
#include "deconv/analysis/linear_classifier.hpp"
#include "deconv/core/random.hpp"

// Whether what a network learnt on one set serves on another: classifiers on the features of frozen layers.
// Source: Zeiler and Fergus 2013, sections 5.2 and 5.4, Tables 4 to 7.
namespace deconv {

/// The pictures of one trial, by number.
struct TransferFold {
  std::vector<Index> train;
  std::vector<Index> test;  ///< of the test set, where there is one of its own
};

struct TransferFoldOptions {
  Index per_class = 30;       ///< pictures of each class to train on
  Index test_per_class = 50;  ///< and to test on, at most (the paper's 50)
  Index folds = 5;            ///< trials, each with pictures of its own
  std::uint64_t seed = 1;
};

namespace detail {

/// A permutation of `count` numbers (Fisher and Yates).
inline std::vector<Index> drawn_order(Index count, const Random& random) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  for (Index i = count - 1; i > 0; --i)
    std::swap(order[static_cast<std::size_t>(i)],
              order[random.below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(i) + 1)]);
  return order;
}

/// The pictures of each class, in order.
inline std::vector<std::vector<Index>> pictures_by_class(const io::Dataset& set) {
  std::vector<std::vector<Index>> classes(set.class_names().size());
  for (Index i = 0; i < set.size(); ++i) {
    const auto label = set.label(i);
    require<ArgumentError>(label.has_value() && !set.multi_label(), set.name(i),
                           ": pictures of one class each wanted");
    if (static_cast<std::size_t>(*label) >= classes.size())
      classes.resize(static_cast<std::size_t>(*label) + 1);
    classes[static_cast<std::size_t>(*label)].push_back(i);
  }
  return classes;
}

}  // namespace detail

/// Draws the trials: of every class `per_class` pictures to train on, and of the others (or of `test_set`,
/// which may be null) at most `test_per_class` to test on. The same for the same seed; a trial's training
/// pictures for a smaller `per_class` are among those for a larger one. Throws ArgumentError, naming the
/// class, when it has too few pictures.
[[nodiscard]] inline std::vector<TransferFold> transfer_folds(const io::Dataset& set,
                                                              const io::Dataset* test_set,
                                                              const TransferFoldOptions& options = {}) {
  require<ArgumentError>(options.per_class >= 1 && options.test_per_class >= 1 && options.folds >= 1,
                         "transfer: pictures a class and folds of at least 1 wanted, met ", options.per_class,
                         ", ", options.test_per_class, " and ", options.folds);
  const auto classes = detail::pictures_by_class(set);
  const auto tests = test_set != nullptr ? detail::pictures_by_class(*test_set) : classes;
  require<ArgumentError>(tests.size() <= classes.size(), "transfer: test pictures of ", tests.size(),
                         " classes, training pictures of ", classes.size());
  std::vector<TransferFold> folds(static_cast<std::size_t>(options.folds));
  for (std::size_t f = 0; f < folds.size(); ++f)
    for (std::size_t k = 0; k < classes.size(); ++k) {
      const auto count = static_cast<Index>(classes[k].size());
      const Index wanted = options.per_class + (test_set == nullptr ? 1 : 0);
      require<ArgumentError>(count >= wanted, "transfer: class ", k, ": at least ", wanted,
                             " pictures wanted, met ", count);
      const std::uint64_t stream = 2 * (f * classes.size() + k);
      const auto order = detail::drawn_order(count, Random(options.seed, stream));
      for (Index i = 0; i < options.per_class; ++i)
        folds[f].train.push_back(classes[k][static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
      if (test_set == nullptr) {
        // From the other end, so that they stay the same for other numbers of training pictures.
        const Index most = std::min(options.test_per_class, count - options.per_class);
        for (Index i = 0; i < most; ++i)
          folds[f].test.push_back(
              classes[k][static_cast<std::size_t>(order[static_cast<std::size_t>(count - 1 - i)])]);
        continue;
      }
      if (k >= tests.size()) continue;
      const auto there = static_cast<Index>(tests[k].size());
      const auto chosen = detail::drawn_order(there, Random(options.seed, stream + 1));
      for (Index i = 0; i < std::min(options.test_per_class, there); ++i)
        folds[f].test.push_back(tests[k][static_cast<std::size_t>(chosen[static_cast<std::size_t>(i)])]);
    }
  for (const TransferFold& fold : folds)
    require<ArgumentError>(!fold.test.empty(), "transfer: a picture to test on wanted, met none");
  return folds;
}

/// What several trials gave: shares of 1.
struct TransferScore {
  std::vector<double> folds;
  std::vector<double> c;  ///< that each trial's classifier was fitted with
  [[nodiscard]] double mean() const {
    return folds.empty()
               ? std::numeric_limits<double>::quiet_NaN()
               : std::accumulate(folds.begin(), folds.end(), 0.0) / static_cast<double>(folds.size());
  }
  /// Of the trials as a sample (n - 1); 0 for one trial.
  [[nodiscard]] double deviation() const {
    if (folds.size() < 2) return 0;
    double sum = 0;
    for (const double one : folds) sum += (one - mean()) * (one - mean());
    return std::sqrt(sum / static_cast<double>(folds.size() - 1));
  }
};

/// Features of a set, and where each picture's row stands.
class FeatureTable {
 public:
  FeatureTable(const FrozenFeatures& features, const io::Dataset& set) : features_(&features), set_(&set) {
    for (std::size_t i = 0; i < features.pictures.size(); ++i)
      rows_.emplace(features.pictures[i], static_cast<Index>(i));
  }
  /// The rows and classes of those pictures that have a row.
  [[nodiscard]] std::pair<Tensor<float, Cpu>, std::vector<Index>> of(
      std::size_t layer, const std::vector<Index>& pictures) const {
    std::vector<Index> rows, labels;
    for (const Index picture : pictures) {
      const auto found = rows_.find(picture);
      if (found == rows_.end()) continue;
      rows.push_back(found->second);
      labels.push_back(set_->label(picture).value_or(-1));
    }
    require<ArgumentError>(!rows.empty(), "transfer: pictures that can be read wanted, met none");
    return {feature_rows(features_->rows[layer], rows), std::move(labels)};
  }

 private:
  const FrozenFeatures* features_;
  const io::Dataset* set_;
  std::map<Index, Index> rows_;
};

/// Which c a classifier is fitted with: the one of LinearOptions, or, where there are several, the one that
/// is best on every fourth training row of each class when fitted to the others (the smallest of equally good
/// ones); it is then fitted to all.
[[nodiscard]] inline double chosen_c(const Tensor<float, Cpu>& rows, const std::vector<Index>& labels,
                                     Index classes, LinearOptions options,
                                     const std::vector<double>& candidates) {
  if (candidates.empty()) return options.c;
  std::vector<Index> fitted, held, seen(static_cast<std::size_t>(classes), 0);
  for (std::size_t i = 0; i < labels.size(); ++i)
    (seen[static_cast<std::size_t>(labels[i])]++ % 4 == 3 ? held : fitted).push_back(static_cast<Index>(i));
  require<ArgumentError>(!held.empty(), "choosing c wants at least 4 training pictures of a class");
  const auto labels_of = [&](const std::vector<Index>& which) {
    std::vector<Index> some;
    for (const Index i : which) some.push_back(labels[static_cast<std::size_t>(i)]);
    return some;
  };
  const auto fit_rows = feature_rows(rows, fitted), held_rows = feature_rows(rows, held);
  const auto targets = class_targets(labels_of(fitted), classes);
  std::vector<double> ordered = candidates;
  std::sort(ordered.begin(), ordered.end());
  double best = -1, chosen = ordered.front();
  for (const double c : ordered) {
    options.c = c;
    const auto made = fit_linear_classifier(fit_rows.view(), targets, classes, options);
    const double right = accuracy_of(made.scores(held_rows.view()).view(), labels_of(held));
    if (right > best) best = right, chosen = c;
  }
  return chosen;
}

/// Accuracy of a classifier on one layer's features over the trials. `train` and `test` may be the same
/// table. `done` is called after each trial and may throw to stop. Throws as fit_linear_classifier. Memory:
/// the rows of a trial's training pictures three times.
[[nodiscard]] inline TransferScore transfer_accuracy(const FeatureTable& train, const FeatureTable& test,
                                                     std::size_t layer,
                                                     const std::vector<TransferFold>& folds, Index classes,
                                                     LinearOptions options,
                                                     const std::vector<double>& candidates = {},
                                                     const std::function<void()>& done = nullptr) {
  TransferScore score;
  for (const TransferFold& fold : folds) {
    const auto [rows, labels] = train.of(layer, fold.train);
    options.c = chosen_c(rows, labels, classes, options, candidates);
    const auto made = fit_linear_classifier(rows.view(), class_targets(labels, classes), classes, options);
    const auto [judged, wanted] = test.of(layer, fold.test);
    score.folds.push_back(accuracy_of(made.scores(judged.view()).view(), wanted));
    score.c.push_back(options.c);
    if (done) done();
  }
  return score;
}

/// Marks of pictures with any number of classes each: 1 its class, 0 a difficult one, -1 any other; pictures
/// x classes. Throws ArgumentError for a class that there is not.
[[nodiscard]] inline std::vector<std::int8_t> multi_label_targets(const io::Dataset& set,
                                                                  const std::vector<Index>& pictures,
                                                                  Index classes) {
  std::vector<std::int8_t> targets(pictures.size() * static_cast<std::size_t>(classes), std::int8_t{-1});
  for (std::size_t n = 0; n < pictures.size(); ++n) {
    const auto mark = [&](Index label, std::int8_t value) {
      require<ArgumentError>(label >= 0 && label < classes, set.name(pictures[n]), ": class ", label, " of ",
                             classes);
      targets[n * static_cast<std::size_t>(classes) + static_cast<std::size_t>(label)] = value;
    };
    for (const Index label : set.labels(pictures[n])) mark(label, 1);
    for (const Index label : set.difficult_labels(pictures[n])) mark(label, 0);
  }
  return targets;
}

/// The average precision of each class of scores N x K, against targets as above.
[[nodiscard]] inline std::vector<double> average_precisions(
    TensorView<const double, Cpu> scores, const std::vector<std::int8_t>& targets,
    AveragePrecision kind = AveragePrecision::voc2012) {
  const Index rows = scores[0], classes = scores[1];
  require<ShapeError>(static_cast<Index>(targets.size()) == rows * classes, "scores ", scores.shape(),
                      " for ", targets.size(), " marks");
  std::vector<double> each;
  for (Index k = 0; k < classes; ++k) {
    std::vector<double> column;
    std::vector<std::int8_t> marks;
    for (Index n = 0; n < rows; ++n) {
      column.push_back(scores.data()[n * classes + k]);
      marks.push_back(targets[static_cast<std::size_t>(n * classes + k)]);
    }
    each.push_back(average_precision(column, marks, kind));
  }
  return each;
}

}  // namespace deconv
