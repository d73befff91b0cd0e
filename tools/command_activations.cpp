// deconv activations: every map of the named layers as pictures.

#include <algorithm>
#include <cmath>
#include <iostream>

#include "arrays.hpp"
#include "deconv/viz/activation_pictures.hpp"
#include "deconv/viz/montage.hpp"
#include "document.hpp"
#include "inputs.hpp"

namespace deconv::tool {

namespace {

struct ActivationsOptions : CommonOptions {
  std::vector<std::string> layers;
  std::string stretch = "each";
  std::string colours = "grey";
};

io::Image montage_of(const ActivationsOptions& options, TensorView<const float, Cpu> activation,
                     Index image) {
  viz::ActivationPictureOptions how;
  how.scope = options.stretch == "common" ? viz::StretchScope::common : viz::StretchScope::each;
  how.colours = viz::colour_map_by_name(options.colours);
  const std::vector<io::Image> pictures = viz::activation_pictures(activation, image, how);
  std::vector<std::string> captions;
  for (std::size_t k = 0; k < pictures.size(); ++k)
    captions.push_back(pictures.size() == 1 ? std::string("all units") : std::to_string(k));
  viz::MontageOptions grid;
  grid.gap = 4;
  grid.cell_width = std::clamp<Index>(pictures.front().width(), 48, 128);
  grid.cell_height = std::clamp<Index>(pictures.front().height(), 48, 128);
  return viz::montage(pictures, grid, captions);
}

void run_activations(const ActivationsOptions& options) {
  check_device(options);
  const OutputKind kind = output_kind(options, {OutputKind::png, OutputKind::folder});
  const LoadedModel model = load_model(options);
  const std::vector<std::string> layers = layers_of(options.layers, model.topology());
  const Inputs inputs = load_inputs(options, model);
  require<UsageError>(kind != OutputKind::png || (layers.size() == 1 && inputs.size() == 1), "--output ",
                      options.output,
                      ": a picture holds one layer of one image; a folder wanted for several");
  std::optional<Timing> timing;
  const auto arrays =
      timed(options.repeat, timing, [&] { return model.engine->activations(inputs.batch, layers); });

  Document document = make_document("activations", options);
  document["images"] = inputs.names;
  Document lines = Document::array();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto [low, high] = std::minmax_element(arrays[i].begin(), arrays[i].end());
    const auto zeros = std::count(arrays[i].begin(), arrays[i].end(), 0.0f);
    lines.push_back({{"layer", layers[i]},
                     {"shape", to_document(arrays[i].shape())},
                     {"min", number(*low)},
                     {"max", number(*high)},
                     {"zero_share", static_cast<double>(zeros) / static_cast<double>(arrays[i].count())}});
  }
  document["layers"] = lines;
  add_timing(document, timing);
  if (kind == OutputKind::png) io::write_png(options.output, montage_of(options, arrays.front().view(), 0));
  if (kind == OutputKind::folder) {
    FolderOutput folder(options.output);
    for (std::size_t i = 0; i < layers.size(); ++i)
      for (Index n = 0; n < inputs.size(); ++n) {
        const std::string image = inputs.size() > 1 ? message("image", n, "_") : "";
        const auto file = folder.add(image + file_name_of(layers[i]) + ".png");
        io::write_png(file, montage_of(options, arrays[i].view(), n));
        document["layers"][i]["pictures"].push_back(file.filename().string());
      }
    folder.commit(document);
  }
  print(options, document, [&] {
    for (const auto& line : document["layers"])
      std::cout << line["layer"].get<std::string>() << ' ' << line["shape"].dump() << " from " << line["min"]
                << " to " << line["max"] << ", zeros " << std::lround(100 * line["zero_share"].get<double>())
                << " %\n";
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_activations(CLI::App& program, Action& action) {
  std::shared_ptr<ActivationsOptions> options;
  CLI::App& command = add_command<ActivationsOptions>(
      program, action, "activations", "every map of the named layers as pictures", run_activations, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  command.add_option("--layers", options->layers, "names parted by commas, or all (default: the last)")
      ->delimiter(',')
      ->type_name("a,b|all");
  command
      .add_option("--stretch", options->stretch, "contrast of each map by itself, or common to compare them")
      ->check(CLI::IsMember({"each", "common"}))
      ->capture_default_str();
  command.add_option("--colours", options->colours, "of the smallest to the largest value")
      ->check(CLI::IsMember({"grey", "sequential", "diverging"}))
      ->capture_default_str();
  command.get_option("--output")->required();
}

}  // namespace deconv::tool
