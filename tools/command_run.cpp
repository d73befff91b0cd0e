// deconv run: one forward pass; the named activations as N,C,H,W float32.

#include <cmath>
#include <iostream>
#include <limits>

#include "arrays.hpp"
#include "deconv/io/npy.hpp"
#include "document.hpp"
#include "inputs.hpp"

namespace deconv::tool {

namespace {

struct RunOptions : CommonOptions {
  std::vector<std::string> layers;
};

/// What can be said about an activation in a line.
Document summary(const std::string& layer, const Tensor<float, Cpu>& array) {
  float low = std::numeric_limits<float>::infinity(), high = -low;
  double sum = 0;
  for (const float value : array) {
    low = std::min(low, value);
    high = std::max(high, value);
    sum += static_cast<double>(value);
  }
  Document line = {{"name", layer}, {"shape", to_document(array.shape())}};
  line["min"] = number(low);
  line["max"] = number(high);
  line["mean"] = sum / static_cast<double>(array.count());
  return line;
}

void run_run(const RunOptions& options) {
  check_device(options);
  const OutputKind kind =
      output_kind(options, {OutputKind::npy, OutputKind::safetensors, OutputKind::folder});
  const LoadedModel model = load_model(options);
  const std::vector<std::string> layers = layers_of(options.layers, model.topology());
  require<UsageError>(kind != OutputKind::npy || layers.size() == 1, "--output ", options.output,
                      ": a .npy file holds one array, met ", layers.size(),
                      " layers; a .safetensors file or a folder wanted");
  const Inputs inputs = load_inputs(options, model);

  std::optional<Timing> timing;
  auto results =
      timed(options.repeat, timing, [&] { return model.engine->activations(inputs.batch, layers); });

  NamedArrays arrays;
  for (std::size_t i = 0; i < layers.size(); ++i) arrays.emplace_back(layers[i], std::move(results[i]));
  Document document = make_document("run", options);
  document["images"] = inputs.names;
  Document lines = Document::array();
  for (const auto& [name, array] : arrays) lines.push_back(summary(name, array));
  document["layers"] = lines;
  add_timing(document, timing);
  if (kind == OutputKind::folder) {
    FolderOutput folder(options.output);
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      const auto file = folder.add(file_name_of(arrays[i].first) + ".npy");
      document["layers"][i]["file"] = file.filename().string();
      io::write_npy(file, arrays[i].second);
    }
    folder.commit(document);
  } else if (kind != OutputKind::none) {
    write_arrays(kind, options.output, arrays);
  }
  print(options, document, [&] {
    for (const auto& line : document["layers"])
      std::cout << line["name"].get<std::string>() << ' ' << line["shape"].dump() << ": from " << line["min"]
                << " to " << line["max"] << ", mean " << line["mean"] << "\n";
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_run(CLI::App& program, Action& action) {
  std::shared_ptr<RunOptions> options;
  CLI::App& command = add_command<RunOptions>(
      program, action, "run", "forward; the named activations as N,C,H,W float32", run_run, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  command.add_option("--layers", options->layers, "names parted by commas, or all (default: the last)")
      ->delimiter(',')
      ->type_name("a,b|all");
}

}  // namespace deconv::tool
