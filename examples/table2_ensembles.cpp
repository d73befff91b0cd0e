// Zeiler and Fergus 2013, Table 2: several networks that differ in their random start alone, and the mean of
// their probabilities, which errs less than each.
//
//   table2_ensembles --nets 5 --epochs 3
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "deconv/io/open_dataset.hpp"
#include "training.hpp"

namespace {

using namespace deconv;

constexpr const char* usage =
    R"(usage: table2_ensembles [options]

Trains networks from different seeds by one recipe, and prints the validation errors of each and of the mean of
their probabilities.

  --recipe FILE.json  (default: lenet32, rate 0.01, momentum 0.9, batch 128, pixels less their mean, by their
                      deviation)
  --data DATA         to train on (default idx:/usr/share/datasets/fashion-mnist:train)
  --val DATA          to judge by (default idx:/usr/share/datasets/fashion-mnist:test)
  --nets N            (default 3)
  --epochs N          of each (default 2)
  --crops 1|10        crops of a picture whose probabilities are averaged (default 1)
)";

/// What recipes/lenet32-fashion-mnist.json says, so that the example needs no file.
train::Recipe small_recipe() {
  train::Recipe recipe;
  recipe.net = "lenet32";
  recipe.initialisation = Initialisation::torch;
  recipe.filter_rms = 0;
  recipe.preprocess.resize = io::ResizeRule::exact;
  recipe.preprocess.size = {28, 28};
  recipe.preprocess.order = io::ChannelOrder::grey;
  recipe.preprocess.scale = 1.0 / 255;
  recipe.mean = recipe.deviation = train::Statistic::per_channel;
  return recipe;
}

void print_row(const std::string& name, const train::Evaluation& errors) {
  std::cout << std::left << std::setw(24) << name << std::right << std::fixed << std::setprecision(2)
            << std::setw(10) << errors.top1_error() * 100 << std::setw(10) << errors.top5_error() * 100
            << std::setprecision(4) << std::setw(10) << errors.mean_loss() << "\n";
}

int run(int argc, char** argv) {
  const example::Arguments arguments(argc, argv, usage,
                                     {{"recipe", ""},
                                      {"data", "idx:/usr/share/datasets/fashion-mnist:train"},
                                      {"val", "idx:/usr/share/datasets/fashion-mnist:test"},
                                      {"nets", "3"},
                                      {"epochs", "2"},
                                      {"crops", "1"}});
  train::Recipe recipe =
      arguments.text("recipe").empty() ? small_recipe() : train::read_recipe(arguments.text("recipe"));
  recipe.epochs = arguments.whole("epochs", 1);
  recipe.steps.reset();
  const auto set = io::open_dataset(arguments.text("data")),
             validation = io::open_dataset(arguments.text("val"));

  const Context<Cpu> context;
  std::vector<example::Trained> networks;
  std::vector<train::Scorer> scorers;
  const Index count = arguments.whole("nets", 1);
  for (Index n = 0; n < count; ++n) {
    recipe.seed = static_cast<std::uint64_t>(n + 1);
    networks.push_back(example::train(recipe, *set, message("network ", n + 1)));
    require<Error>(networks.back().diverged.empty(), "network ", n + 1, " diverged");
    scorers.push_back(train::scorer_of(*networks.back().network, context, networks.back().preprocess));
  }

  train::EvaluateOptions how;
  how.crops = arguments.whole("crops", 1);
  how.batch = 64;
  const train::EnsembleEvaluation met = train::evaluate_ensemble(*validation, scorers, how);
  std::cout << std::left << std::setw(24) << "\nerror % (validation)" << std::right << std::setw(11)
            << "top-1" << std::setw(10) << "top-5" << std::setw(10) << "loss"
            << "\n";
  for (std::size_t n = 0; n < met.each.size(); ++n) print_row(message("network ", n + 1), met.each[n]);
  print_row(message("mean of ", count, " networks"), met.together);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return run(argc, argv); } catch (const std::exception& problem) {
  std::cerr << "table2_ensembles: " << problem.what() << "\n";
  return 1;
}
