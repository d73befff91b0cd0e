// Zeiler and Fergus 2013, Tables 4, 5 and 7: linear classifiers on the features of frozen layers, k pictures
// a class, beside the same pictures teaching a network that knows nothing.
//
//   table7_layers --model squeezenet1.1.onnx --data tiny_imagenet_10/train --size 64
#include <iomanip>
#include <iostream>
#include <set>
#include <sstream>
#include <string>

#include "arguments.hpp"
#include "deconv/analysis/transfer_scratch.hpp"
#include "deconv/dist/local.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/io/read_model.hpp"

namespace {

using namespace deconv;

constexpr const char* usage =
    R"(usage: table7_layers --model FILE --data DATA [options]

Accuracy of linear classifiers on frozen layers, mean and deviation over trials; at most 50 test pictures a class.

  --model FILE         a trained network
  --data DATA          pictures of one class each
  --test-data DATA     to judge by (default: what --data has left)
  --layers a,b         (default relu1,fire3/concat,fire5/concat,fire7/concat,fire9/concat)
  --size N             pixels a side of the network's input (default 64)
  --per-class N        pictures of each class to train on (default 30)
  --folds N            (default 5)
  --classifier softmax|svm  (default softmax)
  --c C                weight of the errors (default 1)
  --scratch-epochs N   passes of zfnet-64 over the same pictures, from its start; 0: not (default 60)
)";

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

void print_row(const std::string& name, const TransferScore& score) {
  std::cout << std::left << std::setw(28) << name << std::right << std::fixed << std::setprecision(1)
            << std::setw(8) << score.mean() * 100 << " +- " << score.deviation() * 100 << std::endl;
}

/// zfnet-64 as it learns from few pictures: flips and shifts, rates that fall.
train::Recipe scratch_recipe(Index classes, Index epochs) {
  train::Recipe recipe;
  recipe.net = "zfnet-64";
  recipe.classes = classes;
  recipe.initialisation = Initialisation::he;
  recipe.batch = 32;
  recipe.epochs = epochs;
  recipe.weight_decay = 5e-4;
  recipe.filter_rms = 0;
  recipe.schedule.kind = train::ScheduleKind::step;
  recipe.schedule.at = {epochs * 2 / 3, epochs * 7 / 8};
  recipe.schedule.factor = 0.2;
  recipe.augmentation.crops = train::Crops::random;
  recipe.augmentation.flip = true;
  recipe.augmentation.padding = 8;
  recipe.preprocess = io::built_in_preprocess("unit")->resized_to(64, 64);
  recipe.preprocess.frame = recipe.preprocess.crop = io::Extent{64, 64};
  recipe.mean = recipe.deviation = train::Statistic::per_channel;
  return recipe;
}

int run(int argc, char** argv) {
  const example::Arguments arguments(argc, argv, usage,
                                     {{"model", ""},
                                      {"data", ""},
                                      {"test-data", ""},
                                      {"layers", "relu1,fire3/concat,fire5/concat,fire7/concat,fire9/concat"},
                                      {"size", "64"},
                                      {"per-class", "30"},
                                      {"folds", "5"},
                                      {"classifier", "softmax"},
                                      {"c", "1"},
                                      {"scratch-epochs", "60"}});
  require<ArgumentError>(!arguments.text("model").empty() && !arguments.text("data").empty(),
                         "--model and --data wanted; see --help");
  const auto set = io::open_dataset(arguments.text("data"));
  const auto tests =
      arguments.text("test-data").empty() ? nullptr : io::open_dataset(arguments.text("test-data"));
  io::ModelFile file = io::read_model(arguments.text("model"));
  const Index side = arguments.whole("size", 1);
  const io::Preprocess preprocess =
      file.preprocess.value_or(*io::built_in_preprocess("imagenet-torch")).resized_to(side, side);
  const Network<float, Cpu> network(std::move(file.model));
  const auto folds = transfer_folds(*set, tests.get(),
                                    {arguments.whole("per-class", 1), 50, arguments.whole("folds", 1), 1});
  const auto classes = static_cast<Index>(detail::pictures_by_class(*set).size());
  std::set<Index> of_set, of_tests;
  for (const TransferFold& fold : folds) {
    of_set.insert(fold.train.begin(), fold.train.end());
    (tests ? of_tests : of_set).insert(fold.test.begin(), fold.test.end());
  }
  const Context<Cpu> context;
  const LinearOptions linear{
      arguments.text("classifier") == "svm" ? LinearLoss::squared_hinge : LinearLoss::softmax,
      arguments.number("c")};
  std::cout << std::left << std::setw(28) << "layer"
            << "accuracy %, " << arguments.text("classifier") << ", " << arguments.text("per-class")
            << " a class" << std::endl;
  // One layer after another, so that no more than one layer's features are held.
  for (const std::string& layer : parts_of(arguments.text("layers"))) {
    const auto rows =
        frozen_features(network, context, preprocess, *set, {of_set.begin(), of_set.end()}, {layer});
    const FeatureTable table(rows, *set);
    if (!tests) {
      print_row(layer, transfer_accuracy(table, table, 0, folds, classes, linear));
      continue;
    }
    const auto judged =
        frozen_features(network, context, preprocess, *tests, {of_tests.begin(), of_tests.end()}, {layer});
    print_row(layer, transfer_accuracy(table, FeatureTable(judged, *tests), 0, folds, classes, linear));
  }
  if (const Index epochs = arguments.whole("scratch-epochs", 0); epochs > 0) {
    TransferScore score;
    dist::LocalCommunicator<Cpu> alone;
    train::TrainerOptions how;
    how.log_steps = 0;
    for (std::size_t f = 0; f < folds.size(); ++f) {
      train::Recipe recipe = scratch_recipe(classes, epochs);
      recipe.seed = f + 1;
      score.folds.push_back(
          accuracy_from_scratch<float, Cpu>(context, alone, recipe, *set, tests.get(), folds[f], how));
    }
    print_row("zfnet-64 from scratch", score);
  }
  std::cout
      << "the paper, Caltech-101, 30 a class: SVM on layers 1, 2, 3, 4, 5, 7: 44.8, 66.2, 72.3, 76.6, 86.2, "
         "85.5; softmax on 5, 7: 82.9, 85.4; from scratch 46.5\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return run(argc, argv); } catch (const std::exception& problem) {
  std::cerr << "table7_layers: " << problem.what() << "\n";
  return 1;
}
