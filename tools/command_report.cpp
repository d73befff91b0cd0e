// deconv report: all that was asked of one model and its images, on one page in one file.

#include <iostream>

#include "arrays.hpp"
#include "deconv/io/atomic_file.hpp"
#include "output.hpp"
#include "report_sections.hpp"

namespace deconv::tool {

namespace {

std::string chosen_layers_text(const std::vector<std::string>& layers) {
  std::string text;
  for (const std::string& layer : layers) text += (text.empty() ? "" : ", ") + layer;
  return text;
}

void run_report(const ReportOptions& options) {
  check_device(options);
  static_cast<void>(output_kind(options, {OutputKind::html}));
  io::ModelFile file = read_model_file_of(options);
  const auto filters = first_filters(file);
  LoadedModel model{make_engine(options, std::move(file.model)), std::move(file.preprocess),
                    std::move(file.class_names)};
  const bool pictures = !options.images.empty() || !options.input.empty();
  std::optional<Inputs> inputs;
  if (pictures) {
    inputs = load_inputs(options, model);
    require<ShapeError>(inputs->batch.rank() == 4, options.input, ": an array N,C,H,W wanted, met shape ",
                        inputs->batch.shape());
    if (options.wants("occlusion")) {
      OcclusionOptions how;
      const PatchOptions patch = report_patch(options, inputs->batch.shape());
      apply_patch(patch, !options.input.empty(), how);
      check_patch(patch, inputs->batch.shape(), how);
    }
  }

  Document document = make_document("report", options);
  viz::Report page(message("deconv: ", options.model.filename().string()),
                   "What this network looks for, and what in a picture it answers to.");
  ReportJob job{
      options, model,
      options.layers.empty() ? stage_layers(model.topology()) : layers_of(options.layers, model.topology()),
      page, document};
  document["layers"] = job.layers;
  report_network(job);
  if (filters && options.wants("filters")) report_filters(job, *filters);
  if (!options.data.empty() && options.wants("maps")) report_maps(job);
  if (inputs) report_images(job, *inputs);
  report_files(job);
  page.write(options.output);
  document["output"] = options.output;
  print(options, document, [&] {
    std::cout << "layers " << chosen_layers_text(job.layers) << "\nwritten to " << options.output
              << ": open it in a browser\n";
  });
}

}  // namespace

void add_report(CLI::App& program, Action& action) {
  std::shared_ptr<ReportOptions> options;
  CLI::App& command = add_command<ReportOptions>(
      program, action, "report", "all of this on one page: open it in a browser, no server needed",
      run_report, options);
  add_model_options(command, *options);
  command.get_option("--output")->required();
  add_work_options(command, *options);
  add_input_options(command, *options);
  options->batch = 8;
  add_data_options(command, *options);
  command
      .add_option("--layers", options->layers,
                  "layers whose maps are shown (default: the last of each size of plane)")
      ->delimiter(',')
      ->type_name("a,b|all");
  command.add_option("--maps", options->maps, "maps a layer, drawn by --seed")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command.add_option("--top", options->top, "strongest activations a map, one unit an image")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command
      .add_option("--class", options->class_index, "a class's number (default: the top one of each image)")
      ->check(at_least(0))
      ->type_name("K");
  options->fill = "grey";
  options->size = options->stride = "";  // in proportion to the picture
  add_patch_options(command, *options);
  command.add_option("--skip", options->skip, "sections to leave out")
      ->delimiter(',')
      ->check(CLI::IsMember(report_section_names));
  command.add_option("--table", options->tables, "tables of other commands, to be put on the page")
      ->type_name("FILE.csv...");
  command.add_option("--plot", options->plots, "plots of other commands, to be put on the page")
      ->type_name("FILE.svg...");
}

}  // namespace deconv::tool
