// Zeiler and Fergus 2013, Fig. 5: photographs are moved, scaled and rotated, and the features of the first
// and the last hidden layer are compared with those of the unchanged photographs.
//
//   fig5_invariance squeezenet1.1.onnx fig5.svg chelsea.png coffee.png rocket.jpg astronaut.png camera.png
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "deconv/analysis/invariance.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/image.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/viz/invariance.hpp"

int main(int argc, char** argv) try {
  using namespace deconv;
  const example::Arguments arguments(argc, argv,
                                     "usage: fig5_invariance [--border constant|replicate|reflect] MODEL "
                                     "OUTPUT.svg PHOTOGRAPH...\n",
                                     {{"border", "constant"}});
  if (arguments.others().size() < 3) {
    std::cerr << "fig5_invariance: MODEL OUTPUT.svg PHOTOGRAPH... wanted; see --help\n";
    return 2;
  }
  const auto& words = arguments.others();

  io::ModelFile file = io::read_model(words[0]);
  const Shape wanted = file.model.graph.inputs.at(0).shape;
  const Network<float, Cpu> network(std::move(file.model));
  const io::Preprocess preprocess =
      file.preprocess.value_or(*io::built_in_preprocess("imagenet-torch")).for_input(wanted[2], wanted[3]);

  // Layers, batch and filter by default: the first and the last hidden layer, 16 images, bilinear.
  InvarianceOptions options;
  if (arguments.text("border") == "replicate") options.resampling.border = BorderRule::replicate;
  if (arguments.text("border") == "reflect") options.resampling.border = BorderRule::reflect;
  const std::vector<Sweep> sweeps = paper_sweeps();

  const Context<Cpu> context;
  std::vector<Invariance> results;
  std::vector<std::string> names;
  for (std::size_t i = 2; i < words.size(); ++i) {
    // What is changed is the network's input, after preprocessing.
    const auto input =
        preprocess.apply(io::read_image(words[i])).reshaped({1, wanted[1], wanted[2], wanted[3]});
    results.push_back(invariance<float>(network, context, input.view(), sweeps, options));
    names.push_back(std::filesystem::path(words[i]).stem().string());

    const Invariance& one = results.back();
    std::cout << names.back() << ": class " << one.class_index << " with " << 100 * one.probability << " %\n";
    for (const InvarianceCurve& curve : one.curves) {
      double sums[2] = {0, 0}, probability = 0;
      const auto count = static_cast<double>(curve.probability.size());
      for (std::size_t k = 0; k < curve.probability.size(); ++k) {
        for (std::size_t l = 0; l < 2; ++l) sums[l] += curve.layers[l].relative[k] / count;
        probability += curve.probability[k] / count;
      }
      std::cout << "  " << name_of(curve.sweep.kind) << ": on average " << one.layers[0] << " moves by "
                << sums[0] << " of its norm, " << one.layers[1] << " by " << sums[1] << "; probability "
                << 100 * probability << " %\n";
    }
  }
  io::write_text(words[1], viz::invariance_plots(results, names));
  std::cout << words[1] << ": " << results.size() << " photographs\n";
  return 0;
} catch (const std::exception& problem) {
  std::cerr << "fig5_invariance: " << problem.what() << "\n";
  return 1;
}
