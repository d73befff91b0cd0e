#include "options.hpp"

#include <charconv>

namespace deconv::tool {

CLI::Validator at_least(Index low) {
  return CLI::Validator(
      [low](const std::string& text) {
        Index value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc{} && end == text.data() + text.size() && value >= low) return std::string();
        return message("a whole number from ", low, " on wanted, met ", text);
      },
      message(">=", low));
}

void add_common_options(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--labels", options.labels,
                  "names of the classes, one a line; a WordNet number in front is told apart")
      ->type_name("FILE");
  command.add_flag("--json", options.json, "one JSON document on stdout, and nothing else there");
  command.add_flag("--quiet", options.quiet, "no progress and no warnings");
  command.add_option("--seed", options.seed, "of everything that is drawn at random")->capture_default_str();
}

void add_model_options(CLI::App& command, CommonOptions& options) {
  command.add_option("--model", options.model, "the network: .onnx, .safetensors or .caffemodel")
      ->required()
      ->type_name("FILE");
  command
      .add_option("--prototxt", options.prototxt,
                  "a .caffemodel's network (default: the .prototxt beside it)")
      ->type_name("FILE");
  command
      .add_option("--output", options.output,
                  "written whole or not at all; the kind follows the extension, a folder without one")
      ->type_name("PATH");
  add_common_options(command, options);
}

void add_work_options(CLI::App& command, CommonOptions& options) {
  command.add_option("--device", options.device, "where the work is done")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command
      .add_option("--maths", options.maths,
                  "how --device cuda multiplies floats: exactly, on tensor cores with factors of 11 bits, or "
                  "there with three products, nearly as exact as float32")
      ->check(CLI::IsMember({"float32", "tf32", "3xtf32"}))
      ->capture_default_str();
  command.add_option("--threads", options.threads, "threads of the host")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      .add_option("--repeat", options.repeat,
                  "do the work N times after one warm-up, and report median_ms, min_ms and peak_memory_bytes")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N");
}

void check_maths(const CommonOptions& options) {
  require<UsageError>(options.device == Cuda::name || maths_named(options.maths) == Maths::float32,
                      "--maths ", options.maths, " wants --device cuda; --device ", options.device,
                      " multiplies in float32");
}

void add_preprocess_options(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--preprocess", options.preprocess,
                  "imagenet-torch, imagenet-caffe, unit or a JSON file (default: what the model carries)")
      ->type_name("NAME|FILE.json");
  command
      .add_option("--resize", options.resize,
                  "replaces the preprocessing's rule: none crops the middle of the picture as it is, exact "
                  "resizes all of it, shorter_side resizes in proportion and crops")
      ->check(CLI::IsMember({"none", "exact", "shorter_side"}));
  command
      .add_option("--input-size", options.input_size,
                  "height and width of the network's input instead of its own")
      ->delimiter(',')
      ->expected(1, 2)
      ->check(CLI::Range(1, 65536))
      ->type_name("N|H,W");
}

void add_input_options(CLI::App& command, CommonOptions& options) {
  CLI::Option* image =
      command.add_option("--image", options.images, "pictures (JPEG, PNG, BMP)")->type_name("FILE...");
  command.add_option("--input", options.input, "float32 array N,C,H,W instead of pictures, used as it is")
      ->type_name("FILE.npy")
      ->excludes(image);
  add_preprocess_options(command, options);
}

void add_data_options(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--data", options.data,
                  "a folder with one folder a class, a list file of lines `path label`, "
                  "idx:FOLDER[:train|test] or cifar:FILE...")
      ->type_name("DATA");
  command.add_flag("--skip-broken", options.skip_broken, "count broken pictures instead of stopping");
  command.add_option("--batch", options.batch, "pictures that go through the network together")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
}

void add_rule_options(CLI::App& command, RuleOptions& options) {
  command.add_option("--rule", options.rule, "how a rectifier passes a signal down")
      ->check(CLI::IsMember({"deconvnet", "guided", "gradient"}))
      ->capture_default_str();
  command.add_option("--overlap", options.overlap, "what a pixel that won several pooling windows receives")
      ->check(CLI::IsMember({"sum", "last"}))
      ->capture_default_str();
  command
      .add_option("--norm", options.norm,
                  "how contrast normalisation passes a signal down (default: gradient for --rule gradient, "
                  "else identity)")
      ->check(CLI::IsMember({"identity", "gradient"}));
  command.add_option("--seed-value", options.seed_value, "what the projected unit carries")
      ->check(CLI::IsMember({"activation", "one"}))
      ->capture_default_str();
}

ReverseOptions RuleOptions::reverse() const {
  ReverseOptions options = rule == "gradient" ? ReverseOptions::gradient()
                           : rule == "guided" ? ReverseOptions::guided()
                                              : ReverseOptions::deconvnet();
  options.overlap = overlap == "last" ? OverlapRule::last : OverlapRule::sum;
  if (!norm.empty())
    options.normalisation = norm == "gradient" ? NormalisationRule::gradient : NormalisationRule::identity;
  return options;
}

std::vector<Index> parse_indices(const std::string& option, const std::string& text) {
  std::vector<Index> values;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t stop = std::min(text.find(',', at), text.size());
    Index value = -1;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + stop, value);
    require<UsageError>(error == std::errc{} && end == text.data() + stop && value >= 0, option,
                        ": whole numbers from 0 on, parted by commas, wanted, met ", text);
    values.push_back(value);
    at = stop + 1;
  }
  return values;
}

}  // namespace deconv::tool
