#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/transfer.hpp"
#include "deconv/nn/network.hpp"
#include "deconv/ops/map_maxima.hpp"

namespace deconv {

/// Feature maps of one layer that are looked at.
struct MapSelection {
  std::string layer;
  std::vector<Index> maps;
};

/// A unit that excites a map: the strongest of one image.
template <class T>
struct Hit {
  std::int64_t image = 0;  ///< the data set's number of the image
  Index y = 0, x = 0;
  T activation = 0;

  /// Stronger first; of equals the earlier image. NaN comes last.
  [[nodiscard]] bool before(const Hit& other) const noexcept {
    if (activation != other.activation)
      return activation > other.activation || (other.activation != other.activation);
    return image < other.image;
  }
};

/// The strongest unit of each chosen map in each image of a batch, on the device: one a selection.
template <class T, Device D>
struct MapMaxima {
  Tensor<T, D> values;             ///< N x maps
  Tensor<std::int32_t, D> places;  ///< N x maps: y * width + x
  Index width = 1;                 ///< of the layer's planes
};

/// The strongest activations of chosen feature maps over a stream of images, one unit an image (Fig. 2 takes
/// nine). Memory is that of the hits alone, however many images go by. Source: Zeiler and Fergus 2013,
/// section 4 and figure 2.
template <class T, Device D>
class TopActivations {
 public:
  /// Throws ArgumentError for unknown layers, maps that a layer does not have, and top < 1.
  TopActivations(const Network<T, D>& network, std::vector<MapSelection> selections, std::size_t top = 9)
      : selections_(std::move(selections)), top_(top) {
    require<ArgumentError>(top >= 1, "the number of strongest activations must be at least 1");
    const auto shapes = infer_shapes(network.graph());
    for (const MapSelection& selection : selections_) {
      tensors_.push_back(network.topology().find(selection.layer));
      const Shape& shape = shapes.at(network.topology().name(tensors_.back()));
      require<ArgumentError>(shape.rank() == 4 || shape.rank() == 2, "layer ", quoted(selection.layer),
                             " of shape ", shape, " has no feature maps");
      for (const Index map : selection.maps)
        require<ArgumentError>(map >= 0 && map < shape[1], "layer ", quoted(selection.layer),
                               " has maps 0 to ", shape[1] - 1, ", met ", map);
      hits_.emplace_back(selection.maps.size());
    }
  }

  [[nodiscard]] const std::vector<MapSelection>& selections() const noexcept { return selections_; }
  /// The selected layers' tensors, by number.
  [[nodiscard]] const std::vector<std::size_t>& tensors() const noexcept { return tensors_; }
  /// The hits of the k-th map of a selection, strongest first.
  [[nodiscard]] const std::vector<Hit<T>>& hits(std::size_t selection, std::size_t k) const {
    return hits_[selection][k];
  }
  /// In how many hits an image stands.
  [[nodiscard]] std::size_t uses(std::int64_t image) const {
    const auto found = uses_.find(image);
    return found == uses_.end() ? 0 : found->second;
  }

  /// What a forward pass must keep for add(), and for a later projection under `reverse`.
  [[nodiscard]] ForwardOptions forward_options(const ReverseOptions& reverse) const {
    ForwardOptions options{false, {}, reverse, {}};
    for (const MapSelection& selection : selections_) options.keep.push_back(selection.layer);
    if (!options.keep.empty()) options.up_to = options.keep.back();
    return options;
  }

  /// Takes in one batch: `images` are the data set's numbers of the trace's images. Returns the images that
  /// fell out of their last hit. Throws ArgumentError when the trace lacks a layer. Bytes: the selected
  /// layers' activations once.
  std::vector<std::int64_t> add(const Context<D>& context, const Trace<T, D>& trace,
                                std::span<const std::int64_t> images) {
    require<ArgumentError>(static_cast<Index>(images.size()) == trace.images(), "the trace has ",
                           trace.images(), " images, met ", images.size(), " numbers");
    return add(context, maxima(context, trace), images);
  }

  /// What add() looks at in a trace, put on the context's stream: nothing waits, and it may be recorded.
  /// Throws as add().
  [[nodiscard]] std::vector<MapMaxima<T, D>> maxima(const Context<D>& context,
                                                    const Trace<T, D>& trace) const {
    std::vector<MapMaxima<T, D>> all;
    for (const MapSelection& selection : selections_) {
      const auto view = trace.view(selection.layer);
      const Shape shape{view[0], static_cast<Index>(selection.maps.size())};
      all.push_back({context.template make<T>(shape), context.template make<std::int32_t>(shape),
                     view.rank() == 4 ? view[3] : 1});
      map_maxima<T>(context, view, selection.maps, all.back().values.view(), all.back().places.view());
    }
    return all;
  }
  /// add() with maxima() of the batch; from a GPU it waits for the stream. Throws ArgumentError unless there
  /// is a number an image.
  std::vector<std::int64_t> add(const Context<D>& context, const std::vector<MapMaxima<T, D>>& batch,
                                std::span<const std::int64_t> images) {
    require<ArgumentError>(batch.size() == selections_.size(), "maxima of ", selections_.size(),
                           " selections wanted, met ", batch.size());
    std::vector<std::int64_t> fallen;
    for (std::size_t s = 0; s < selections_.size(); ++s) {
      const auto best = on_host(context, batch[s]);
      require<ArgumentError>(best.size() == images.size() * selections_[s].maps.size(),
                             "maxima of one image a number wanted, met ", images.size(), " numbers");
      const std::size_t maps = selections_[s].maps.size();
      for (std::size_t i = 0; i < best.size(); ++i) {
        Hit<T> hit = best[i];
        hit.image = images[i / maps];
        take_in(hits_[s][i % maps], hit, fallen);
      }
    }
    std::erase_if(fallen, [&](std::int64_t image) { return uses(image) > 0; });
    return fallen;
  }

 private:
  /// The strongest unit of each map in each image, image by image; the images' numbers are left open.
  static std::vector<Hit<T>> on_host(const Context<D>& context, const MapMaxima<T, D>& maxima) {
    const auto host_values = to_host(context, maxima.values.view());
    const auto host_places = to_host(context, maxima.places.view());
    const Index width = maxima.width;
    std::vector<Hit<T>> hits(static_cast<std::size_t>(host_values.count()));
    for (std::size_t i = 0; i < hits.size(); ++i) {
      const Index place = host_places.data()[i];
      hits[i] = {0, place / width, place % width, host_values.data()[i]};
    }
    return hits;
  }

  void take_in(std::vector<Hit<T>>& list, const Hit<T>& hit, std::vector<std::int64_t>& fallen) {
    if (list.size() == top_ && !hit.before(list.back())) return;
    const auto place =
        std::find_if(list.begin(), list.end(), [&](const Hit<T>& other) { return hit.before(other); });
    list.insert(place, hit);
    ++uses_[hit.image];
    if (list.size() <= top_) return;
    const std::int64_t out = list.back().image;
    list.pop_back();
    const auto use = uses_.find(out);
    if (--use->second == 0) {
      uses_.erase(use);
      fallen.push_back(out);
    }
  }

  std::vector<MapSelection> selections_;
  std::vector<std::size_t> tensors_;
  std::size_t top_;
  std::vector<std::vector<std::vector<Hit<T>>>> hits_;
  std::map<std::int64_t, std::size_t> uses_;
};

}  // namespace deconv
