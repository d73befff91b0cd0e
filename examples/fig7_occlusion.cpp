// Zeiler and Fergus 2013, Fig. 7: a grey patch wanders over a picture; where it hides what the network looks
// for, a map's activation and the class's probability fall.
//
//   fig7_occlusion --model squeezenet1.1.onnx --labels labels.txt --output fig7.png cat.png
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "deconv/analysis/occlusion.hpp"
#include "deconv/analysis/projection.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/viz/features.hpp"
#include "deconv/viz/occlusion.hpp"

namespace {

using namespace deconv;

constexpr const char* usage =
    R"(usage: fig7_occlusion --model FILE [options] PICTURE

Draws for every position of a patch: how strongly the layer's strongest map is excited, its projection, the
probability of the picture's class, and the most probable class.

  --model FILE       .onnx, .safetensors or .caffemodel
  --preprocess NAME  how a picture becomes the input (default: what the model file says, or imagenet-torch)
  --labels FILE      names of classes, one a line
  --layer NAME       (default: the last layer with planes)
  --size N           of the patch, in pixels (default 48)
  --stride N         (default 8)
  --output FILE.png  (default fig7.png)
)";

std::vector<std::string> names_of(const std::string& path) {
  std::vector<std::string> names;
  if (path.empty()) return names;
  const std::string text = io::read_text(path);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    // ImageNet's lists begin with the synset: "n02123045 tabby, tabby cat".
    const bool synset = line.size() > 10 && line[0] == 'n' && line.find(' ') == 9;
    names.push_back(synset ? line.substr(10) : line);
    at = end + 1;
  }
  return names;
}

}  // namespace

int main(int argc, char** argv) try {
  const example::Arguments arguments(argc, argv, usage,
                                     {{"model", ""},
                                      {"preprocess", ""},
                                      {"labels", ""},
                                      {"layer", ""},
                                      {"size", "48"},
                                      {"stride", "8"},
                                      {"output", "fig7.png"}});
  require<ArgumentError>(!arguments.text("model").empty() && arguments.others().size() == 1,
                         "--model FILE and one picture wanted; see --help");
  io::ModelFile file = io::read_model(arguments.text("model"));
  const Shape input = file.model.graph.inputs.front().shape;
  const std::string how = arguments.text("preprocess");
  auto preprocess = how.empty() && file.preprocess
                        ? *file.preprocess
                        : *io::built_in_preprocess(how.empty() ? "imagenet-torch" : how);
  preprocess = preprocess.for_input(input[2], input[3]);
  const std::vector<std::string> names = names_of(arguments.text("labels"));
  const Context<Cpu> context;
  const Network<float, Cpu> network(std::move(file.model));

  const io::Image seen = preprocess.view(io::read_image(arguments.others().front()));
  Tensor<float, Cpu> image({1, preprocess.channels(), seen.height(), seen.width()});
  preprocess.normalise(seen, {image.data(), Shape{image[1], image[2], image[3]}});

  OcclusionOptions options;
  options.height = options.width = arguments.whole("size", 1);
  options.stride_y = options.stride_x = arguments.whole("stride", 1);
  options.layer = arguments.text("layer");
  const Occlusion<float> occlusion = occlude<float, Cpu>(network, context, image.view(), options);

  // The strongest unit of the map, down to pixels (Fig. 7 c).
  const std::string& layer = occlusion.layer;
  ForwardOptions forward{false, {layer}, ReverseOptions::deconvnet(), layer};
  const auto trace = network.forward(context, image.view(), forward);
  auto projections =
      project<float, Cpu>(network, context, trace, layer, strongest_units(trace, layer, 0, occlusion.maps));
  Projection<float> whole;
  whole.pixels = projections.front().in_plane(seen.height(), seen.width());
  const auto projection =
      viz::projection_pictures(std::span(&whole, 1), preprocess.order, viz::StretchScope::each, 99).front();

  viz::OcclusionFigureOptions drawing;
  drawing.name = [&](Index k) {
    const auto n = static_cast<std::size_t>(k);
    return n < names.size() ? names[n].substr(0, names[n].find(',')) : "class " + std::to_string(k);
  };
  io::write_png(arguments.text("output"),
                viz::occlusion_figure(viz::occlusion_pictures(seen, occlusion, drawing), projection));
  const Index least = viz::least_place(occlusion.probability, 0);
  std::cout << drawing.name(occlusion.classes[0]) << ": probability " << occlusion.whole_probability[0]
            << ", with the patch at row " << least / occlusion.grid.columns * occlusion.grid.step_y
            << ", column " << least % occlusion.grid.columns * occlusion.grid.step_x << " only "
            << occlusion.probability.data()[least] << "\n";
  return 0;
} catch (const std::exception& problem) {
  std::cerr << "fig7_occlusion: " << problem.what() << "\n";
  return 1;
}
