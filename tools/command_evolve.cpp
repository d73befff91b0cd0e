// deconv evolve: feature maps through training, a row a map and a column a state of the network.

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iostream>
#include <set>
#include <span>
#include <utility>

#include "deconv/analysis/evolution.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/train/kept_epochs.hpp"
#include "deconv/viz/evolution.hpp"
#include "document.hpp"
#include "feature_stream.hpp"
#include "map_choice.hpp"
#include "model.hpp"
#include "output.hpp"

namespace deconv::tool {

namespace {

struct EvolveOptions : CommonOptions, RuleOptions, MapOptions {
  std::vector<std::string> models;
  std::string run;
};

/// A state of the network: a file, and what its column is called.
struct State {
  std::string file;
  std::string label;
  std::optional<Index> epoch;
};

bool word_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// What tells file names apart: without their common beginning and end, words and numbers being left whole.
/// Places in the list where that tells nothing.
std::vector<std::string> labels_of(const std::vector<std::string>& files) {
  std::vector<std::string> stems;
  for (const std::string& file : files) stems.push_back(std::filesystem::path(file).stem().string());
  std::size_t front = stems.front().size(), back = front;
  for (const std::string& stem : stems) {
    const std::string& first = stems.front();
    const auto same = std::mismatch(first.begin(), first.end(), stem.begin(), stem.end());
    front = std::min(front, static_cast<std::size_t>(same.first - first.begin()));
    const auto end = std::mismatch(first.rbegin(), first.rend(), stem.rbegin(), stem.rend());
    back = std::min(back, static_cast<std::size_t>(end.first - first.rbegin()));
  }
  const std::string& first = stems.front();
  if (stems.size() == 1) front = back = 0;
  while (front > 0 && word_character(first[front - 1])) --front;
  while (back > 0 && word_character(first[first.size() - back])) --back;
  std::vector<std::string> labels;
  for (const std::string& stem : stems)
    labels.push_back(front + back < stem.size() ? stem.substr(front, stem.size() - front - back) : "");
  std::set<std::string> different(labels.begin(), labels.end());
  if (different.size() < labels.size() || different.contains(""))
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = message(i + 1);
  return labels;
}

/// The files of --models in their order, or the kept epochs of --run.
std::vector<State> states_of(const EvolveOptions& options) {
  std::vector<State> states;
  if (options.run.empty()) {
    const auto labels = labels_of(options.models);
    for (std::size_t i = 0; i < labels.size(); ++i) states.push_back({options.models[i], labels[i], {}});
    return states;
  }
  for (const train::KeptEpoch& kept : train::kept_epochs(options.run))
    states.push_back({kept.path.string(), message(kept.epoch), kept.epoch});
  require<ArgumentError>(!states.empty(), options.run,
                         ": checkpoints epoch-0001.safetensors, ... of a run wanted, met none");
  return states;
}

/// The states' networks: one at a time, or all where the work is to be timed without reading them.
class Models {
 public:
  Models(const EvolveOptions& options, const std::vector<State>& states)
      : options_(options), states_(states), loaded_(states.size()) {
    if (options.repeat > 0)
      for (std::size_t i = 0; i < states.size(); ++i) static_cast<void>(get(i));
  }
  [[nodiscard]] const LoadedModel& get(std::size_t i) {
    if (!loaded_[i]) {
      CommonOptions one = options_;
      one.model = states_[i].file;
      loaded_[i] = load_model(one);
    }
    return *loaded_[i];
  }
  void done(std::size_t i) {
    if (options_.repeat == 0) loaded_[i].reset();
  }

 private:
  const EvolveOptions& options_;
  const std::vector<State>& states_;
  std::vector<std::optional<LoadedModel>> loaded_;
};

struct Found {
  std::optional<Evolution<float>> evolution;
  io::ChannelOrder order = io::ChannelOrder::rgb;
  Index images = 0, skipped = 0;
};

Found find_evolution(const EvolveOptions& options, const std::vector<State>& states, Models& models,
                     const io::Dataset& set) {
  Found found;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const LoadedModel& model = models.get(i);
    if (i == 0) {
      found.evolution.emplace(selections_of(options, options.seed, model.topology()));
      found.order = model.channel_order();
    }
    CommonOptions one = options;
    one.model = states[i].file;
    try {
      FeatureStream data(one, model, set, "evolve " + states[i].label);
      found.evolution->add(states[i].label, [&](FeatureOptions how, const auto& emit) {
        how.projection.reverse = options.reverse();
        how.projection.seed_value = options.seed_value == "one" ? SeedValue::one : SeedValue::activation;
        how.progress = data.progress();
        model.engine->features(found.evolution->selections(), data.stream(), emit, how);
        data.require_images();
      });
      found.images = data.images();
      found.skipped = data.skipped();
    } catch (const ShapeError& problem) {
      raise<ShapeError>(states[i].file, ": ", problem.what());
    } catch (const ArgumentError& problem) {
      raise<ArgumentError>(states[i].file, ": ", problem.what());
    }
    models.done(i);
  }
  return found;
}

using Rows = std::span<const EvolutionRow<float>>;

/// The rows of each layer, in the order of the selections.
std::vector<Rows> rows_by_layer(const Evolution<float>& evolution) {
  std::vector<Rows> layers;
  Rows rest(evolution.rows());
  for (const MapSelection& selection : evolution.selections()) {
    layers.push_back(rest.first(selection.maps.size()));
    rest = rest.subspan(selection.maps.size());
  }
  return layers;
}

Document to_document(const EvolutionRow<float>& row, const std::vector<std::string>& labels,
                     const io::Dataset& set) {
  Document cells = Document::array();
  for (std::size_t i = 0; i < row.cells.size(); ++i) {
    const auto& [hit, projection] = row.cells[i];
    Document cell = {{"state", labels[i]}, {"image", set.name(hit.image)}, {"index", hit.image}};
    if (const auto label = set.label(hit.image)) cell["label"] = *label;
    cell["y"] = hit.y;
    cell["x"] = hit.x;
    cell["activation"] = number(hit.activation);
    cell["receptive_field"] = tool::to_document(projection.box);
    cells.push_back(std::move(cell));
  }
  return {{"map", row.map}, {"image_changes", row.image_changes()}, {"states", std::move(cells)}};
}

void print_people(const EvolveOptions& options, const Document& document) {
  for (const auto& layer : document["layers"]) {
    std::cout << layer["layer"].get<std::string>() << ":\n";
    for (const auto& map : layer["maps"]) {
      std::cout << "  map " << map["map"] << ":";
      for (const auto& state : map["states"])
        std::cout << ' ' << state["state"].get<std::string>() << " (" << state["activation"] << ")";
      std::cout << ", " << map["image_changes"] << " changes of image\n";
    }
  }
  std::cout << document["states"].size() << " states, " << document["images"] << " images";
  if (document["skipped"] != 0) std::cout << " (" << document["skipped"] << " broken ones left out)";
  if (!options.output.empty()) std::cout << ", written to " << options.output;
  std::cout << "\n";
}

void run_evolve(const EvolveOptions& options) {
  require<UsageError>(options.models.empty() != options.run.empty(), "--models or --run wanted, met ",
                      options.run.empty() ? "neither" : "both");
  check_maps(options);
  check_device(options);
  const OutputKind kind = output_kind(options, {OutputKind::folder, OutputKind::png});
  require<UsageError>(kind != OutputKind::png || options.layers.size() == 1, "--output ", options.output,
                      ": a picture holds one layer; a folder wanted for several");
  const std::vector<State> states = states_of(options);
  Models models(options, states);
  const auto selections = selections_of(options, options.seed, models.get(0).topology());
  require<UsageError>(kind != OutputKind::png || selections.size() == 1, "--output ", options.output,
                      ": a picture holds one layer; a folder wanted for several");
  const auto set = io::open_dataset(options.data);
  std::optional<Timing> timing;
  const Found found =
      timed(options.repeat, timing, [&] { return find_evolution(options, states, models, *set); });

  Document document = make_document("evolve", options);
  document.erase("model");
  document["states"] = Document::array();
  for (const State& state : states) {
    Document one = {{"state", state.label}, {"model", state.file}};
    if (state.epoch) one["epoch"] = *state.epoch;
    document["states"].push_back(std::move(one));
  }
  document["data"] = options.data;
  document["images"] = found.images;
  document["skipped"] = found.skipped;
  document["seed"] = options.seed;
  document["rule"] = options.rule;
  document["layers"] = Document::array();
  const auto layers = rows_by_layer(*found.evolution);
  for (const Rows rows : layers) {
    Document maps = Document::array();
    for (const auto& row : rows) maps.push_back(to_document(row, found.evolution->labels(), *set));
    document["layers"].push_back({{"layer", rows.front().layer}, {"maps", std::move(maps)}});
  }
  add_timing(document, timing);

  viz::EvolutionMontageOptions drawing;
  drawing.percentile = contrast_percentile;
  const auto montage = [&](std::size_t i) {
    return viz::evolution_montage(layers[i], found.evolution->labels(), found.order, drawing);
  };
  if (kind == OutputKind::png) io::write_png(options.output, montage(0));
  if (kind == OutputKind::folder) {
    FolderOutput folder(options.output);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto file = folder.add(file_name_of(layers[i].front().layer) + ".png");
      document["layers"][i]["montage"] = file.filename().string();
      io::write_png(file, montage(i));
    }
    folder.commit(document);
  }
  print(options, document, [&] { print_people(options, document); });
}

}  // namespace

void add_evolve(CLI::App& program, Action& action) {
  std::shared_ptr<EvolveOptions> options;
  CLI::App& command = add_command<EvolveOptions>(program, action, "evolve",
                                                 "what excites feature maps most as training goes on, "
                                                 "projected to pixels: a column a state of the network",
                                                 run_evolve, options);
  auto* models = command
                     .add_option("--models", options->models,
                                 "the network at several times, in order: .safetensors, .caffemodel or .onnx")
                     ->type_name("FILE...");
  command.add_option("--run", options->run, "instead: the folder of a run, whose kept epochs are taken")
      ->type_name("DIR")
      ->excludes(models);
  command
      .add_option("--prototxt", options->prototxt,
                  "the .caffemodels' network (default: the .prototxt beside each)")
      ->type_name("FILE");
  command
      .add_option("--output", options->output,
                  "written whole or not at all; .png for one layer's montage, else a folder")
      ->type_name("PATH");
  add_common_options(command, *options);
  add_work_options(command, *options);
  add_preprocess_options(command, *options);
  options->batch = 8;
  add_data_options(command, *options);
  command.get_option("--data")->required();
  add_rule_options(command, *options);
  add_map_options(command, *options);
}

}  // namespace deconv::tool
