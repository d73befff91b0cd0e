#pragma once
/// Schedules and their states as JSON. A schedule's fields, all optional:
///   kind              "constant" (default), "step" or "plateau"
///   factor            what the rate is multiplied by when it falls (default 0.1)
///   every             step: epochs from one fall to the next, or
///   at                step: [30, 60], the numbers of finished epochs at which it falls
///   patience          plateau: epochs without a lower error before a fall (default 5)
///   threshold         plateau: what an error must be lower by, as a share of 1 (default 0.001)
///   smallest_rate     plateau: where falls end (default 0)
///   stop_after_drops  plateau: training ends after so many falls that brought nothing (default: it does not)
///   warm_up_steps     steps over which the rate grows to its full height (default 0)
/// The rate itself stands beside the schedule, see recipe_json.hpp.

#include <cmath>
#include <limits>
#include <string>

#include "deconv/train/json_fields.hpp"
#include "deconv/train/schedule.hpp"

namespace deconv::train {

inline constexpr Words<ScheduleKind, 3> schedule_kinds{
    {{"constant", ScheduleKind::constant}, {"step", ScheduleKind::step}, {"plateau", ScheduleKind::plateau}}};

/// The schedule as JSON: the fields that its kind has. Without the rate.
[[nodiscard]] inline io::Json schedule_to_json(const Schedule& schedule) {
  io::Json json = {{"kind", word_of(schedule_kinds, schedule.kind)}};
  if (schedule.kind != ScheduleKind::constant) json["factor"] = schedule.factor;
  if (schedule.kind == ScheduleKind::step) {
    if (schedule.every > 0) json["every"] = schedule.every;
    if (!schedule.at.empty()) json["at"] = schedule.at;
  }
  if (schedule.kind == ScheduleKind::plateau) {
    json["patience"] = schedule.patience;
    json["threshold"] = schedule.threshold;
    json["smallest_rate"] = schedule.smallest_rate;
    if (schedule.stop_after_drops) json["stop_after_drops"] = *schedule.stop_after_drops;
  }
  if (schedule.warm_up_steps > 0) json["warm_up_steps"] = schedule.warm_up_steps;
  return json;
}

/// The schedule of such a document, which messages call `name`; `rate` is its rate. Throws FormatError that
/// names the field, for an unknown one, one of another kind of schedule, a wrong type or range.
[[nodiscard]] inline Schedule schedule_from_json(const io::Json& json, double rate, const std::string& name) {
  JsonFields fields(json, name);
  Schedule schedule;
  schedule.rate = rate;
  fields.choice("kind", schedule.kind, schedule_kinds);
  // Only the fields of its kind are known: a "patience" that a step schedule would ignore is an error.
  if (schedule.kind != ScheduleKind::constant) fields.real("factor", schedule.factor, 0, 1, true);
  if (schedule.kind == ScheduleKind::step) {
    fields.integer("every", schedule.every, 1);
    fields.integers("at", schedule.at, 1);
  }
  if (schedule.kind == ScheduleKind::plateau) {
    fields.integer("patience", schedule.patience, 1);
    fields.real("threshold", schedule.threshold, 0, 1);
    fields.real("smallest_rate", schedule.smallest_rate, 0, rate);
    fields.integer("stop_after_drops", schedule.stop_after_drops, 0);
  }
  fields.integer("warm_up_steps", schedule.warm_up_steps, 0);
  fields.finish();
  try {
    check(schedule);
  } catch (const ArgumentError& problem) {
    raise<FormatError>(name, ": ", problem.what());
  }
  return schedule;
}

/// The state as JSON that reads back to the same bits.
[[nodiscard]] inline io::Json schedule_state_to_json(const ScheduleState& state) {
  return {{"best", std::isfinite(state.best) ? io::Json(state.best) : io::Json()},
          {"waited", state.waited},
          {"drops", state.drops},
          {"futile_drops", state.futile_drops},
          {"finished", state.finished}};
}

/// The state of such a document, which messages call `name`. Throws FormatError.
[[nodiscard]] inline ScheduleState schedule_state_from_json(const io::Json& json, const std::string& name) {
  JsonFields fields(json, name);
  ScheduleState state;
  fields.real("best", state.best, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max());
  fields.integer("waited", state.waited, 0);
  fields.integer("drops", state.drops, 0);
  fields.integer("futile_drops", state.futile_drops, 0);
  fields.truth("finished", state.finished);
  fields.finish();
  return state;
}

}  // namespace deconv::train
