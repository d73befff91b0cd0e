#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/core/dtype.hpp"
#include "deconv/core/error.hpp"
#include "deconv/core/quoted.hpp"
#include "deconv/io/preprocess.hpp"
#include "deconv/nn/initialise.hpp"
#include "deconv/train/augmentation.hpp"
#include "deconv/train/schedule.hpp"

namespace deconv::train {

/// What training makes small. `softmax`: cross-entropy of the softmax, one class an image. `squared_hinge`:
/// one-vs-rest squared hinge, a linear SVM. `sigmoid`: cross-entropy of a sigmoid a class, any number of
/// classes an image.
enum class LossKind : std::uint8_t { softmax, squared_hinge, sigmoid };

/// Where a mean or deviation comes from: the preprocessing as given, or the training images, one value a
/// channel, or (a mean only) one a pixel.
enum class Statistic : std::uint8_t { given, per_channel, per_pixel };

/// How the parameters of some names are trained otherwise.
struct ParameterFactors {
  std::string pattern = "*";  ///< a parameter's name; '*' stands for any characters
  double rate = 1;            ///< times the learning rate, 0 or more; 0 leaves the parameter as it is
  double decay = 1;           ///< times the weight decay, 0 or more
  friend bool operator==(const ParameterFactors&, const ParameterFactors&) = default;
};

/// All that decides what a run ends in, beside its data. Where not said otherwise the values are the paper's
/// (Zeiler and Fergus 2013, section 3). A plain value; recipe_json.hpp reads and writes it.
struct Recipe {
  std::string net;                ///< a name that model_by_name knows, or a file
  std::optional<Index> classes;   ///< absent: as many as the data has
  std::optional<double> dropout;  ///< ratio of every dropout layer, [0, 1); absent: the network's own
  Initialisation initialisation = Initialisation::paper;

  Index batch = 128;                         ///< images a step, of all processes together
  Index epochs = 70;                         ///< passes over the training images, at most
  std::optional<Index> steps;                ///< instead: so many steps
  Schedule schedule;                         ///< with the learning rate itself, 0.01
  double momentum = 0.9;                     ///< [0, 1)
  double weight_decay = 0;                   ///< 0 or more; the paper says none
  std::vector<ParameterFactors> parameters;  ///< the first whose pattern fits a name counts
  double filter_rms = 0.1;                   ///< largest RMS of a convolution's filters; 0: any
  LossKind loss = LossKind::softmax;

  Augmentation augmentation;
  io::Preprocess preprocess;
  std::filesystem::path mean_file;    ///< where `preprocess.mean_image` was read from; empty: from no file
  Statistic mean = Statistic::given;  ///< its values, or the image, are in `preprocess` where given
  Statistic deviation = Statistic::given;  ///< given or per_channel

  std::uint64_t seed = 1;
  DType dtype = DType::float32;  ///< of activations and gradients: float32, bfloat16 or float16
  Index checkpoint_every = 0;    ///< steps; 0: after each epoch
  Index keep = 3;                ///< checkpoints kept beside the best and the last, 1 or more
};

/// Whether a name fits a pattern, in which '*' stands for any characters, or none. Cost: their lengths'
/// product at worst.
[[nodiscard]] inline bool fits(std::string_view pattern, std::string_view name) noexcept {
  // Where it went wrong after a star, the star takes one character more; only the last star matters.
  std::size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// The factors of the parameter of this name: those of the first pattern that it fits, else 1 and 1.
[[nodiscard]] inline ParameterFactors factors_of(const Recipe& recipe, std::string_view parameter) {
  for (const ParameterFactors& factors : recipe.parameters)
    if (fits(factors.pattern, parameter)) return factors;
  return {};
}

/// Throws ArgumentError that names the field, unless every field is in its range. Whether the augmentation
/// fits the preprocessing is not looked at: the network's input may still change that.
inline void check(const Recipe& recipe) {
  const auto from_zero = [](double value) { return value >= 0 && std::isfinite(value); };
  require<ArgumentError>(!recipe.net.empty(), "net: the name of a network or a file wanted");
  require<ArgumentError>(!recipe.classes || *recipe.classes >= 1, "classes: at least 1 wanted, met ",
                         recipe.classes.value_or(0));
  require<ArgumentError>(!recipe.dropout || (*recipe.dropout >= 0 && *recipe.dropout < 1),
                         "dropout: a number from 0 to below 1 wanted, met ", recipe.dropout.value_or(0));
  require<ArgumentError>(recipe.batch >= 1, "batch: at least 1 image wanted, met ", recipe.batch);
  require<ArgumentError>(recipe.epochs >= 0, "epochs: at least 0 wanted, met ", recipe.epochs);
  require<ArgumentError>(!recipe.steps || *recipe.steps >= 0, "steps: at least 0 wanted, met ",
                         recipe.steps.value_or(0));
  check(recipe.schedule);
  require<ArgumentError>(recipe.momentum >= 0 && recipe.momentum < 1,
                         "momentum: a number from 0 to below 1 wanted, met ", recipe.momentum);
  require<ArgumentError>(from_zero(recipe.weight_decay), "weight_decay: at least 0 wanted, met ",
                         recipe.weight_decay);
  for (const ParameterFactors& factors : recipe.parameters)
    require<ArgumentError>(!factors.pattern.empty() && from_zero(factors.rate) && from_zero(factors.decay),
                           "parameters: a pattern and factors of at least 0 wanted, met ",
                           quoted(factors.pattern), " with rate ", factors.rate, " and decay ",
                           factors.decay);
  require<ArgumentError>(from_zero(recipe.filter_rms), "filter_rms: at least 0 wanted, met ",
                         recipe.filter_rms);
  require<ArgumentError>(recipe.deviation != Statistic::per_pixel,
                         "std: one a channel or given ones wanted, met one a pixel");
  require<ArgumentError>(
      recipe.dtype == DType::float32 || recipe.dtype == DType::bfloat16 || recipe.dtype == DType::float16,
      "dtype: float32, bfloat16 or half wanted, met ", name_of(recipe.dtype));
  require<ArgumentError>(recipe.checkpoint_every >= 0, "checkpoint_every: at least 0 steps wanted, met ",
                         recipe.checkpoint_every);
  require<ArgumentError>(recipe.keep >= 1, "keep: at least 1 checkpoint wanted, met ", recipe.keep);
  try {
    recipe.preprocess.check();
  } catch (const FormatError& problem) {
    raise<ArgumentError>("preprocess: ", problem.what());
  }
}

}  // namespace deconv::train
