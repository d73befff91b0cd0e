// deconv convert: any readable model as the project's own file, with its graph and preprocessing inside.

#include <iostream>

#include "deconv/io/model_file.hpp"
#include "document.hpp"
#include "model.hpp"
#include "output.hpp"

namespace deconv::tool {

namespace {

struct ConvertOptions : CommonOptions {};

void run_convert(const ConvertOptions& options) {
  static_cast<void>(output_kind(options, {OutputKind::safetensors}));
  const io::ModelFile file = read_model_file_of(options);
  io::write_model_file(options.output, file);
  Index parameters = 0;
  for (const auto& [name, weight] : file.model.weights) parameters += weight.count();

  Document document = make_document("convert", options);
  document["output"] = options.output;
  document["bytes"] = std::filesystem::file_size(options.output);
  document["layers"] = file.model.graph.nodes.size();
  document["parameters"] = parameters;
  document["preprocess"] =
      file.preprocess ? Document::parse(io::preprocess_to_json(*file.preprocess).dump()) : Document(nullptr);
  document["classes"] = file.class_names.size();
  print(options, document, [&] {
    std::cout << options.output << ": " << file.model.graph.nodes.size() << " layers, " << parameters
              << " parameters, "
              << (file.preprocess ? "with its preprocessing" : "no preprocessing (--preprocess adds it)")
              << ", "
              << (file.class_names.empty() ? "no class names (--labels adds them)"
                                           : message(file.class_names.size(), " class names"))
              << "\n";
  });
}

}  // namespace

void add_convert(CLI::App& program, Action& action) {
  std::shared_ptr<ConvertOptions> options;
  CLI::App& command = add_command<ConvertOptions>(
      program, action, "convert", "any readable model to .safetensors, graph and preprocessing inside",
      run_convert, options);
  add_model_options(command, *options);
  add_preprocess_options(command, *options);
  command.get_option("--output")->required();
}

}  // namespace deconv::tool
