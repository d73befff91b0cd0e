// What classes look like to a trained network: for each an input that raises its score, made from noise by
// gradient ascent with a little decay, blur, jitter and total variation to keep it near to pictures.
//
//   maximise_classes squeezenet1.1.onnx 285,130,950,292 classes.png [--steps 128] [--seed 1] [--gif way.gif]
#include <iostream>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "deconv/analysis/activation_maximisation.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/viz/animation.hpp"
#include "deconv/viz/input_picture.hpp"
#include "deconv/viz/montage.hpp"

int main(int argc, char** argv) try {
  using namespace deconv;
  const std::string usage =
      "usage: maximise_classes MODEL CLASS[,CLASS...] OUTPUT.png [--steps 128] [--seed 1] [--gif WAY.gif]\n";
  const example::Arguments arguments(argc, argv, usage, {{"steps", "128"}, {"seed", "1"}, {"gif", ""}});
  if (arguments.others().size() != 3) {
    std::cerr << usage;
    return 2;
  }
  std::vector<Index> classes;
  const std::string& list = arguments.others()[1];
  for (std::size_t at = 0, length = 0; at < list.size(); at += length + 1)
    classes.push_back(std::stol(list.substr(at), &length));

  io::ModelFile file = io::read_model(arguments.others()[0]);
  const Shape wanted = file.model.graph.inputs.at(0).shape;
  const Network<float, Cpu> network(std::move(file.model));
  io::Preprocess preprocess = file.preprocess.value_or(*io::built_in_preprocess("imagenet-torch"));
  preprocess = preprocess.for_input(wanted[2], wanted[3]);

  // No value may leave what a pixel between black and white can become.
  MaximisationOptions options;
  options.steps = arguments.whole("steps", 1);
  options.seed = static_cast<std::uint64_t>(arguments.whole("seed", 0));
  const auto [dark, bright] = viz::input_range(preprocess, wanted[2], wanted[3]);
  options.lowest.assign(dark.begin(), dark.end());
  options.highest.assign(bright.begin(), bright.end());

  // The way there, every eighth step of the first class.
  std::vector<io::Image> way;
  const MaximisationWatcher<float> watch = [&](const MaximisationStep<float>& at) {
    if (at.first != 0 || at.step % 8 != 0 || arguments.text("gif").empty()) return;
    const TensorView<const float, Cpu> first(at.inputs.data(), {wanted[1], wanted[2], wanted[3]});
    way.push_back(viz::input_picture(first, preprocess));
  };
  const auto made = maximise_classes<float, Cpu>(network, Context<Cpu>(), classes, options, {}, watch);

  std::vector<io::Image> pictures;
  std::vector<std::string> captions;
  for (const auto& one : made) {
    pictures.push_back(viz::input_picture(one.input.view(), preprocess));
    captions.push_back(message("class ", one.map));
    std::cout << "class " << one.map << ": score " << one.objective.front() << " became "
              << one.objective.back() << "\n";
  }
  io::write_png(arguments.others()[2], viz::montage(pictures, {}, captions));
  if (!way.empty()) viz::write_gif(arguments.text("gif"), way, {.last_delay_ms = 2000});
  return 0;
} catch (const std::exception& problem) {
  std::cerr << "maximise_classes: " << problem.what() << "\n";
  return 1;
}
