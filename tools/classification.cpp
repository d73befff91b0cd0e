#include "classification.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "deconv/analysis/class_activation_map.hpp"
#include "deconv/io/resize.hpp"

namespace deconv::tool {

Tensor<float, Cpu> probabilities(const LoadedModel& model, TensorView<const float, Cpu> images) {
  const std::string scores = score_tensor(model.topology());
  Tensor<float, Cpu> rows = std::move(model.engine->activations(images, {scores}).front());
  const Index count = images[0], classes = rows.count() / count;
  require<ShapeError>(rows.rank() >= 2 && rows[0] == count && rows[1] == classes, "scores ", quoted(scores),
                      " of shape ", rows.shape(), ": one number a class wanted");
  for (Index n = 0; n < count; ++n) {
    float* row = rows.data() + n * classes;
    const double most = static_cast<double>(*std::max_element(row, row + classes));
    double sum = 0;
    for (Index k = 0; k < classes; ++k) sum += std::exp(static_cast<double>(row[k]) - most);
    for (Index k = 0; k < classes; ++k)
      row[k] = static_cast<float>(std::exp(static_cast<double>(row[k]) - most) / sum);
  }
  return std::move(rows).reshaped({count, classes});
}

std::vector<std::pair<Index, float>> top_classes(std::span<const float> row, Index count) {
  std::vector<Index> order(row.size());
  std::iota(order.begin(), order.end(), Index{0});
  const auto value = [&](Index k) {
    const float v = row[static_cast<std::size_t>(k)];
    return std::isnan(v) ? -1.0f : v;
  };
  const auto kept = std::min<std::size_t>(static_cast<std::size_t>(count), order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&](Index a, Index b) { return value(a) != value(b) ? value(a) > value(b) : a < b; });
  std::vector<std::pair<Index, float>> top;
  for (std::size_t i = 0; i < kept; ++i) top.emplace_back(order[i], row[static_cast<std::size_t>(order[i])]);
  return top;
}

Index rank_of(std::span<const float> row, Index label) {
  const float own = row[static_cast<std::size_t>(label)];
  if (std::isnan(own)) return static_cast<Index>(row.size());
  Index rank = 0;
  for (Index k = 0; k < static_cast<Index>(row.size()); ++k) {
    const float other = row[static_cast<std::size_t>(k)];
    if (k != label && (!(other <= own) || (other == own && k < label))) ++rank;
  }
  return rank;
}

void ten_crops(const io::Preprocess& preprocess, const io::Image& picture, TensorView<float, Cpu> dst) {
  require<ShapeError>(preprocess.crop.has_value(),
                      "ten crops want a preprocessing with a crop that is smaller than the resized picture");
  const io::Extent crop = *preprocess.crop;
  const io::Extent whole = preprocess.resized_extent(picture.width(), picture.height());
  const Index right = whole.width - crop.width, bottom = whole.height - crop.height;
  const io::Box middle = preprocess.crop_box(picture.width(), picture.height());
  const io::Box boxes[] = {{0, 0, crop.width, crop.height},
                           {right, 0, crop.width, crop.height},
                           {0, bottom, crop.width, crop.height},
                           {right, bottom, crop.width, crop.height},
                           middle};
  const Shape one{preprocess.channels(), crop.height, crop.width};
  for (Index i = 0; i < 5; ++i) {
    const io::Image seen = io::resize_window(picture, whole.width, whole.height, boxes[i]);
    preprocess.normalise(seen, {dst.data() + i * one.count(), one});
    preprocess.normalise(io::flip_horizontally(seen), {dst.data() + (i + 5) * one.count(), one});
  }
}

}  // namespace deconv::tool
