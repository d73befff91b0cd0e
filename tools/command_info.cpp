// deconv info: what a model file holds, layer by layer.

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "csv.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/preprocess_json.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/nn/layer_summary.hpp"
#include "document.hpp"
#include "model.hpp"
#include "output.hpp"

namespace deconv::tool {

namespace {

struct InfoOptions : CommonOptions {};

/// Rows and columns of a field: of windows that move with the unit, size, jump and the first row or column
/// that the first unit sees; else the whole input.
Document field_document(const std::optional<Footprint>& field) {
  if (!field) return nullptr;
  if (field->whole) return {{"whole", true}};
  const auto ratio = [](Index over, Index under) -> Document {
    if (over % under == 0) return over / under;
    return static_cast<double>(over) / static_cast<double>(under);
  };
  return {{"whole", false},
          {"size", {field->y.size(), field->x.size()}},
          {"jump", {ratio(field->y.jump, field->y.divisor), ratio(field->x.jump, field->x.divisor)}},
          {"offset", {field->y.first(0), field->x.first(0)}}};
}

std::string shape_text(const Shape& shape) {
  std::string text;
  for (const Index extent : shape.extents()) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

void print_table(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  for (const auto& line : lines) {
    std::ostringstream text;
    for (std::size_t i = 0; i < line.size(); ++i)
      text << (i >= 3 && i <= 4 ? std::right : std::left) << std::setw(static_cast<int>(widths[i])) << line[i]
           << (i + 1 < line.size() ? "  " : "");
    std::string shown = std::move(text).str();
    shown.erase(shown.find_last_not_of(' ') + 1);
    std::cout << shown << '\n';
  }
}

Document document_of(const InfoOptions& options, const io::ModelFile& file,
                     const std::vector<LayerSummary>& rows) {
  Document document = make_document("info", options);
  document["name"] = file.model.name;
  Document inputs = Document::array(), layers = Document::array();
  for (const GraphInput& input : file.model.graph.inputs)
    inputs.push_back({{"name", input.name}, {"shape", to_document(input.shape)}});
  Index parameters = 0, work = 0;
  for (const LayerSummary& row : rows) {
    parameters += row.parameters;
    work += row.multiply_adds;
    layers.push_back({{"name", row.name},
                      {"output", row.output},
                      {"kind", row.kind},
                      {"output_shape", to_document(row.shape)},
                      {"parameters", row.parameters},
                      {"multiply_adds", row.multiply_adds},
                      {"receptive_field", field_document(row.field)}});
  }
  document["inputs"] = inputs;
  document["outputs"] = file.model.graph.outputs;
  document["layers"] = layers;
  document["totals"] = {{"layers", rows.size()}, {"parameters", parameters}, {"multiply_adds", work}};
  document["aliases"] = file.model.graph.aliases;
  document["preprocess"] =
      file.preprocess ? Document::parse(io::preprocess_to_json(*file.preprocess).dump()) : Document(nullptr);
  document["classes"] = file.class_names.size();
  return document;
}

void write_csv(const std::string& path, const std::vector<LayerSummary>& rows) {
  std::ostringstream csv;
  csv << "name,output,kind,output_shape,parameters,multiply_adds,field_height,field_width,field_jump_y,"
         "field_jump_x,field_top,field_left\n";
  for (const LayerSummary& row : rows) {
    csv << csv_cell(row.name) << ',' << csv_cell(row.output) << ',' << row.kind << ','
        << shape_text(row.shape) << ',' << row.parameters << ',' << row.multiply_adds;
    if (row.field && !row.field->whole)
      csv << ',' << row.field->y.size() << ',' << row.field->x.size() << ','
          << static_cast<double>(row.field->y.jump) / static_cast<double>(row.field->y.divisor) << ','
          << static_cast<double>(row.field->x.jump) / static_cast<double>(row.field->x.divisor) << ','
          << row.field->y.first(0) << ',' << row.field->x.first(0) << '\n';
    else
      csv << ",,,,,,\n";
  }
  io::write_text(path, std::move(csv).str());
}

void run_info(const InfoOptions& options) {
  const OutputKind kind = output_kind(options, {OutputKind::csv});
  io::ModelFile file = read_model_file_of(options);
  sort_and_check(file.model.graph);
  const std::vector<LayerSummary> rows = layer_summaries(file.model.graph);
  const Document document = document_of(options, file, rows);
  if (kind == OutputKind::csv) write_csv(options.output, rows);
  print(options, document, [&] {
    std::vector<std::vector<std::string>> lines = {
        {"layer", "kind", "output", "parameters", "multiply-adds", "field: size / jump / offset"}};
    for (const GraphInput& input : file.model.graph.inputs)
      lines.push_back({input.name, "input", shape_text(input.shape), "", "", ""});
    for (const LayerSummary& row : rows)
      lines.push_back({row.name == row.output ? row.name : row.name + " -> " + row.output, row.kind,
                       shape_text(row.shape), row.parameters > 0 ? std::to_string(row.parameters) : "",
                       row.multiply_adds > 0 ? short_count(row.multiply_adds) : "", field_text(row.field)});
    print_table(lines);
    std::cout << rows.size() << " layers, " << document["totals"]["parameters"].get<Index>()
              << " parameters, " << short_count(document["totals"]["multiply_adds"].get<Index>())
              << " multiply-adds an image\n"
              << "preprocessing: "
              << (file.preprocess ? io::preprocess_to_json(*file.preprocess).dump() : "not known") << "\n";
    for (const auto& [alias, tensor] : file.model.graph.aliases)
      std::cout << "also known as " << alias << ": " << tensor << "\n";
  });
}

}  // namespace

void add_info(CLI::App& program, Action& action) {
  std::shared_ptr<InfoOptions> options;
  CLI::App& command = add_command<InfoOptions>(
      program, action, "info", "every layer: shape, parameters, work, receptive field", run_info, options);
  add_model_options(command, *options);
  add_preprocess_options(command, *options);
}

}  // namespace deconv::tool
