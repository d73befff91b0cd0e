#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "deconv/nn/score_tensor.hpp"
#include "deconv/train/checkpoint.hpp"
#include "deconv/train/data_stream.hpp"
#include "deconv/train/evaluate.hpp"
#include "deconv/train/run_folder.hpp"
#include "deconv/train/run_log.hpp"
#include "deconv/train/training_step.hpp"

namespace deconv::train {

/// What a step was like, for a progress bar.
struct StepReport {
  Index step = 0;                      ///< steps done since the run began
  Index epoch = 0, step_in_epoch = 0;  ///< of that step, from 0
  Index steps_per_epoch = 0, images = 0;
  double loss = 0, error = 0, rate = 0;
};

/// How a Trainer works, as far as its results do not depend on it.
struct TrainerOptions {
  int workers = 2;            ///< threads that read and augment pictures
  bool skip_broken = false;   ///< leave broken pictures out instead of throwing
  Index log_steps = 50;       ///< a line in the log every so many steps; 0: after epochs alone
  double largest_loss = 1e4;  ///< a larger one counts as diverged
  float loss_scale = 0;       ///< times the gradients of a half network; 0: 1024 for half, 1 for other types
  /// Asked after every step and batch of validation; when it says so on any rank, the run is saved and ends.
  std::function<bool()> stop = nullptr;
  std::function<void(const StepReport&)> on_step = nullptr;  ///< on every rank
  std::function<void(const LogLine&)> on_line = nullptr;     ///< on the leading rank
  std::function<void(const std::string&)> warn = nullptr;
};

/// Why a run ended.
enum class RunEnd : std::uint8_t { finished, plateau, stopped };

/// The rules that a recipe gives a network's parameters.
[[nodiscard]] inline ParameterRules rules_of(const Recipe& recipe) {
  return [recipe](const std::string& name, const Node& node) {
    const ParameterFactors factors = factors_of(recipe, name);
    const bool filters = std::holds_alternative<node::Conv2d>(node.params) && name.ends_with(".weight");
    return ParameterRule{static_cast<float>(factors.rate),
                         static_cast<float>(recipe.weight_decay * factors.decay),
                         filters ? static_cast<float>(recipe.filter_rms) : 0.0f};
  };
}

/// Trains a network by a recipe: the same bits for the same recipe, data, device and number of processes,
/// whether or not it was stopped and resumed on the way.
///
///   Trainer<float, Cpu> trainer(context, communicator, file, recipe, *set, validation.get(), options);
///   trainer.run(&folder);           // nullptr: nothing is written
///   trainer.network()               // what was learned
///
/// Every rank makes one and calls the same functions; only the leading one has a folder. Everything given by
/// reference must live longer.
template <class T, Device D>
class Trainer {
 public:
  /// `file` is the network with its starting weights, how pictures become its inputs, and its class names.
  /// `validation` may be null: then errors are those of the training pictures as they were trained on.
  /// Throws ArgumentError, ShapeError, FormatError when network, data and recipe do not fit.
  Trainer(const Context<D>& context, dist::Communicator<D>& communicator, io::ModelFile file, Recipe recipe,
          const io::Dataset& set, const io::Dataset* validation, TrainerOptions options = {})
      : context_(context),
        communicator_(&communicator),
        recipe_(std::move(recipe)),
        options_(std::move(options)),
        set_(&set),
        validation_(validation),
        about_{{}, std::move(file.preprocess), std::move(file.class_names)},
        network_(context, std::move(file.model)),
        scores_(score_tensor(network_.topology())),
        sgd_(context, network_, communicator, rules_of(recipe_)),
        sampler_(set.size(), recipe_.batch, recipe_.seed) {
    check(recipe_);
    require<ArgumentError>(about_.preprocess.has_value(), "training wants a preprocessing");
    if (options_.loss_scale == 0) options_.loss_scale = std::is_same_v<T, half> ? 1024.0f : 1.0f;
    check_shapes();
  }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  [[nodiscard]] Network<T, D>& network() noexcept { return network_; }
  [[nodiscard]] const RunState& state() const noexcept { return state_; }
  [[nodiscard]] const Recipe& recipe() const noexcept { return recipe_; }
  [[nodiscard]] Index steps_per_epoch() const noexcept { return sampler_.steps_per_epoch(); }
  /// Steps of the whole run, unless its schedule ends it earlier.
  [[nodiscard]] Index total_steps() const noexcept {
    return recipe_.steps.value_or(recipe_.epochs * sampler_.steps_per_epoch());
  }

  /// Goes on from a checkpoint of this run. Throws FormatError when it is one of another network; then
  /// nothing was changed.
  void resume(const io::SafetensorsReader& reader, const RunState& state) {
    require<FormatError>(state.epoch * sampler_.steps_per_epoch() + state.step_in_epoch == state.step &&
                             state.step_in_epoch < sampler_.steps_per_epoch(),
                         reader.name(), ": step ", state.step, " in epoch ", state.epoch,
                         " does not fit epochs of ", sampler_.steps_per_epoch(),
                         " steps: the data or the batch are not those of the run");
    restore<T, D>(reader, context_, sgd_);
    state_ = state;
  }

  /// Trains until the recipe's end, a plateau's end, or stop(). Throws DivergedError, FormatError and IoError
  /// for broken pictures or a folder that cannot be written; the last checkpoint stays.
  RunEnd run(const RunFolder* folder) {
    std::optional<RunLog> log;
    if (folder != nullptr) {
      log.emplace(folder->path(), state_.step);
      if (state_.step > 0) folder->keep(state_, recipe_.keep);
    }
    RunEnd end = RunEnd::finished;
    if (state_.step < total_steps() && !state_.schedule.finished) end = train(folder, log ? &*log : nullptr);
    if (state_.schedule.finished) end = RunEnd::plateau;
    return end;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr Index validation_batch = 64;
  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  void check_shapes() const {
    const auto& inputs = network_.graph().inputs;
    require<ArgumentError>(inputs.size() == 1, "training wants a network of one input, met ", inputs.size());
    const auto shape = about_.preprocess->output_shape();
    require<ArgumentError>(shape.has_value(), "training wants a preprocessing whose inputs have one size");
    const auto shapes = network_.shapes_for({Shape{1, (*shape)[0], (*shape)[1], (*shape)[2]}});
    const Shape& scores = (*shapes)[network_.topology().find(scores_)];
    const bool vector = scores.rank() == 2 || (scores.rank() == 4 && scores[2] == 1 && scores[3] == 1);
    require<ShapeError>(vector, "training wants scores N x C, ", quoted(scores_), " has shape ", scores);
    for (const io::Dataset* set : {set_, validation_}) {
      if (set == nullptr) continue;
      const auto known = static_cast<Index>(set->class_names().size());
      require<ArgumentError>(known <= scores[1], "the network has ", scores[1], " classes, the data ", known);
    }
  }

  RunEnd train(const RunFolder* folder, RunLog* log) {
    StreamOptions streaming;
    streaming.rank = communicator_->rank();
    streaming.ranks = communicator_->size();
    streaming.epoch = state_.epoch;
    streaming.step = state_.step_in_epoch;
    streaming.workers = options_.workers;
    streaming.skip_broken = options_.skip_broken;
    streaming.warn = options_.warn;
    DataStream stream(*set_, *about_.preprocess, recipe_.augmentation, sampler_, streaming);
    Meter meter;
    Index saved = state_.step;
    while (true) {
      const auto begin = Clock::now();
      const double waited = stream.waited_seconds();
      const StepReport report = step(stream.next());
      count(meter, report, seconds_since(begin), stream.waited_seconds() - waited);
      if (options_.on_step) options_.on_step(report);
      const bool epoch_done = state_.step_in_epoch == 0;
      const bool stopped = any_rank_stops();
      const bool done = state_.step >= total_steps();
      const bool line_due = options_.log_steps > 0 && state_.step % options_.log_steps == 0;
      if (epoch_done)
        end_epoch(report, log);
      else if (done)
        end_between_epochs(meter, report, log);
      else if (line_due)
        write_line(step_line(meter, report), log);
      if (line_due) meter = {};
      const bool due = recipe_.checkpoint_every > 0 && state_.step % recipe_.checkpoint_every == 0;
      const bool over = done || stopped || state_.schedule.finished;
      if ((due || epoch_done || over) && state_.step != saved) {
        save(folder);
        saved = state_.step;
      }
      if (over) return done || state_.schedule.finished ? RunEnd::finished : RunEnd::stopped;
    }
  }

  StepReport step(const TrainingBatch& batch) {
    StepReport report{state_.step + 1,
                      state_.epoch,
                      state_.step_in_epoch,
                      sampler_.steps_per_epoch(),
                      batch.whole_batch,
                      0,
                      0,
                      rate(recipe_.schedule, state_.schedule, state_.epoch, state_.step)};
    StepOptions how;
    how.loss = recipe_.loss;
    how.rate = static_cast<float>(report.rate);
    how.momentum = static_cast<float>(recipe_.momentum);
    how.pass = {recipe_.seed, static_cast<std::uint64_t>(state_.step), batch.first_image};
    how.whole_batch = batch.whole_batch;
    how.loss_scale = options_.loss_scale;
    how.largest_loss = options_.largest_loss;
    StepResult result;
    try {
      result = training_step<T, D>(network_, context_, *communicator_, sgd_, scores_, batch.images,
                                   classes_of(batch), how);
    } catch (const DivergedError& problem) {
      throw DivergedError(
          message("step ", report.step, " (learning rate ", report.rate, "): ", problem.what()));
    }
    report.loss = result.loss;
    report.error = result.error;
    ++state_.step;
    if (++state_.step_in_epoch == sampler_.steps_per_epoch()) {
      state_.step_in_epoch = 0;
      ++state_.epoch;
    }
    return report;
  }

  [[nodiscard]] std::vector<std::vector<Index>> classes_of(const TrainingBatch& batch) const {
    if (!batch.label_sets.empty()) return batch.label_sets;
    std::vector<std::vector<Index>> classes;
    for (std::size_t i = 0; i < batch.labels.size(); ++i) {
      require<ArgumentError>(batch.labels[i] >= 0, set_->name(batch.pictures[i]),
                             ": training wants a class, it has none");
      classes.push_back({batch.labels[i]});
    }
    return classes;
  }

  /// Sums since the last line of steps.
  struct Meter {
    double loss = 0, error = 0, seconds = 0, waited = 0;
    Index images = 0;
  };

  void count(Meter& meter, const StepReport& report, double seconds, double waited) {
    const auto images = static_cast<double>(report.images);
    meter.loss += report.loss * images;
    meter.error += report.error * images;
    meter.images += report.images;
    meter.seconds += seconds;
    meter.waited += waited;
    state_.loss_sum += report.loss * images;
    state_.error_sum += report.error * images;
    state_.images += report.images;
    state_.seconds += seconds;
    state_.waited += waited;
    state_.run_seconds += seconds;
  }

  [[nodiscard]] LogLine line_of(const StepReport& report, double loss, double error, Index images,
                                double seconds, double waited) const {
    LogLine line;
    line.step = report.step;
    line.epoch = report.epoch + 1;
    const double all = static_cast<double>(std::max<Index>(images, 1));
    line.loss = loss / all;
    line.train_error = error / all;
    line.rate = report.rate;
    line.images_per_s = seconds > 0 ? static_cast<double>(images) / seconds : 0;
    line.wait = seconds > 0 ? waited / seconds : 0;
    line.seconds = state_.run_seconds;
    return line;
  }
  [[nodiscard]] LogLine step_line(const Meter& meter, const StepReport& report) const {
    return line_of(report, meter.loss, meter.error, meter.images, meter.seconds, meter.waited);
  }

  /// The error that the schedule and the best checkpoint go by.
  [[nodiscard]] double judge(LogLine& line) {
    if (validation_ == nullptr) return *line.train_error;
    const auto begin = Clock::now();
    line.val_error = validation_error();
    state_.run_seconds += seconds_since(begin);
    line.seconds = state_.run_seconds;
    return *line.val_error;
  }
  void note_best(double error) {
    if (!(error < state_.best_error)) return;
    state_.best_error = error;
    state_.best_step = state_.step;
  }

  void end_epoch(const StepReport& report, RunLog* log) {
    LogLine line =
        line_of(report, state_.loss_sum, state_.error_sum, state_.images, state_.seconds, state_.waited);
    line.of_epoch = true;
    const double error = judge(line);
    state_.schedule = after_epoch(recipe_.schedule, state_.schedule, error);
    note_best(error);
    state_.loss_sum = state_.error_sum = state_.seconds = state_.waited = 0;
    state_.images = 0;
    write_line(line, log);
  }
  /// A run of so many steps may end inside an epoch.
  void end_between_epochs(const Meter& meter, const StepReport& report, RunLog* log) {
    LogLine line = step_line(meter, report);
    note_best(judge(line));
    write_line(line, log);
  }

  void write_line(const LogLine& line, RunLog* log) {
    if (log != nullptr) log->write(line);
    if (communicator_->leads() && options_.on_line) options_.on_line(line);
  }

  [[nodiscard]] bool any_rank_stops() {
    double wish = options_.stop && options_.stop() ? 1 : 0;
    communicator_->sum(std::span(&wish, 1));
    return wish > 0;
  }

  /// Over all ranks: the share of wrong images, for sigmoid of wrong decisions (BatchLoss::wrong).
  [[nodiscard]] double validation_error() {
    std::array<double, 2> totals{};
    if (recipe_.loss == LossKind::sigmoid) {
      totals = wrong_decisions();
    } else {
      EvaluateOptions how;
      how.batch = validation_batch;
      how.workers = options_.workers;
      how.skip_broken = options_.skip_broken;
      how.warn = options_.warn;
      how.rank = communicator_->rank();
      how.ranks = communicator_->size();
      const Evaluation part = evaluate(network_, context_, *validation_, *about_.preprocess, how);
      totals = {static_cast<double>(part.wrong_top1), static_cast<double>(part.images)};
    }
    communicator_->sum(totals);
    return totals[0] / std::max(totals[1], 1.0);
  }
  [[nodiscard]] std::array<double, 2> wrong_decisions() const {
    const Scorer scorer = scorer_of(network_, context_, *about_.preprocess);
    const Shard share = shard_of(validation_->size(), communicator_->rank(), communicator_->size());
    io::LoaderOptions loading;
    loading.batch = validation_batch;
    loading.workers = options_.workers;
    loading.skip_broken = options_.skip_broken;
    loading.warn = options_.warn;
    loading.indices.emplace();
    for (Index i = share.begin; i < share.end; ++i) loading.indices->push_back(i);
    io::BatchLoader loader(*validation_, scorer.preprocess, std::move(loading));
    std::array<double, 2> totals{};
    while (const auto batch = loader.next()) {
      std::vector<std::vector<Index>> classes;
      for (const Index picture : batch->indices) classes.push_back(validation_->labels(picture));
      const auto scores = scorer.scores(batch->images);
      const auto judged = batch_loss<float, Cpu>(Context<Cpu>(1), recipe_.loss, scores.view(), classes);
      totals[0] += judged.wrong;
      totals[1] += static_cast<double>(classes.size());
    }
    return totals;
  }

  void save(const RunFolder* folder) {
    if (folder == nullptr) return;
    write_checkpoint<T, D>(folder->last(), network_, context_, sgd_, about_, recipe_, state_);
    folder->keep(state_, recipe_.keep);
  }

  Context<D> context_;
  dist::Communicator<D>* communicator_;
  Recipe recipe_;
  TrainerOptions options_;
  const io::Dataset* set_;
  const io::Dataset* validation_;
  io::ModelFile about_;  ///< without a model
  Network<T, D> network_;
  std::string scores_;
  Sgd<T, D> sgd_;
  Sampler sampler_;
  RunState state_;
};

}  // namespace deconv::train
