#pragma once
/// Any readable network file, by its extension.

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "deconv/io/caffe.hpp"
#include "deconv/io/model.hpp"
#include "deconv/io/model_file.hpp"
#include "deconv/io/onnx.hpp"

namespace deconv::io {

/// What read_model may be told beside the file.
struct ReadModelOptions {
  /// The text that belongs to a .caffemodel; looked for beside it where absent.
  std::optional<std::filesystem::path> prototxt;
  /// Shapes of inputs by name, in place of what an ONNX or Caffe file says; needed where it leaves them open.
  std::map<std::string, Shape> input_shapes;
};

/// The .prototxt beside a .caffemodel: of the same name, or without the "_iter_5000" that Caffe adds to its
/// snapshots, or deploy.prototxt, or the only one of the folder. Throws IoError when there is none.
[[nodiscard]] inline std::filesystem::path find_prototxt(const std::filesystem::path& caffemodel) {
  std::error_code ignored;
  std::string stem = caffemodel.stem().string();
  std::vector<std::filesystem::path> candidates = {caffemodel.parent_path() / (stem + ".prototxt")};
  if (const auto snapshot = stem.rfind("_iter_"); snapshot != std::string::npos) {
    stem.resize(snapshot);
    candidates.push_back(caffemodel.parent_path() / (stem + ".prototxt"));
  }
  candidates.push_back(caffemodel.parent_path() / (stem + "_deploy.prototxt"));
  candidates.push_back(caffemodel.parent_path() / "deploy.prototxt");
  for (const auto& candidate : candidates)
    if (std::filesystem::is_regular_file(candidate, ignored)) return candidate;

  const std::filesystem::path folder = caffemodel.has_parent_path() ? caffemodel.parent_path() : ".";
  std::vector<std::filesystem::path> all;
  for (std::filesystem::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored))
    if (it->path().extension() == ".prototxt" && it->is_regular_file(ignored)) all.push_back(it->path());
  require<IoError>(all.size() == 1, caffemodel.string(), ": its .prototxt wanted beside it as ",
                   candidates.front().string(), " (or given as --prototxt), met ",
                   all.empty() ? "none" : "several others");
  return all.front();
}

/// The network of a .onnx, .safetensors (the project's own), .caffemodel or .prototxt file; the last has no
/// weights, so that it can be described but not run. Throws IoError, FormatError and ShapeError as the
/// readers do; ArgumentError when the extension is none of these, or an option does not belong to the file.
[[nodiscard]] inline ModelFile read_model(const std::filesystem::path& path,
                                          const ReadModelOptions& options = {}) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const bool known = extension == ".onnx" || extension == ".safetensors" || extension == ".caffemodel" ||
                     extension == ".prototxt";
  require<ArgumentError>(known, path.string(),
                         ": a .onnx, .safetensors, .caffemodel or .prototxt file wanted, met ",
                         extension.empty() ? "no extension" : extension);
  require<ArgumentError>(!options.prototxt || extension == ".caffemodel", path.string(),
                         ": a prototxt belongs to a .caffemodel only");
  if (extension == ".safetensors") {
    require<ArgumentError>(options.input_shapes.empty(), path.string(),
                           ": the file has its own input shapes");
    return read_model_file(path);
  }
  ModelFile file;
  if (extension == ".onnx") {
    OnnxOptions onnx;
    onnx.input_shapes = options.input_shapes;
    file.model = read_onnx(path, onnx);
  } else if (extension == ".caffemodel") {
    const std::filesystem::path prototxt = options.prototxt ? *options.prototxt : find_prototxt(path);
    file.model = read_caffe(prototxt, path, CaffeOptions{options.input_shapes});
  } else {
    file.model = read_prototxt(path, CaffeOptions{options.input_shapes});
  }
  return file;
}

}  // namespace deconv::io
