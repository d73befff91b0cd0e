#pragma once
/// The project's own model file: safetensors with the weights under the names of Model::weights, and in
/// __metadata__
///   deconv_format  version of this layout, "1"
///   name           the network's name
///   graph          JSON, see graph_json.hpp
///   preprocess     JSON, see preprocess_json.hpp; a mean image is a tensor of the file that it names
///   class_names    JSON list
/// The last two are left out where unknown. Tensors named "state/..." belong to whoever wrote them (a
/// trainer's momentum, for example) and are no part of the model.

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "deconv/io/graph_json.hpp"
#include "deconv/io/model.hpp"
#include "deconv/io/preprocess_json.hpp"
#include "deconv/io/safetensors.hpp"
#include "deconv/io/safetensors_writer.hpp"

namespace deconv::io {

/// The layout that write_model_file writes; read_model_file reads no later one.
inline constexpr int model_file_version = 1;

/// Prefix of tensors that read_model_file passes over.
inline constexpr std::string_view foreign_tensor_prefix = "state/";

/// Puts a model into a writer, to which the caller may add tensors and metadata of its own. The writer refers
/// to the weights, which must live until it has written. Throws FormatError when the weights do not fit the
/// graph, so that what is written can be read again.
inline void add_model(SafetensorsWriter& writer, const ModelFile& file) {
  check_weights(file.model);
  for (const auto& [name, weight] : file.model.weights) writer.add(name, weight);
  writer.set_metadata("deconv_format", std::to_string(model_file_version));
  writer.set_metadata("name", file.model.name);
  const auto text = [](const Json& json) { return json.dump(); };
  try {
    writer.set_metadata("graph", text(graph_to_json(file.model.graph)));
    if (file.preprocess) {
      std::string mean = "preprocess.mean";
      while (file.model.weights.contains(mean)) mean += '_';
      writer.set_metadata("preprocess", text(preprocess_to_json(*file.preprocess, mean)));
      if (file.preprocess->mean_image) writer.add(mean, *file.preprocess->mean_image);
    }
    if (!file.class_names.empty()) writer.set_metadata("class_names", text(Json(file.class_names)));
  } catch (const nlohmann::json::exception& problem) {
    raise<FormatError>("a layer's or class's name is not UTF-8: ", problem.what());
  }
}

/// Writes the file whole or not at all. Throws FormatError as add_model, IoError when the system refuses.
inline void write_model_file(const std::filesystem::path& path, const ModelFile& file) {
  SafetensorsWriter writer;
  add_model(writer, file);
  writer.write(path);
}

namespace detail {

[[nodiscard]] inline const std::string& metadata_field(const SafetensorsReader& reader,
                                                       const std::string& field) {
  const auto found = reader.metadata().find(field);
  require<FormatError>(found != reader.metadata().end(), reader.name(), ": no ", field,
                       " in its metadata; a file that deconv wrote is wanted");
  return found->second;
}

inline void check_version(const SafetensorsReader& reader) {
  const std::string& version = metadata_field(reader, "deconv_format");
  require<FormatError>(version == std::to_string(model_file_version), reader.name(), ": deconv_format ",
                       model_file_version, " wanted, met ", quoted(version));
}

/// The weights that the graph wants, each looked at in the header before memory is taken for it.
[[nodiscard]] inline Weights read_weights(const SafetensorsReader& reader, const Graph& graph,
                                          const std::string& mean) {
  const std::map<std::string, Shape> wanted = weight_shapes(graph);
  for (const SafetensorsEntry& entry : reader.entries())
    require<FormatError>(
        wanted.contains(entry.name) || entry.name == mean || entry.name.starts_with(foreign_tensor_prefix),
        reader.name(), ": weight ", quoted(entry.name), " belongs to no node");
  for (const auto& [name, shape] : wanted) {
    require<FormatError>(reader.contains(name), reader.name(), ": weight ", quoted(name), " of shape ", shape,
                         " is missing");
    const SafetensorsEntry& entry = reader.entry(name);
    require<FormatError>(entry.shape == shape, reader.name(), ": weight ", quoted(name), ": wants shape ",
                         shape, ", met ", entry.shape);
    const bool real = entry.dtype == DType::float32 || entry.dtype == DType::float64 ||
                      entry.dtype == DType::float16 || entry.dtype == DType::bfloat16;
    require<FormatError>(real, reader.name(), ": weight ", quoted(name), ": wants real numbers, met ",
                         name_of(entry.dtype));
  }
  Weights weights;
  for (const auto& entry : wanted) weights.emplace(entry.first, reader.read<float>(entry.first));
  return weights;
}

}  // namespace detail

/// The model of an open safetensors file. Throws FormatError, naming file and field, node or weight;
/// ShapeError where the graph's shapes do not fit each other.
[[nodiscard]] inline ModelFile read_model_file(const SafetensorsReader& reader) {
  detail::check_version(reader);
  ModelFile file;
  const auto& metadata = reader.metadata();
  if (const auto name = metadata.find("name"); name != metadata.end()) file.model.name = name->second;
  file.model.graph = parse_graph(detail::metadata_field(reader, "graph"), reader.name() + ": graph");

  std::string mean;
  if (const auto text = metadata.find("preprocess"); text != metadata.end()) {
    const std::string what = reader.name() + ": preprocess";
    const Json json = parse_json(text->second, what);
    // Whoever opens a model file does not mean to open whatever other file it names.
    require<FormatError>(!json.is_object() || !json.contains("mean") || !json["mean"].is_string(), what,
                         ": mean: numbers or a tensor of the file wanted, met ", "a path");
    MeanSources sources;
    sources.tensor = [&](const std::string& name) { return reader.read<float>(mean = name); };
    file.preprocess = preprocess_from_json(json, what, sources);
  }
  if (const auto text = metadata.find("class_names"); text != metadata.end()) {
    const std::string what = reader.name() + ": class_names";
    const Json names = parse_json(text->second, what);
    require<FormatError>(names.is_array(), what, ": a list of names wanted, met ", json_excerpt(names));
    for (const Json& name : names) file.class_names.push_back(json_string(name, what));
  }
  try {
    file.model.weights = detail::read_weights(reader, file.model.graph, mean);
  } catch (const ShapeError& problem) {
    raise<ShapeError>(reader.name(), ": ", problem.what());
  }
  return file;
}

/// The same from a file. Throws also IoError when it cannot be opened.
[[nodiscard]] inline ModelFile read_model_file(const std::filesystem::path& path) {
  return read_model_file(SafetensorsReader(path));
}

}  // namespace deconv::io
