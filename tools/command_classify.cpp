// deconv classify: the top classes of pictures, or the error over a data set.

#include <iomanip>
#include <iostream>
#include <sstream>

#include "classification.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/loader.hpp"
#include "deconv/io/open_dataset.hpp"
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

std::span<const float> row_of(const Tensor<float, Cpu>& rows, Index n) {
  return {rows.data() + n * rows[1], static_cast<std::size_t>(rows[1])};
}

/// One row of probabilities an image; ten crops of an image become one by their mean.
Tensor<float, Cpu> mean_of_crops(const Tensor<float, Cpu>& rows, Index crops) {
  auto mean = Tensor<float, Cpu>::filled({rows[0] / crops, rows[1]}, 0.0f);
  for (Index n = 0; n < rows[0]; ++n)
    for (Index k = 0; k < rows[1]; ++k)
      mean.data()[n / crops * rows[1] + k] += rows.data()[n * rows[1] + k] / static_cast<float>(crops);
  return mean;
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
      ten_crops(preprocess, io::read_image(options.images[n]),
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
  const Tensor<float, Cpu> rows = timed(options.repeat, timing, [&] {
    std::vector<Tensor<float, Cpu>> parts;
    const Index total = inputs.batch[0];
    for (Index first = 0; first < total; first += options.batch) {
      stop_if_interrupted();
      parts.push_back(
          probabilities(model, inputs.batch.view().slice(first, std::min(options.batch, total - first))));
    }
    Tensor<float, Cpu> all({total, parts.front()[1]});
    float* out = all.data();
    for (const auto& part : parts) out = std::copy(part.begin(), part.end(), out);
    return mean_of_crops(all, options.crops);
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

struct Score {
  Index images = 0, skipped = 0, first = 0, among_top = 0;
};

/// Counts the rows of one batch.
void count(const io::Dataset& set, const Tensor<float, Cpu>& rows, const std::vector<Index>& indices,
           Index top, Score& score) {
  for (Index n = 0; n < rows[0]; ++n) {
    const Index index = indices[static_cast<std::size_t>(n)];
    const std::optional<Index> label = set.label(index);
    require<ArgumentError>(label.has_value(), "the data set has no classes; an error rate wants them");
    require<ArgumentError>(*label < rows[1], set.name(index), ": class ", *label, " of a network with ",
                           rows[1], " classes");
    const Index rank = rank_of(row_of(rows, n), *label);
    ++score.images;
    score.first += rank == 0;
    score.among_top += rank < top;
  }
}

Score score_single(const ClassifyOptions& options, const LoadedModel& model, const io::Dataset& set) {
  Progress progress("classify", "images", set.size(), options.quiet);
  io::LoaderOptions loading;
  loading.batch = options.batch;
  loading.workers = options.threads;
  loading.skip_broken = options.skip_broken;
  loading.warn = [&](const std::string& text) { progress.warn(text); };
  io::BatchLoader loader(set, model.preprocess_for_pictures(options), loading);
  Score score;
  while (const auto batch = loader.next()) {
    count(set, probabilities(model, batch->images), batch->indices, options.top, score);
    progress.advance(static_cast<Index>(batch->indices.size()));
  }
  score.skipped = loader.skipped();
  return score;
}

Score score_ten_crops(const ClassifyOptions& options, const LoadedModel& model, const io::Dataset& set) {
  const Context<Cpu> context = options.host();
  const io::Preprocess& preprocess = model.preprocess_for_pictures(options);
  const auto shape = preprocess.output_shape();
  require<ArgumentError>(shape && preprocess.crop, "--crops 10 wants a preprocessing with a crop");
  Progress progress("classify, ten crops", "images", set.size(), options.quiet);
  Score score;
  // Together an image's crops are as many inputs as --batch allows.
  const Index group = std::max<Index>(1, options.batch / 10);
  for (Index first = 0; first < set.size(); first += group) {
    const Index size = std::min(group, set.size() - first);
    auto inputs = context.make<float>({size * 10, (*shape)[0], (*shape)[1], (*shape)[2]});
    std::vector<std::string> problems(static_cast<std::size_t>(size));
    parallel_for(context, size, [&](Index i) {
      const auto place = inputs.view().slice(i * 10, 10);
      try {
        ten_crops(preprocess, set.read(first + i), place);
      } catch (const DeviceError&) {
        throw;
      } catch (const ShapeError& problem) {
        problems[static_cast<std::size_t>(i)] = message(set.name(first + i), ": ", problem.what());
      } catch (const Error& problem) {
        problems[static_cast<std::size_t>(i)] = problem.what();
      }
      if (!problems[static_cast<std::size_t>(i)].empty()) std::fill(place.begin(), place.end(), 0.0f);
    });
    const auto rows = mean_of_crops(probabilities(model, inputs), 10);
    for (Index i = 0; i < size; ++i) {
      const std::string& problem = problems[static_cast<std::size_t>(i)];
      if (problem.empty()) {
        Tensor<float, Cpu> row({1, rows[1]});
        std::copy_n(rows.data() + i * rows[1], rows[1], row.data());
        count(set, row, {first + i}, options.top, score);
        continue;
      }
      require<FormatError>(options.skip_broken, problem);
      progress.warn(problem);
      ++score.skipped;
    }
    progress.advance(size);
  }
  return score;
}

void classify_data(const ClassifyOptions& options, const LoadedModel& model) {
  // Folders are classes in the order of the labels; lists and records number their classes themselves.
  const bool folder = std::filesystem::is_directory(options.data);
  const auto set = io::open_dataset(options.data, folder ? options.labels : std::filesystem::path());
  std::optional<Timing> timing;
  const Score score = timed(options.repeat, timing, [&] {
    return options.crops == 1 ? score_single(options, model, *set) : score_ten_crops(options, model, *set);
  });
  require<ArgumentError>(score.images > 0, options.data, ": a picture that can be read wanted, met none");
  const auto error = [&](Index right) {
    return static_cast<double>(score.images - right) / static_cast<double>(score.images);
  };
  const std::string top = "top" + std::to_string(options.top);
  Document document = make_document("classify", options);
  document["data"] = options.data;
  document["crops"] = options.crops;
  document["images"] = score.images;
  document["skipped"] = score.skipped;
  document["top1_correct"] = score.first;
  document[top + "_correct"] = score.among_top;
  document["top1_error"] = error(score.first);
  document[top + "_error"] = error(score.among_top);
  add_timing(document, timing);
  print(options, document, [&] {
    std::cout << score.images << " images";
    if (score.skipped > 0) std::cout << " (" << score.skipped << " broken ones left out)";
    std::cout << ": top-1 error " << 100 * error(score.first) << " % (" << score.first << " right), top-"
              << options.top << " error " << 100 * error(score.among_top) << " % (" << score.among_top
              << " right)\n";
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
