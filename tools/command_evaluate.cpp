// deconv evaluate: the error of networks over a data set, each alone and all together.

#include <iostream>

#include "classification.hpp"

namespace deconv::tool {

namespace {

struct EvaluateCommand : CommonOptions {
  std::vector<std::string> models;
  Index top = 5;
  Index crops = 1;
};

void run_evaluate(const EvaluateCommand& options) {
  check_device(options);
  std::vector<LoadedModel> models;
  std::vector<train::Scorer> scorers;
  models.reserve(options.models.size());  // scorers refer to them
  for (const std::string& path : options.models) {
    CommonOptions one = options;
    one.model = path;
    models.push_back(load_model(one));
    scorers.push_back(scorer_of(models.back(), one, options.crops));
  }
  const auto set = open_data(options);
  std::optional<Timing> timing;
  const auto met = timed(options.repeat, timing, [&] {
    Progress progress("evaluate", "images", set->size(), options.quiet);
    return train::evaluate_ensemble(*set, scorers,
                                    evaluate_options(options, options.crops, options.top, progress));
  });
  require<ArgumentError>(met.together.images > 0, options.data,
                         ": a picture that can be read wanted, met none");

  Document document = make_document("evaluate", options);
  document.erase("model");
  document["data"] = options.data;
  document["crops"] = options.crops;
  add_errors(document, met.together, options.top);
  Document list = Document::array();
  for (std::size_t m = 0; m < models.size(); ++m) {
    Document one;
    one["model"] = options.models[m];
    add_errors(one, met.each[m], options.top);
    list.push_back(std::move(one));
  }
  document["models"] = std::move(list);
  add_timing(document, timing);
  print(options, document, [&] {
    std::cout << met.together.images << " images";
    if (met.together.skipped > 0) std::cout << " (" << met.together.skipped << " broken ones left out)";
    std::cout << "\n";
    for (std::size_t m = 0; m < models.size(); ++m)
      std::cout << options.models[m] << ": " << errors_text(met.each[m], options.top) << "\n";
    if (models.size() > 1)
      std::cout << "mean of the probabilities of " << models.size()
                << " networks: " << errors_text(met.together, options.top) << "\n";
  });
}

}  // namespace

void add_evaluate(CLI::App& program, Action& action) {
  std::shared_ptr<EvaluateCommand> options;
  CLI::App& command = add_command<EvaluateCommand>(
      program, action, "evaluate",
      "error over a data set of one network or of several (the mean of their probabilities)", run_evaluate,
      options);
  command.add_option("--models,--model", options->models, "the networks: .onnx, .safetensors or .caffemodel")
      ->required()
      ->type_name("FILE...");
  add_common_options(command, *options);
  add_work_options(command, *options);
  add_preprocess_options(command, *options);
  add_data_options(command, *options);
  command.get_option("--data")->required();
  command.add_option("--top", options->top, "classes that a guess may name in the second error")
      ->check(at_least(1))
      ->capture_default_str();
  command
      .add_option("--crops", options->crops, "1, or 10: corners and middle, mirrored, probabilities averaged")
      ->check(CLI::IsMember({1, 10}))
      ->capture_default_str();
}

}  // namespace deconv::tool
