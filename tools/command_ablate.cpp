// deconv ablate: a network without some of its layers, or with wider ones, each trained alike (Table 3).

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <optional>
#include <sstream>
#include <tuple>

#include "ablation.hpp"
#include "ablation_table.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/train/recipe_json.hpp"
#include "deconv/train/start.hpp"
#include "document.hpp"
#include "engine.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "training.hpp"

namespace deconv::tool {

namespace {

namespace fs = std::filesystem;

struct AblateOptions : CommonOptions {
  std::vector<std::string> nets;
  std::string recipe, validation;
  std::vector<std::string> variants;
  std::optional<Index> epochs, steps, own_batch, train_images;
  std::optional<double> rate, dropout, filter_rms;
  std::optional<std::uint64_t> own_seed;
  bool resume = false;
  int workers = 2;
};

/// A network that is taken apart.
struct Plan {
  std::string net;
  train::Recipe recipe;
  io::ModelFile start;
  std::vector<PaperAblation> ablations;
};

/// The paper's entry for a network of this name: AlexNet's or ZFNet's.
std::optional<PaperAblationErrors> paper_of(const PaperAblation& line, const std::string& net) {
  if (net.starts_with("alexnet")) return line.alexnet;
  if (net.starts_with("zfnet")) return line.zfnet;
  return {};
}

std::vector<PaperAblation> ablations_of(const AblateOptions& options) {
  if (options.variants.empty()) return table3();
  std::vector<PaperAblation> chosen;
  for (const std::string& text : options.variants) {
    PaperAblation line;
    try {
      line.ablation = parse_ablation(text);
    } catch (const ArgumentError& problem) {
      raise<UsageError>("--variants: ", problem.what());
    }
    line.title = text;
    for (const PaperAblation& known : table3())
      if (known.ablation.key == text) line = known;
    for (const PaperAblation& other : chosen)
      require<UsageError>(other.ablation.key != text, "--variants: ", text, " stands there twice");
    chosen.push_back(std::move(line));
  }
  return chosen;
}

train::Recipe recipe_of(const AblateOptions& options, const std::string& net) {
  train::Recipe recipe = options.recipe.empty() ? recipe_for_net(net) : recipe_named(options.recipe);
  recipe.net = net;
  if (options.epochs) recipe.epochs = *options.epochs, recipe.steps.reset();
  if (options.steps) recipe.steps = options.steps;
  if (options.own_batch) recipe.batch = *options.own_batch;
  if (options.rate) recipe.schedule.rate = *options.rate;
  if (options.dropout) recipe.dropout = options.dropout;
  if (options.filter_rms) recipe.filter_rms = *options.filter_rms;
  if (options.own_seed) recipe.seed = *options.own_seed;
  require<UsageError>(recipe.dtype == DType::float32, "--recipe: dtype float32 wanted for ablations, met ",
                      name_of(recipe.dtype));
  try {
    train::check(recipe);
  } catch (const ArgumentError& problem) {
    raise<UsageError>(problem.what());
  }
  return recipe;
}

/// The name of a folder for a change: remove-3-4.
std::string slug_of(std::string key) {
  std::replace_if(
      key.begin(), key.end(), [](char c) { return c == ':' || c == ',' || c == '+'; }, '-');
  return key;
}

double or_nan(const io::Json& json) {
  return json.is_number() ? json.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

/// A finished line that an earlier run wrote.
AblationResult read_result(const fs::path& path, const Ablation& ablation) {
  const io::Json json = io::parse_json(io::read_text(path), path.string());
  for (const char* field : {"parameters", "multiply_adds", "steps", "epochs", "seconds", "train_top1_error",
                            "val_top1_error", "val_top5_error"})
    require<FormatError>(json.is_object() && json.contains(field), path.string(), ": field ", field,
                         " wanted, met ", io::json_excerpt(json));
  AblationResult result;
  result.ablation = ablation;
  result.parameters = io::json_integer(json["parameters"], path.string() + ": parameters");
  result.multiply_adds = io::json_integer(json["multiply_adds"], path.string() + ": multiply_adds");
  result.state.step = io::json_integer(json["steps"], path.string() + ": steps");
  result.state.epoch = io::json_integer(json["epochs"], path.string() + ": epochs");
  result.state.run_seconds = or_nan(json["seconds"]);
  result.train_top1 = or_nan(json["train_top1_error"]);
  result.val_top1 = or_nan(json["val_top1_error"]);
  result.val_top5 = or_nan(json["val_top5_error"]);
  if (json.contains("diverged")) result.diverged = io::json_string(json["diverged"], path.string());
  return result;
}

/// Where results go: nothing, one .csv, or a folder of runs that can be gone on with.
class Results {
 public:
  explicit Results(const AblateOptions& options, const io::Json& config) : path_(options.output) {
    if (path_.empty()) {
      require<UsageError>(!options.resume, "--resume: the folder to go on with wanted as --output");
      return;
    }
    std::error_code ignored;
    const std::string extension = path_.extension().string();
    table_ = extension == ".csv" && !fs::is_directory(path_, ignored);
    require<UsageError>(table_ || extension.empty() || fs::is_directory(path_, ignored), "--output ",
                        options.output, ": this command writes .csv, a folder");
    if (table_) {
      require<UsageError>(!options.resume, "--resume: a folder wanted as --output, met ", options.output);
      return;
    }
    const fs::path file = path_ / "config.json";
    if (options.resume) {
      require<IoError>(fs::exists(file, ignored), "--resume: ", options.output,
                       ": no ablation is there (no config.json)");
      const io::Json met = io::parse_json(io::read_text(file), file.string());
      for (const auto& [field, value] : config.items())
        require<UsageError>(met.contains(field) && met[field] == value, "--resume: ", field, " ",
                            met.contains(field) ? io::json_excerpt(met[field]) : "none",
                            " wanted, as the ablation in ", options.output, " has it, met ",
                            io::json_excerpt(value));
      return;
    }
    require<IoError>(
        !fs::exists(path_, ignored) || (fs::is_directory(path_, ignored) && fs::is_empty(path_, ignored)),
        "--output ", options.output, ": an empty or new folder wanted (--resume goes on with what is there)");
    fs::create_directories(path_, ignored);
    io::write_text(file, config.dump(2) + "\n");
  }

  /// The folder of one run; nothing where runs are not kept.
  [[nodiscard]] std::optional<fs::path> run(const std::string& net, const Ablation& ablation) const {
    if (path_.empty() || table_) return {};
    return path_ / slug_of(fs::path(net).stem().string()) / slug_of(ablation.key);
  }
  /// What is known so far.
  void write(const std::vector<AblationLine>& lines, const Document& document) const {
    if (path_.empty()) return;
    if (table_) {
      io::write_text(path_, ablation_csv(lines));
      return;
    }
    io::write_text(path_ / "table.csv", ablation_csv(lines));
    io::write_text(path_ / "table.md", ablation_markdown(lines));
    io::write_text(path_ / "ablate.json", text_of(document));
  }
  [[nodiscard]] bool table() const noexcept { return table_; }

 private:
  fs::path path_;
  bool table_ = false;
};

/// Seconds that a training step of this ablation takes, by a few steps of it.
double seconds_of_step(Ablator& ablator, const Plan& plan, const io::Dataset& set) {
  using Clock = std::chrono::steady_clock;
  train::Recipe recipe = plan.recipe;
  recipe.steps = 4;
  std::vector<Clock::time_point> at;
  AblationOptions options;
  options.train_images = 1;
  options.trainer.log_steps = 0;
  options.trainer.skip_broken = true;
  options.trainer.on_step = [&](const train::StepReport&) {
    at.push_back(Clock::now());
    stop_if_interrupted();
  };
  static_cast<void>(
      ablator.run(plan.start, plan.ablations[0].ablation, recipe, set, nullptr, options, nullptr));
  if (at.size() < 2) return 0;
  return std::chrono::duration<double>(at.back() - at.front()).count() / static_cast<double>(at.size() - 1);
}

void run_ablate(const AblateOptions& options) {
  check_device(options);
  require<UsageError>(options.repeat == 0, "--repeat: training is not repeated");
  std::vector<Plan> plans;
  const auto [training, judging] = parts_of_data(options.data, options.validation);
  io::Json config{
      {"deconv", DECONV_VERSION}, {"command", "ablate"},          {"data", training},
      {"val", judging},           {"recipes", io::Json::array()}, {"variants", io::Json::array()}};
  const Index train_images = options.train_images.value_or(0);
  config["train_images"] = train_images;
  for (const std::string& net : options.nets) {
    plans.push_back({net, recipe_of(options, net), {}, ablations_of(options)});
    config["recipes"].push_back(train::recipe_to_json(plans.back().recipe));
  }
  for (const PaperAblation& line : plans[0].ablations) config["variants"].push_back(line.ablation.key);
  const auto set = io::open_dataset(training, options.labels);
  const auto validation = judging.empty() ? nullptr : io::open_dataset(judging, options.labels);
  const Context<Cpu> host = options.host();
  // Whether every change can be made is found out before anything is trained or written.
  double work = 0, first_work = 0;
  for (Plan& plan : plans) {
    train::StatisticsOptions statistics;
    statistics.skip_broken = options.skip_broken;
    plan.start = train::starting_point(host, plan.recipe, *set, statistics);
    for (const PaperAblation& line : plan.ablations) {
      const Model model =
          ablated_model(plan.start.model, line.ablation, plan.recipe.initialisation, plan.recipe.seed);
      const Index epochs_steps = (set->size() + plan.recipe.batch - 1) / plan.recipe.batch;
      const double steps = static_cast<double>(plan.recipe.steps.value_or(plan.recipe.epochs * epochs_steps));
      const double one =
          static_cast<double>(multiply_adds(model.graph)) * static_cast<double>(plan.recipe.batch);
      if (first_work == 0) first_work = one;
      work += one * steps;
    }
  }
  const Results results(options, config);
  const auto ablator = make_ablator(options);
  const auto runs = static_cast<Index>(plans.size() * plans[0].ablations.size());
  if (!options.quiet) {
    const double seconds = seconds_of_step(*ablator, plans[0], *set);
    tell_work(runs, "trainings", seconds * work / first_work, peak_memory_bytes(), options.quiet);
  }

  Document document = make_document("ablate", options);
  document.erase("model");
  document["data"] = training;
  document["val"] = judging;
  document["images"] = set->size();
  document["validation_images"] = validation ? validation->size() : 0;
  std::vector<AblationLine> lines;
  const auto write = [&] {
    document["lines"] = Document::array();
    for (const AblationLine& line : lines) document["lines"].push_back(to_document(line));
    results.write(lines, document);
  };
  for (const Plan& plan : plans)
    for (const PaperAblation& line : plan.ablations) {
      const std::string title = plan.net + ", " + line.title;
      const auto path = results.run(plan.net, line.ablation);
      std::error_code ignored;
      if (path && options.resume && fs::exists(*path / "result.json", ignored)) {
        lines.push_back({plan.net, line.title, paper_of(line, plan.net),
                         read_result(*path / "result.json", line.ablation)});
        continue;
      }
      AblationOptions how;
      how.train_images = train_images;
      how.trainer.workers = options.workers;
      how.trainer.skip_broken = options.skip_broken;
      how.trainer.log_steps = 0;
      how.trainer.stop = [] { return interrupted(); };
      std::optional<Progress> bar;
      how.trainer.on_step = [&](const train::StepReport& report) {
        if (!bar || report.step_in_epoch == 0)
          bar.emplace(message(title, ", epoch ", report.epoch + 1), "images", set->size(), options.quiet);
        bar->count(report.images);
      };
      how.trainer.warn = [&](const std::string& what) {
        if (bar) bar->warn(what);
      };
      how.judged = [](Index) { stop_if_interrupted(); };
      std::optional<train::RunFolder> folder;
      if (path && options.resume && fs::exists(*path / "config.json", ignored))
        folder.emplace(train::RunFolder::resume(*path));
      else if (path)
        folder.emplace(train::RunFolder::begin(*path, {{"deconv", DECONV_VERSION},
                                                       {"command", "ablate"},
                                                       {"variant", line.ablation.key},
                                                       {"recipe", train::recipe_to_json(plan.recipe)},
                                                       {"data", training},
                                                       {"val", judging}}));
      const AblationResult result = ablator->run(plan.start, line.ablation, plan.recipe, *set,
                                                 validation.get(), how, folder ? &*folder : nullptr);
      if (result.end == train::RunEnd::stopped)
        raise<Error>("interrupted in ", title, path ? "; --resume goes on from there" : "");
      lines.push_back({plan.net, line.title, paper_of(line, plan.net), result});
      if (path) {
        io::write_text(*path / "result.json", text_of(to_document(lines.back())));
        write();
      }
      bar.reset();
      if (!options.quiet && !options.json)
        std::cerr << "deconv: " << title << ": "
                  << (result.diverged.empty() ? "train error " + percent(result.train_top1) +
                                                    " %, validation error " + percent(result.val_top1) + " %"
                                              : "diverged: " + result.diverged)
                  << std::endl;
    }
  write();
  print(options, document, [&] {
    std::cout << ablation_text(lines);
    if (!options.output.empty()) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_ablate(CLI::App& program, Action& action) {
  std::shared_ptr<AblateOptions> options;
  CLI::App& command = add_command<AblateOptions>(
      program, action, "ablate",
      "networks without some of their layers, or with wider ones, trained alike (Table 3)", run_ablate,
      options);
  AblateOptions& o = *options;
  command
      .add_option("--net", o.nets,
                  "networks, by name or as graphs, whose layers are conv1, ..., fc6, fc7, fc8")
      ->delimiter(',')
      ->required()
      ->type_name("NAME|FILE.json,...");
  command
      .add_option("--variants", o.variants,
                  "none, remove:3,4, scale:6,7:0.5 or several of these joined by + (default: Table 3's nine)")
      ->type_name("CHANGE...");
  command.add_option("--recipe", o.recipe, "a recipe's name or file for all (default: each network's own)")
      ->type_name("NAME|FILE.json");
  add_work_options(command, o);
  add_data_options(command, o);
  command.get_option("--data")->required();
  command.remove_option(command.get_option("--batch"));
  command
      .add_option("--val", o.validation,
                  "what to judge by, as --data; `none` for nothing (default: as for train)")
      ->type_name("DATA");
  command
      .add_option("--output", o.output,
                  "a folder with every run, which --resume goes on with, or one table as .csv")
      ->type_name("PATH");
  command.add_option("--labels", o.labels, "names of the classes, one a line")->type_name("FILE");
  command.add_flag("--resume", o.resume, "goes on with the folder of --output");
  command.add_option("--epochs", o.epochs, "passes over the data, of each")
      ->check(at_least(0))
      ->type_name("N");
  command.add_option("--steps", o.steps, "so many steps of each instead")->check(at_least(0))->type_name("N");
  command.add_option("--batch", o.own_batch, "images a step")->check(CLI::Range(1, 65536))->type_name("N");
  command.add_option("--lr", o.rate, "learning rate")->check(CLI::PositiveNumber)->type_name("RATE");
  command.add_option("--dropout", o.dropout, "ratio of every dropout layer")->check(CLI::Range(0.0, 0.999));
  command.add_option("--filter-rms", o.filter_rms, "largest RMS of a convolution's filters (0: any)")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--train-images", o.train_images,
                  "training pictures that the training error is taken of (default: all)")
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--seed", o.own_seed, "of weights, order, augmentation and dropout")->type_name("N");
  command.add_option("--workers", o.workers, "threads that read and augment pictures")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command.add_flag("--json", o.json, "one JSON document on stdout");
  command.add_flag("--quiet", o.quiet, "no progress, no warnings");
}

}  // namespace deconv::tool
