#pragma once
/// The sections of a report, each by a function that adds its part to the page and to the JSON document.

#include <optional>
#include <string>
#include <vector>

#include "deconv/viz/report.hpp"
#include "document.hpp"
#include "inputs.hpp"
#include "model.hpp"

namespace deconv::tool {

struct ReportOptions : CommonOptions {
  std::vector<std::string> layers;  ///< empty: the last of each size of plane
  Index maps = 12;                  ///< of each layer, drawn by --seed
  Index top = 9;
  std::optional<Index> class_index;
  std::vector<Index> size{32}, stride{16};
  std::string fill = "grey";
  std::string landmarks;
  std::vector<std::string> tables, plots;
};

/// What the sections read and write.
struct ReportJob {
  const ReportOptions& options;
  const LoadedModel& model;
  std::vector<std::string> layers;  ///< the report's layers, in the network's order
  viz::Report& page;
  Document& document;
};

/// The last rectified (or joined) tensor of each size of plane, where a network's stages end: five at most.
[[nodiscard]] std::vector<std::string> stage_layers(const Topology& topology);

/// The table of layers with shapes, parameters, work and receptive fields.
void report_network(ReportJob& job);
/// The first convolution of a model and its filters K x C x R x S.
struct FirstFilters {
  std::string layer;
  Tensor<float, Cpu> weights;
};
/// Nothing when no convolution reads the images, or the file has no weights of it.
[[nodiscard]] std::optional<FirstFilters> first_filters(const io::ModelFile& file);
/// The first convolution's filters, as pictures and in numbers.
void report_filters(ReportJob& job, const FirstFilters& filters);
/// The browser of layers and maps: what excites each map most in --data, projected to pixels.
void report_maps(ReportJob& job);
/// What the network says of each image, where it looks, and its activations.
void report_images(ReportJob& job, const Inputs& inputs);
/// The tables (.csv) and plots (.svg) that other commands wrote.
void report_files(ReportJob& job);

/// A number for people: four significant digits.
[[nodiscard]] std::string short_number(double value);

}  // namespace deconv::tool
