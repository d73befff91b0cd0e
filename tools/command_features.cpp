// deconv features: for each map the images that excite it most, each unit's projection beside the image
// patch.

#include <algorithm>
#include <cmath>
#include <iostream>
#include <utility>

#include "deconv/analysis/features.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/viz/feature_tile.hpp"
#include "deconv/viz/features.hpp"
#include "document.hpp"
#include "feature_stream.hpp"
#include "map_choice.hpp"
#include "model.hpp"
#include "output.hpp"
#include "seen_pictures.hpp"

namespace deconv::tool {

namespace {

struct FeaturesOptions : CommonOptions, RuleOptions, MapOptions {
  Index top = 9;
  std::string patch = "field";
};

constexpr std::size_t seen_bytes = std::size_t{64} << 20;

/// Columns that leave the fewest places of the last row empty, of those that make the whole neither high nor
/// very wide; a block is about twice as wide as high.
Index columns_for(Index blocks) {
  const auto square = std::max<Index>(1, std::lround(std::sqrt(static_cast<double>(blocks) / 2)));
  Index best = square;
  const auto empty = [&](Index columns) { return (blocks + columns - 1) / columns * columns - blocks; };
  for (Index columns = square; columns <= std::min(blocks, 2 * square); ++columns)
    if (empty(columns) < empty(best)) best = columns;
  return best;
}

/// Receives features layer by layer and turns each layer into its montage and its part of the document.
class Collector {
 public:
  Collector(const FeaturesOptions& options, const LoadedModel& model, const io::Dataset& set,
            const SeenPictures& seen, bool pictures)
      : options_(options), model_(model), set_(set), seen_(seen), pictures_(pictures) {}

  void take(Feature<float> feature) {
    Document hits = Document::array();
    viz::FeatureBlock block;
    block.caption = message("map ", feature.map);
    for (std::size_t i = 0; i < feature.hits.size(); ++i) {
      const auto& hit = feature.hits[i];
      const PlaneBox& box = feature.projections[i].box;
      Document line = {{"image", set_.name(hit.image)}, {"index", hit.image}};
      if (const auto label = set_.label(hit.image)) line["label"] = *label;
      line["y"] = hit.y;
      line["x"] = hit.x;
      line["activation"] = number(hit.activation);
      line["receptive_field"] = to_document(box);
      if (pictures_) {
        const PlaneBox shown = options_.patch == "signal" ? viz::signal_box(feature.projections[i]) : box;
        line["shown"] = to_document(shown);
        block.tiles.push_back(viz::feature_tile(feature.projections[i], shown, seen_.get(hit.image),
                                                model_.channel_order(), contrast_percentile));
      }
      hits.push_back(std::move(line));
    }
    if (layers_.empty() || layers_.back()["layer"] != feature.layer)
      layers_.push_back({{"layer", feature.layer}, {"maps", Document::array()}});
    layers_.back()["maps"].push_back({{"map", feature.map}, {"hits", std::move(hits)}});
    if (pictures_) blocks_[feature.layer].push_back(std::move(block));
    last_ = feature.layer;
  }

  [[nodiscard]] Document& layers() { return layers_; }
  /// The montage of a layer; its blocks are dropped.
  [[nodiscard]] io::Image montage(const std::string& layer) {
    auto blocks = blocks_.extract(layer);
    std::vector<viz::FeatureBlock> shown;
    for (auto& block : blocks.mapped())
      if (!block.tiles.empty()) shown.push_back(std::move(block));
    viz::FeatureMontageOptions how;
    how.columns = columns_for(static_cast<Index>(shown.size()));
    how.tiles_across = std::max<Index>(1, static_cast<Index>(std::ceil(std::sqrt(options_.top))));
    return viz::feature_montage(shown, how);
  }
  [[nodiscard]] const std::string& last_layer() const { return last_; }

 private:
  const FeaturesOptions& options_;
  const LoadedModel& model_;
  const io::Dataset& set_;
  const SeenPictures& seen_;
  bool pictures_;
  Document layers_ = Document::array();
  std::map<std::string, std::vector<viz::FeatureBlock>> blocks_;
  std::string last_;
};

struct Found {
  Document layers;
  std::vector<std::pair<std::string, io::Image>> montages;
  Index images = 0, skipped = 0;
};

/// The whole work: every image through the network, the hits projected, the montages drawn.
Found find_features(const FeaturesOptions& options, const LoadedModel& model, const io::Dataset& set,
                    bool pictures) {
  FeatureStream data(options, model, set, "features");
  SeenPictures seen(set, model.preprocess_for_pictures(options), seen_bytes);
  FeatureOptions how;
  how.top = static_cast<std::size_t>(options.top);
  how.projection.reverse = options.reverse();
  how.projection.seed_value = options.seed_value == "one" ? SeedValue::one : SeedValue::activation;
  how.progress = data.progress();
  if (pictures)
    how.image_use = [&](std::int64_t number, bool in_use) {
      if (!in_use) return seen.drop(number);
      seen.keep(number, data.current(number));
    };

  Found found;
  Collector collector(options, model, set, seen, pictures);
  std::vector<MapSelection> selections = selections_of(options, options.seed, model.topology());
  model.engine->features(
      std::move(selections), data.stream(),
      [&](Feature<float> feature) {
        const std::string last = collector.last_layer();
        const bool finished = pictures && !last.empty() && last != feature.layer;
        if (finished) found.montages.emplace_back(last, collector.montage(last));
        collector.take(std::move(feature));
      },
      how);
  data.require_images();
  found.images = data.images();
  found.skipped = data.skipped();
  if (pictures)
    found.montages.emplace_back(collector.last_layer(), collector.montage(collector.last_layer()));
  found.layers = std::move(collector.layers());
  return found;
}

void print_people(const FeaturesOptions& options, const Document& document) {
  for (const auto& layer : document["layers"]) {
    std::cout << layer["layer"].get<std::string>() << ":\n";
    for (const auto& map : layer["maps"]) {
      std::cout << "  map " << map["map"] << ":";
      std::size_t shown = 0;
      for (const auto& hit : map["hits"]) {
        if (++shown > 3) break;
        std::cout << (shown > 1 ? ", " : " ") << hit["image"].get<std::string>() << " at " << hit["y"] << ","
                  << hit["x"] << " (" << hit["activation"] << ")";
      }
      std::cout << (map["hits"].size() > 3 ? ", ...\n" : "\n");
    }
  }
  std::cout << document["images"] << " images";
  if (document["skipped"] != 0) std::cout << " (" << document["skipped"] << " broken ones left out)";
  if (!options.output.empty()) std::cout << ", written to " << options.output;
  std::cout << "\n";
}

void run_features(const FeaturesOptions& options) {
  check_maps(options);
  check_device(options);
  const OutputKind kind = output_kind(options, {OutputKind::folder, OutputKind::png});
  require<UsageError>(kind != OutputKind::png || options.layers.size() == 1, "--output ", options.output,
                      ": a picture holds one layer; a folder wanted for several");
  const LoadedModel model = load_model(options);
  static_cast<void>(selections_of(options, options.seed, model.topology()));
  const auto set = io::open_dataset(options.data);
  std::optional<Timing> timing;
  Found found = timed(options.repeat, timing,
                      [&] { return find_features(options, model, *set, kind != OutputKind::none); });

  Document document = make_document("features", options);
  document["data"] = options.data;
  document["images"] = found.images;
  document["skipped"] = found.skipped;
  document["top"] = options.top;
  document["seed"] = options.seed;
  document["rule"] = options.rule;
  document["layers"] = std::move(found.layers);
  add_timing(document, timing);
  if (kind == OutputKind::png) io::write_png(options.output, found.montages.front().second);
  if (kind == OutputKind::folder) {
    FolderOutput folder(options.output);
    std::vector<std::filesystem::path> files;
    for (std::size_t i = 0; i < found.montages.size(); ++i) {
      files.push_back(folder.add(file_name_of(found.montages[i].first) + ".png"));
      document["layers"][i]["montage"] = files.back().filename().string();
    }
    // Packing pictures of megapixels takes a good part of the time that the whole work takes.
    parallel_for(options.host(), static_cast<Index>(files.size()), [&](Index i) {
      const auto n = static_cast<std::size_t>(i);
      io::write_png(files[n], std::exchange(found.montages[n].second, {}));
    });
    folder.commit(document);
  }
  print(options, document, [&] { print_people(options, document); });
}

}  // namespace

void add_features(CLI::App& program, Action& action) {
  std::shared_ptr<FeaturesOptions> options;
  CLI::App& command = add_command<FeaturesOptions>(
      program, action, "features",
      "for each map the images that excite it most, projected to pixels beside their patches", run_features,
      options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_preprocess_options(command, *options);
  // Nine layers of sixteen images are more memory than they save time.
  options->batch = 8;
  add_data_options(command, *options);
  add_rule_options(command, *options);
  command.get_option("--data")->required();
  add_map_options(command, *options);
  command
      .add_option("--patch", options->patch,
                  "what the pictures show: the units' receptive field, or the part of it that holds the "
                  "projection's signal")
      ->check(CLI::IsMember({"field", "signal"}))
      ->capture_default_str();
  command.add_option("--top", options->top, "strongest activations a map, one unit an image")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

}  // namespace deconv::tool
