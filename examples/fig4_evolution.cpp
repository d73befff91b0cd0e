// Zeiler and Fergus 2013, Fig. 4: how feature maps evolve in training. Rows are maps, columns states of the
// network; each cell is the strongest activation over all pictures, projected down to pixels.
//
//   fig4_evolution --data idx:/usr/share/datasets/fashion-mnist:train --output fig4.png
//   run/epoch-*.safetensors
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "arguments.hpp"
#include "deconv/analysis/evolution.hpp"
#include "deconv/io/loader.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/io/preprocess_json.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/train/kept_epochs.hpp"
#include "deconv/viz/evolution.hpp"

namespace {

using namespace deconv;

constexpr const char* usage =
    R"(usage: fig4_evolution [options] [MODEL...]

Draws what excites feature maps most, state after state of one network in training. The states are the MODELs
in their order (.safetensors, .caffemodel or .onnx), or the epochs that a run of `deconv train` kept. Without
either: the seven states of Caffe's cifar10_full in $DECONV_TEST_DATA.

  --run DIR          a run's folder, instead of MODELs
  --data DATA        pictures: a folder of classes, a list, idx:FOLDER[:train|test] or cifar:FILE
  --layer a,b        layers to follow (default: every rectified layer with maps)
  --maps N           maps of each layer, spread evenly (default 6)
  --preprocess FILE  how a picture becomes an input (default: as the models say)
  --prototxt FILE    the network of .caffemodels
  --output FILE.png  (default fig4.png)
)";

/// A state of the network and its column's label.
struct State {
  std::filesystem::path file;
  std::string label;
};

/// Everything that the command line, or the absence of one, says.
struct Setting {
  std::vector<State> states;
  std::string data;
  io::ReadModelOptions reading;
  std::optional<io::Preprocess> preprocess;
};

/// Caffe's cifar10_full at 10000, 20000, ..., 70000 iterations: planes 0..255 minus the training set's mean.
Setting published_run() {
  const char* folder = std::getenv("DECONV_TEST_DATA");
  require<ArgumentError>(folder != nullptr,
                         "MODELs, --run or the environment's DECONV_TEST_DATA wanted; see --help");
  const std::filesystem::path root(folder);
  Setting setting;
  for (int thousands = 10; thousands <= 70; thousands += 10)
    setting.states.push_back(
        {root / "models/caffe" / message("cifar10_full_iter_", thousands, "000.caffemodel"),
         message(thousands, "000")});
  setting.reading.prototxt = root / "models/caffe/cifar10_full.prototxt";
  setting.data = "cifar:" + (root / "cifar10/test_2000.bin.gz").string();
  setting.preprocess.emplace();
  setting.preprocess->mean_image = std::make_shared<const Tensor<float, Cpu>>(
      io::read_npy<float>(root / "cifar10/train_mean_chw_rgb.npy"));
  return setting;
}

Setting setting_of(const example::Arguments& arguments) {
  Setting setting;
  if (arguments.others().empty() && arguments.text("run").empty()) setting = published_run();
  for (const std::string& file : arguments.others())
    setting.states.push_back({file, std::filesystem::path(file).stem().string()});
  if (!arguments.text("run").empty())
    for (const auto& kept : train::kept_epochs(arguments.text("run")))
      setting.states.push_back({kept.path, message(kept.epoch)});
  if (!arguments.text("data").empty()) setting.data = arguments.text("data");
  if (!arguments.text("prototxt").empty()) setting.reading.prototxt = arguments.text("prototxt");
  if (!arguments.text("preprocess").empty())
    setting.preprocess = io::load_preprocess(arguments.text("preprocess"));
  require<ArgumentError>(!setting.states.empty(), "no state of the network; see --help");
  require<ArgumentError>(!setting.data.empty(), "--data wanted; see --help");
  return setting;
}

/// The layers asked for, or every rectified one with maps; of each so many maps, spread evenly.
std::vector<MapSelection> selections_of(const Topology& topology, const std::string& layers, Index maps) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < layers.size();) {
    const std::size_t stop = std::min(layers.find(',', at), layers.size());
    names.push_back(layers.substr(at, stop - at));
    at = stop + 1;
  }
  const auto shapes = infer_shapes(topology.graph());
  if (names.empty())
    for (const Node& node : topology.graph().nodes)
      if (std::holds_alternative<node::Relu>(node.params) && shapes.at(node.outputs[0]).rank() == 4)
        names.push_back(node.outputs[0]);
  std::vector<MapSelection> selections;
  for (const std::string& name : names) {
    const Index all = shapes.at(topology.name(topology.find(name)))[1];
    MapSelection selection{name, {}};
    for (Index i = 0; i < std::min(maps, all); ++i) selection.maps.push_back(i * all / std::min(maps, all));
    selections.push_back(std::move(selection));
  }
  require<ArgumentError>(!selections.empty(), "the network has no rectified layer with maps: --layer wanted");
  return selections;
}

/// The montages of the layers, one below the other under their names.
io::Image stacked(const Evolution<float>& evolution, io::ChannelOrder order) {
  std::vector<io::Image> parts;
  Index width = 0, height = 0;
  std::span<const EvolutionRow<float>> rest(evolution.rows());
  for (const MapSelection& selection : evolution.selections()) {
    parts.push_back(
        viz::evolution_montage(rest.first(selection.maps.size()), evolution.labels(), order, {.tile = 64}));
    rest = rest.subspan(selection.maps.size());
    width = std::max(width, parts.back().width());
    height += parts.back().height() + 18;
  }
  io::Image whole = viz::filled(width, height, viz::white);
  Index top = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    viz::draw_text(whole, evolution.selections()[i].layer, 4, top + 8);
    viz::paste(whole, parts[i], 0, top + 18);
    top += parts[i].height() + 18;
  }
  return whole;
}

int run(int argc, char** argv) {
  const example::Arguments arguments(argc, argv, usage,
                                     {{"run", ""},
                                      {"data", ""},
                                      {"layer", ""},
                                      {"maps", "6"},
                                      {"preprocess", ""},
                                      {"prototxt", ""},
                                      {"output", "fig4.png"}});
  const Setting setting = setting_of(arguments);
  const auto pictures = io::open_dataset(setting.data);
  std::optional<Evolution<float>> evolution;
  io::ChannelOrder order = io::ChannelOrder::rgb;

  // One state after another is in memory; all of them see the same pictures.
  for (const State& state : setting.states) {
    io::ModelFile file = io::read_model(state.file, setting.reading);
    const std::optional<io::Preprocess> how = setting.preprocess ? setting.preprocess : file.preprocess;
    require<ArgumentError>(how.has_value(), state.file.string(),
                           ": does not say how a picture becomes an input: --preprocess wanted");
    const io::Preprocess preprocess = *how;
    order = preprocess.order;
    const Network<float, Cpu> network(std::move(file.model));
    if (!evolution)
      evolution.emplace(
          selections_of(network.topology(), arguments.text("layer"), arguments.whole("maps", 1)));

    io::BatchLoader loader(*pictures, preprocess, {.batch = 16});
    std::optional<io::Batch> batch;
    ImageBatch<float> current;
    ImageStream<float> stream;
    stream.next = [&]() -> const ImageBatch<float>* {
      batch = loader.next();
      if (!batch) return nullptr;
      current.images = batch->images.view();
      current.numbers.assign(batch->indices.begin(), batch->indices.end());
      return &current;
    };
    stream.again = [&](std::int64_t number) {
      Tensor<float, Cpu> input = preprocess.apply(pictures->read(number));
      const Shape shape = input.shape();
      return std::move(input).reshaped({1, shape[0], shape[1], shape[2]});
    };
    evolution->add<Cpu>(state.label, network, Context<Cpu>(), stream);
    std::cout << state.file.string() << ": " << pictures->size() << " pictures\n";
  }

  // The paper: sudden jumps come from a change of the image that excites a map most.
  for (const auto& row : evolution->rows())
    std::cout << row.layer << " map " << row.map << ": strongest activation "
              << row.cells.front().hit.activation << " at first, " << row.cells.back().hit.activation
              << " at last; its image changed " << row.image_changes() << " times\n";
  io::write_png(arguments.text("output"), stacked(*evolution, order));
  std::cout << arguments.text("output") << ": " << evolution->rows().size() << " maps, "
            << evolution->labels().size() << " states\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return run(argc, argv); } catch (const std::exception& problem) {
  std::cerr << "fig4_evolution: " << problem.what() << "\n";
  return 1;
}
