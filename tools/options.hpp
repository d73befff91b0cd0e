#pragma once
/// Options that several commands share, each group added by one function, so that they mean the same
/// everywhere.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "deconv/core/context.hpp"
#include "deconv/ops/rules.hpp"
#include "usage_error.hpp"

namespace deconv::tool {

/// What a command does once the whole command line was understood.
using Action = std::function<void()>;

/// Projections are drawn with this share of their values inside the range of colours: a few extreme pixels
/// would leave all others grey.
inline constexpr double contrast_percentile = 99;

/// What every command knows.
struct CommonOptions {
  std::string device = "cpu";
  std::string maths = "float32";
  int threads = default_threads();
  std::uint64_t seed = 1;
  bool json = false;
  bool quiet = false;
  std::string output;
  int repeat = 0;  ///< 0: the work is done once and not timed

  std::filesystem::path model;
  std::filesystem::path prototxt;
  std::filesystem::path labels;

  std::vector<std::string> images;
  std::string input;
  std::string preprocess;
  std::string resize;
  std::vector<Index> input_size;

  std::string data;
  bool skip_broken = false;
  Index batch = 16;

  /// The host with --threads, for what is always done there.
  [[nodiscard]] Context<Cpu> host() const { return Context<Cpu>(threads); }
  /// A GPU with --maths. Throws DeviceError.
  [[nodiscard]] Context<Cuda> gpu(int number = 0) const {
    return Context<Cuda>(number).with(maths_named(maths));
  }
};

/// What every command takes: --labels, --json, --quiet and --seed.
void add_common_options(CLI::App& command, CommonOptions& options);
/// --model, --prototxt, --output and what every command takes.
void add_model_options(CLI::App& command, CommonOptions& options);
/// --device, --maths, --threads and --repeat.
void add_work_options(CLI::App& command, CommonOptions& options);
/// --image or --input, and how a picture becomes an input.
void add_input_options(CLI::App& command, CommonOptions& options);
/// --preprocess, --resize and --input-size alone.
void add_preprocess_options(CLI::App& command, CommonOptions& options);
/// --data, --skip-broken and --batch.
void add_data_options(CLI::App& command, CommonOptions& options);
/// --rule, --overlap and --norm of a reverse pass.
struct RuleOptions {
  std::string rule = "deconvnet";
  std::string overlap = "sum";
  std::string norm;
  std::string seed_value = "activation";

  [[nodiscard]] ReverseOptions reverse() const;
};
void add_rule_options(CLI::App& command, RuleOptions& options);

/// Parts of a comma-separated list of map numbers: "0,5,7".
[[nodiscard]] std::vector<Index> parse_indices(const std::string& option, const std::string& text);

/// Whole numbers from `low` on, as CLI11 checks them.
[[nodiscard]] CLI::Validator at_least(Index low);

/// Throws UsageError when the device cannot multiply as --maths asks.
void check_maths(const CommonOptions& options);

/// Adds a command whose options are a `Specific` (a CommonOptions with more) and whose work is `run`.
template <class Specific>
CLI::App& add_command(CLI::App& program, Action& action, const std::string& name,
                      const std::string& description, void (*run)(const Specific&),
                      std::shared_ptr<Specific>& options) {
  options = std::make_shared<Specific>();
  CLI::App* command = program.add_subcommand(name, description);
  command->callback([&action, run, kept = options] {
    action = [run, kept] {
      check_maths(*kept);
      run(*kept);
    };
  });
  return *command;
}

}  // namespace deconv::tool
