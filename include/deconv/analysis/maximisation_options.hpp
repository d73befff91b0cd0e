#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "deconv/core/tensor.hpp"

// How inputs are made that excite a network; see activation_maximisation.hpp.
namespace deconv {

/// How the positions of a map become the one number that is raised: their mean, their sum, or the value in
/// the middle (row height / 2, column width / 2). All the same for a tensor without planes.
enum class MapReading : std::uint8_t { mean, sum, centre };

struct MaximisationOptions {
  MapReading reading = MapReading::mean;
  Index steps = 128;
  /// The standard deviation of a picture's pixels in the network's input, what lengths below are counted in:
  /// 1 where preprocessing divides by it, about 0.225 where pixels are 0 to 1, 57 where they are 0 to 255.
  double pixel_deviation = 1;
  /// The input, one value a channel, that says nothing: where the ascent begins without a start image, what
  /// decay leads to and what clipped pixels become. Empty: 0, the mean image where preprocessing subtracts
  /// it.
  std::vector<float> rest = {};
  /// Root mean square of what one step adds to the input's values, in pixel_deviation: the gradient is
  /// divided by its own RMS, so that a step is as long for a shallow layer as for a deep one.
  double step_size = 0.1;
  double noise = 0.2;  ///< of the normal noise that is added to the start: its deviation, in pixel_deviation
  std::uint64_t seed = 1;

  double l2_decay = 0.001;  ///< after each step the distance to `rest` is multiplied by 1 - this
  double blur = 0.6;        ///< standard deviation in pixels of a Gaussian blur; 0: none
  Index blur_every = 4;     ///< steps from one blur to the next
  /// Before each gradient the input is rolled by up to so many pixels each way, drawn anew for every step,
  /// and the gradient is rolled back: what depends on the pixel grid averages out.
  Index jitter = 8;
  double total_variation = 0.05;  ///< times its gradient, subtracted from the gradient of RMS 1
  double clip_norm = 0;  ///< per cent of pixels set to `rest` for their small norm (of the distance to it)
  double clip_contribution = 0;  ///< the same for their small contribution
  Index clip_every = 4;          ///< steps from one clipping to the next
  /// The least and the largest value that a picture's pixels can become: one a channel, or one a value in C,
  /// H, W order. After each step the input is clamped to them; empty: not at all.
  std::vector<float> lowest = {}, highest = {};

  /// Units whose inputs are made together in one batch: memory grows with it, see maximisation_bytes.
  Index batch = 8;
};

/// The input that was made for one map.
template <class T>
struct MaximisedInput {
  Index map = 0;
  Tensor<T, Cpu> input;  ///< C x H x W, as the network takes it
  /// The map's number before each step, as the jittered input has it, and for the finished input: steps + 1.
  std::vector<double> objective;
};

/// Where an ascent stands, for frames of an animation and for progress.
template <class T>
struct MaximisationStep {
  Index first = 0;                     ///< these are units first, first + 1, ... of all
  Index step = 0;                      ///< steps done: 0 to options.steps
  std::span<const double> objectives;  ///< one a unit
  TensorView<const T, Cpu> inputs;     ///< a unit each x C x H x W; not to be kept
};
template <class T>
using MaximisationWatcher = std::function<void(const MaximisationStep<T>&)>;

namespace detail {

inline void check_maximisation(const MaximisationOptions& o, const Shape& planes) {
  const auto at_least = [](double value, double low, double high, const char* what) {
    require<ArgumentError>(value >= low && value <= high, "maximise: ", what, " from ", low, " to ", high,
                           " wanted, met ", value);
  };
  require<ArgumentError>(o.steps >= 1 && o.steps <= 1000000, "maximise: 1 to 1000000 steps wanted, met ",
                         o.steps);
  require<ArgumentError>(o.step_size > 0 && o.step_size <= 1e6, "maximise: a step size above 0 wanted, met ",
                         o.step_size);
  require<ArgumentError>(o.pixel_deviation > 0 && o.pixel_deviation <= 1e6,
                         "maximise: a deviation of pixels above 0 wanted, met ", o.pixel_deviation);
  require<ArgumentError>(o.rest.empty() || static_cast<Index>(o.rest.size()) == planes[0],
                         "maximise: an input at rest of ", planes[0], " channels wanted, met ",
                         o.rest.size());
  at_least(o.noise, 0, 1e6, "noise");
  require<ArgumentError>(o.l2_decay >= 0 && o.l2_decay < 1,
                         "maximise: an L2 decay from 0 to below 1 wanted, met ", o.l2_decay);
  at_least(o.blur, 0, 100, "a blur in pixels");
  at_least(o.total_variation, 0, 1e6, "a weight of total variation");
  for (const double percent : {o.clip_norm, o.clip_contribution})
    require<ArgumentError>(percent >= 0 && percent < 100,
                           "maximise: a share of clipped pixels from 0 to below 100 % wanted, met ", percent);
  require<ArgumentError>(o.blur_every >= 1 && o.clip_every >= 1 && o.batch >= 1,
                         "maximise: blur and clipping want at least 1 step between them, a batch at least 1 "
                         "unit, met ",
                         o.blur_every, ", ", o.clip_every, " and ", o.batch);
  require<ArgumentError>(o.jitter >= 0 && o.jitter < std::min(planes[1], planes[2]),
                         "maximise: jitter from 0 to ", std::min(planes[1], planes[2]) - 1,
                         " pixels wanted, met ", o.jitter);
  require<ArgumentError>(o.lowest.size() == o.highest.size(),
                         "maximise: as many lowest as highest values wanted, met ", o.lowest.size(), " and ",
                         o.highest.size());
  const auto count = static_cast<Index>(o.lowest.size());
  require<ArgumentError>(count == 0 || count == planes[0] || count == planes.count(),
                         "maximise: ranges of pixels want one pair a channel (", planes[0], ") or a value (",
                         planes.count(), "), met ", count);
  for (std::size_t i = 0; i < o.lowest.size(); ++i)
    require<ArgumentError>(o.lowest[i] < o.highest[i],
                           "maximise: a range of pixels wants ascending ends, met ", o.lowest[i], " and ",
                           o.highest[i]);
}

}  // namespace detail

}  // namespace deconv
