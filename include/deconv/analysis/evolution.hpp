#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/features.hpp"

namespace deconv {

/// The strongest activation of a map over a data set in one state of a network, projected to the input.
template <class T>
struct EvolutionCell {
  Hit<T> hit;
  Projection<T> projection;
};

/// One feature map through training: a cell for each state of the network, in the order they were added.
template <class T>
struct EvolutionRow {
  std::string layer;
  Index map = 0;
  std::vector<EvolutionCell<T>> cells;

  /// Cells whose strongest activation comes from another image than the cell's before. The paper explains
  /// sudden jumps in a row by these.
  [[nodiscard]] Index image_changes() const noexcept {
    Index changes = 0;
    for (std::size_t i = 1; i < cells.size(); ++i)
      changes += cells[i].hit.image != cells[i - 1].hit.image ? 1 : 0;
    return changes;
  }
};

/// The paper's Fig. 4 for any network: how feature maps evolve in training. States of one network (its
/// weights after some epochs) are added one after another, so that only one need be in memory; each passes
/// over the same images. Memory: a projection a map and state. Source: Zeiler and Fergus 2013, section 4.1,
/// "Feature Evolution during Training", and Fig. 4.
template <class T>
class Evolution {
 public:
  /// The maps that are followed.
  explicit Evolution(std::vector<MapSelection> selections) : selections_(std::move(selections)) {
    for (const MapSelection& selection : selections_)
      for (const Index map : selection.maps) rows_.push_back({selection.layer, map, {}});
  }

  /// Adds a state of the network, called `label`, with the images that `stream` gives. `options.top` is of no
  /// account. Throws ArgumentError when there is no image, or a layer or map that the network lacks;
  /// ShapeError when the maps' projections have another size than those of the states before: then it is
  /// another network. After an exception nothing was added. Cost: features() with one unit a map.
  template <Device D>
  void add(std::string label, const Network<T, D>& network, const Context<D>& context,
           const ImageStream<T>& stream, const FeatureOptions& options = {}) {
    add(std::move(label), [&](FeatureOptions how, const std::function<void(Feature<T>)>& emit) {
      how.projection = options.projection;
      how.state_bytes = options.state_bytes;
      how.result_bytes = options.result_bytes;
      how.progress = options.progress;
      how.image_use = options.image_use;
      features<T, D>(network, context, selections_, stream, emit, how);
    });
  }

  /// The same for a program with a way of its own to run features(): `run(options, emit)` is to call it for
  /// selections() with these options, to which it may add, and this receiver.
  void add(std::string label,
           const std::function<void(FeatureOptions, const std::function<void(Feature<T>)>&)>& run) {
    std::vector<EvolutionCell<T>> column;
    FeatureOptions options;
    options.top = 1;
    run(options, [&](Feature<T> feature) {
      require<ArgumentError>(!feature.hits.empty(), label, ": an image wanted, met none");
      column.push_back({feature.hits.front(), std::move(feature.projections.front())});
    });
    require<ArgumentError>(column.size() == rows_.size(), label, ": ", rows_.size(),
                           " feature maps wanted, met ", column.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].cells.empty()) continue;
      const Shape& first = rows_[i].cells.front().projection.pixels.shape();
      const Shape& met = column[i].projection.pixels.shape();
      require<ShapeError>(met == first, label, ": layer ", quoted(rows_[i].layer), ": projections of shape ",
                          first, " wanted as those of ", quoted(labels_.front()), ", met ", met,
                          ": is it another network?");
    }
    labels_.push_back(std::move(label));
    for (std::size_t i = 0; i < rows_.size(); ++i) rows_[i].cells.push_back(std::move(column[i]));
  }

  [[nodiscard]] const std::vector<MapSelection>& selections() const noexcept { return selections_; }
  /// What the states added are called, in order.
  [[nodiscard]] const std::vector<std::string>& labels() const noexcept { return labels_; }
  /// A row a map, selection by selection.
  [[nodiscard]] const std::vector<EvolutionRow<T>>& rows() const noexcept { return rows_; }

 private:
  std::vector<MapSelection> selections_;
  std::vector<std::string> labels_;
  std::vector<EvolutionRow<T>> rows_;
};

}  // namespace deconv
