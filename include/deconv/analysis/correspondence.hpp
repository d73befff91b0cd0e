#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/analysis/layer_values.hpp"
#include "deconv/core/random.hpp"
#include "deconv/nn/receptive_field.hpp"

// Whether a network relates the same part of different images: how alike features change when it is masked.
// Source: Zeiler and Fergus 2013, section 4.3, Fig. 8 and Table 1.
namespace deconv {

/// What counts where masking left an element of a feature vector as it was, so that its difference has no
/// sign. `own`: zero is a third sign, which differs from both others (what NumPy's sign does). `positive`:
/// zero counts as above. `left_out`: elements that are zero in both vectors of a pair are not counted, and
/// zero differs from both other signs elsewhere. With the first two a mask that changes little scores low for
/// that alone, since what stays zero in both counts as agreement; with the last one only what a mask changes
/// counts.
enum class ZeroSign : std::uint8_t { own, positive, left_out };

[[nodiscard]] inline std::string_view name_of(ZeroSign zero) noexcept {
  return zero == ZeroSign::own ? "own" : zero == ZeroSign::positive ? "positive" : "left_out";
}

/// The share of elements whose signs differ, 0 to 1, over pairs of images.
struct CorrespondenceScore {
  double mean = 0;
  double deviation = 0;  ///< of single pairs (of n - 1); 0 where there is one pair
  Index pairs = 0;       ///< unordered: i, j and j, i are equal
};

/// Mean and deviation of some numbers, at least one.
[[nodiscard]] inline CorrespondenceScore score_of(std::span<const double> pairs) {
  require<ArgumentError>(!pairs.empty(), "a score wants at least one pair");
  const auto count = static_cast<double>(pairs.size());
  CorrespondenceScore score;
  for (const double value : pairs) score.mean += value / count;
  for (const double value : pairs) score.deviation += (value - score.mean) * (value - score.mean);
  score.deviation = pairs.size() > 1 ? std::sqrt(score.deviation / (count - 1)) : 0.0;
  score.pairs = static_cast<Index>(pairs.size());
  return score;
}

/// Signs as -1, 0 and 1 (NaN is 0).
template <class T>
[[nodiscard]] std::vector<std::int8_t> signs_of(std::span<const T> whole, std::span<const T> masked) {
  std::vector<std::int8_t> signs(whole.size());
  for (std::size_t k = 0; k < whole.size(); ++k)
    signs[k] = static_cast<std::int8_t>((whole[k] > masked[k]) - (whole[k] < masked[k]));
  return signs;
}

/// The Hamming distance of two vectors of signs (-1, 0, 1) over the number of elements that count; 0 where
/// none does. Throws ShapeError when they are of different lengths.
[[nodiscard]] inline double sign_distance(std::span<const std::int8_t> a, std::span<const std::int8_t> b,
                                          ZeroSign zero) {
  require<ShapeError>(a.size() == b.size(), "signs of ", a.size(), " and ", b.size(), " elements");
  std::size_t different = 0, counted = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    if (zero == ZeroSign::left_out && a[k] == 0 && b[k] == 0) continue;
    ++counted;
    different += zero == ZeroSign::positive ? (a[k] < 0) != (b[k] < 0) : a[k] != b[k];
  }
  return counted == 0 ? 0.0 : static_cast<double>(different) / static_cast<double>(counted);
}

/// The distances of all unordered pairs of vectors of signs.
[[nodiscard]] inline std::vector<double> pair_distances(std::span<const std::vector<std::int8_t>> signs,
                                                        ZeroSign zero) {
  std::vector<double> distances;
  for (std::size_t i = 0; i < signs.size(); ++i)
    for (std::size_t j = i + 1; j < signs.size(); ++j)
      distances.push_back(sign_distance(signs[i], signs[j], zero));
  return distances;
}

/// One part of all images: what is masked in each, in pixels of the network's input. A box may reach over the
/// edge; what lies inside is masked.
struct MaskedPart {
  std::string name;
  std::vector<PlaneBox> boxes;  ///< one an image
};

/// The square of `size` pixels about a place of the input (the first pixel's middle is 0, 0).
[[nodiscard]] inline PlaneBox square_about(double y, double x, Index size) {
  const auto begin = [&](double centre) {
    return static_cast<Index>(std::lround(centre + 0.5 - static_cast<double>(size) / 2));
  };
  return {begin(y), begin(x), begin(y) + size, begin(x) + size};
}

struct CorrespondenceOptions {
  /// Whose vectors are compared; "first" and "last" stand for the first and the last hidden layer.
  std::vector<std::string> layers{"last"};
  /// What masked pixels become, in the units of the network's input: one for all channels or one a channel.
  std::vector<double> fill{0.0};
  ZeroSign zero = ZeroSign::left_out;
  /// The control: so many sets of masks at random places, each wholly inside. 0: none.
  Index random_trials = 10;
  Index random_size = 0;  ///< side of the random masks, pixels; wanted with random_trials
  /// A place for all images of a trial instead of one for each: features with positions then change at the
  /// same positions, as they do for parts that lie alike in all images.
  bool random_together = false;
  std::uint64_t seed = 1;
  Index batch = 16;  ///< images that go through the network together
  /// Called after each set of masks with how many sets are done of how many; the first set masks nothing.
  std::function<void(Index done, Index total)> progress = {};
};

/// One row of the table.
struct PartCorrespondence {
  std::string name;
  std::vector<CorrespondenceScore> layers;  ///< in the order of Correspondence::layers
};

/// The table.
struct Correspondence {
  std::vector<std::string> layers;
  std::vector<PartCorrespondence> parts;        ///< as given
  std::optional<PartCorrespondence> random;     ///< over all trials and pairs
  std::vector<PartCorrespondence> random_sets;  ///< each trial by itself
};

/// About how many bytes correspondence() holds at most for N images of this shape N x C x H x W, the images
/// not counted.
template <class T, Device D>
[[nodiscard]] std::size_t correspondence_bytes(const Network<T, D>& network, const Shape& images,
                                               const CorrespondenceOptions& options = {}) {
  const std::vector<std::string> layers = hidden_layers(network.topology(), options.layers);
  const auto shapes = network.shapes_for({images});
  std::size_t held = 0;
  for (const std::string& layer : layers)
    held += static_cast<std::size_t>((*shapes)[network.topology().find(layer)].count()) * (sizeof(T) + 1);
  return held + layer_values_bytes(network, images, std::min(options.batch, images[0]), layers);
}

/// Masks the same part of each image, takes the sign of every feature's difference to the unmasked image, and
/// counts how many signs differ between pairs of images: few, where the network treats the part alike. images
/// N x C x H x W as the network takes them, N at least 2. Every set of masks goes through the network in the
/// same batches, so that what a mask does not reach is the same to the last bit and its difference exactly
/// zero. Means are over elements and pairs, as the paper's printed values are. Throws ArgumentError for
/// unknown layers, parts without a box for each image or with a mask that reaches no pixel, and random masks
/// that do not fit; ShapeError. Cost: one forward pass of all images a part and trial, and one more. Memory:
/// see correspondence_bytes. Source: Zeiler and Fergus 2013, section 4.3.
template <class T, Device D>
Correspondence correspondence(const Network<T, D>& network, const Context<D>& context,
                              std::type_identity_t<TensorView<const T, Cpu>> images,
                              std::span<const MaskedPart> parts, const CorrespondenceOptions& options = {}) {
  require<ShapeError>(images.rank() == 4 && images[0] >= 2 && images.count() > 0 && images.row_major(),
                      "correspondence wants at least two images N x C x H x W, met ", images.shape());
  const Index count = images[0], channels = images[1], height = images[2], width = images[3];
  require<ArgumentError>(options.fill.size() == 1 || static_cast<Index>(options.fill.size()) == channels,
                         "a mask's fill wants one value, or one for each of ", channels, " channels, met ",
                         options.fill.size());
  for (const MaskedPart& part : parts) {
    require<ArgumentError>(static_cast<Index>(part.boxes.size()) == count, "part ", quoted(part.name),
                           ": a box for each of ", count, " images wanted, met ", part.boxes.size());
    for (std::size_t n = 0; n < part.boxes.size(); ++n) {
      const PlaneBox inside = part.boxes[n].clipped(height, width);
      require<ArgumentError>(inside.height() > 0 && inside.width() > 0, "part ", quoted(part.name),
                             ", image ", n, ": the mask ", part.boxes[n], " lies outside of the input of ",
                             height, "x", width);
    }
  }
  std::vector<MaskedPart> sets{{"", std::vector<PlaneBox>(static_cast<std::size_t>(count), PlaneBox{})}};
  sets.insert(sets.end(), parts.begin(), parts.end());
  require<ArgumentError>(options.random_trials >= 0, "a number of random trials from 0 on wanted, met ",
                         options.random_trials);
  const Index size = options.random_size;
  require<ArgumentError>(options.random_trials == 0 || (size >= 1 && size <= height && size <= width),
                         "random masks of ", size, " pixels do not fit an input of ", height, "x", width);
  for (Index trial = 0; trial < options.random_trials; ++trial) {
    const Random random(options.seed, static_cast<std::uint64_t>(trial));
    MaskedPart part{message("random ", trial), {}};
    for (Index n = 0; n < count; ++n) {
      const auto draw = [&](Index which, Index extent) {
        const Index drawn = 2 * (options.random_together ? 0 : n) + which;
        return static_cast<Index>(
            random.below(static_cast<std::uint64_t>(drawn), static_cast<std::uint64_t>(extent - size + 1)));
      };
      const Index top = draw(0, height), left = draw(1, width);
      part.boxes.push_back({top, left, top + size, left + size});
    }
    sets.push_back(std::move(part));
  }

  Correspondence result;
  result.layers = hidden_layers(network.topology(), options.layers);
  const std::size_t layers = result.layers.size();
  std::vector<std::vector<std::vector<T>>> unmasked(layers);         // layer, image
  std::vector<std::vector<std::vector<std::int8_t>>> signs(layers);  // the same
  std::vector<std::vector<double>> random_pairs(layers);
  for (std::size_t s = 0; s < sets.size(); ++s) {
    for (auto& layer : signs) layer.clear();
    const auto make = [&](Index n, TensorView<T, Cpu> slot) {
      std::copy_n(images.data() + n * slot.count(), slot.count(), slot.data());
      const PlaneBox box = sets[s].boxes[static_cast<std::size_t>(n)].clipped(height, width);
      for (Index c = 0; c < channels; ++c)
        for (Index y = box.top; y < box.bottom; ++y)
          std::fill_n(
              slot.data() + (c * height + y) * width + box.left, std::max<Index>(box.width(), 0),
              static_cast<T>(options.fill[options.fill.size() == 1 ? 0 : static_cast<std::size_t>(c)]));
    };
    const auto take = [&](Index n, std::span<const std::span<const T>> rows) {
      for (std::size_t l = 0; l < layers; ++l) {
        if (s == 0)
          unmasked[l].emplace_back(rows[l].begin(), rows[l].end());
        else
          signs[l].push_back(signs_of(std::span<const T>(unmasked[l][static_cast<std::size_t>(n)]), rows[l]));
      }
    };
    for_layer_values<T, D>(network, context, images.shape(), count, options.batch, result.layers, make, take);
    if (s > 0) {
      PartCorrespondence part{sets[s].name, {}};
      const bool random = s > parts.size();
      for (std::size_t l = 0; l < layers; ++l) {
        const auto pairs = pair_distances(signs[l], options.zero);
        part.layers.push_back(score_of(pairs));
        if (random) random_pairs[l].insert(random_pairs[l].end(), pairs.begin(), pairs.end());
      }
      (random ? result.random_sets : result.parts).push_back(std::move(part));
    }
    if (options.progress) options.progress(static_cast<Index>(s) + 1, static_cast<Index>(sets.size()));
  }
  if (options.random_trials > 0) {
    result.random = PartCorrespondence{"random", {}};
    for (const auto& pairs : random_pairs) result.random->layers.push_back(score_of(pairs));
  }
  return result;
}

}  // namespace deconv
