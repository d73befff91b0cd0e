// deconv invariance: how far features move when the picture is moved, scaled or rotated.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "classification.hpp"
#include "commands.hpp"
#include "csv.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/viz/invariance.hpp"
#include "inputs.hpp"
#include "invariance.hpp"
#include "output.hpp"
#include "progress.hpp"

namespace deconv::tool {

namespace {

struct InvarianceCommand : CommonOptions {
  std::vector<std::string> layers{"first", "last"};
  std::optional<Index> class_index;
  std::string translate = "-60:60:5", translate_right = "none", scale = "1:1.8:0.05", rotate = "0:350:10";
  std::string filter = "bilinear", border = "constant";
  std::vector<double> fill;
  Index pictures = 5;
};

/// "A:B:STEP", or "none" for no amounts.
std::vector<double> amounts_of(const std::string& option, const std::string& text) {
  if (text == "none") return {};
  std::vector<double> numbers;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t stop = std::min(text.find(':', at), text.size());
    double value = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + stop, value);
    require<UsageError>(error == std::errc{} && end == text.data() + stop, option,
                        ": A:B:STEP or none wanted, met ", text);
    numbers.push_back(value);
    at = stop + 1;
  }
  require<UsageError>(numbers.size() == 3, option, ": A:B:STEP or none wanted, met ", text);
  try {
    return amounts_between(numbers[0], numbers[1], numbers[2]);
  } catch (const ArgumentError& problem) {
    raise<UsageError>(option, ": ", problem.what());
  }
}

std::vector<Sweep> sweeps_of(const InvarianceCommand& options) {
  std::vector<Sweep> sweeps;
  const auto add = [&](SweepKind kind, const std::string& option, const std::string& text) {
    Sweep sweep{kind, amounts_of(option, text)};
    for (const double amount : sweep.amounts) try {
        check_transform(transform_of(kind, amount));
      } catch (const ArgumentError& problem) {
        raise<UsageError>(option, ": ", problem.what());
      }
    if (!sweep.amounts.empty()) sweeps.push_back(std::move(sweep));
  };
  add(SweepKind::down, "--translate", options.translate);
  add(SweepKind::right, "--translate-right", options.translate_right);
  add(SweepKind::scale, "--scale", options.scale);
  add(SweepKind::rotation, "--rotate", options.rotate);
  require<UsageError>(!sweeps.empty(), "--translate, --translate-right, --scale and --rotate are all none");
  return sweeps;
}

/// Images one after another, with their classes where these are known.
class Images {
 public:
  Images(const InvarianceCommand& options, const LoadedModel& model) : options_(options), model_(model) {
    if (options.data.empty()) {
      inputs_ = load_inputs(options, model);
      require<ShapeError>(inputs_.batch.rank() == 4, options.input, ": an array N,C,H,W wanted, met shape ",
                          inputs_.batch.shape());
      return;
    }
    set_ = open_data(options);
    static_cast<void>(model.preprocess_for_pictures(options));
  }

  [[nodiscard]] Index size() const {
    return set_ ? std::min(set_->size(), options_.pictures) : inputs_.size();
  }
  [[nodiscard]] std::string name(Index i) const {
    return set_ ? set_->name(i) : inputs_.names[static_cast<std::size_t>(i)];
  }
  /// --class, or what a data set says.
  [[nodiscard]] std::optional<Index> class_of(Index i) const {
    return options_.class_index || !set_ ? options_.class_index : set_->label(i);
  }
  /// 1 x C x H x W.
  [[nodiscard]] Tensor<float, Cpu> image(Index i) const {
    if (!set_) return to_device(Context<Cpu>(1), inputs_.batch.view().slice(i, 1));
    const io::Image picture = set_->read(i);
    try {
      Tensor<float, Cpu> planes = model_.preprocess_for_pictures(options_).apply(picture);
      const Shape shape{1, planes[0], planes[1], planes[2]};
      return std::move(planes).reshaped(shape);
    } catch (const ShapeError& problem) {
      raise<ShapeError>(set_->name(i), ": ", problem.what());
    }
  }

 private:
  const InvarianceCommand& options_;
  const LoadedModel& model_;
  Inputs inputs_;
  std::unique_ptr<io::Dataset> set_;
};

struct Results {
  std::vector<std::string> names;
  std::vector<Invariance> images;
};

/// What the work will take, from the time of one changed image.
void tell(const InvarianceCommand& options, const LoadedModel& model, const Tensor<float, Cpu>& image,
          Index count, InvarianceOptions how) {
  const Sweep one{SweepKind::down, {0}};
  const auto begin = std::chrono::steady_clock::now();
  static_cast<void>(invariance_of(*model.engine, image, std::span(&one, 1), how));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / 2 *
                         static_cast<double>(count);
  if (seconds > 2)
    tell_work(count, "changed images", seconds, invariance_bytes_of(*model.engine, image.shape(), how),
              options.quiet);
}

Results compute(const InvarianceCommand& options, const LoadedModel& model, const Images& images,
                const std::vector<Sweep>& sweeps) {
  InvarianceOptions how;
  how.layers = options.layers;
  how.batch = options.batch;
  how.resampling.filter = options.filter == "nearest" ? Resampling::nearest : Resampling::bilinear;
  how.resampling.border = options.border == "replicate" ? BorderRule::replicate
                          : options.border == "reflect" ? BorderRule::reflect
                                                        : BorderRule::constant;
  if (!options.fill.empty()) how.resampling.fill = options.fill;
  Index amounts = 0;
  for (const Sweep& sweep : sweeps) amounts += static_cast<Index>(sweep.amounts.size());
  Results results;
  std::optional<Progress> progress;
  for (Index i = 0; i < images.size(); ++i) {
    std::optional<Tensor<float, Cpu>> image;
    try {
      image = images.image(i);
    } catch (const Error& problem) {
      if (!options.skip_broken || options.data.empty()) throw;
      if (progress) progress->warn(message("left out: ", problem.what()));
      continue;
    }
    if (!progress) {
      tell(options, model, *image, amounts * images.size(), how);
      progress.emplace("invariance", "changed images", amounts * images.size(), options.quiet);
      how.progress = [&](Index, Index) { progress->advance(); };
    }
    how.class_index = images.class_of(i);
    results.images.push_back(invariance_of(*model.engine, *image, sweeps, how));
    results.names.push_back(images.name(i));
  }
  require<ArgumentError>(!results.images.empty(), options.data, ": no picture could be read");
  return results;
}

std::string csv_of(const Results& results) {
  std::ostringstream csv;
  csv << std::setprecision(9) << "image,class,change,amount,probability";
  for (const std::string& layer : results.images.front().layers)
    csv << ',' << csv_cell("distance " + layer) << ',' << csv_cell("relative " + layer);
  csv << "\n";
  for (std::size_t i = 0; i < results.images.size(); ++i)
    for (const InvarianceCurve& curve : results.images[i].curves)
      for (std::size_t k = 0; k < curve.sweep.amounts.size(); ++k) {
        csv << csv_cell(results.names[i]) << ',' << results.images[i].class_index << ','
            << name_of(curve.sweep.kind) << ',' << curve.sweep.amounts[k] << ',' << curve.probability[k];
        for (const LayerDistances& layer : curve.layers) {
          csv << ',' << layer.distance[k] << ',';
          if (std::isfinite(layer.relative[k])) csv << layer.relative[k];
        }
        csv << "\n";
      }
  return std::move(csv).str();
}

/// Numbers that are not finite become null.
Document list_of(const std::vector<double>& values) {
  Document list = Document::array();
  for (const double value : values) list.push_back(std::isfinite(value) ? Document(value) : Document());
  return list;
}

Document document_of(const InvarianceCommand& options, const LoadedModel& model, const Results& results) {
  Document document = make_document("invariance", options);
  document["filter"] = options.filter;
  document["border"] = options.border;
  if (options.border == "constant")
    document["fill"] = options.fill.empty() ? std::vector<double>{0.0} : options.fill;
  document["layers"] = results.images.front().layers;
  Document list = Document::array();
  for (std::size_t i = 0; i < results.images.size(); ++i) {
    const Invariance& one = results.images[i];
    Document curves = Document::array();
    for (const InvarianceCurve& curve : one.curves) {
      Document layers = Document::array();
      for (std::size_t l = 0; l < one.layers.size(); ++l)
        layers.push_back({{"layer", one.layers[l]},
                          {"distance", list_of(curve.layers[l].distance)},
                          {"relative", list_of(curve.layers[l].relative)}});
      curves.push_back({{"change", std::string(name_of(curve.sweep.kind))},
                        {"amounts", curve.sweep.amounts},
                        {"probability", list_of(curve.probability)},
                        {"layers", layers}});
    }
    list.push_back({{"image", results.names[i]},
                    {"class", one.class_index},
                    {"name", model.class_name(one.class_index)},
                    {"probability", one.probability},
                    {"norms", list_of(one.norms)},
                    {"curves", curves}});
  }
  document["images"] = list;
  return document;
}

std::string plots_of(const Results& results) {
  std::vector<std::string> names;
  for (const std::string& name : results.names) names.push_back(std::filesystem::path(name).stem().string());
  return viz::invariance_plots(results.images, names);
}

/// The largest number of a list; not a number where there is none.
double largest(const std::vector<double>& values) {
  double most = std::nan("");
  for (const double value : values)
    if (!(value <= most)) most = std::isfinite(value) ? value : most;
  return most;
}

void print_people(const Results& results, const LoadedModel& model) {
  std::cout << std::setprecision(3);
  for (std::size_t i = 0; i < results.images.size(); ++i) {
    const Invariance& one = results.images[i];
    std::cout << results.names[i] << ": class " << one.class_index << ' ' << model.class_name(one.class_index)
              << ", probability " << one.probability << "\n";
    for (const InvarianceCurve& curve : one.curves) {
      const auto& p = curve.probability;
      std::cout << "  " << name_of(curve.sweep.kind) << ' ' << curve.sweep.amounts.front() << " to "
                << curve.sweep.amounts.back() << ": ";
      for (std::size_t l = 0; l < one.layers.size(); ++l)
        std::cout << one.layers[l] << " moves by up to " << largest(curve.layers[l].relative)
                  << " of its norm, ";
      std::cout << "probability " << *std::min_element(p.begin(), p.end()) << " to "
                << *std::max_element(p.begin(), p.end()) << "\n";
    }
  }
}

void run_invariance(const InvarianceCommand& options) {
  require<UsageError>(options.data.empty() || (options.images.empty() && options.input.empty()),
                      "--data or --image wanted, met both");
  require<UsageError>(options.fill.empty() || options.border == "constant",
                      "--fill belongs to --border "
                      "constant, met ",
                      options.border);
  const std::vector<Sweep> sweeps = sweeps_of(options);
  check_device(options);
  const OutputKind kind = output_kind(options, {OutputKind::csv, OutputKind::svg, OutputKind::folder});
  const LoadedModel model = load_model(options);
  static_cast<void>(hidden_layers(model.topology(), options.layers));
  const Images images(options, model);
  std::optional<Timing> timing;
  const Results results =
      timed(options.repeat, timing, [&] { return compute(options, model, images, sweeps); });

  Document document = document_of(options, model, results);
  add_timing(document, timing);
  if (kind == OutputKind::csv) io::write_text(options.output, csv_of(results));
  if (kind == OutputKind::svg) io::write_text(options.output, plots_of(results));
  if (kind == OutputKind::folder) {
    FolderOutput folder(options.output);
    io::write_text(folder.add("invariance.csv"), csv_of(results));
    io::write_text(folder.add("invariance.svg"), plots_of(results));
    folder.commit(document);
  }
  print(options, document, [&] {
    print_people(results, model);
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_invariance(CLI::App& program, Action& action) {
  std::shared_ptr<InvarianceCommand> options;
  CLI::App& command = add_command<InvarianceCommand>(
      program, action, "invariance", "how far features move when a picture is moved, scaled or rotated",
      run_invariance, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  add_data_options(command, *options);
  command.add_option("--pictures", options->pictures, "of --data: so many from the first on")
      ->check(at_least(1))
      ->needs(command.get_option("--data"))
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--layers", options->layers,
                  "whose vectors are compared; first and last are the first and the last hidden layer")
      ->delimiter(',')
      ->capture_default_str()
      ->type_name("a,b");
  command
      .add_option("--class", options->class_index,
                  "whose probability is followed (default: the picture's label, or its most probable class)")
      ->check(at_least(0))
      ->type_name("K");
  const auto range = [&](const char* name, std::string& value, const char* text) {
    command.add_option(name, value, text)->capture_default_str()->type_name("A:B:STEP|none");
  };
  range("--translate", options->translate, "pixels of the network's input, down");
  range("--translate-right", options->translate_right, "the same to the right");
  range("--scale", options->scale, "factors about the middle");
  range("--rotate", options->rotate, "degrees anticlockwise about the middle");
  command
      .add_option("--filter", options->filter,
                  "how values between pixels are made; bilinear widens when the picture shrinks")
      ->check(CLI::IsMember({"bilinear", "nearest"}))
      ->capture_default_str();
  command.add_option("--border", options->border, "what moves in from beyond the picture's edges")
      ->check(CLI::IsMember({"constant", "replicate", "reflect"}))
      ->capture_default_str();
  command
      .add_option("--fill", options->fill,
                  "of --border constant: one value or one a channel, in the units of the network's input "
                  "(default: 0)")
      ->delimiter(',')

      ->type_name("V[,V,V]");
}

}  // namespace deconv::tool
