#include "model.hpp"

#include <algorithm>
#include <utility>

#include "deconv/io/file.hpp"
#include "deconv/io/preprocess_json.hpp"
#include "deconv/io/read_model.hpp"

namespace deconv::tool {

namespace {

/// A WordNet number and a blank, as lists of ImageNet's classes have in front.
bool begins_with_wnid(std::string_view line) {
  if (line.size() < 11 || line[0] != 'n' || (line[9] != ' ' && line[9] != '\t')) return false;
  return std::all_of(line.begin() + 1, line.begin() + 9, [](char c) { return c >= '0' && c <= '9'; });
}

/// The preprocessing for this network: built-in rules and those without a size of their own fit the network's
/// input, rules that give a size are taken as they are.
std::optional<io::Preprocess> preprocess_of(const CommonOptions& options, const io::ModelFile& file) {
  std::optional<io::Preprocess> made = file.preprocess;
  bool fit = false;
  if (!options.preprocess.empty()) {
    io::MeanSources sources;
    sources.binaryproto = [](const std::filesystem::path& path) { return io::read_binaryproto(path); };
    made = io::load_preprocess(options.preprocess, sources);
    fit = io::built_in_preprocess(options.preprocess).has_value();
  }
  if (!made) {
    require<UsageError>(
        options.resize.empty() && options.input_size.empty(),
        options.resize.empty() ? "--input-size" : "--resize",
        " changes a preprocessing, but the model carries none: --preprocess NAME|FILE wanted");
    return std::nullopt;
  }
  if (file.model.graph.inputs.size() != 1 || file.model.graph.inputs[0].shape.rank() != 4) return made;
  const Shape& input = file.model.graph.inputs[0].shape;
  io::Extent extent{input[2], input[3]};
  if (!options.input_size.empty()) {
    extent = {options.input_size.front(), options.input_size.back()};
    fit = true;
  }
  if (options.resize == "none") return made->without_resize(extent.height, extent.width);
  if (options.resize == "exact") return made->resized_to(extent.height, extent.width);
  if (options.resize == "shorter_side") {
    made->resize = io::ResizeRule::shorter_side;
    made->size = {1, 1};
    made->crop = io::Extent{1, 1};
    return made->for_input(extent.height, extent.width);
  }
  if (fit || !made->output_shape()) return made->for_input(extent.height, extent.width);
  return made;
}

}  // namespace

std::vector<std::string> read_labels(const std::filesystem::path& path) {
  const std::string text = io::read_text(path, std::uint64_t{1} << 26);
  std::vector<std::string> names;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t stop = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, stop - at);
    at = stop + 1;
    if (begins_with_wnid(line)) line.remove_prefix(10);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    names.emplace_back(line);
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  require<FormatError>(!names.empty(), path.string(), ": a class's name a line wanted, the file is empty");
  return names;
}

io::ModelFile read_model_file_of(const CommonOptions& options) {
  io::ReadModelOptions how;
  if (!options.prototxt.empty()) how.prototxt = options.prototxt;
  io::ModelFile file = io::read_model(options.model, how);
  file.preprocess = preprocess_of(options, file);
  if (!options.labels.empty()) file.class_names = read_labels(options.labels);
  return file;
}

LoadedModel load_model(const CommonOptions& options) {
  std::string extension = options.model.extension().string();
  require<ArgumentError>(
      extension != ".prototxt", options.model.string(),
      ": a .prototxt has no weights to work with: the .caffemodel wanted, with --prototxt");
  io::ModelFile file = read_model_file_of(options);
  return {make_engine(options, std::move(file.model)), std::move(file.preprocess),
          std::move(file.class_names)};
}

const GraphInput& LoadedModel::input() const {
  const auto& inputs = topology().graph().inputs;
  require<ArgumentError>(inputs.size() == 1, "a network with one input wanted, this one has ", inputs.size());
  return inputs[0];
}

const io::Preprocess& LoadedModel::preprocess_for_pictures(const CommonOptions& options) const {
  require<ArgumentError>(preprocess.has_value(), options.model.string(),
                         " does not say how a picture becomes its input: --preprocess "
                         "imagenet-torch|imagenet-caffe|unit|FILE.json wanted");
  const Shape& shape = input().shape;
  require<ShapeError>(shape.rank() == 4, options.model.string(), ": input ", quoted(input().name),
                      " of shape ", shape, " takes no pictures; --input FILE.npy wanted");
  require<ShapeError>(shape[1] == preprocess->channels(), options.model.string(), ": input ",
                      quoted(input().name), " wants ", shape[1],
                      " channels, the preprocessing's channel_order ", io::name_of(preprocess->order),
                      " gives ", preprocess->channels());
  return *preprocess;
}

std::string LoadedModel::class_name(Index k) const {
  return k >= 0 && k < static_cast<Index>(class_names.size()) ? class_names[static_cast<std::size_t>(k)]
                                                              : std::string();
}

}  // namespace deconv::tool
