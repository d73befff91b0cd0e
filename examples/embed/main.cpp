// The smallest program that embeds deconv: what made one feature map of a network respond in a photograph, as
// a picture. For a network trained on ImageNet with PyTorch's preprocessing:
//
//   embed squeezenet1.1.onnx cat.jpg fire9/concat 2 projection.png
#include <exception>
#include <iostream>
#include <string>

#include "deconv/deconv.hpp"

int main(int count, char** arguments) {
  if (count != 6) {
    std::cerr << "usage: embed MODEL IMAGE LAYER MAP OUTPUT.png\n";
    return 2;
  }
  const std::string layer = arguments[3];
  try {
    using namespace deconv;
    const Network<float, Cpu> network(io::read_model(arguments[1]).model);
    const auto preprocess = io::built_in_preprocess("imagenet-torch").value();
    const auto pixels = preprocess.apply(io::read_image(arguments[2]));
    const Context<Cpu> context;
    const auto trace = network.forward(context, pixels.view().reshaped({1, 3, 224, 224}));
    const Index map = std::stoll(arguments[4]);
    const auto units = strongest_units(trace, layer, 0, {&map, 1});
    const auto projections = project(network, context, trace, layer, units);
    io::write_png(arguments[5], viz::stretched_about_zero(projections[0].pixels));
    std::cout << layer << " map " << map << " is strongest, " << projections[0].activation << ", at "
              << units[0].y << ',' << units[0].x << "; projected to " << arguments[5] << '\n';
  } catch (const std::exception& problem) {
    std::cerr << "embed: error: " << problem.what() << '\n';
    return 1;
  }
}
