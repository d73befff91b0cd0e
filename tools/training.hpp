#pragma once
/// A training run as the command line asks for it, on whatever device.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "deconv/train/run_log.hpp"
#include "deconv/train/trainer.hpp"
#include "options.hpp"

namespace deconv::tool {

struct TrainingJob {
  CommonOptions common;
  train::Recipe recipe;
  std::string data, validation;  ///< as --data and --val; `validation` may be empty
  bool resume = false;           ///< go on with the run in --output
  int workers = 2;
  Index log_steps = 50;
  double largest_loss = 1e4;
};

struct TrainingResult {
  train::RunEnd end = train::RunEnd::finished;
  train::RunState state;
  std::vector<train::LogLine> epochs;
  std::string network;
  Index parameters = 0, images = 0, validation_images = 0, ranks = 1;
  bool leads = true;  ///< this process writes and prints
};

/// Trains; every process of the run calls it. Throws what goes wrong, after ending the other processes.
[[nodiscard]] TrainingResult train_on_device(const TrainingJob& job);

/// What a run's config.json holds.
[[nodiscard]] io::Json config_of(const TrainingJob& job);
/// Reads it back: recipe, data and validation. Throws IoError, FormatError.
void read_config(const std::filesystem::path& folder, TrainingJob& job);

/// What to train on and to judge by, the second empty where there is nothing. `idx:FOLDER` means its training
/// part, with the test part to judge by; a folder with train/ and val/ (or test/) in it likewise.
/// `validation` says otherwise; "none": nothing.
[[nodiscard]] std::pair<std::string, std::string> parts_of_data(const std::string& data,
                                                                const std::string& validation);

/// A recipe's JSON without what a resumed run may have otherwise: its length and its checkpoints.
[[nodiscard]] io::Json settled(io::Json recipe);

/// The recipe of a file, or one that comes with the program: by its own name ("zfnet-imagenet") or as the one
/// for a network. Throws UsageError that lists the names.
[[nodiscard]] train::Recipe recipe_named(const std::string& name);
[[nodiscard]] train::Recipe recipe_for_net(const std::string& net);

}  // namespace deconv::tool
