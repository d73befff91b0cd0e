#include "attribute_results.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <sstream>

#include "arrays.hpp"
#include "csv.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/viz/montage.hpp"
#include "deconv/viz/plot.hpp"

namespace deconv::tool {

namespace {

std::string csv_of(const Inputs& inputs, const AttributeResults& results) {
  std::ostringstream csv;
  csv.precision(9);
  csv << "image,method,share,deletion,insertion\n";
  for (std::size_t n = 0; n < inputs.names.size(); ++n)
    for (const auto& method : results.curves)
      for (std::size_t i = 0; i < method.deletion[n].shares.size(); ++i)
        csv << csv_cell(inputs.names[n]) << ',' << method.name << ',' << method.deletion[n].shares[i] << ','
            << method.deletion[n].probabilities[i] << ',' << method.insertion[n].probabilities[i] << "\n";
  return std::move(csv).str();
}

std::string svg_of(const AttributeOptions& options, const LoadedModel& model, const Inputs& inputs,
                   const AttributeResults& results) {
  const auto& first = results.attributions.front().front();
  const std::string note = inputs.size() > 1 ? message("mean of ", inputs.size(), " images")
                                             : target_text(options.target, model, first.layer, first.unit);
  return viz::to_svg(viz::perturbation_plots(results.curves, note));
}

/// All images of one method, N x C x H x W.
Tensor<float, Cpu> stacked(const std::vector<Attribution<float>>& attributions, const Shape& shape) {
  Tensor<float, Cpu> all(shape);
  float* out = all.data();
  for (const auto& one : attributions) out = std::copy(one.values.begin(), one.values.end(), out);
  return all;
}

}  // namespace

std::vector<double> baseline_of(const std::string& text) {
  if (text.empty() || text == "zero") return {};
  if (text.ends_with(".npy")) {
    const auto array = io::read_npy<float>(text);
    return {array.begin(), array.end()};
  }
  std::vector<double> values;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t stop = std::min(text.find(',', at), text.size());
    double value = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + stop, value);
    require<UsageError>(error == std::errc{} && end == text.data() + stop,
                        "--baseline: zero, numbers parted by commas or FILE.npy wanted, met ", text);
    values.push_back(value);
    at = stop + 1;
  }
  return values;
}

PerturbationOptions curve_options(const AttributeOptions& options, const Inputs& inputs, bool insertion) {
  PerturbationOptions how;
  const Index pixels = inputs.batch[2] * inputs.batch[3];
  how.steps = options.curve_steps.value_or(std::min<Index>(how.steps, pixels));
  how.batch = options.batch;
  // What pixels are put into is blurred, as in the paper: edges of put-in pixels on nothing would be seen.
  const double side = static_cast<double>(std::min(inputs.batch[2], inputs.batch[3]));
  if (insertion) how.blur = options.blur.value_or(side / 20);
  if (how.blur == 0) how.baseline = baseline_of(options.baseline);
  return how;
}

Document document_of(const AttributeOptions& options, const LoadedModel& model, const Inputs& inputs,
                     const AttributionOptions& how, const AttributeResults& results) {
  Document document = make_document("attribute", options);
  const auto uses = [&](AttributionMethod method) {
    return std::find(results.methods.begin(), results.methods.end(), method) != results.methods.end();
  };
  if (uses(AttributionMethod::integrated_gradients)) {
    document["steps"] = how.steps;
    document["path_rule"] = how.rule == PathRule::midpoint ? "midpoint" : "gauss-legendre";
    document["baseline"] = options.baseline.empty() ? "zero" : options.baseline;
  }
  if (uses(AttributionMethod::smoothgrad)) {
    document["samples"] = how.samples;
    document["noise"] = how.noise;
    document["squared"] = how.squared;
    document["seed"] = how.seed;
  }
  if (options.curves) {
    document["curve_steps"] = curve_options(options, inputs, false).steps;
    document["insertion_blur"] = curve_options(options, inputs, true).blur;
  }
  Document images = Document::array();
  for (std::size_t n = 0; n < inputs.names.size(); ++n) {
    Document image;
    image["image"] = inputs.names[n];
    const auto& first = results.attributions.front()[n];
    add_target(image, options.target, model, first.layer, first.unit, first.score);
    Document methods = Document::array();
    for (std::size_t m = 0; m < results.methods.size(); ++m) {
      const auto& one = results.attributions[m][n];
      const auto [low, high] = std::minmax_element(one.values.begin(), one.values.end());
      Document method;
      method["method"] = name_of(one.method);
      method["sum"] = number(std::accumulate(one.values.begin(), one.values.end(), 0.0f));
      method["min"] = number(*low);
      method["max"] = number(*high);
      if (one.completeness_gap) {
        method["baseline_score"] = number(*one.baseline_score);
        method["completeness_gap"] = number(static_cast<float>(*one.completeness_gap));
      }
      if (options.curves) {
        method["deletion_area"] = results.curves[m].deletion[n].area;
        method["insertion_area"] = results.curves[m].insertion[n].area;
      }
      methods.push_back(std::move(method));
    }
    image["methods"] = std::move(methods);
    if (options.curves) {
      image["probability"] = results.curves.back().deletion[n].probabilities.front();
      image["random"] = {{"deletion_area", results.curves.back().deletion[n].area},
                         {"insertion_area", results.curves.back().insertion[n].area}};
    }
    images.push_back(std::move(image));
  }
  document["images"] = std::move(images);
  return document;
}

void write_attributions(const AttributeOptions& options, OutputKind kind, const LoadedModel& model,
                        const Inputs& inputs, const AttributeResults& results, Document& document) {
  const auto stem = [&](std::size_t n) {
    return inputs.size() > 1 ? message("image", n, "_") : std::string();
  };
  const auto picture = [&](std::size_t m, std::size_t n) {
    return viz::attribution_picture(results.attributions[m][n].values, results.methods[m],
                                    model.channel_order());
  };
  const auto side_by_side = [&] {
    if (results.methods.size() == 1 && inputs.size() == 1) return picture(0, 0);
    std::vector<io::Image> pictures;
    std::vector<std::string> captions;
    for (std::size_t n = 0; n < inputs.seen.size(); ++n) {
      pictures.push_back(inputs.seen[n]);
      captions.emplace_back("input");
      for (std::size_t m = 0; m < results.methods.size(); ++m) {
        pictures.push_back(picture(m, n));
        captions.emplace_back(name_of(results.methods[m]));
      }
    }
    viz::MontageOptions how;
    if (inputs.size() > 1) how.columns = static_cast<Index>(results.methods.size()) + 1;
    // Small inputs get room for their captions.
    how.cell_width = how.cell_height = std::max<Index>(128, std::max(inputs.batch[2], inputs.batch[3]));
    return viz::montage(pictures, how, captions);
  };
  if (kind == OutputKind::npy)
    io::write_npy(options.output, stacked(results.attributions[0], inputs.batch.shape()));
  if (kind == OutputKind::safetensors) {
    NamedArrays arrays;
    for (std::size_t m = 0; m < results.methods.size(); ++m)
      for (std::size_t n = 0; n < inputs.names.size(); ++n)
        arrays.emplace_back(stem(n) + std::string(name_of(results.methods[m])),
                            results.attributions[m][n].values.clone());
    write_arrays(kind, options.output, arrays);
  }
  if (kind == OutputKind::png) io::write_png(options.output, side_by_side());
  if (kind == OutputKind::csv) io::write_text(options.output, csv_of(inputs, results));
  if (kind == OutputKind::svg) io::write_text(options.output, svg_of(options, model, inputs, results));
  if (kind != OutputKind::folder) return;
  FolderOutput folder(options.output);
  io::write_png(folder.add("montage.png"), side_by_side());
  for (std::size_t m = 0; m < results.methods.size(); ++m) {
    const std::string name(name_of(results.methods[m]));
    io::write_npy(folder.add(name + ".npy"), stacked(results.attributions[m], inputs.batch.shape()));
    for (std::size_t n = 0; n < inputs.names.size(); ++n) {
      const auto file = folder.add(stem(n) + name + ".png");
      io::write_png(file, picture(m, n));
      document["images"][n]["methods"][m]["file"] = file.filename().string();
    }
  }
  if (options.curves) {
    io::write_text(folder.add("curves.csv"), csv_of(inputs, results));
    io::write_text(folder.add("curves.svg"), svg_of(options, model, inputs, results));
  }
  folder.commit(document);
}

}  // namespace deconv::tool
