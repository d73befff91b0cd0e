#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"

namespace deconv::train {

/// What makes the learning rate fall. `constant`: nothing. `step`: the number of epochs alone. `plateau`: a
/// validation error that falls no more, which is "annealed manually when the validation error plateaus"
/// (Zeiler and Fergus 2013, section 3) done by a rule.
enum class ScheduleKind : std::uint8_t { constant, step, plateau };

/// How the learning rate goes from step to step. A plain value; check() says whether it makes sense.
struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  double rate = 0.01;   ///< the rate before anything falls, above 0
  double factor = 0.1;  ///< of (0, 1): what the rate is multiplied by each time it falls

  /// step: it falls after every so many epochs; 0: not so.
  Index every = 0;
  /// step: it falls when so many epochs are done; ascending, instead of `every`.
  std::vector<Index> at;

  /// plateau: it falls when for so many epochs in a row ...
  Index patience = 5;
  /// ... the error was not lower by more than this than the lowest before (both shares of 1).
  double threshold = 0.001;
  /// plateau: no lower rate than this.
  double smallest_rate = 0;
  /// plateau: training is over when the error still stands on its plateau after so many falls in a row that
  /// brought nothing; absent: it goes on to its last epoch.
  std::optional<Index> stop_after_drops;

  /// Over the first so many steps the rate grows in equal parts to its full height; 0: it starts there.
  Index warm_up_steps = 0;

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

/// All that a schedule must know of a run's past: what a checkpoint stores. A run that begins has the
/// default.
struct ScheduleState {
  double best = std::numeric_limits<double>::infinity();  ///< the lowest error that counted
  Index waited = 0;                                       ///< epochs in a row without a lower one
  Index drops = 0;                                        ///< times the rate fell
  Index futile_drops = 0;  ///< of those, the last ones that were followed by no lower error
  bool finished = false;   ///< training should end

  friend bool operator==(const ScheduleState&, const ScheduleState&) = default;
};

/// Throws ArgumentError that names the field, unless every field is in its range.
inline void check(const Schedule& schedule) {
  const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
  require<ArgumentError>(positive(schedule.rate), "rate: a number above 0 wanted, met ", schedule.rate);
  require<ArgumentError>(schedule.factor > 0 && schedule.factor < 1,
                         "factor: a number between 0 and 1 wanted, met ", schedule.factor);
  require<ArgumentError>(schedule.every >= 0, "every: at least 0 epochs wanted, met ", schedule.every);
  for (std::size_t i = 0; i < schedule.at.size(); ++i)
    require<ArgumentError>(schedule.at[i] > (i == 0 ? 0 : schedule.at[i - 1]),
                           "at: ascending numbers of epochs from 1 wanted, met ", schedule.at[i]);
  require<ArgumentError>(schedule.kind != ScheduleKind::step || (schedule.every > 0) == schedule.at.empty(),
                         "a step schedule wants either every or at");
  require<ArgumentError>(schedule.patience >= 1, "patience: at least 1 epoch wanted, met ",
                         schedule.patience);
  require<ArgumentError>(schedule.threshold >= 0 && schedule.threshold < 1,
                         "threshold: a number from 0 to below 1 wanted, met ", schedule.threshold);
  require<ArgumentError>(schedule.smallest_rate >= 0 && schedule.smallest_rate <= schedule.rate,
                         "smallest_rate: a number from 0 to the rate ", schedule.rate, " wanted, met ",
                         schedule.smallest_rate);
  require<ArgumentError>(!schedule.stop_after_drops || *schedule.stop_after_drops >= 0,
                         "stop_after_drops: at least 0 wanted, met ", schedule.stop_after_drops.value_or(0));
  require<ArgumentError>(schedule.warm_up_steps >= 0, "warm_up_steps: at least 0 wanted, met ",
                         schedule.warm_up_steps);
}

/// The rate of step `step` (from 0, counted over the whole run) in epoch `epoch` (from 0). The same bits
/// wherever a run was resumed, since it depends on nothing else.
[[nodiscard]] inline double rate(const Schedule& schedule, const ScheduleState& state, Index epoch,
                                 Index step) {
  Index falls = 0;
  if (schedule.kind == ScheduleKind::plateau) falls = state.drops;
  if (schedule.kind == ScheduleKind::step)
    falls = schedule.every > 0
                ? epoch / schedule.every
                : std::upper_bound(schedule.at.begin(), schedule.at.end(), epoch) - schedule.at.begin();
  double now = schedule.rate;
  // Below the smallest number there is, further falls change nothing.
  for (Index i = 0; i < falls && now > 0; ++i) now *= schedule.factor;
  if (schedule.kind == ScheduleKind::plateau) now = std::max(now, schedule.smallest_rate);
  if (step < schedule.warm_up_steps)
    now *= static_cast<double>(step + 1) / static_cast<double>(schedule.warm_up_steps);
  return now;
}

/// The state after an epoch that ended with this error (a share of 1; of the validation images, or where a
/// run has none of the training images). An error that is NaN is no improvement. Only a plateau schedule's
/// state ever changes.
[[nodiscard]] inline ScheduleState after_epoch(const Schedule& schedule, ScheduleState state, double error) {
  if (schedule.kind != ScheduleKind::plateau) return state;
  if (error < state.best - schedule.threshold) {
    state.best = error;
    state.waited = 0;
    state.futile_drops = 0;
    return state;
  }
  if (++state.waited < schedule.patience) return state;
  state.waited = 0;
  if (schedule.stop_after_drops && state.futile_drops >= *schedule.stop_after_drops) {
    state.finished = true;
  } else {
    ++state.drops;
    ++state.futile_drops;
  }
  return state;
}

}  // namespace deconv::train
