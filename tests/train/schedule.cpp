// Learning rates over a run: each kind's rule, and that a run resumed anywhere has the same rates.

#include "deconv/train/schedule.hpp"

#include <limits>
#include <string>
#include <vector>

#include "deconv/train/schedule_json.hpp"
#include "support/catch.hpp"
#include "train/messages.hpp"

namespace {

using namespace deconv;
using namespace deconv::train;
using test::mentions_all;
using test::said_by;

/// The rates of the first step of each epoch when the epochs end with these errors.
std::vector<double> rates(const Schedule& schedule, const std::vector<double>& errors) {
  ScheduleState state;
  std::vector<double> seen;
  for (std::size_t epoch = 0; epoch < errors.size(); ++epoch) {
    seen.push_back(rate(schedule, state, static_cast<Index>(epoch), static_cast<Index>(epoch) * 10));
    state = after_epoch(schedule, state, errors[epoch]);
  }
  return seen;
}

Schedule plateau(Index patience, double threshold) {
  Schedule schedule;
  schedule.kind = ScheduleKind::plateau;
  schedule.rate = 1;
  schedule.factor = 0.5;
  schedule.patience = patience;
  schedule.threshold = threshold;
  return schedule;
}

}  // namespace

TEST_CASE("a constant schedule keeps its rate", "[train][schedule]") {
  Schedule schedule;
  schedule.rate = 0.25;
  CHECK(rates(schedule, {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}) == std::vector<double>(7, 0.25));
}

TEST_CASE("a step schedule falls after so many epochs, or at those named", "[train][schedule]") {
  Schedule schedule;
  schedule.kind = ScheduleKind::step;
  schedule.rate = 1;
  schedule.factor = 0.5;
  schedule.every = 2;
  CHECK(rates(schedule, std::vector<double>(6, 0.5)) == std::vector<double>{1, 1, 0.5, 0.5, 0.25, 0.25});
  schedule.every = 0;
  schedule.at = {1, 4};
  CHECK(rates(schedule, std::vector<double>(6, 0.5)) == std::vector<double>{1, 0.5, 0.5, 0.5, 0.25, 0.25});
  // However long a run is, the rate neither becomes negative nor takes time to find.
  schedule.every = 1;
  schedule.at.clear();
  CHECK(rate(schedule, {}, std::numeric_limits<Index>::max(), 0) == 0);
}

TEST_CASE("a plateau schedule falls when the error does not", "[train][schedule]") {
  // The best is 0.4 in epoch 1; epochs 2 and 3 bring nothing, so epoch 4 has half the rate; 0.3 counts again.
  CHECK(rates(plateau(2, 0), {0.5, 0.4, 0.4, 0.45, 0.3, 0.3, 0.3, 0.3}) ==
        std::vector<double>{1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25});
  // Gains within the threshold do not count one by one, but do when they have added up.
  CHECK(rates(plateau(2, 0.05), {0.5, 0.48, 0.46, 0.44, 0.42, 0.40, 0.38}) ==
        std::vector<double>{1, 1, 1, 0.5, 0.5, 0.5, 0.25});
  CHECK(rates(plateau(3, 0.05), {0.5, 0.48, 0.46, 0.44, 0.42, 0.40, 0.38}) == std::vector<double>(7, 1));
  // NaN is no improvement.
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(rates(plateau(1, 0), {0.5, nan, nan, 0.4, 0.4}) == std::vector<double>{1, 1, 0.5, 0.25, 0.25});
}

TEST_CASE("a plateau's rate has a floor, and its drops an end", "[train][schedule]") {
  Schedule schedule = plateau(1, 0);
  schedule.smallest_rate = 0.3;
  CHECK(rates(schedule, std::vector<double>(5, 0.5)) == std::vector<double>{1, 1, 0.5, 0.3, 0.3});

  schedule = plateau(2, 0);
  const auto epochs_until_end = [&](const std::vector<double>& errors) {
    ScheduleState state;
    int epochs = 0;
    for (const double error : errors) {
      if (state.finished) break;
      state = after_epoch(schedule, state, error);
      ++epochs;
    }
    return state.finished ? epochs : -1;
  };
  CHECK(epochs_until_end(std::vector<double>(50, 0.5)) == -1);
  // One epoch that counts, then two for each fall and two more that show that the last brought nothing.
  schedule.stop_after_drops = 2;
  CHECK(epochs_until_end(std::vector<double>(50, 0.5)) == 7);
  schedule.stop_after_drops = 0;
  CHECK(epochs_until_end(std::vector<double>(50, 0.5)) == 3);
  // A fall that helped begins the count anew.
  schedule.stop_after_drops = 1;
  CHECK(epochs_until_end({0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4}) == 8);
}

TEST_CASE("warming up, the rate grows in equal parts", "[train][schedule]") {
  Schedule schedule;
  schedule.rate = 1;
  schedule.warm_up_steps = 4;
  std::vector<double> seen;
  for (Index step = 0; step < 6; ++step) seen.push_back(rate(schedule, {}, 0, step));
  CHECK(seen == std::vector<double>{0.25, 0.5, 0.75, 1, 1, 1});
}

TEST_CASE("a run resumed after any epoch has the same rates", "[train][schedule]") {
  std::vector<double> errors;
  for (int epoch = 0; epoch < 40; ++epoch) errors.push_back(0.3 + 0.7 / (1 + epoch / 3) + 0.01 * (epoch % 3));
  Schedule schedule = plateau(2, 0.003);
  schedule.rate = 0.013;
  schedule.factor = 0.31;
  schedule.smallest_rate = 1e-4;
  schedule.warm_up_steps = 25;
  const auto whole = rates(schedule, errors);
  REQUIRE(whole.front() != whole.back());
  for (std::size_t stop = 0; stop <= errors.size(); ++stop) {
    ScheduleState state;
    std::vector<double> seen;
    for (std::size_t epoch = 0; epoch < errors.size(); ++epoch) {
      if (epoch == stop)
        state =
            schedule_state_from_json(io::parse_json(schedule_state_to_json(state).dump(), "state"), "state");
      seen.push_back(rate(schedule, state, static_cast<Index>(epoch), static_cast<Index>(epoch) * 10));
      state = after_epoch(schedule, state, errors[epoch]);
    }
    CHECK(seen == whole);
  }
}

TEST_CASE("schedules read back as they were written", "[train][schedule]") {
  const auto back = [](const Schedule& schedule) {
    return schedule_from_json(io::parse_json(schedule_to_json(schedule).dump(), "s"), schedule.rate, "s");
  };
  Schedule schedule;
  CHECK(back(schedule) == schedule);
  schedule.kind = ScheduleKind::step;
  schedule.rate = 0.1;
  schedule.factor = 0.3;
  schedule.at = {3, 5};
  schedule.warm_up_steps = 7;
  CHECK(back(schedule) == schedule);
  schedule = plateau(3, 0.002);
  schedule.smallest_rate = 1e-5;
  schedule.stop_after_drops = 4;
  CHECK(back(schedule) == schedule);
}

TEST_CASE("what a schedule cannot be is said", "[train][schedule]") {
  const auto said = [](const char* text) {
    return said_by<FormatError>(
        [&] { static_cast<void>(schedule_from_json(io::parse_json(text, "r"), 0.01, "r.json: schedule")); });
  };
  CHECK(mentions_all(said(R"({"kind": "cosine"})"), {"r.json: schedule: kind", "plateau", "cosine"}));
  CHECK(mentions_all(said(R"({"kind": "plateau", "pateince": 3})"), {"pateince", "patience"}));
  // A field of another kind would be ignored, so it is an error.
  CHECK(mentions_all(said(R"({"kind": "step", "every": 3, "patience": 3})"), {"unknown", "patience"}));
  CHECK(mentions_all(said(R"({"kind": "step"})"), {"every", "at"}));
  CHECK(mentions_all(said(R"({"kind": "step", "every": 3, "at": [4]})"), {"every", "at"}));
  CHECK(mentions_all(said(R"({"kind": "step", "at": [4, 4]})"), {"at", "ascending", "4"}));
  CHECK(mentions_all(said(R"({"kind": "step", "every": 0})"), {"every", "0"}));
  CHECK(mentions_all(said(R"({"kind": "plateau", "factor": 1})"), {"factor", "1"}));
  CHECK(mentions_all(said(R"({"kind": "plateau", "smallest_rate": 0.5})"), {"smallest_rate", "0.01", "0.5"}));
  CHECK(mentions_all(said(R"({"kind": "plateau", "patience": 1.5})"), {"patience", "1.5"}));
  CHECK(mentions_all(said("[]"), {"r.json: schedule", "object"}));
  Schedule schedule;
  schedule.rate = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(check(schedule), ArgumentError);
}
