// Zeiler and Fergus 2013, Fig. 1: one photograph's way up to one unit, and the unit's way back down to
// pixels, stage by stage, with the pooling switches between them.
//
//   fig1_deconvnet squeezenet1.1.onnx chelsea.png pool3 12 fig1.png
#include <cstdlib>
#include <iostream>
#include <string>

#include "deconv/analysis/stages.hpp"
#include "deconv/io/image.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/viz/stages.hpp"

int main(int argc, char** argv) try {
  using namespace deconv;
  if (argc != 6) {
    std::cerr << "usage: fig1_deconvnet MODEL PHOTOGRAPH LAYER MAP OUTPUT.png\n";
    return 2;
  }
  io::ModelFile file = io::read_model(argv[1]);
  const Shape wanted = file.model.graph.inputs.at(0).shape;
  const Network<float, Cpu> network(std::move(file.model));
  const io::Preprocess preprocess =
      file.preprocess.value_or(*io::built_in_preprocess("imagenet-torch")).for_input(wanted[2], wanted[3]);
  const auto image = preprocess.apply(io::read_image(argv[2])).reshaped({1, wanted[1], wanted[2], wanted[3]});

  // The unit: the map's strongest position in this photograph.
  const Context<Cpu> context;
  const std::string layer = argv[3];
  const Index map = std::atoll(argv[4]);
  const auto trace = network.forward(context, image, ForwardOptions::only({layer}));
  const Unit unit = strongest_units<float>(trace, layer, 0, std::span(&map, 1)).front();

  const Stages<float> all = projection_stages<float>(network, context, image.view(), layer, unit);
  viz::StagesPictureOptions how;
  how.order = preprocess.order;
  how.tile = 56;
  io::write_png(argv[5], viz::stages_picture(all, how));

  std::cout << layer << " map " << map << " at " << unit.y << "," << unit.x << ": " << all.stages.size()
            << " stages, activation " << all.projection.activation << "\n";
  for (const RoundTrip& trip : all.round_trips)
    std::cout << "  " << trip.tensor << ": pooled values differ from those at their switches by "
              << trip.picked << "; unpooling returned the signal at " << trip.pointed << " places to within "
              << trip.unpooled << ", elsewhere at most " << trip.elsewhere << "\n";
  std::cout << "  the last stage differs from project() by " << all.projection_error << "\n";
  return 0;
} catch (const std::exception& problem) {
  std::cerr << "fig1_deconvnet: " << problem.what() << "\n";
  return 1;
}
