// Zeiler and Fergus 2013, Fig. 6 (a) and (c): the first layer's filters of a network trained without and with
// renormalisation of filters whose RMS exceeds 0.1. Without it a few filters dominate. With --pictures also
// (d) and (e): how much of what the second layer's units show is finer than the grid on which they see it.
//
//   fig6_first_layer --data idx:/usr/share/datasets/fashion-mnist:train --output fig6.png
//   fig6_first_layer --pictures tiny_imagenet_10/val --output fig6.png alexnet.safetensors zfnet.safetensors
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "deconv/analysis/aliasing.hpp"
#include "deconv/analysis/filters.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/viz/filter_pictures.hpp"
#include "training.hpp"

namespace {

using namespace deconv;

constexpr const char* usage =
    R"(usage: fig6_first_layer [options] [MODEL...]

Draws the first layer's filters of networks and says how far their strengths lie apart: of the model files,
or of a network that is trained twice from the same start, without and with the renormalisation of filters.
Inputs are pixels of 0..255 minus the mean, as in the paper.

  --data DATA        pictures to train on (default idx:/usr/share/datasets/fashion-mnist:train)
  --net NAME         (default zfnet-small)
  --steps N          of 128 pictures each (default 900)
  --rate R           learning rate (default 0.003)
  --rms R            largest RMS of a filter (default 0.1)
  --colour rgb|grey  (default grey)
  --size N           pixels a side (default 28)
  --seed N           (default 1)
  --pictures DATA    with model files: pictures whose projections from the second layer are measured
  --images N         of them, evenly spread (default 40)
  --output FILE.png  (default fig6.png)
)";

/// A first layer, to be looked at.
struct FirstLayer {
  std::string title;
  Tensor<float, Cpu> filters;
  io::ChannelOrder order = io::ChannelOrder::rgb;
};

FirstLayer from_file(const std::string& path) {
  io::ModelFile file = io::read_model(path);
  const std::string layer = first_convolution(Topology(file.model.graph));
  const auto order = file.preprocess ? file.preprocess->order : io::ChannelOrder::rgb;
  return {path, std::move(file.model.weights.at(layer + ".weight")), order};
}

FirstLayer trained(const example::Arguments& arguments, const io::Dataset& set, bool renormalised) {
  train::Recipe recipe;
  recipe.net = arguments.text("net");
  recipe.initialisation = Initialisation::he;
  recipe.seed = static_cast<std::uint64_t>(arguments.whole("seed", 0));
  recipe.steps = arguments.whole("steps", 1);
  recipe.schedule.rate = arguments.number("rate");
  recipe.filter_rms = renormalised ? arguments.number("rms") : 0;
  recipe.preprocess.resize = io::ResizeRule::exact;
  recipe.preprocess.size = {arguments.whole("size", 1), arguments.whole("size", 1)};
  recipe.preprocess.order =
      arguments.text("colour") == "grey" ? io::ChannelOrder::grey : io::ChannelOrder::rgb;
  recipe.mean = train::Statistic::per_pixel;
  const std::string title = renormalised ? "renormalised" : "not renormalised";
  std::string layer;
  // The first layer starts as the paper's, from N(0, 0.01): its inputs are large. The others, narrower than
  // the paper's, would hardly begin to learn from there.
  example::Trained result = example::train(recipe, set, title, [&](Model& model) {
    layer = first_convolution(Topology(model.graph));
    Tensor<float, Cpu>& weight = model.weights.at(layer + ".weight");
    fill_normal(weight.view(), Random(recipe.seed, 6), 0.0f, 0.01f);
  });
  return {title, result.network->parameters().at(layer + ".weight")->clone(), result.preprocess.order};
}

/// Strengths in a line: what the paper says in words.
void describe(const FirstLayer& layer) {
  const FilterReport report = analyse_filters(Context<Cpu>(), layer.filters.view());
  std::vector<double> rms;
  double low = 0, middle = 0, high = 0;
  for (const FilterStatistics& filter : report.filters) {
    rms.push_back(filter.rms);
    low += filter.low, middle += filter.middle, high += filter.high;
  }
  const auto [weakest, strongest] = std::minmax_element(rms.begin(), rms.end());
  const auto count = static_cast<double>(rms.size());
  std::cout << std::setprecision(3) << layer.title << ": " << rms.size() << " filters, RMS " << *weakest
            << " to " << *strongest << ", median " << report.median_rms << "; " << report.dead.size()
            << " dead, " << report.dominating.size()
            << " dominating; energy at low, middle and high frequencies " << low / count << ", "
            << middle / count << ", " << high / count << "\n";
}

/// What Fig. 6 (d) and (e) show, in a line.
void describe_projections(const std::string& path, const example::Arguments& arguments) {
  io::ModelFile file = io::read_model(path);
  require<ArgumentError>(file.preprocess.has_value(), path, ": a model with its preprocessing wanted");
  const Network<float, Cpu> network(std::move(file.model));
  const auto set = io::open_dataset(arguments.text("pictures"));
  const Context<Cpu> context;
  AliasingOptions options;
  options.maps = 16;
  AliasingMeasure<float, Cpu> measure(network, options);
  const Index count = std::min(arguments.whole("images", 1), set->size());
  for (Index i = 0; i < count; ++i) {
    const auto input = file.preprocess->apply(set->read(i * set->size() / count));
    const Shape& shape = input.shape();
    measure.add(context, input.view().reshaped({1, shape[0], shape[1], shape[2]}));
  }
  const AliasingReport report = measure.report();
  std::cout << std::setprecision(3) << path << ": " << report.layer << " reads every " << report.jump
            << " pixels; of " << report.projections << " projections' energy " << report.above
            << " lies above " << report.limit << " cycles a pixel; at low, middle and high frequencies "
            << report.low << ", " << report.middle << ", " << report.high << "\n";
}

/// The filters in one range of values, so that strengths can be compared, above the same each in its own.
io::Image picture_of(const FirstLayer& layer) {
  std::vector<io::Image> parts;
  for (const auto scope : {viz::StretchScope::common, viz::StretchScope::each}) {
    const auto pictures = viz::filter_pictures(layer.filters.view(), layer.order, scope);
    parts.push_back(viz::montage(pictures, {.columns = 8, .cell_width = 30, .cell_height = 30}));
  }
  const std::vector<std::string> captions{layer.title + ": strength", layer.title + ": form"};
  return viz::montage(parts, {.columns = 1, .gap = 6}, captions);
}

int run(int argc, char** argv) {
  const example::Arguments arguments(argc, argv, usage,
                                     {{"data", "idx:/usr/share/datasets/fashion-mnist:train"},
                                      {"net", "zfnet-small"},
                                      {"steps", "900"},
                                      {"rate", "0.003"},
                                      {"rms", "0.1"},
                                      {"colour", "grey"},
                                      {"size", "28"},
                                      {"seed", "1"},
                                      {"pictures", ""},
                                      {"images", "40"},
                                      {"output", "fig6.png"}});
  const auto& files = arguments.others();
  require<ArgumentError>(arguments.text("pictures").empty() || !files.empty(),
                         "--pictures: model files wanted; see --help");
  std::vector<FirstLayer> layers;
  if (files.empty()) {
    const auto set = io::open_dataset(arguments.text("data"));
    for (const bool renormalised : {false, true}) layers.push_back(trained(arguments, *set, renormalised));
  } else {
    for (const std::string& file : files) layers.push_back(from_file(file));
  }
  for (const FirstLayer& layer : layers) describe(layer);
  if (!arguments.text("pictures").empty())
    for (const std::string& file : files) describe_projections(file, arguments);
  std::vector<io::Image> pictures;
  for (const FirstLayer& layer : layers) pictures.push_back(picture_of(layer));
  io::write_png(arguments.text("output"), viz::montage(pictures, {.columns = 2, .gap = 4}));
  std::cout << arguments.text("output") << ":";
  for (const FirstLayer& layer : layers)
    std::cout << ' ' << layer.title << (&layer == &layers.back() ? "\n" : ",");
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return run(argc, argv); } catch (const std::exception& problem) {
  std::cerr << "fig6_first_layer: " << problem.what() << "\n";
  return 1;
}
