#pragma once
/// The model that the command line names, and how pictures become its inputs.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deconv/io/model.hpp"
#include "engine.hpp"
#include "options.hpp"

namespace deconv::tool {

/// A model ready to run.
struct LoadedModel {
  std::unique_ptr<Engine> engine;
  /// How a picture becomes the network's input; absent where neither the file nor the command line says.
  std::optional<io::Preprocess> preprocess;
  std::vector<std::string> class_names;

  [[nodiscard]] const Topology& topology() const { return engine->topology(); }
  /// The graph's only input. Throws ArgumentError when there are several.
  [[nodiscard]] const GraphInput& input() const;
  /// The preprocessing. Throws ArgumentError that names the option when there is none.
  [[nodiscard]] const io::Preprocess& preprocess_for_pictures(const CommonOptions& options) const;
  /// What people call class k.
  [[nodiscard]] std::string class_name(Index k) const;
  /// Channels in the order that the network takes them.
  [[nodiscard]] io::ChannelOrder channel_order() const {
    return preprocess ? preprocess->order : io::ChannelOrder::rgb;
  }
};

/// The file of --model, with what --preprocess, --resize, --input-size and --labels add to it.
[[nodiscard]] io::ModelFile read_model_file_of(const CommonOptions& options);
[[nodiscard]] LoadedModel load_model(const CommonOptions& options);

/// Names of classes, one a line: "n02123045 tabby, tabby cat" or "tabby".
[[nodiscard]] std::vector<std::string> read_labels(const std::filesystem::path& path);

}  // namespace deconv::tool
