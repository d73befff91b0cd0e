// Zeiler and Fergus 2013, Fig. 2: for some feature maps of a trained network, the nine photographs that
// excite each most, and what each of those units responds to, projected down to pixels.
//
//   fig2_features squeezenet1.1.onnx photographs/ fire5/concat fig2.png
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "deconv/analysis/features.hpp"
#include "deconv/io/loader.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/viz/features.hpp"

int main(int argc, char** argv) try {
  using namespace deconv;
  if (argc != 5) {
    std::cerr << "usage: fig2_features MODEL IMAGES LAYER OUTPUT.png\n";
    return 2;
  }
  const std::string layer = argv[3];

  // A network from a file; running it never changes it.
  io::ModelFile file = io::read_model(argv[1]);
  const Shape wanted = file.model.graph.inputs.at(0).shape;
  const Network<float, Cpu> network(std::move(file.model));

  // How a photograph becomes its input: what the file says, else what most networks for ImageNet want.
  io::Preprocess preprocess = file.preprocess.value_or(*io::built_in_preprocess("imagenet-torch"));
  preprocess = preprocess.for_input(wanted[2], wanted[3]);

  // Photographs, decoded by other threads while the network computes: a folder, or a list of files.
  const auto photographs = io::open_dataset(argv[2]);
  io::BatchLoader loader(*photographs, preprocess, {.batch = 16, .skip_broken = true});
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
  // Memory stays bounded: what was not kept of an image on its first way through is computed once more.
  stream.again = [&](std::int64_t number) {
    return preprocess.apply(photographs->read(number)).reshaped({1, wanted[1], wanted[2], wanted[3]});
  };

  // Every feature map comes with its nine strongest units, one an image, and their projections.
  std::vector<viz::FeatureBlock> blocks;
  const auto draw = [&](const Feature<float>& feature) {
    const auto projections = viz::projection_pictures(feature.projections, preprocess.order);
    viz::FeatureBlock block{message("map ", feature.map), {}};
    for (std::size_t i = 0; i < feature.hits.size(); ++i) {
      // The patch beside a projection is the unit's receptive field in the photograph.
      const io::Image seen = preprocess.view(photographs->read(feature.hits[i].image));
      block.tiles.push_back({projections[i], viz::patch_under(seen, feature.projections[i].box)});
    }
    blocks.push_back(std::move(block));
  };
  features<float>(network, Context<Cpu>(), {{layer, {0, 1, 2, 3, 4, 5, 6, 7}}}, stream, draw);

  io::write_png(argv[4], viz::feature_montage(blocks));
  std::cout << argv[4] << ": eight maps of " << layer << ", projections left, photographs right\n";
  return 0;
} catch (const std::exception& problem) {
  std::cerr << "fig2_features: " << problem.what() << "\n";
  return 1;
}
