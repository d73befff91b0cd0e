// The parts of a report that come from the model file alone, and from files that other commands wrote.

#include <cstdio>
#include <filesystem>

#include "csv.hpp"
#include "deconv/analysis/filters.hpp"
#include "deconv/io/file.hpp"
#include "deconv/nn/layer_summary.hpp"
#include "deconv/nn/score_tensor.hpp"
#include "deconv/viz/filter_pictures.hpp"
#include "report_sections.hpp"

namespace deconv::tool {

namespace {

std::string shape_text(const Shape& shape) {
  std::string text;
  for (const Index extent : shape.extents()) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

}  // namespace

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

PatchOptions report_patch(const ReportOptions& options, const Shape& images) {
  PatchOptions patch = options;
  const Index side = std::min(images[2], images[3]);
  if (patch.size.empty()) patch.size = std::to_string(std::max<Index>(1, side * 32 / 224));
  if (patch.stride.empty()) patch.stride = std::to_string(std::max<Index>(1, side * 16 / 224));
  return patch;
}

std::vector<std::string> stage_layers(const Topology& topology) {
  const auto shapes = infer_shapes(topology.graph(), 1);
  std::vector<std::string> stages;
  std::vector<Shape> planes;
  for (const auto& step : topology.steps()) {
    const node::Params& params =
        topology.graph().nodes[static_cast<std::size_t>(&step - topology.steps().data())].params;
    const std::string name = topology.name(step.outputs[0]);
    const Shape& shape = shapes.at(name);
    const bool makes_maps = std::holds_alternative<node::Relu>(params) ||
                            std::holds_alternative<node::Concat>(params) ||
                            std::holds_alternative<node::Add>(params);
    if (!makes_maps || shape.rank() != 4 || shape[2] * shape[3] <= 1) continue;
    if (!planes.empty() && planes.back()[2] == shape[2] && planes.back()[3] == shape[3]) {
      stages.back() = name;
      planes.back() = shape;
    } else {
      stages.push_back(name);
      planes.push_back(shape);
    }
  }
  require<ArgumentError>(!stages.empty(),
                         "the network has no rectified layer with planes; --layers a,b wanted");
  // Convolutions without padding make every size a new one.
  constexpr std::size_t most = 5;
  if (stages.size() <= most) return stages;
  std::vector<std::string> chosen;
  for (std::size_t i = 0; i < most; ++i) chosen.push_back(stages[i * (stages.size() - 1) / (most - 1)]);
  return chosen;
}

void report_network(ReportJob& job) {
  job.page.section("Network");
  const Graph& graph = job.model.topology().graph();
  viz::ReportTable table;
  table.caption = "Receptive field: size / jump / first row that the first unit sees, in input pixels";
  table.columns = {"layer", "kind", "output", "parameters", "multiply-adds", "receptive field"};
  for (const GraphInput& input : graph.inputs)
    table.rows.push_back({input.name, "input", shape_text(input.shape), "", "", ""});
  Index parameters = 0, work = 0;
  for (const LayerSummary& layer : layer_summaries(graph)) {
    parameters += layer.parameters;
    work += layer.multiply_adds;
    table.rows.push_back({layer.output, layer.kind, shape_text(layer.shape),
                          layer.parameters > 0 ? std::to_string(layer.parameters) : "",
                          layer.multiply_adds > 0 ? short_count(layer.multiply_adds) : "",
                          field_text(layer.field)});
  }
  job.page.paragraph(message(graph.nodes.size(), " layers, ", parameters, " parameters, ", short_count(work),
                             " multiply-adds an image."));
  job.page.table(table);
  job.document["network"] = {
      {"layers", graph.nodes.size()}, {"parameters", parameters}, {"multiply_adds", work}};
}

std::optional<FirstFilters> first_filters(const io::ModelFile& file) {
  const Topology topology(file.model.graph);
  std::string layer;
  try {
    layer = first_convolution(topology);
  } catch (const ArgumentError&) {
    return std::nullopt;
  }
  const auto found = file.model.weights.find(layer + ".weight");
  if (found == file.model.weights.end()) return std::nullopt;
  return FirstFilters{layer, found->second.clone()};
}

void report_filters(ReportJob& job, const FirstFilters& filters) {
  const auto& [layer, weights] = filters;
  const FilterReport report = analyse_filters(job.options.host(), weights.view());
  job.page.section("First-layer filters");
  const auto numbers = [](const std::vector<Index>& chosen) {
    std::string text;
    for (const Index k : chosen) text += (text.empty() ? ": " : ", ") + std::to_string(k);
    return message(chosen.size(), text);
  };
  job.page.paragraph(message("Layer ", layer, ", ", shape_text(weights.shape()), ". Median RMS ",
                             short_number(report.median_rms), "; dead ", numbers(report.dead),
                             "; dominating ", numbers(report.dominating), "."));
  job.page.picture({viz::filter_sheet(weights.view(), job.model.channel_order()),
                    "Each filter's weights, its own contrast, zero in mid-grey", viz::PictureCoding::png,
                    false});
  job.document["filters"] = {{"layer", layer},
                             {"median_rms", report.median_rms},
                             {"dead", report.dead},
                             {"dominating", report.dominating}};
}

void report_files(ReportJob& job) {
  if (job.options.tables.empty() && job.options.plots.empty()) return;
  job.page.section("Tables and plots");
  const auto name_of = [](const std::string& path) { return std::filesystem::path(path).stem().string(); };
  for (const std::string& path : job.options.tables) {
    auto rows = read_csv(path);
    viz::ReportTable table{name_of(path), std::move(rows.front()), {}};
    table.rows.assign(std::make_move_iterator(rows.begin() + 1), std::make_move_iterator(rows.end()));
    job.page.table(table);
  }
  for (const std::string& path : job.options.plots)
    job.page.plot(io::read_text(path, std::uint64_t{1} << 26), name_of(path));
  job.document["tables"] = job.options.tables;
  job.document["plots"] = job.options.plots;
}

}  // namespace deconv::tool
