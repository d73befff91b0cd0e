// deconv classify: the top classes of pictures, or the error over a data set.

#include <iomanip>
#include <iostream>
#include <sstream>

#include "classification.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/crops.hpp"
#include "deconv/io/image.hpp"
#include "document.hpp"
#include "inputs.hpp"
#include "output.hpp"
#include "progress.hpp"

namespace deconv::tool {

namespace {

struct ClassifyOptions : CommonOptions {
  Index top = 5;
  Index crops = 1;
};

std::span<const double> row_of(const Tensor<double, Cpu>& rows, Index n) {
  return {rows.data() + n * rows[1], static_cast<std::size_t>(rows[1])};
}

// ---- pictures
// ----------------------------------------------------------------------------------------------

struct Classified {
  std::vector<std::string> names;
  Tensor<float, Cpu> batch;  ///< `crops` inputs an image
};

Classified load(const ClassifyOptions& options, const LoadedModel& model) {
  if (options.crops == 1) {
    Inputs inputs = load_inputs(options, model);
    return {std::move(inputs.names), std::move(inputs.batch)};
  }
  require<UsageError>(options.input.empty(), "--crops 10 wants pictures (--image or --data), met --input");
  require<UsageError>(!options.images.empty(), "--image FILE... or --data wanted");
  const io::Preprocess& preprocess = model.preprocess_for_pictures(options);
  const auto shape = preprocess.output_shape();
  require<ArgumentError>(shape && preprocess.crop, "--crops 10 wants a preprocessing with a crop");
  Classified all{options.images, Tensor<float, Cpu>({static_cast<Index>(options.images.size()) * 10,
                                                     (*shape)[0], (*shape)[1], (*shape)[2]})};
  for (std::size_t n = 0; n < options.images.size(); ++n) try {
      io::ten_crops(preprocess, io::read_image(options.images[n]),
                    all.batch.view().slice(static_cast<Index>(n) * 10, 10));
    } catch (const ShapeError& problem) {
      raise<ShapeError>(options.images[n], ": ", problem.what());
    }
  return all;
}

void write_csv(const std::string& path, const Document& images) {
  std::ostringstream csv;
  csv << "image,rank,class,probability,name\n";
  const auto cell = [](const std::string& text) {
    std::string quoted_text = "\"";
    for (const char c : text) quoted_text += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted_text + '"';
  };
  for (const auto& image : images) {
    int rank = 1;
    for (const auto& one : image["classes"])
      csv << cell(image["image"].get<std::string>()) << ',' << rank++ << ',' << one["class"] << ','
          << one["probability"] << ',' << cell(one["name"].get<std::string>()) << '\n';
  }
  io::write_text(path, std::move(csv).str());
}

void classify_pictures(const ClassifyOptions& options, const LoadedModel& model, OutputKind kind) {
  const Classified inputs = load(options, model);
  std::optional<Timing> timing;
  const Tensor<double, Cpu> rows = timed(options.repeat, timing, [&] {
    std::vector<Tensor<double, Cpu>> parts;
    const Index total = inputs.batch[0];
    for (Index first = 0; first < total; first += options.batch) {
      stop_if_interrupted();
      parts.push_back(
          probabilities(model, inputs.batch.view().slice(first, std::min(options.batch, total - first))));
    }
    Tensor<double, Cpu> all({total, parts.front()[1]});
    double* out = all.data();
    for (const auto& part : parts) out = std::copy(part.begin(), part.end(), out);
    return train::mean_of_groups(std::move(all), options.crops);
  });

  Document document = make_document("classify", options);
  document["crops"] = options.crops;
  Document images = Document::array();
  for (Index n = 0; n < rows[0]; ++n) {
    Document classes = Document::array();
    for (const auto& [k, probability] : top_classes(row_of(rows, n), options.top))
      classes.push_back({{"class", k}, {"name", model.class_name(k)}, {"probability", number(probability)}});
    images.push_back({{"image", inputs.names[static_cast<std::size_t>(n)]}, {"classes", classes}});
  }
  document["images"] = images;
  add_timing(document, timing);
  if (kind == OutputKind::csv) write_csv(options.output, images);
  print(options, document, [&] {
    for (const auto& image : images) {
      std::cout << image["image"].get<std::string>() << "\n";
      for (const auto& one : image["classes"]) {
        const double share = one["probability"].is_null() ? 0.0 : one["probability"].get<double>();
        std::cout << std::fixed << std::setprecision(1) << std::setw(7) << 100 * share << " %  "
                  << one["class"] << ' ' << one["name"].get<std::string>() << "\n"
                  << std::defaultfloat;
      }
    }
  });
}

// ---- data sets
// ---------------------------------------------------------------------------------------------

void classify_data(const ClassifyOptions& options, const LoadedModel& model) {
  const auto set = open_data(options);
  const train::Scorer scorer = scorer_of(model, options, options.crops);
  std::optional<Timing> timing;
  const train::Evaluation met = timed(options.repeat, timing, [&] {
    Progress progress(options.crops == 1 ? "classify" : "classify, ten crops", "images", set->size(),
                      options.quiet);
    return train::evaluate(*set, scorer, evaluate_options(options, options.crops, options.top, progress));
  });
  require<ArgumentError>(met.images > 0, options.data, ": a picture that can be read wanted, met none");
  Document document = make_document("classify", options);
  document["data"] = options.data;
  document["crops"] = options.crops;
  add_errors(document, met, options.top);
  add_timing(document, timing);
  print(options, document, [&] {
    std::cout << met.images << " images";
    if (met.skipped > 0) std::cout << " (" << met.skipped << " broken ones left out)";
    std::cout << ": " << errors_text(met, options.top) << "\n";
  });
}

void run_classify(const ClassifyOptions& options) {
  const bool over_data = !options.data.empty();
  require<UsageError>(!over_data || (options.images.empty() && options.input.empty()),
                      "--data or --image or --input wanted, met two of them");
  require<UsageError>(over_data || !options.skip_broken, "--skip-broken belongs to --data");
  require<UsageError>(!over_data || options.output.empty(),
                      "--output: with --data there is nothing to write");
  check_device(options);
  const OutputKind kind = output_kind(options, {OutputKind::csv});
  const LoadedModel model = load_model(options);
  if (over_data)
    classify_data(options, model);
  else
    classify_pictures(options, model, kind);
}

}  // namespace

void add_classify(CLI::App& program, Action& action) {
  std::shared_ptr<ClassifyOptions> options;
  CLI::App& command = add_command<ClassifyOptions>(program, action, "classify",
                                                   "top classes of pictures, or the error over a data set",
                                                   run_classify, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  add_data_options(command, *options);
  command.add_option("--top", options->top, "classes shown; with --data, the second error's number")
      ->check(at_least(1))
      ->capture_default_str();
  command
      .add_option("--crops", options->crops, "1, or 10: corners and middle, mirrored, probabilities averaged")
      ->check(CLI::IsMember({1, 10}))
      ->capture_default_str();
}

}  // namespace deconv::tool
