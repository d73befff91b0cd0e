// deconv transfer: classifiers on frozen layers (Tables 4, 5 and 7), and average precision for pictures of
// several classes (Table 6).

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "classification.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/train/recipe_json.hpp"
#include "document.hpp"
#include "interrupt.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "training.hpp"
#include "transfer.hpp"
#include "transfer_table.hpp"

namespace deconv::tool {

namespace {

struct TransferOptions : CommonOptions {
  std::vector<std::string> layers, classifiers{"softmax"};
  std::vector<Index> per_class{30};
  Index test_per_class = 50, folds = 5;
  std::string pooling = "flatten", test_data, scratch;
  std::vector<double> c{1};
  std::optional<Index> scratch_epochs;
  Index memory = 2048;  ///< MB
};

LinearLoss loss_of(const std::string& classifier, bool several) {
  if (classifier == "svm") return LinearLoss::squared_hinge;
  return several ? LinearLoss::logistic : LinearLoss::softmax;
}

/// Layers whose features stand in memory together, as many as fit.
std::vector<std::vector<std::string>> groups_of(const TransferOptions& options, const Engine& engine,
                                                const std::vector<std::string>& layers, const Shape& input,
                                                FeaturePooling pooling, Index pictures, Index trained,
                                                std::uint64_t& most) {
  std::vector<std::vector<std::string>> groups(1);
  const std::uint64_t limit = static_cast<std::uint64_t>(options.memory) * 1'000'000;
  std::uint64_t held = 0;
  for (const std::string& layer : layers) {
    const auto features = static_cast<std::uint64_t>(feature_count_of(engine, layer, input, pooling));
    const std::uint64_t bytes = features * static_cast<std::uint64_t>(pictures) * sizeof(float);
    // A trial's training rows beside them: as they are, standardised, and once more where c is chosen.
    const std::uint64_t working = 3 * features * static_cast<std::uint64_t>(trained) * sizeof(float);
    require<ArgumentError>(bytes + working <= limit, "--memory: layer ", quoted(layer), " of ", features,
                           " features wants ", (bytes + working) / 1'000'000 + 1, " MB, met ", options.memory,
                           "; --pool mean, a smaller --input-size or fewer pictures take less");
    if (held + bytes + working > limit) groups.emplace_back(), held = 0;
    groups.back().push_back(layer);
    held += bytes;
    most = std::max(most, held + working);
  }
  return groups;
}

/// Everything that a run of the command has.
class TransferWork {
 public:
  TransferWork(const TransferOptions& options, const LoadedModel& model)
      : options_(options),
        model_(model),
        preprocess_(model.preprocess_for_pictures(options)),
        pooling_(options.pooling == "mean" ? FeaturePooling::mean : FeaturePooling::flatten),
        set_(open_data(options)) {
    if (!options.test_data.empty()) {
      CommonOptions other = options;
      other.data = options.test_data;
      test_set_ = open_data(other);
    }
    const Topology& topology = model.topology();
    for (const std::string& layer : options.layers) {
      const std::string name = topology.name(topology.find_rectified(layer));
      if (std::find(layers_.begin(), layers_.end(), name) == layers_.end()) layers_.push_back(name);
    }
    const auto input = preprocess_.output_shape();
    require<ArgumentError>(input.has_value(),
                           "transfer wants inputs of one size: --input-size or --preprocess with a crop");
    input_ = *input;
    several_ = set_->multi_label();
    for (const io::Dataset* one : {set_.get(), test_set_.get()}) {
      if (one == nullptr) continue;
      classes_ = std::max(classes_, static_cast<Index>(one->class_names().size()));
      if (one->class_names().size() > names_.size()) names_ = one->class_names();
      for (Index i = 0; i < one->size(); ++i) {
        for (const Index label : one->labels(i)) classes_ = std::max(classes_, label + 1);
        for (const Index label : one->difficult_labels(i)) classes_ = std::max(classes_, label + 1);
      }
    }
    require<ArgumentError>(classes_ > 1, options.data, ": pictures of two classes or more wanted, met ",
                           classes_);
    if (!options.scratch.empty()) {
      require<UsageError>(!several_, "--scratch: a data set of one class a picture wanted");
      scratch_ = scratch_recipe();
    }
  }

  [[nodiscard]] std::vector<TransferLine> run() const { return several_ ? run_several() : run_single(); }
  [[nodiscard]] bool several() const noexcept { return several_; }
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  [[nodiscard]] Index skipped() const noexcept { return skipped_; }

 private:
  [[nodiscard]] train::Recipe scratch_recipe() const {
    const bool file = std::filesystem::path(options_.scratch).extension() == ".json";
    train::Recipe recipe = file ? train::read_recipe(options_.scratch) : recipe_for_net(options_.scratch);
    recipe.classes = classes_;
    if (options_.scratch_epochs) recipe.epochs = *options_.scratch_epochs, recipe.steps.reset();
    require<UsageError>(recipe.dtype == DType::float32, "--scratch: dtype float32 wanted, met ",
                        name_of(recipe.dtype));
    train::check(recipe);
    return recipe;
  }

  [[nodiscard]] FrozenFeatures features(const io::Dataset& set, std::vector<Index> pictures,
                                        const std::vector<std::string>& layers, Progress* progress) const {
    FrozenFeatureOptions how;
    how.pooling = pooling_;
    how.batch = options_.batch;
    how.workers = std::min(options_.threads, 256);
    how.skip_broken = options_.skip_broken;
    if (progress != nullptr) {
      how.warn = [progress](const std::string& text) { progress->warn(text); };
      how.advance = [progress](Index count) { progress->advance(count); };
    }
    FrozenFeatures made =
        frozen_features_of(*model_.engine, preprocess_, set, std::move(pictures), layers, how);
    if (progress != nullptr) skipped_ += made.skipped;
    return made;
  }

  /// Says what will be done, the time by a few pictures of it.
  void tell(const io::Dataset& set, const std::vector<Index>& some, Index pictures, std::uint64_t bytes,
            const std::vector<std::vector<std::string>>& groups) const {
    if (options_.quiet) return;
    const std::vector<Index> first(
        some.begin(), some.begin() + std::min<std::ptrdiff_t>(4, static_cast<std::ptrdiff_t>(some.size())));
    double seconds = 0;
    try {
      const auto begin = std::chrono::steady_clock::now();
      for (const auto& group : groups) static_cast<void>(features(set, first, group, nullptr));
      seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() /
                static_cast<double>(first.size()) * static_cast<double>(pictures);
    } catch (const Error&) {
      // A broken picture is told of when its turn comes.
    }
    tell_work(pictures, "pictures", seconds, bytes, options_.quiet);
  }

  [[nodiscard]] std::vector<TransferLine> run_single() const {
    std::map<Index, std::vector<TransferFold>> folds;
    std::set<Index> trained, tested;
    Index most_per_class = 0;
    for (const Index per_class : options_.per_class) {
      TransferFoldOptions how{per_class, options_.test_per_class, options_.folds, options_.seed};
      auto& drawn = folds[per_class] = transfer_folds(*set_, test_set_.get(), how);
      for (const TransferFold& fold : drawn) {
        trained.insert(fold.train.begin(), fold.train.end());
        (test_set_ ? tested : trained).insert(fold.test.begin(), fold.test.end());
      }
      most_per_class = std::max(most_per_class, per_class);
    }
    const std::vector<Index> of_set(trained.begin(), trained.end()), of_tests(tested.begin(), tested.end());
    const auto pictures = static_cast<Index>(of_set.size() + of_tests.size());
    std::uint64_t bytes = 0;
    const auto groups = groups_of(options_, *model_.engine, layers_, input_, pooling_, pictures,
                                  most_per_class * classes_, bytes);
    tell(*set_, of_set, pictures, bytes, groups);
    std::vector<TransferLine> lines;
    for (const auto& group : groups) {
      Progress progress("features", "images", pictures, options_.quiet);
      const FrozenFeatures rows = features(*set_, of_set, group, &progress);
      const FrozenFeatures test_rows =
          test_set_ ? features(*test_set_, of_tests, group, &progress) : FrozenFeatures{};
      const FeatureTable table(rows, *set_),
          other(test_set_ ? test_rows : rows, test_set_ ? *test_set_ : *set_);
      for (std::size_t l = 0; l < group.size(); ++l)
        for (const std::string& classifier : options_.classifiers)
          for (const Index per_class : options_.per_class) {
            LinearOptions linear{loss_of(classifier, false), options_.c.front()};
            TransferLine line{group[l], classifier, rows.rows[l].shape()[1], per_class, {}, {}, {}};
            line.score = transfer_accuracy(table, other, l, folds[per_class], classes_, linear,
                                           options_.c.size() > 1 ? options_.c : std::vector<double>{},
                                           [] { stop_if_interrupted(); });
            lines.push_back(std::move(line));
          }
    }
    if (scratch_)
      for (const Index per_class : options_.per_class) {
        TransferLine line{"(from scratch: " + scratch_->net + ")", "-", 0, per_class, {}, {}, {}};
        for (std::size_t f = 0; f < folds[per_class].size(); ++f) {
          train::Recipe recipe = *scratch_;
          recipe.seed = options_.seed + f;
          const auto steps = recipe.steps.value_or(
              recipe.epochs *
              ((static_cast<Index>(folds[per_class][f].train.size()) + recipe.batch - 1) / recipe.batch));
          Progress progress(message("from scratch, ", per_class, " a class, fold ", f + 1), "steps", steps,
                            options_.quiet);
          train::TrainerOptions how;
          how.workers = std::min(options_.threads, 256);
          how.skip_broken = options_.skip_broken;
          how.log_steps = 0;
          how.stop = [] { return interrupted(); };
          how.on_step = [&](const train::StepReport&) { progress.count(1); };
          how.warn = [&](const std::string& text) { progress.warn(text); };
          line.score.folds.push_back(
              scratch_accuracy(options_, recipe, *set_, test_set_.get(), folds[per_class][f], how));
        }
        lines.push_back(std::move(line));
      }
    return lines;
  }

  [[nodiscard]] std::vector<TransferLine> run_several() const {
    require<UsageError>(test_set_ != nullptr, "--test-data: pictures to judge by wanted, as those of ",
                        options_.data, " may have several classes each");
    require<UsageError>(options_.c.size() == 1, "--c: one value wanted for pictures of several classes, met ",
                        options_.c.size());
    std::vector<Index> all(static_cast<std::size_t>(set_->size())),
        tests(static_cast<std::size_t>(test_set_->size()));
    std::iota(all.begin(), all.end(), Index{0});
    std::iota(tests.begin(), tests.end(), Index{0});
    const Index pictures = set_->size() + test_set_->size();
    std::uint64_t bytes = 0;
    const auto groups =
        groups_of(options_, *model_.engine, layers_, input_, pooling_, pictures, set_->size(), bytes);
    tell(*set_, all, pictures, bytes, groups);
    std::vector<TransferLine> lines;
    for (const auto& group : groups) {
      Progress progress("features", "images", pictures, options_.quiet);
      const FrozenFeatures rows = features(*set_, all, group, &progress),
                           test_rows = features(*test_set_, tests, group, &progress);
      const auto targets = multi_label_targets(*set_, rows.pictures, classes_),
                 wanted = multi_label_targets(*test_set_, test_rows.pictures, classes_);
      for (std::size_t l = 0; l < group.size(); ++l)
        for (const std::string& classifier : options_.classifiers) {
          stop_if_interrupted();
          const LinearOptions linear{loss_of(classifier, true), options_.c.front()};
          const auto made = fit_linear_classifier(rows.rows[l].view(), targets, classes_, linear);
          const auto scores = made.scores(test_rows.rows[l].view());
          TransferLine line{
              group[l], classifier == "svm" ? "svm" : "logistic", rows.rows[l].shape()[1], 0, {}, {}, {}};
          line.score.c.push_back(linear.c);
          line.precision = average_precisions(scores.view(), wanted, AveragePrecision::voc2012);
          line.plain = average_precisions(scores.view(), wanted, AveragePrecision::plain);
          lines.push_back(std::move(line));
        }
    }
    return lines;
  }

  const TransferOptions& options_;
  const LoadedModel& model_;
  const io::Preprocess preprocess_;
  FeaturePooling pooling_;
  std::unique_ptr<io::Dataset> set_, test_set_;
  std::vector<std::string> layers_, names_;
  Shape input_;
  bool several_ = false;
  Index classes_ = 0;
  std::optional<train::Recipe> scratch_;
  mutable Index skipped_ = 0;
};

void run_transfer(const TransferOptions& options) {
  check_device(options);
  const OutputKind kind = output_kind(options, {OutputKind::csv});
  const LoadedModel model = load_model(options);
  const TransferWork work(options, model);
  std::optional<Timing> timing;
  const std::vector<TransferLine> lines = timed(options.repeat, timing, [&] { return work.run(); });
  Document document = make_document("transfer", options);
  document["data"] = options.data;
  document["test_data"] = options.test_data;
  document["pooling"] = options.pooling;
  document["seed"] = options.seed;
  document["skipped"] = work.skipped();
  document["multi_label"] = work.several();
  add_transfer_lines(document, lines, work.names());
  add_timing(document, timing);
  if (kind == OutputKind::csv) io::write_text(options.output, transfer_csv(lines, work.names()));
  print(options, document, [&] {
    std::cout << transfer_text(lines, work.names());
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_transfer(CLI::App& program, Action& action) {
  std::shared_ptr<TransferOptions> options;
  CLI::App& command = add_command<TransferOptions>(
      program, action, "transfer",
      "classifiers on frozen layers: k images a class (Tables 4, 5, 7), or average precision (Table 6)",
      run_transfer, options);
  TransferOptions& o = *options;
  add_model_options(command, o);
  add_work_options(command, o);
  add_preprocess_options(command, o);
  add_data_options(command, o);
  command.get_option("--data")->required();
  command.add_option("--test-data", o.test_data, "pictures to judge by (default: what --data has left)")
      ->type_name("DATA");
  command.add_option("--layer", o.layers, "whose features, rectified where a rectifier follows")
      ->delimiter(',')
      ->required()
      ->type_name("NAME,...");
  command
      .add_option("--classifier", o.classifiers,
                  "softmax (one class against the rest, logistic, where pictures have several), or svm")
      ->delimiter(',')
      ->check(CLI::IsMember({"softmax", "svm"}))
      ->capture_default_str();
  command.add_option("--per-class", o.per_class, "pictures of each class to train on")
      ->delimiter(',')
      ->check(at_least(1))
      ->capture_default_str();
  command.add_option("--test-per-class", o.test_per_class, "pictures of each class to judge by, at most")
      ->check(at_least(1))
      ->capture_default_str();
  command.add_option("--folds", o.folds, "trials, each with pictures of its own")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--pool", o.pooling, "all values of a layer, or each map's mean")
      ->check(CLI::IsMember({"flatten", "mean"}))
      ->capture_default_str();
  command
      .add_option(
          "--c", o.c,
          "weight of the errors; of several the one that is best on a quarter of the training pictures")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--scratch", o.scratch, "also train this network from its start on the same pictures")
      ->type_name("NET|RECIPE.json");
  command.add_option("--scratch-epochs", o.scratch_epochs, "passes over them instead of the recipe's")
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--memory", o.memory, "MB for features; layers beyond it go one after another")
      ->check(at_least(1))
      ->capture_default_str();
}

}  // namespace deconv::tool
