// deconv filters: a convolution's filters as pictures and in numbers.

#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "aliasing.hpp"
#include "arrays.hpp"
#include "deconv/analysis/filters.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/viz/filter_pictures.hpp"
#include "document.hpp"
#include "feature_stream.hpp"
#include "model.hpp"

namespace deconv::tool {

namespace {

struct FiltersOptions : CommonOptions {
  std::string layer;
  std::string stretch = "each";
};

/// The convolution of that name, or the one that makes the tensor of that name.
std::string convolution_of(const Topology& topology, const std::string& layer) {
  if (layer.empty()) return first_convolution(topology);
  const std::size_t producer = topology.producer(topology.find(layer));
  const Node* node = producer == Topology::no_producer ? nullptr : &topology.graph().nodes[producer];
  require<ArgumentError>(node != nullptr && std::holds_alternative<node::Conv2d>(node->params), "layer ",
                         quoted(layer), ": a convolution wanted, met ",
                         node == nullptr ? "an input" : kind_of(node->params));
  return node->name;
}

io::Image picture_of(const FiltersOptions& options, const Tensor<float, Cpu>& weights,
                     io::ChannelOrder order) {
  const auto scope = options.stretch == "common" ? viz::StretchScope::common : viz::StretchScope::each;
  return viz::filter_sheet(weights, order, scope);
}

std::string csv_of(const FilterReport& report) {
  std::ostringstream csv;
  csv << "filter,rms,dead,dominating,low,middle,high\n";
  for (std::size_t k = 0; k < report.filters.size(); ++k) {
    const FilterStatistics& filter = report.filters[k];
    csv << k << ',' << filter.rms << ',' << filter.dead << ',' << filter.dominating << ',' << filter.low
        << ',' << filter.middle << ',' << filter.high << '\n';
  }
  return std::move(csv).str();
}

/// Measures the second layer's projections over --data and adds what was found.
AliasingReport measure_projections(const FiltersOptions& options, Document& document) {
  const LoadedModel model = load_model(options);
  const auto set = io::open_dataset(options.data);
  FeatureStream data(options, model, *set, "projections");
  AliasingOptions how;
  how.maps = 16;
  const AliasingReport report = aliasing_of(*model.engine, how, data.stream().next);
  data.require_images();
  document["projections"] = {
      {"layer", report.layer},
      {"images", data.images()},
      {"skipped", data.skipped()},
      {"projections", report.projections},
      {"jump", report.jump},
      {"limit", report.limit},
      {"above", std::isfinite(report.above) ? Document(report.above) : Document()},
      {"frequencies", {{"low", report.low}, {"middle", report.middle}, {"high", report.high}}}};
  return report;
}

void run_filters(const FiltersOptions& options) {
  require<DeviceError>(options.device == Cpu::name,
                       "--device cuda: the statistics of filters are made on the host; --device cpu wanted");
  const Context<Cpu> context = options.host();
  const OutputKind kind = output_kind(options, {OutputKind::png, OutputKind::npy, OutputKind::safetensors,
                                                OutputKind::csv, OutputKind::folder});
  io::ModelFile file = read_model_file_of(options);
  const Topology topology(std::move(file.model.graph));
  const std::string layer = convolution_of(topology, options.layer);
  const auto found = file.model.weights.find(layer + ".weight");
  require<ArgumentError>(found != file.model.weights.end(), options.model.string(), ": layer ", quoted(layer),
                         " has no weights in this file");
  Tensor<float, Cpu>& weights = found->second;
  std::optional<Timing> timing;
  const FilterReport report =
      timed(options.repeat, timing, [&] { return analyse_filters(context, weights.view()); });

  Document document = make_document("filters", options);
  document["layer"] = layer;
  document["shape"] = to_document(weights.shape());
  document["median_rms"] = report.median_rms;
  document["dead"] = report.dead;
  document["dominating"] = report.dominating;
  Document filters = Document::array();
  for (std::size_t k = 0; k < report.filters.size(); ++k) {
    const FilterStatistics& filter = report.filters[k];
    filters.push_back(
        {{"filter", k},
         {"rms", filter.rms},
         {"dead", filter.dead},
         {"dominating", filter.dominating},
         {"frequencies", {{"low", filter.low}, {"middle", filter.middle}, {"high", filter.high}}}});
  }
  document["filters"] = filters;
  std::optional<AliasingReport> projections;
  if (!options.data.empty()) projections = measure_projections(options, document);
  add_timing(document, timing);

  const auto order = file.preprocess ? file.preprocess->order : io::ChannelOrder::rgb;
  if (kind == OutputKind::png) io::write_png(options.output, picture_of(options, weights, order));
  if (kind == OutputKind::csv) io::write_text(options.output, csv_of(report));
  if (kind == OutputKind::npy || kind == OutputKind::safetensors) {
    NamedArrays arrays;
    arrays.emplace_back(found->first, std::move(weights));
    write_arrays(kind, options.output, arrays);
  }
  if (kind == OutputKind::folder) {
    FolderOutput folder(options.output);
    io::write_png(folder.add("filters.png"), picture_of(options, weights, order));
    io::write_text(folder.add("filters.csv"), csv_of(report));
    folder.commit(document);
  }
  print(options, document, [&] {
    std::cout << layer << ' ' << document["shape"].dump() << ": median RMS " << report.median_rms << ", "
              << report.dead.size() << " dead, " << report.dominating.size() << " dominating\n"
              << "filter       RMS    low middle   high\n";
    for (std::size_t k = 0; k < report.filters.size(); ++k) {
      const FilterStatistics& filter = report.filters[k];
      std::cout << std::setw(6) << k << std::setw(10) << std::setprecision(4) << filter.rms << std::fixed
                << std::setprecision(2) << std::setw(7) << filter.low << std::setw(7) << filter.middle
                << std::setw(7) << filter.high << std::defaultfloat
                << (filter.dead         ? "  dead"
                    : filter.dominating ? "  dominating"
                                        : "")
                << "\n";
    }
    if (projections)
      std::cout << projections->layer << " reads every " << projections->jump << " pixels: of the energy of "
                << projections->projections << " projections " << std::setprecision(3) << projections->above
                << " lies above " << projections->limit
                << " cycles a pixel, which its grid cannot tell from coarser patterns\n";
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_filters(CLI::App& program, Action& action) {
  std::shared_ptr<FiltersOptions> options;
  CLI::App& command = add_command<FiltersOptions>(
      program, action, "filters", "a convolution's filters as pictures; strength and frequencies",
      run_filters, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_preprocess_options(command, *options);
  options->batch = 8;
  add_data_options(command, *options);
  command.get_option("--data")->description(
      "pictures whose projections from the second convolution are measured: how much of them is finer than "
      "its grid");
  command.add_option("--layer", options->layer, "a convolution (default: the one that reads the images)")
      ->type_name("NAME");
  command
      .add_option("--stretch", options->stretch,
                  "contrast of each filter by itself, or common to compare them")
      ->check(CLI::IsMember({"each", "common"}))
      ->capture_default_str();
}

}  // namespace deconv::tool
