#pragma once

#include <memory>
#include <utility>

#include "deconv/analysis/transfer.hpp"
#include "deconv/dist/communicator.hpp"
#include "deconv/io/dataset_subset.hpp"
#include "deconv/train/start.hpp"
#include "deconv/train/trainer.hpp"

// What the same few pictures teach a network that knows nothing yet (the lines "from scratch" of Zeiler and
// Fergus 2013, Tables 4 and 5).
namespace deconv {

/// Trains the recipe's network from its start on one trial's training pictures, and gives the share of its
/// test pictures (of `test_set`, or of `set` where that is null) that it names rightly. Means and deviations
/// that the recipe leaves to the data are those of the training pictures. Throws as Trainer and evaluate;
/// Error when it was stopped. Memory: that of a training.
template <class T, Device D>
[[nodiscard]] double accuracy_from_scratch(const Context<D>& context, dist::Communicator<D>& communicator,
                                           const train::Recipe& recipe, const io::Dataset& set,
                                           const io::Dataset* test_set, const TransferFold& fold,
                                           const train::TrainerOptions& options = {}) {
  const io::SubsetDataset part(set, fold.train);
  io::ModelFile start = train::starting_point(Context<Cpu>(2), recipe, part);
  const io::Preprocess preprocess = *start.preprocess;
  train::Trainer<T, D> trainer(context, communicator, std::move(start), recipe, part, nullptr, options);
  require<Error>(trainer.run(nullptr) != train::RunEnd::stopped, "interrupted");
  train::EvaluateOptions how;
  how.batch = 64;
  how.workers = options.workers;
  how.skip_broken = options.skip_broken;
  how.warn = options.warn;
  how.indices = fold.test;
  return 1 -
         train::evaluate(trainer.network(), context, test_set != nullptr ? *test_set : set, preprocess, how)
             .top1_error();
}

}  // namespace deconv
