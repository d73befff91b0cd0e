// deconv train: a network learns from a data set, in a folder that a later run can go on from.

#include <charconv>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <tuple>

#include "deconv/io/open_dataset.hpp"
#include "deconv/train/recipe_json.hpp"
#include "document.hpp"
#include "engine.hpp"
#include "training.hpp"

namespace deconv::tool {

namespace {

struct TrainOptions : CommonOptions {
  std::string net, recipe, validation;
  std::string schedule, augment, initialisation, loss, dtype;
  std::optional<Index> epochs, steps, own_batch, checkpoint_every, keep, classes;
  std::optional<double> rate, momentum, weight_decay, dropout, filter_rms;
  std::optional<std::uint64_t> own_seed;
  bool resume = false;
  int workers = 2;
  Index log_steps = 50;
  double largest_loss = 1e4;
};

std::vector<std::string> parts_of(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

double number_of(const std::string& option, const std::string& text, double low, double high) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require<UsageError>(
      error == std::errc{} && end == text.data() + text.size() && value >= low && value <= high, option,
      ": a number from ", low, " to ", high, " wanted, met ", text);
  return value;
}

/// constant, step:EVERY[:FACTOR] or plateau[:PATIENCE[:FACTOR]].
void set_schedule(const std::string& text, train::Schedule& schedule) {
  const auto parts = parts_of(text, ':');
  train::Schedule made;
  made.rate = schedule.rate;
  made.warm_up_steps = schedule.warm_up_steps;
  const std::string kind = parts.empty() ? "" : parts[0];
  const std::size_t most = kind == "constant" ? 1 : kind == "step" || kind == "plateau" ? 3 : 0;
  require<UsageError>(
      parts.size() <= most && (kind != "step" || parts.size() >= 2),
      "--schedule: constant, step:EPOCHS[:FACTOR] or plateau[:PATIENCE[:FACTOR]] wanted, met ", text);
  made.kind = kind == "step"      ? train::ScheduleKind::step
              : kind == "plateau" ? train::ScheduleKind::plateau
                                  : train::ScheduleKind::constant;
  if (parts.size() > 1)
    (kind == "step" ? made.every : made.patience) =
        static_cast<Index>(number_of("--schedule", parts[1], 1, 1e6));
  if (parts.size() > 2) made.factor = number_of("--schedule", parts[2], 1e-6, 0.999999);
  schedule = made;
}

/// none, or words parted by commas: ten, random[:PADDING], flip.
void set_augmentation(const std::string& text, train::Augmentation& augmentation) {
  augmentation = {};
  if (text == "none") return;
  for (const std::string& word : parts_of(text, ',')) {
    if (word == "flip") {
      augmentation.flip = true;
    } else if (word == "ten") {
      augmentation.crops = train::Crops::ten;
    } else if (word == "random" || word.starts_with("random:")) {
      augmentation.crops = train::Crops::random;
      if (word.size() > 7)
        augmentation.padding = static_cast<Index>(number_of("--augment", word.substr(7), 0, 4096));
    } else {
      raise<UsageError>("--augment: none, or ten, random[:PADDING] and flip, parted by commas, wanted, met ",
                        text);
    }
  }
}

/// The recipe of --recipe or --net, for a run that begins.
train::Recipe recipe_of(const TrainOptions& options) {
  require<UsageError>(!options.net.empty() || !options.recipe.empty(), "--net or --recipe wanted");
  train::Recipe recipe = options.recipe.empty() ? recipe_for_net(options.net) : recipe_named(options.recipe);
  if (!options.net.empty()) recipe.net = options.net;
  // The small networks take what their data has.
  const bool chosen = options.recipe.empty() && options.preprocess.empty();
  if (chosen && options.data.starts_with("cifar:") &&
      (recipe.net == "zfnet-small" || recipe.net == "zfnet-64" || recipe.net == "alexnet-64")) {
    recipe.preprocess.size = {32, 32};
    recipe.preprocess.frame = recipe.preprocess.crop = io::Extent{32, 32};
    recipe.preprocess.order = io::ChannelOrder::rgb;
    if (recipe.net != "zfnet-small") recipe.preprocess = recipe.preprocess.for_input(64, 64);
  }
  return recipe;
}

void apply(const TrainOptions& options, train::Recipe& recipe) {
  const auto set = [](const auto& given, auto& field) {
    if (given) field = *given;
  };
  set(options.epochs, recipe.epochs);
  if (options.epochs) recipe.steps.reset();
  if (options.steps) recipe.steps = options.steps;
  set(options.own_batch, recipe.batch);
  set(options.rate, recipe.schedule.rate);
  set(options.momentum, recipe.momentum);
  set(options.weight_decay, recipe.weight_decay);
  if (options.dropout) recipe.dropout = options.dropout;
  if (options.classes) recipe.classes = options.classes;
  set(options.filter_rms, recipe.filter_rms);
  set(options.checkpoint_every, recipe.checkpoint_every);
  set(options.keep, recipe.keep);
  set(options.own_seed, recipe.seed);
  if (!options.schedule.empty()) set_schedule(options.schedule, recipe.schedule);
  if (!options.augment.empty()) set_augmentation(options.augment, recipe.augmentation);
  if (!options.initialisation.empty())
    recipe.initialisation = options.initialisation == "he"      ? Initialisation::he
                            : options.initialisation == "torch" ? Initialisation::torch
                                                                : Initialisation::paper;
  if (!options.loss.empty())
    recipe.loss = options.loss == "softmax"         ? train::LossKind::softmax
                  : options.loss == "squared_hinge" ? train::LossKind::squared_hinge
                                                    : train::LossKind::sigmoid;
  if (!options.dtype.empty())
    recipe.dtype = options.dtype == "float32"    ? DType::float32
                   : options.dtype == "bfloat16" ? DType::bfloat16
                                                 : DType::float16;
  if (!options.preprocess.empty()) {
    const std::filesystem::path path(options.preprocess);
    const bool named = io::built_in_preprocess(options.preprocess).has_value();
    io::MeanSources sources;
    sources.folder = path.parent_path();
    // As in a recipe, so that means may be left to the data.
    const io::Json json =
        named ? io::Json(options.preprocess)
              : io::parse_json(io::read_text(path, std::uint64_t{1} << 24), options.preprocess);
    recipe.mean = recipe.deviation = train::Statistic::given;
    recipe.mean_file.clear();
    train::detail::preprocess_from_json(recipe, json, options.preprocess, sources);
  }
  if (!options.input_size.empty())
    recipe.preprocess = recipe.preprocess.for_input(options.input_size.front(), options.input_size.back());
}

void run_train(const TrainOptions& options) {
  require<UsageError>(!options.output.empty(), "--output: a folder for the run wanted");
  require<UsageError>(std::filesystem::path(options.output).extension().empty() ||
                          std::filesystem::is_directory(options.output),
                      "--output: a folder wanted, met ", options.output);
  require<UsageError>(options.repeat == 0, "--repeat: training is not repeated");
  check_device(options);
  TrainingJob job{
      options, {}, {}, {}, options.resume, options.workers, options.log_steps, options.largest_loss};
  if (options.resume) {
    require<UsageError>(options.net.empty() && options.recipe.empty(),
                        "--resume goes on with the run's own recipe: neither --net nor --recipe wanted");
    read_config(options.output, job);
  } else {
    require<UsageError>(!options.data.empty(), "--data wanted");
    job.recipe = recipe_of(options);
  }
  const io::Json before = options.resume ? settled(train::recipe_to_json(job.recipe)) : io::Json::object();
  apply(options, job.recipe);
  if (!options.data.empty())
    std::tie(job.data, job.validation) = parts_of_data(options.data, options.validation);
  else if (!options.validation.empty())
    job.validation = options.validation == "none" ? "" : options.validation;
  try {
    train::check(job.recipe);
  } catch (const ArgumentError& problem) {
    raise<UsageError>(problem.what());
  }
  if (options.resume) {
    const io::Json after = settled(train::recipe_to_json(job.recipe));
    for (const auto& [field, value] : after.items())
      require<UsageError>(before.contains(field) && before[field] == value, "--resume: ", field, " ",
                          before.contains(field) ? io::json_excerpt(before[field]) : "none",
                          " wanted, as the run in ", options.output, " has it, met ",
                          io::json_excerpt(value));
  }
  const TrainingResult result = train_on_device(job);
  if (!result.leads) return;

  Document document = make_document("train", options);
  document.erase("model");
  document["run"] = options.output;
  document["network"] = result.network;
  document["parameters"] = result.parameters;
  document["images"] = result.images;
  document["validation_images"] = result.validation_images;
  document["processes"] = result.ranks;
  document["steps"] = result.state.step;
  document["epochs"] = result.state.epoch;
  document["end"] = result.end == train::RunEnd::finished  ? "finished"
                    : result.end == train::RunEnd::plateau ? "plateau"
                                                           : "stopped";
  document["best_error"] =
      std::isfinite(result.state.best_error) ? Document(result.state.best_error) : Document();
  document["best_step"] = result.state.best_step;
  if (!result.epochs.empty()) document["last"] = Document::parse(train::log_line_text(result.epochs.back()));
  if (result.end == train::RunEnd::stopped)
    raise<Error>("interrupted after step ", result.state.step, "; saved in ", options.output,
                 ", --resume goes on from there");
  print(options, document, [&] {
    std::cout << options.output << ": " << result.network << ", " << result.state.step << " steps, "
              << result.state.epoch << " epochs";
    if (std::isfinite(result.state.best_error))
      std::cout << ", lowest " << (result.validation_images > 0 ? "validation" : "training") << " error "
                << std::fixed << std::setprecision(2) << result.state.best_error * 100 << " % at step "
                << result.state.best_step;
    std::cout << (result.end == train::RunEnd::plateau ? " (ended on a plateau)" : "") << "\n";
  });
}

}  // namespace

std::pair<std::string, std::string> parts_of_data(const std::string& data, const std::string& validation) {
  namespace fs = std::filesystem;
  std::pair<std::string, std::string> parts{data, validation == "none" ? "" : validation};
  std::error_code ignored;
  const bool wants = validation.empty();
  if (data.starts_with("idx:") && !data.ends_with(":train") && !data.ends_with(":test")) {
    if (wants) parts.second = data + ":test";
    parts.first += ":train";
  } else if (fs::is_directory(data, ignored) && fs::is_directory(fs::path(data) / "train", ignored)) {
    const fs::path root(data);
    for (const char* part : {"val", "test"})
      if (wants && parts.second.empty() && fs::is_directory(root / part, ignored))
        parts.second = (root / part).string();
    parts.first = (root / "train").string();
  }
  return parts;
}

io::Json settled(io::Json recipe) {
  for (const char* field : {"epochs", "steps", "checkpoint_every", "keep"}) recipe.erase(field);
  return recipe;
}

io::Json config_of(const TrainingJob& job) {
  return {{"deconv", DECONV_VERSION},
          {"command", "train"},
          {"recipe", train::recipe_to_json(job.recipe)},
          {"data", job.data},
          {"val", job.validation},
          {"labels", job.common.labels.string()},
          {"skip_broken", job.common.skip_broken}};
}

void read_config(const std::filesystem::path& folder, TrainingJob& job) {
  const std::filesystem::path path = folder / "config.json";
  std::error_code ignored;
  require<IoError>(std::filesystem::exists(path, ignored), "--resume: ", folder.string(),
                   ": no run is there (no config.json)");
  const io::Json json = io::parse_json(io::read_text(path, std::uint64_t{1} << 24), path.string());
  for (const char* field : {"recipe", "data", "val"})
    require<FormatError>(json.is_object() && json.contains(field), path.string(), ": field ", field,
                         " wanted, met ", io::json_excerpt(json));
  job.recipe = train::recipe_from_json(json["recipe"], path.string() + ": recipe");
  job.data = io::json_string(json["data"], path.string() + ": data");
  job.validation = io::json_string(json["val"], path.string() + ": val");
  if (json.contains("labels") && job.common.labels.empty())
    job.common.labels = io::json_string(json["labels"], path.string() + ": labels");
  if (json.contains("skip_broken") && json["skip_broken"] == true) job.common.skip_broken = true;
}

void add_train(CLI::App& program, Action& action) {
  std::shared_ptr<TrainOptions> options;
  CLI::App& command = add_command<TrainOptions>(
      program, action, "train",
      "trains a network by the paper's recipe, in a folder that it can be resumed from", run_train, options);
  TrainOptions& o = *options;
  command
      .add_option("--net", o.net,
                  "a network's name (lenet32, zfnet-small, zfnet-64, zfnet, alexnet, ...), a graph, or a "
                  "model file to start from")
      ->type_name("NAME|FILE");
  command.add_option("--recipe", o.recipe, "a recipe's name or file (default: the one for the network)")
      ->type_name("NAME|FILE.json");
  add_work_options(command, o);
  add_data_options(command, o);
  command.remove_option(command.get_option("--batch"));
  command
      .add_option(
          "--val", o.validation,
          "validation data, as --data; `none` for none (default: the test part of idx:, val/ beside train/)")
      ->type_name("DATA");
  command.add_option("--output", o.output, "the run's folder")->type_name("FOLDER");
  command.add_option("--labels", o.labels, "names of the classes, one a line")->type_name("FILE");
  command.add_flag("--resume", o.resume, "goes on with the run in --output, to the same bits");
  command.add_option("--epochs", o.epochs, "passes over the data")->check(at_least(0))->type_name("N");
  command.add_option("--steps", o.steps, "stop after so many steps instead")
      ->check(at_least(0))
      ->type_name("N");
  command.add_option("--batch", o.own_batch, "images a step, of all processes together")
      ->check(CLI::Range(1, 65536))
      ->type_name("N");
  command.add_option("--lr", o.rate, "learning rate")->check(CLI::PositiveNumber)->type_name("RATE");
  command.add_option("--momentum", o.momentum, "momentum")->check(CLI::Range(0.0, 0.999999));
  command.add_option("--weight-decay", o.weight_decay, "weight decay")->check(CLI::NonNegativeNumber);
  command.add_option("--dropout", o.dropout, "ratio of every dropout layer")->check(CLI::Range(0.0, 0.999));
  command
      .add_option("--filter-rms", o.filter_rms,
                  "largest RMS of a convolution's filters (the paper: 0.1; 0: any)")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--schedule", o.schedule,
                     "constant, step:EPOCHS[:FACTOR] or plateau[:PATIENCE[:FACTOR]]");
  command.add_option("--augment", o.augment, "none, or of ten, random[:PADDING] and flip, parted by commas");
  command.add_option("--init", o.initialisation, "how weights start")
      ->check(CLI::IsMember({"paper", "he", "torch"}));
  command.add_option("--loss", o.loss, "what is made small")
      ->check(CLI::IsMember({"softmax", "squared_hinge", "sigmoid"}));
  command
      .add_option("--dtype", o.dtype,
                  "numbers of activations and gradients; all but float32 want --device cuda")
      ->check(CLI::IsMember({"float32", "bfloat16", "half"}));
  command.add_option("--classes", o.classes, "outputs, where the data does not say")
      ->check(at_least(1))
      ->type_name("N");
  command
      .add_option("--checkpoint-every", o.checkpoint_every,
                  "steps between checkpoints inside an epoch (0: epochs' ends alone)")
      ->check(at_least(0))
      ->type_name("STEPS");
  command.add_option("--keep", o.keep, "last epochs' checkpoints that are kept")
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--seed", o.own_seed, "of weights, order, augmentation and dropout")->type_name("N");
  command.add_option("--workers", o.workers, "threads that read and augment pictures")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command.add_option("--log-steps", o.log_steps, "steps between the log's lines (0: epochs alone)")
      ->check(at_least(0))
      ->capture_default_str();
  command.add_option("--largest-loss", o.largest_loss, "a larger loss ends the run as diverged")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_preprocess_options(command, o);
  command.remove_option(command.get_option("--resize"));
  command.add_flag("--json", o.json, "one JSON document on stdout");
  command.add_flag("--quiet", o.quiet, "no progress, no warnings");
}

}  // namespace deconv::tool
