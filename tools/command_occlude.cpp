// deconv occlude: what the network makes of a picture of which a patch is covered, for every place of the
// patch.

#include <algorithm>
#include <chrono>
#include <iostream>

#include "commands.hpp"
#include "deconv/core/transfer.hpp"
#include "occlusion.hpp"
#include "occlusion_results.hpp"
#include "patch_options.hpp"
#include "progress.hpp"

namespace deconv::tool {

namespace {

struct OccludeOptions : CommonOptions, PatchOptions {
  std::string layer, maps;
  std::vector<Index> classes;
  bool cover_border = false, brute_force = false;
  Index memory = 384;
};

OcclusionResult analyse(const OccludeOptions& options, const LoadedModel& model,
                        TensorView<const float, Cpu> image, OcclusionOptions how, OcclusionMethod method) {
  const auto picture = choose_fill(options, !options.input.empty(), model, image, how);
  return {occlusion_of(*model.engine, image, how, method, picture.view()), std::nullopt, {}};
}

std::vector<OcclusionResult> compute(const OccludeOptions& options, const LoadedModel& model,
                                     const Inputs& inputs, OcclusionOptions how, OcclusionMethod method) {
  using Clock = std::chrono::steady_clock;
  const Shape one = inputs.batch.shape().with(0, 1);
  const OcclusionCost cost = occlusion_cost_of(*model.engine, one, how, method);
  const Index total = cost.places * inputs.size();
  Progress progress("occlude", "positions", total, options.quiet);
  std::optional<Clock::time_point> begin;
  bool told = false;
  Index before = 0, first = 0;
  how.progress = [&](Index done, Index) {
    // The first batch also makes what later ones find made, so the rate is that of the others.
    if (!begin) begin = Clock::now(), first = done;
    const double passed = std::chrono::duration<double>(Clock::now() - *begin).count();
    if (!told && done > first && passed > 0.3) {
      told = true;
      const double seconds = passed / static_cast<double>(done - first) * static_cast<double>(total);
      if (seconds > 2) tell_work(total, "positions", seconds, cost.bytes, options.quiet);
    }
    progress.advance(done - before);
    before = done;
  };
  std::vector<OcclusionResult> results;
  for (Index n = 0; n < inputs.size(); ++n) {
    before = 0;
    results.push_back(analyse(options, model, inputs.batch.view().slice(n, 1), how, method));
    told = true;
  }
  return results;
}

/// The projection of the first map's strongest unit (Fig. 7 c); nothing for layers without planes.
void project_maps(const LoadedModel& model, const Inputs& inputs, std::vector<OcclusionResult>& results) {
  for (std::size_t n = 0; n < results.size(); ++n) {
    const Occlusion<float>& occlusion = results[n].occlusion;
    if (model.topology().find(occlusion.layer) == model.topology().input(0)) continue;
    const Index map = occlusion.maps.front();
    auto projections =
        model.engine->project(inputs.batch.view().slice(static_cast<Index>(n), 1), occlusion.layer,
                              [&](const Shape&, Engine::Images activation) {
                                return strongest_units<float, Cpu>(Context<Cpu>(1), activation,
                                                                   occlusion.layer, 0, std::span(&map, 1));
                              },
                              {});
    results[n].projection = std::move(projections.front());
  }
}

void run_occlude(const OccludeOptions& options) {
  OcclusionOptions how;
  apply_patch(options, !options.input.empty(), how);
  if (!options.maps.empty()) how.maps = parse_indices("--maps", options.maps);
  how.layer = options.layer;
  how.classes = options.classes;
  how.cover_border = options.cover_border;
  how.bytes = static_cast<std::size_t>(options.memory) << 20;
  check_device(options);
  const OutputKind kind = output_kind(options, {OutputKind::png, OutputKind::npy, OutputKind::safetensors,
                                                OutputKind::csv, OutputKind::folder});
  const LoadedModel model = load_model(options);
  if (!options.layer.empty()) static_cast<void>(model.topology().find(options.layer));
  const Inputs inputs = load_inputs(options, model);
  require<ShapeError>(inputs.batch.rank() == 4, options.input, ": an array N,C,H,W wanted, met shape ",
                      inputs.batch.shape());
  check_patch(options, inputs.batch.shape(), how);
  const auto method = options.brute_force ? OcclusionMethod::brute_force : OcclusionMethod::windows;
  std::optional<Timing> timing;
  std::vector<OcclusionResult> results =
      timed(options.repeat, timing, [&] { return compute(options, model, inputs, how, method); });
  if (kind == OutputKind::png || kind == OutputKind::folder) project_maps(model, inputs, results);
  if (!options.data.empty()) {
    std::vector<Index> maps;
    for (const OcclusionResult& result : results) maps.push_back(result.occlusion.maps.front());
    const auto found = projections_elsewhere(options, model, results.front().occlusion.layer, maps);
    for (OcclusionResult& result : results) result.elsewhere = found.at(result.occlusion.maps.front());
  }

  Document document = make_document("occlude", options);
  document["fill"] = options.fill;
  add_occlusions(document, model, inputs, results);
  add_timing(document, timing);
  write_occlusions(options.output, kind, model, inputs, results, document);
  print(options, document, [&] {
    print_occlusions(document);
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_occlude(CLI::App& program, Action& action) {
  std::shared_ptr<OccludeOptions> options;
  CLI::App& command = add_command<OccludeOptions>(
      program, action, "occlude", "what the network makes of a picture with a part covered, for every place",
      run_occlude, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  options->batch = 8;
  add_data_options(command, *options);
  command.add_option("--layer", options->layer, "whose maps are summed (default: the last spatial layer)")
      ->type_name("NAME");
  command
      .add_option("--maps", options->maps,
                  "maps of it (default: the one with the largest activation of the picture itself)")
      ->type_name("0,5,7");
  command
      .add_option("--class", options->classes,
                  "classes whose probability is followed (default: the picture's most probable)")
      ->delimiter(',')
      ->check(at_least(0))
      ->type_name("K,...");
  add_patch_options(command, *options);
  command.add_flag("--cover-border", options->cover_border,
                   "add positions whose patch overhangs the right and lower border");
  command.add_flag("--brute-force", options->brute_force,
                   "send every covered picture through the whole network; the same result, more slowly");
  command.add_option("--memory", options->memory, "for activations, in MiB")
      ->check(at_least(1))
      ->capture_default_str()
      ->type_name("MIB");
}

}  // namespace deconv::tool
