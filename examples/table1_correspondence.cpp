// Zeiler and Fergus 2013, Table 1: the same part of several faces is masked, and the signs of the features'
// changes are compared between the faces.
//
//   table1_correspondence squeezenet1.1.onnx faces/dogs/landmarks.csv fire5/concat fire9/concat
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "deconv/analysis/correspondence.hpp"
#include "deconv/io/landmarks.hpp"
#include "deconv/io/read_model.hpp"

int main(int argc, char** argv) try {
  using namespace deconv;
  if (argc < 4) {
    std::cerr << "usage: table1_correspondence MODEL LANDMARKS.csv LAYER...\n";
    return 2;
  }
  io::ModelFile file = io::read_model(argv[1]);
  const Shape wanted = file.model.graph.inputs.at(0).shape;
  const Network<float, Cpu> network(std::move(file.model));
  const io::Preprocess preprocess =
      file.preprocess.value_or(*io::built_in_preprocess("imagenet-torch")).for_input(wanted[2], wanted[3]);

  // Landmarks are in pixels of the photographs; they go the photographs' way through resize and crop.
  constexpr Index size = 48;
  const io::Landmarks table = io::read_landmarks(argv[2]);
  std::vector<MaskedPart> parts;
  for (const std::string& name : table.names) parts.push_back({name, {}});
  std::vector<float> planes;
  Index images = 0;
  for (const io::LandmarkedPicture& one : table.pictures) {
    const io::Image picture = io::read_image(one.file);
    std::vector<PlaneBox> boxes;
    for (const io::PicturePoint& point : one.points) {
      const auto at = io::point_in_input(preprocess, picture.width(), picture.height(), point);
      if (at.x >= 0 && at.y >= 0 && at.x < static_cast<double>(wanted[3]) &&
          at.y < static_cast<double>(wanted[2]))
        boxes.push_back(square_about(at.y, at.x, size));
    }
    if (boxes.size() < one.points.size()) {
      std::cout << one.file.filename().string() << " is left out: a landmark lies outside of the crop\n";
      continue;
    }
    for (std::size_t p = 0; p < parts.size(); ++p) parts[p].boxes.push_back(boxes[p]);
    const auto input = preprocess.apply(picture);
    planes.insert(planes.end(), input.begin(), input.end());
    ++images;
  }

  CorrespondenceOptions options;
  options.layers.assign(argv + 3, argv + argc);
  options.random_size = size;
  const TensorView<const float, Cpu> batch(planes.data(), {images, wanted[1], wanted[2], wanted[3]});
  const Correspondence result = correspondence<float>(network, Context<Cpu>(), batch, parts, options);

  std::cout << images << " faces, share of signs that differ\n" << std::fixed << std::setprecision(3);
  const auto print = [&](const PartCorrespondence& row) {
    std::cout << std::left << std::setw(12) << row.name;
    for (const CorrespondenceScore& score : row.layers)
      std::cout << "  " << score.mean << " +- " << score.deviation;
    std::cout << "\n";
  };
  for (const PartCorrespondence& row : result.parts) print(row);
  print(*result.random);
  std::cout << "the paper, layers 5 and 7: right eye 0.067, 0.069; left eye 0.069, 0.068; nose 0.079, 0.069; "
               "random 0.107, 0.073\n";
  return 0;
} catch (const std::exception& problem) {
  std::cerr << "table1_correspondence: " << problem.what() << "\n";
  return 1;
}
