// What a network's decision rests on, by every method at once, and which of them to believe: pixels are taken
// away (and put back) in each method's order, and the areas under the curves of the class's probability are
// compared.
//
//   attribution squeezenet1.1.onnx cat.png attribution.png curves.svg
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "deconv/analysis/attribution.hpp"
#include "deconv/analysis/deletion_insertion.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/viz/attribution.hpp"
#include "deconv/viz/montage.hpp"
#include "deconv/viz/plot.hpp"

int main(int argc, char** argv) try {
  using namespace deconv;
  if (argc != 5) {
    std::cerr << "usage: attribution MODEL IMAGE OUTPUT.png CURVES.svg\n";
    return 2;
  }
  io::ModelFile file = io::read_model(argv[1]);
  const Shape wanted = file.model.graph.inputs.at(0).shape;
  const Network<float, Cpu> network(std::move(file.model));
  const Context<Cpu> context;

  io::Preprocess preprocess = file.preprocess.value_or(*io::built_in_preprocess("imagenet-torch"));
  preprocess = preprocess.for_input(wanted[2], wanted[3]);
  const io::Image seen = preprocess.view(io::read_image(argv[2]));
  Tensor<float, Cpu> image({1, wanted[1], wanted[2], wanted[3]});
  preprocess.normalise(seen, {image.data(), {wanted[1], wanted[2], wanted[3]}});

  // Taken away means zero, which is about the mean colour; what pixels are put into is a blurred picture.
  PerturbationOptions deletion, insertion;
  insertion.blur = static_cast<double>(wanted[2]) / 20;

  std::vector<io::Image> pictures{seen};
  std::vector<std::string> captions{"input"};
  std::vector<viz::NamedCurves> curves;
  std::cout << "method                  deletion  insertion\n" << std::fixed << std::setprecision(4);
  for (const AttributionMethod method : attribution_methods) {
    // The class is the network's own first choice.
    const auto found = std::move(attribute<float>(network, context, image.view(), method).front());
    pictures.push_back(viz::attribution_picture(found.values, method, preprocess.order));
    captions.emplace_back(name_of(method));
    deletion.ranking = insertion.ranking = pixel_ranking_of(method);
    const Index its_class = found.unit.map;
    curves.push_back(
        {captions.back(),
         {deletion_curve<float>(network, context, image.view(), its_class, found.values, deletion)},
         {insertion_curve<float>(network, context, image.view(), its_class, found.values, insertion)}});
    std::cout << std::left << std::setw(24) << captions.back() << curves.back().deletion[0].area << "    "
              << curves.back().insertion[0].area;
    if (found.completeness_gap) std::cout << "  (completeness gap " << *found.completeness_gap << ")";
    std::cout << "\n";
  }
  viz::MontageOptions how;
  how.columns = 4;
  io::write_png(argv[3], viz::montage(pictures, how, captions));
  io::write_text(argv[4], viz::to_svg(viz::perturbation_plots(curves)));
  return 0;
} catch (const std::exception& problem) {
  std::cerr << "attribution: " << problem.what() << "\n";
  return 1;
}
