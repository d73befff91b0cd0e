// Zeiler and Fergus 2013, Table 3: a network without some of its layers, or with wider ones, each trained
// alike.
//
//   table3_ablation --net zfnet-64 --data tiny_imagenet_10/train --val tiny_imagenet_10/val --epochs 24
#include <iomanip>
#include <iostream>
#include <string>

#include "arguments.hpp"
#include "deconv/analysis/ablation_run.hpp"
#include "deconv/dist/local.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/train/recipe_json.hpp"
#include "deconv/train/start.hpp"

namespace {

using namespace deconv;

constexpr const char* usage =
    R"(usage: table3_ablation [options]

Trains the nine changes of the paper's Table 3 by one recipe and prints their errors in percent.

  --net NAME          whose layers are conv1, ..., fc6, fc7, fc8 (default zfnet-small)
  --recipe FILE.json  (default: rate 0.01, momentum 0.9, batch 64, pixels less their mean, by their deviation)
  --data DATA         to train on (default idx:/usr/share/datasets/fashion-mnist:train)
  --val DATA          to judge by (default idx:/usr/share/datasets/fashion-mnist:test)
  --epochs N          of each (default 2)
)";

train::Recipe plain_recipe(const std::string& net) {
  const Shape input =
      models::model_by_name(net, {.classes = 10, .with_weights = false}).graph.inputs[0].shape;
  train::Recipe recipe;
  recipe.initialisation = Initialisation::he;
  recipe.batch = 64;
  recipe.filter_rms = 0;
  recipe.preprocess.resize = io::ResizeRule::exact;
  recipe.preprocess.size = {input[2], input[3]};
  recipe.preprocess.order = input[1] == 1 ? io::ChannelOrder::grey : io::ChannelOrder::rgb;
  recipe.preprocess.scale = 1.0 / 255;
  recipe.mean = recipe.deviation = train::Statistic::per_channel;
  return recipe;
}

int run(int argc, char** argv) {
  const example::Arguments arguments(argc, argv, usage,
                                     {{"net", "zfnet-small"},
                                      {"recipe", ""},
                                      {"data", "idx:/usr/share/datasets/fashion-mnist:train"},
                                      {"val", "idx:/usr/share/datasets/fashion-mnist:test"},
                                      {"epochs", "2"}});
  train::Recipe recipe = arguments.text("recipe").empty() ? plain_recipe(arguments.text("net"))
                                                          : train::read_recipe(arguments.text("recipe"));
  recipe.net = arguments.text("net");
  recipe.epochs = arguments.whole("epochs", 1);
  recipe.steps.reset();
  const auto set = io::open_dataset(arguments.text("data")),
             validation = io::open_dataset(arguments.text("val"));
  const Context<Cpu> context;
  dist::LocalCommunicator<Cpu> alone;
  const io::ModelFile start = train::starting_point(context, recipe, *set);
  AblationOptions options;
  options.trainer.log_steps = 0;
  options.train_images = 2000;
  std::cout << std::left << std::setw(24) << recipe.net << std::right << std::setw(12) << "parameters"
            << std::setw(8) << "train" << std::setw(8) << "val" << std::setw(8) << "top-5"
            << "   paper: val\n"
            << std::fixed << std::setprecision(1);
  for (const PaperAblation& line : table3()) {
    const AblationResult met = run_ablation<float, Cpu>(context, alone, start, line.ablation, recipe, *set,
                                                        validation.get(), options);
    const auto& paper = recipe.net.starts_with("alexnet") ? line.alexnet : line.zfnet;
    std::cout << std::left << std::setw(24) << line.title << std::right << std::setw(12) << met.parameters
              << std::setw(8) << met.train_top1 * 100 << std::setw(8) << met.val_top1 * 100 << std::setw(8)
              << met.val_top5 * 100;
    if (paper) std::cout << std::setw(10) << paper->val_top1;
    std::cout << (met.diverged.empty() ? "" : "  " + met.diverged) << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return run(argc, argv); } catch (const std::exception& problem) {
  std::cerr << "table3_ablation: " << problem.what() << "\n";
  return 1;
}
