// deconv attribute: what every pixel has to do with a class's score, or with a unit.

#include <algorithm>
#include <chrono>
#include <iostream>
#include <limits>

#include "attribute_results.hpp"
#include "progress.hpp"

namespace deconv::tool {

namespace {

/// The methods of --method, in the order given.
std::vector<AttributionMethod> methods_of(const AttributeOptions& options) {
  std::vector<AttributionMethod> chosen;
  for (const std::string& name : options.methods) {
    bool known = false;
    for (const AttributionMethod method : attribution_methods) {
      if (name != "all" && name != name_of(method)) continue;
      known = true;
      // Guided Grad-CAM explains classes alone; all methods of a unit are those that can.
      if (name == "all" && method == AttributionMethod::guided_gradcam && !options.target.layer.empty())
        continue;
      if (std::find(chosen.begin(), chosen.end(), method) == chosen.end()) chosen.push_back(method);
    }
    std::string all;
    for (const AttributionMethod method : attribution_methods) all += std::string(name_of(method)) + ", ";
    require<UsageError>(known, "--method: ", all, "or all wanted, met ", name);
  }
  return chosen;
}

/// Options that no chosen method reads are mistakes.
void check_methods(const AttributeOptions& options, const std::vector<AttributionMethod>& methods) {
  const auto belongs = [&](bool given, const char* option, AttributionMethod method) {
    require<UsageError>(!given || std::find(methods.begin(), methods.end(), method) != methods.end(), option,
                        " belongs to --method ", name_of(method));
  };
  using enum AttributionMethod;
  belongs(options.signed_values, "--signed", saliency);
  belongs(options.steps.has_value(), "--steps", integrated_gradients);
  belongs(!options.path_rule.empty(), "--path-rule", integrated_gradients);
  if (!options.curves) belongs(!options.baseline.empty(), "--baseline", integrated_gradients);
  belongs(options.samples.has_value(), "--samples", smoothgrad);
  belongs(options.noise.has_value(), "--noise", smoothgrad);
  belongs(options.squared, "--squared", smoothgrad);
  belongs(!options.cam_layer.empty(), "--cam-layer", guided_gradcam);
  if (!options.target.layer.empty())
    for (const AttributionMethod method : methods)
      require<UsageError>(method != guided_gradcam,
                          "--method guided-gradcam explains a class, --layer names a unit");
  require<UsageError>(options.curves || (!options.curve_steps && !options.blur),
                      options.blur ? "--blur" : "--curve-steps", " belongs to --curves");
  require<UsageError>(!options.curves || options.target.layer.empty(),
                      "--curves are of a class's probability, --layer names a unit");
}

AttributionOptions library_options(const AttributeOptions& options, const LoadedModel& model) {
  AttributionOptions how;
  how.target = options.target.target(&model.topology());
  how.absolute = !options.signed_values;
  how.baseline = baseline_of(options.baseline);
  how.steps = options.steps.value_or(how.steps);
  how.rule = options.path_rule == "midpoint" ? PathRule::midpoint : PathRule::gauss_legendre;
  how.noise = options.noise.value_or(how.noise);
  how.samples = options.samples.value_or(how.samples);
  how.squared = options.squared;
  how.seed = options.seed;
  how.cam_layer = options.cam_layer;
  how.batch = options.batch;
  return how;
}

/// The work with its count of passes; curves count by their pictures.
AttributeResults compute(const AttributeOptions& options, const LoadedModel& model, const Inputs& inputs,
                         const std::vector<AttributionMethod>& methods, const AttributionOptions& settings,
                         Index passes) {
  AttributeResults results;
  results.methods = methods;
  Progress bar("attribute", "passes", passes, options.quiet);
  Index told = 0;
  const auto progress = [&](Index done, Index total) {
    bar.advance(done - told);
    told = done == total ? 0 : done;
  };
  AttributionOptions how = settings;
  how.progress = progress;
  for (const AttributionMethod method : methods)
    results.attributions.push_back(attributions_of(*model.engine, inputs.batch, method, how));
  if (!options.curves) return results;
  const auto curves_of = [&](const std::string& name, PixelRanking ranking, const auto& values_of) {
    viz::NamedCurves curves{name, {}, {}};
    for (Index n = 0; n < inputs.size(); ++n) {
      const auto& one = results.attributions.front()[static_cast<std::size_t>(n)];
      for (const bool insertion : {false, true}) {
        PerturbationOptions changing = curve_options(options, inputs, insertion);
        changing.ranking = ranking;
        changing.progress = progress;
        (insertion ? curves.insertion : curves.deletion)
            .push_back(perturbation_curve_of(*model.engine, inputs.batch.view().slice(n, 1), one.unit.map,
                                             values_of(static_cast<std::size_t>(n)), changing, insertion));
      }
    }
    results.curves.push_back(std::move(curves));
  };
  for (std::size_t m = 0; m < methods.size(); ++m)
    curves_of(std::string(name_of(methods[m])), pixel_ranking_of(methods[m]),
              [&](std::size_t n) { return results.attributions[m][n].values.view(); });
  Tensor<float, Cpu> noise({1, inputs.batch[2], inputs.batch[3]});
  fill_uniform<float>(noise, Random(options.seed), 0, 1);
  curves_of("random", PixelRanking::sum, [&](std::size_t) { return noise.view(); });
  return results;
}

/// How many passes there are to make; says what they will take where that is long.
Index tell(const AttributeOptions& options, const LoadedModel& model, const Inputs& inputs,
           const std::vector<AttributionMethod>& methods, const AttributionOptions& settings) {
  Index rows = 0, pictures = 0;
  for (const AttributionMethod method : methods) rows += attribution_rows(method, inputs.size(), settings);
  if (options.curves)
    pictures = 2 * (curve_options(options, inputs, false).steps + 1) * inputs.size() *
               static_cast<Index>(methods.size() + 1);
  if (rows + pictures > 20) {
    AttributionOptions one = settings;
    if (one.target.maps.size() > 1) one.target.maps.erase(one.target.maps.begin() + 1, one.target.maps.end());
    double seconds = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 3; ++i) {  // the first also packs the weights
      const auto begin = std::chrono::steady_clock::now();
      static_cast<void>(
          attributions_of(*model.engine, inputs.batch.view().slice(0, 1), AttributionMethod::saliency, one));
      seconds =
          std::min(seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    seconds *= static_cast<double>(rows) + 0.5 * static_cast<double>(pictures);
    const std::size_t bytes =
        gradient_bytes_of(*model.engine, inputs.batch.shape(), std::min(options.batch, rows + pictures)) +
        inputs.batch.bytes() * (methods.size() + 1);
    if (seconds > 2) tell_work(rows + pictures, "passes", seconds, bytes, options.quiet);
  }
  return rows + pictures;
}

void print_people(const Document& document) {
  for (const auto& image : document["images"]) {
    std::cout << image["image"].get<std::string>() << ": ";
    if (image.contains("class"))
      std::cout << "class " << image["class"] << ' ' << image["name"].get<std::string>() << ", score "
                << image["score"] << "\n";
    else
      std::cout << image["layer"].get<std::string>() << " map " << image["map"] << " at " << image["y"] << ','
                << image["x"] << ", activation " << image["activation"] << "\n";
    for (const auto& method : image["methods"]) {
      std::cout << "  " << method["method"].get<std::string>() << ": sum " << method["sum"];
      if (method.contains("completeness_gap"))
        std::cout << ", completeness gap " << method["completeness_gap"];
      if (method.contains("deletion_area"))
        std::cout << ", deletion " << method["deletion_area"] << ", insertion " << method["insertion_area"];
      std::cout << "\n";
    }
    if (image.contains("random"))
      std::cout << "  random order: deletion " << image["random"]["deletion_area"] << ", insertion "
                << image["random"]["insertion_area"] << "\n";
  }
}

void run_attribute(const AttributeOptions& options) {
  const auto methods = methods_of(options);
  check_methods(options, methods);
  static_cast<void>(options.target.target());
  check_device(options);
  const OutputKind kind = output_kind(options, {OutputKind::png, OutputKind::npy, OutputKind::safetensors,
                                                OutputKind::csv, OutputKind::svg, OutputKind::folder});
  require<UsageError>(options.curves || (kind != OutputKind::csv && kind != OutputKind::svg), "--output ",
                      options.output, ": a table or plot holds the curves of --curves");
  require<UsageError>(kind != OutputKind::npy || methods.size() == 1, "--output ", options.output,
                      ": a .npy file holds one method, met ", methods.size(),
                      "; a .safetensors file or a folder wanted");
  const LoadedModel model = load_model(options);
  const AttributionOptions how = library_options(options, model);
  const Inputs inputs = load_inputs(options, model);
  require<ShapeError>(inputs.batch.rank() == 4, options.input, ": an array N,C,H,W wanted, met shape ",
                      inputs.batch.shape());
  const Index passes = tell(options, model, inputs, methods, how);
  std::optional<Timing> timing;
  const AttributeResults results =
      timed(options.repeat, timing, [&] { return compute(options, model, inputs, methods, how, passes); });
  Document document = document_of(options, model, inputs, how, results);
  add_timing(document, timing);
  write_attributions(options, kind, model, inputs, results, document);
  print(options, document, [&] {
    print_people(document);
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_attribute(CLI::App& program, Action& action) {
  std::shared_ptr<AttributeOptions> options;
  CLI::App& command = add_command<AttributeOptions>(
      program, action, "attribute", "what every pixel has to do with a class's score, or with a unit",
      run_attribute, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  add_target_options(command, options->target);
  command
      .add_option("--method", options->methods,
                  "saliency, gradient-x-input, integrated-gradients, smoothgrad, guided, deconvnet, "
                  "guided-gradcam or all; several parted by commas")
      ->delimiter(',')
      ->required()
      ->type_name("NAME");
  command.add_option("--batch", options->batch, "inputs that go through the network together")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command.add_flag("--signed", options->signed_values, "saliency: with its sign");
  command.add_option("--steps", options->steps, "integrated gradients: points of the path (default 50)")
      ->check(CLI::Range(1, 10000))
      ->type_name("N");
  command
      .add_option("--path-rule", options->path_rule,
                  "integrated gradients: where the points lie (default: gauss-legendre)")
      ->check(CLI::IsMember({"midpoint", "gauss-legendre"}));
  command
      .add_option("--baseline", options->baseline,
                  "where integrated gradients begin, and what --curves put for pixels that are not there: "
                  "zero, one value or one a channel as the network takes them, or an array (default: zero)")
      ->type_name("zero|V,...|FILE.npy");
  command.add_option("--samples", options->samples, "SmoothGrad: noisy copies (default 50)")
      ->check(CLI::Range(1, 100000))
      ->type_name("N");
  command
      .add_option("--noise", options->noise,
                  "SmoothGrad: deviation as a share of the input's range (default 0.15)")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("SHARE");
  command.add_flag("--squared", options->squared, "SmoothGrad: the mean of squared gradients");
  command
      .add_option("--cam-layer", options->cam_layer,
                  "guided Grad-CAM: whose maps are weighted (default: the last spatial layer)")
      ->type_name("NAME");
  command.add_flag("--curves", options->curves, "deletion and insertion curves, and the areas under them");
  command.add_option("--curve-steps", options->curve_steps, "parts of the pixels (default 50)")
      ->check(at_least(1))
      ->type_name("N");
  command
      .add_option(
          "--blur", options->blur,
          "insertion starts from the picture blurred by so many pixels, 0: from --baseline (default: a "
          "twentieth of the shorter side)")
      ->check(CLI::Range(0.0, 1000.0))
      ->type_name("PIXELS");
}

}  // namespace deconv::tool
