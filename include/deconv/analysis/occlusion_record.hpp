#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "deconv/analysis/class_activation_map.hpp"
#include "deconv/analysis/occlusion_result.hpp"

namespace deconv::detail {

/// Softmax of one row of scores, in double.
template <class T>
std::vector<double> probabilities_of(const T* scores, Index classes) {
  const double most = static_cast<double>(*std::max_element(scores, scores + classes));
  std::vector<double> result(static_cast<std::size_t>(classes));
  double sum = 0;
  for (Index k = 0; k < classes; ++k)
    sum += result[static_cast<std::size_t>(k)] = std::exp(static_cast<double>(scores[k]) - most);
  for (double& value : result) value /= sum;
  return result;
}

/// The sum of one map of one image: over its plane, or the unit itself where the tensor has no planes.
template <class T>
double sum_of_map(TensorView<const T, Cpu> view, Index image, Index map) {
  double sum = 0;
  if (view.rank() == 4) {
    for (Index y = 0; y < view[2]; ++y)
      for (Index x = 0; x < view[3]; ++x) sum += static_cast<double>(view(image, map, y, x));
    return sum;
  }
  const Index each = view.count() / (view[0] * view[1]);
  const T* values = view.data() + (image * view[1] + map) * each;
  for (Index i = 0; i < each; ++i) sum += static_cast<double>(values[i]);
  return sum;
}

/// Fills an Occlusion place by place.
template <class T>
class OcclusionRecord {
 public:
  /// Chooses maps and classes from what the network makes of the image itself. `activation` 1 x K ... of the
  /// layer in any layout, `scores` one row. Throws ArgumentError for maps and classes that are not there.
  OcclusionRecord(const PatchGrid& grid, const std::string& layer, TensorView<const T, Cpu> activation,
                  TensorView<const T, Cpu> scores, const OcclusionOptions& options)
      : count_(scores.count()), progress_(options.progress) {
    require<ArgumentError>(activation.rank() >= 2 && activation[0] == 1 && activation.count() > 0, "layer ",
                           quoted(layer), " of shape ", activation.shape(), " has no maps to be summed");
    require<ArgumentError>(count_ > 0, "the network computes no scores");
    result_.grid = grid;
    result_.layer = layer;
    result_.maps = options.maps;
    if (result_.maps.empty()) result_.maps.push_back(strongest_map(activation));
    for (const Index map : result_.maps)
      require<ArgumentError>(map >= 0 && map < activation[1], "map ", map, " of layer ", quoted(layer),
                             ", which has ", activation[1], " maps (0 to ", activation[1] - 1, ")");
    const auto probability = probabilities_of(scores.data(), count_);
    result_.whole_top_class = std::max_element(scores.data(), scores.data() + count_) - scores.data();
    result_.classes = options.classes;
    if (result_.classes.empty()) result_.classes.push_back(result_.whole_top_class);
    for (const Index k : result_.classes) {
      require<ArgumentError>(k >= 0 && k < count_, "class ", k, " of a network with ", count_,
                             " classes (0 to ", count_ - 1, ")");
      result_.whole_score.push_back(scores.data()[k]);
      result_.whole_probability.push_back(static_cast<T>(probability[static_cast<std::size_t>(k)]));
    }
    for (const Index map : result_.maps) {
      sums_.push_back(sum_of_map<T>(activation, 0, map));
      result_.whole_activation.push_back(static_cast<T>(sums_.back()));
    }
    const auto maps = static_cast<Index>(result_.maps.size()),
               classes = static_cast<Index>(result_.classes.size());
    result_.activation = Tensor<T, Cpu>({maps, grid.rows, grid.columns});
    result_.score = Tensor<T, Cpu>({classes, grid.rows, grid.columns});
    result_.probability = Tensor<T, Cpu>({classes, grid.rows, grid.columns});
    result_.top_class = Tensor<Index, Cpu>({grid.rows, grid.columns});
  }

  [[nodiscard]] const std::vector<Index>& maps() const noexcept { return result_.maps; }
  /// Sum of the m-th chosen map of the unoccluded image.
  [[nodiscard]] double whole_sum(std::size_t m) const { return sums_[m]; }

  void activation(Index place, std::size_t m, double sum) {
    result_.activation.data()[static_cast<Index>(m) * result_.grid.count() + place] = static_cast<T>(sum);
  }
  /// One row of scores.
  void scores(Index place, const T* row) {
    const auto probability = probabilities_of(row, count_);
    for (std::size_t k = 0; k < result_.classes.size(); ++k) {
      const Index at = static_cast<Index>(k) * result_.grid.count() + place;
      result_.score.data()[at] = row[result_.classes[k]];
      result_.probability.data()[at] =
          static_cast<T>(probability[static_cast<std::size_t>(result_.classes[k])]);
    }
    result_.top_class.data()[place] = std::max_element(row, row + count_) - row;
  }
  void done(Index places) const {
    if (progress_) progress_(places, result_.grid.count());
  }
  [[nodiscard]] Occlusion<T> take() && { return std::move(result_); }

 private:
  static Index strongest_map(TensorView<const T, Cpu> activation) {
    const Index each = activation.count() / activation[1];
    Index best = 0;
    T most = -std::numeric_limits<T>::infinity();
    const bool woven = activation.layout() == Layout::nhwc;
    for (Index map = 0; map < activation[1]; ++map)
      for (Index i = 0; i < each; ++i) {
        const T value = activation.data()[woven ? i * activation[1] + map : map * each + i];
        if (value > most) most = value, best = map;
      }
    return best;
  }

  Occlusion<T> result_;
  std::vector<double> sums_;
  Index count_;
  std::function<void(Index, Index)> progress_;
};

}  // namespace deconv::detail
