// deconv stages: one unit's way up through the network and its projection's way down, stage by stage.

#include <algorithm>
#include <iostream>

#include "arrays.hpp"
#include "commands.hpp"
#include "deconv/viz/stages.hpp"
#include "document.hpp"
#include "inputs.hpp"
#include "output.hpp"
#include "stages.hpp"

namespace deconv::tool {

namespace {

struct StagesCommand : CommonOptions, RuleOptions {
  std::string layer, at;
  Index map = 0, maps = 3, tile = 80;
  bool whole = false;
};

std::optional<std::pair<Index, Index>> position_of(const StagesCommand& options) {
  if (options.at.empty()) return std::nullopt;
  const std::vector<Index> values = parse_indices("--at", options.at);
  require<UsageError>(values.size() == 2, "--at: Y,X wanted, met ", options.at);
  return std::pair(values[0], values[1]);
}

viz::StagesPictureOptions drawing(const StagesCommand& options, const LoadedModel& model) {
  viz::StagesPictureOptions how;
  how.tile = options.tile;
  how.order = model.channel_order();
  how.percentile = contrast_percentile;
  how.around_unit = !options.whole;
  return how;
}

NamedArrays arrays_of(const Stages<float>& all) {
  NamedArrays arrays;
  for (const auto& stage : all.stages) {
    arrays.emplace_back("up/" + stage.tensor, stage.up.clone());
    arrays.emplace_back("down/" + stage.tensor, stage.down.clone());
    if (!stage.pooled_from) continue;
    Tensor<float, Cpu> switches(stage.up.shape());
    std::transform(stage.switches.begin(), stage.switches.end(), switches.begin(),
                   [](Index place) { return static_cast<float>(place); });
    arrays.emplace_back("switches/" + stage.tensor, std::move(switches));
  }
  return arrays;
}

void write_folder(const StagesCommand& options, const LoadedModel& model, const Stages<float>& all,
                  Document& document) {
  const auto how = drawing(options, model);
  FolderOutput folder(options.output);
  io::write_png(folder.add("stages.png"), viz::stages_picture(all, how));
  for (std::size_t i = 0; i < all.stages.size(); ++i) {
    const auto& stage = all.stages[i];
    const std::string stem = message(i < 10 ? "0" : "", i, "_", file_name_of(stage.tensor));
    Document files = Document::array();
    const auto add = [&](const std::string& name, const io::Image& picture) {
      const auto file = folder.add(name);
      io::write_png(file, picture);
      files.push_back(file.filename().string());
    };
    for (std::size_t k = 0; k < viz::stage_pictures(stage); ++k) {
      const std::string which =
          viz::stage_pictures(stage) > 1 || i > 0 ? message("_map", stage.maps[k]) : std::string();
      add(message(stem, which, "_up.png"), viz::stage_picture(stage, false, k, how));
      add(message(stem, which, "_down.png"), viz::stage_picture(stage, true, k, how));
      if (stage.pooled_from)
        add(message(stem, which, "_switches.png"), viz::switches_picture(all, i, k, 32, 12, how));
    }
    document["stages"][i]["files"] = files;
  }
  write_arrays(OutputKind::safetensors, folder.add("stages.safetensors").string(), arrays_of(all));
  folder.commit(document);
}

Document document_of(const StagesCommand& options, const Inputs& inputs, const Stages<float>& all) {
  Document document = make_document("stages", options);
  document["image"] = inputs.names.front();
  document["layer"] = options.layer;
  document["map"] = all.projection.unit.map;
  document["y"] = all.projection.unit.y;
  document["x"] = all.projection.unit.x;
  document["activation"] = number(all.projection.activation);
  document["receptive_field"] = to_document(all.projection.box);
  document["rule"] = options.rule;
  document["overlap"] = options.overlap;
  Document stages = Document::array();
  for (const auto& stage : all.stages)
    stages.push_back({{"tensor", stage.tensor},
                      {"up", std::string(name_up(stage.up_kind))},
                      {"down", std::string(name_down(stage.down_kind))},
                      {"signals_added", stage.added},
                      {"shape", {stage.map_count, stage.up[1], stage.up[2]}},
                      {"maps", stage.maps}});
  document["stages"] = stages;
  Document trips = Document::array();
  for (const RoundTrip& trip : all.round_trips)
    trips.push_back({{"tensor", trip.tensor},
                     {"pooled_against_switches", trip.picked},
                     {"unpooled_against_switches", trip.unpooled},
                     {"largest_elsewhere", trip.elsewhere},
                     {"places", trip.pointed}});
  document["round_trips"] = trips;
  document["projection_error"] = all.projection_error;
  return document;
}

void run_stages(const StagesCommand& options) {
  const auto at = position_of(options);
  check_device(options);
  const OutputKind kind =
      output_kind(options, {OutputKind::png, OutputKind::safetensors, OutputKind::folder});
  const LoadedModel model = load_model(options);
  static_cast<void>(model.topology().find(options.layer));
  const Inputs inputs = load_inputs(options, model);
  require<ArgumentError>(inputs.size() == 1, "stages are those of one image, met ", inputs.size());
  StagesOptions how;
  how.maps = options.maps;
  how.projection.reverse = options.reverse();
  how.projection.seed_value = options.seed_value == "one" ? SeedValue::one : SeedValue::activation;
  std::optional<Timing> timing;
  const Stages<float> all = timed(options.repeat, timing, [&] {
    return stages_of(*model.engine, inputs.batch, options.layer, options.map, at, how);
  });

  Document document = document_of(options, inputs, all);
  add_timing(document, timing);
  if (kind == OutputKind::png)
    io::write_png(options.output, viz::stages_picture(all, drawing(options, model)));
  if (kind == OutputKind::safetensors) write_arrays(kind, options.output, arrays_of(all));
  if (kind == OutputKind::folder) write_folder(options, model, all, document);
  print(options, document, [&] {
    const Unit& unit = all.projection.unit;
    std::cout << inputs.names.front() << ": " << options.layer << " map " << unit.map << " at " << unit.y
              << "," << unit.x << ", activation " << all.projection.activation << "\n";
    for (std::size_t i = all.stages.size(); i-- > 0;) {
      const auto& stage = all.stages[i];
      std::cout << "  " << stage.tensor << ": up " << name_up(stage.up_kind) << ", down "
                << name_down(stage.down_kind) << (stage.added ? ", added" : "") << "\n";
    }
    for (const RoundTrip& trip : all.round_trips)
      std::cout << "  round trip of " << trip.tensor << ": pooled values against their switches "
                << trip.picked << ", unpooled signals " << trip.unpooled << " at " << trip.pointed
                << " places, elsewhere " << trip.elsewhere << "\n";
    std::cout << "  last stage against the projection: " << all.projection_error << "\n";
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_stages(CLI::App& program, Action& action) {
  std::shared_ptr<StagesCommand> options;
  CLI::App& command = add_command<StagesCommand>(
      program, action, "stages", "one unit's way up and its projection's way down, stage by stage",
      run_stages, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  add_rule_options(command, *options);
  command.add_option("--layer", options->layer, "the unit's layer")->required()->type_name("NAME");
  command.add_option("--map", options->map, "the unit's feature map")
      ->required()
      ->check(at_least(0))
      ->type_name("K");
  command.add_option("--at", options->at, "a position of the map (default: its strongest)")->type_name("Y,X");
  command.add_option("--maps", options->maps, "maps shown of each layer below, the largest signals first")
      ->check(CLI::Range(1, 64))
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--tile", options->tile, "side of a picture in the composed figure, pixels")
      ->check(CLI::Range(16, 1024))
      ->capture_default_str()
      ->type_name("N");
  command.add_flag("--whole", options->whole,
                   "the composed figure shows whole planes, not what lies about the unit's receptive field");
}

}  // namespace deconv::tool
