#pragma once
/// What the examples that train networks have in common.

#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "deconv/dist/local.hpp"
#include "deconv/io/dataset.hpp"
#include "deconv/train/recipe_json.hpp"
#include "deconv/train/start.hpp"
#include "deconv/train/trainer.hpp"

namespace example {

/// A network that was trained, and how pictures become its inputs.
struct Trained {
  std::unique_ptr<deconv::Network<float, deconv::Cpu>> network;
  deconv::io::Preprocess preprocess;
  double loss = 0, error = 0;  ///< of the last steps
  std::string diverged;        ///< what was said when it did
};

/// Trains a network from the recipe's start, as `prepare` changes it, without writing anything. A network
/// that diverges is given back as it was then.
inline Trained train(const deconv::train::Recipe& recipe, const deconv::io::Dataset& set,
                     const std::string& title, const std::function<void(deconv::Model&)>& prepare = {}) {
  using namespace deconv;
  const Context<Cpu> context;
  dist::LocalCommunicator<Cpu> alone;
  io::ModelFile start = train::starting_point(context, recipe, set);
  Trained result;
  result.preprocess = *start.preprocess;
  if (prepare) prepare(start.model);
  const Graph graph = start.model.graph;
  train::TrainerOptions options;
  options.log_steps = 50;
  options.on_line = [&](const train::LogLine& line) {
    result.loss = line.loss.value_or(result.loss);
    result.error = line.train_error.value_or(result.error);
    std::cout << title << ": step " << line.step << ", loss " << result.loss << ", error "
              << result.error * 100 << " %, " << static_cast<Index>(line.images_per_s.value_or(0))
              << " images/s" << std::endl;
  };
  train::Trainer<float, Cpu> trainer(context, alone, std::move(start), recipe, set, nullptr, options);
  try {
    trainer.run(nullptr);
  } catch (const train::DivergedError& problem) {
    result.diverged = problem.what();
    std::cout << title << ": " << result.diverged << std::endl;
  }
  Model model{trainer.network().name(), graph, {}};
  for (const auto& [name, weight] : trainer.network().parameters())
    model.weights.emplace(name, weight->clone());
  result.network = std::make_unique<Network<float, Cpu>>(std::move(model));
  return result;
}

}  // namespace example
