// deconv project: chosen units of one layer projected to pixels.

#include <algorithm>
#include <charconv>
#include <iostream>
#include <numeric>

#include "arrays.hpp"
#include "deconv/analysis/projection.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/viz/features.hpp"
#include "document.hpp"
#include "inputs.hpp"
#include "target_options.hpp"

namespace deconv::tool {

namespace {

struct ProjectOptions : CommonOptions, RuleOptions {
  std::string layer;
  std::optional<Index> map;
  std::string at;
  std::optional<Index> top;
};

/// The strongest unit of each map of one image, the N strongest of these.
std::vector<Unit> strongest(Engine::Images view, const std::string& layer, Index image, Index top) {
  std::vector<Index> maps(static_cast<std::size_t>(view[1]));
  std::iota(maps.begin(), maps.end(), Index{0});
  std::vector<Unit> units = strongest_units<float, Cpu>(Context<Cpu>(1), view, layer, image, maps);
  const auto activation = [&](const Unit& unit) {
    return view.rank() == 4 ? view(unit.image, unit.map, unit.y, unit.x)
                            : view.data()[unit.image * view[1] + unit.map];
  };
  std::stable_sort(units.begin(), units.end(),
                   [&](const Unit& a, const Unit& b) { return activation(a) > activation(b); });
  units.resize(std::min(units.size(), static_cast<std::size_t>(top)));
  return units;
}

std::vector<Unit> chosen_units(const ProjectOptions& options, const Shape& shape, Engine::Images activation) {
  require<ArgumentError>(shape.rank() == 4 || shape.rank() == 2, "layer ", quoted(options.layer),
                         " of shape ", shape, " has no feature maps");
  if (options.top)
    require<ArgumentError>(*options.top <= shape[1], "--top ", *options.top, ": layer ",
                           quoted(options.layer), " has ", shape[1], " maps");
  std::vector<Unit> units;
  for (Index n = 0; n < shape[0]; ++n) {
    if (options.top) {
      for (const Unit& unit : strongest(activation, options.layer, n, *options.top)) units.push_back(unit);
    } else if (options.at.empty()) {
      const Index map = *options.map;
      units.push_back(
          strongest_units<float, Cpu>(Context<Cpu>(1), activation, options.layer, n, std::span(&map, 1))
              .front());
    } else {
      const auto [y, x] = parse_position(options.at);
      units.push_back({n, *options.map, y, x});
    }
  }
  return units;
}

std::string name_of(const ProjectOptions& options, const Unit& unit, bool several_images) {
  return message(several_images ? message("image", unit.image, "_") : "", file_name_of(options.layer), "_map",
                 unit.map, "_y", unit.y, "_x", unit.x);
}

using Projections = std::vector<Projection<float>>;

/// All units in the input's plane, U x C x H x W.
Tensor<float, Cpu> planes_of(const Projections& projections, Index height, Index width) {
  Tensor<float, Cpu> all(
      {static_cast<Index>(projections.size()), projections.front().pixels[0], height, width});
  float* out = all.data();
  for (const auto& projection : projections) {
    const auto plane = projection.in_plane(height, width);
    out = std::copy(plane.begin(), plane.end(), out);
  }
  return all;
}

/// The projection where it lies in the picture, zero in mid-grey.
io::Image picture_in_place(const Projection<float>& projection, Index height, Index width,
                           io::ChannelOrder order) {
  Projection<float> whole;
  whole.pixels = projection.in_plane(height, width);
  return viz::projection_pictures(std::span(&whole, 1), order, viz::StretchScope::each, contrast_percentile)
      .front();
}

/// Each unit beside the patch that it saw.
io::Image pairs_of(const ProjectOptions& options, const Projections& projections, const Inputs& inputs,
                   io::ChannelOrder order) {
  std::vector<io::Image> pictures =
      viz::projection_pictures(projections, order, viz::StretchScope::each, contrast_percentile);
  std::vector<viz::FeatureBlock> blocks;
  for (std::size_t i = 0; i < projections.size(); ++i) {
    const Projection<float>& projection = projections[i];
    const io::Image& seen = inputs.seen[static_cast<std::size_t>(projection.unit.image)];
    viz::FeatureBlock block;
    block.caption = message(options.layer, " ", projection.unit.map);
    block.tiles.push_back({std::move(pictures[i]), viz::patch_under(seen, projection.box)});
    blocks.push_back(std::move(block));
  }
  viz::FeatureMontageOptions how;
  how.tile = 128;
  return viz::feature_montage(blocks, how);
}

void write(const ProjectOptions& options, OutputKind kind, const LoadedModel& model, const Inputs& inputs,
           const Projections& projections, Document& document) {
  const Index height = inputs.batch[2], width = inputs.batch[3];
  const bool several = inputs.size() > 1;
  const auto order = model.channel_order();
  switch (kind) {
    case OutputKind::npy:
      return io::write_npy(options.output, planes_of(projections, height, width));
    case OutputKind::safetensors: {
      NamedArrays arrays;
      for (const auto& projection : projections) {
        arrays.emplace_back(name_of(options, projection.unit, several), projection.in_plane(height, width));
      }
      return write_arrays(kind, options.output, arrays);
    }
    case OutputKind::png:
      return io::write_png(options.output, projections.size() == 1
                                               ? picture_in_place(projections.front(), height, width, order)
                                               : pairs_of(options, projections, inputs, order));
    default:
      break;
  }
  if (kind != OutputKind::folder) return;
  FolderOutput folder(options.output);
  io::write_png(folder.add("montage.png"), pairs_of(options, projections, inputs, order));
  io::write_npy(folder.add("projections.npy"), planes_of(projections, height, width));
  for (std::size_t i = 0; i < projections.size(); ++i) {
    const auto file = folder.add(name_of(options, projections[i].unit, several) + ".png");
    io::write_png(file, picture_in_place(projections[i], height, width, order));
    document["units"][i]["file"] = file.filename().string();
  }
  folder.commit(document);
}

void run_project(const ProjectOptions& options) {
  require<UsageError>(options.map.has_value() != options.top.has_value(), "--map K or --top N wanted",
                      options.map ? ", met both" : "");
  require<UsageError>(options.at.empty() || options.map.has_value(), "--at wants --map");
  if (!options.at.empty()) static_cast<void>(parse_position(options.at));
  check_device(options);
  const OutputKind kind =
      output_kind(options, {OutputKind::png, OutputKind::npy, OutputKind::safetensors, OutputKind::folder});
  const LoadedModel model = load_model(options);
  static_cast<void>(model.topology().find(options.layer));
  const Inputs inputs = load_inputs(options, model);

  ProjectionOptions projecting;
  projecting.reverse = options.reverse();
  projecting.seed_value = options.seed_value == "one" ? SeedValue::one : SeedValue::activation;
  std::optional<Timing> timing;
  const Projections projections = timed(options.repeat, timing, [&] {
    return model.engine->project(
        inputs.batch, options.layer,
        [&](const Shape& shape, Engine::Images activation) {
          return chosen_units(options, shape, activation);
        },
        projecting);
  });

  Document document = make_document("project", options);
  document["images"] = inputs.names;
  document["layer"] = options.layer;
  document["rule"] = options.rule;
  document["overlap"] = options.overlap;
  document["norm"] =
      projecting.reverse.normalisation == NormalisationRule::gradient ? "gradient" : "identity";
  document["seed_value"] = options.seed_value;
  Document units = Document::array();
  for (const auto& projection : projections) {
    const Unit& unit = projection.unit;
    units.push_back({{"image", inputs.names[static_cast<std::size_t>(unit.image)]},
                     {"layer", options.layer},
                     {"map", unit.map},
                     {"y", unit.y},
                     {"x", unit.x},
                     {"activation", number(projection.activation)},
                     {"receptive_field", to_document(projection.box)}});
  }
  document["units"] = units;
  add_timing(document, timing);
  write(options, kind, model, inputs, projections, document);
  print(options, document, [&] {
    for (const auto& projection : projections) {
      const Unit& unit = projection.unit;
      std::cout << inputs.names[static_cast<std::size_t>(unit.image)] << ": " << options.layer << " map "
                << unit.map << " at " << unit.y << "," << unit.x << ", activation " << projection.activation
                << ", sees rows and columns " << projection.box << "\n";
    }
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_project(CLI::App& program, Action& action) {
  std::shared_ptr<ProjectOptions> options;
  CLI::App& command = add_command<ProjectOptions>(
      program, action, "project", "what chosen units of a layer respond to, projected to pixels", run_project,
      options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  add_rule_options(command, *options);
  command.add_option("--layer", options->layer, "whose units are projected")->required()->type_name("NAME");
  command.add_option("--map", options->map, "a feature map")->check(at_least(0))->type_name("K");
  command.add_option("--at", options->at, "a position of the map (default: its strongest)")->type_name("Y,X");
  command.add_option("--top", options->top, "instead of --map: the N strongest units, one a map")
      ->check(at_least(1))
      ->type_name("N");
}

}  // namespace deconv::tool
