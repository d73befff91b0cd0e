#pragma once
/// The sections of a report, each by a function that adds its part to the page and to the JSON document.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "deconv/viz/report.hpp"
#include "document.hpp"
#include "inputs.hpp"
#include "model.hpp"
#include "patch_options.hpp"

namespace deconv::tool {

struct ReportOptions : CommonOptions, PatchOptions {
  std::vector<std::string> layers;  ///< empty: the last of each size of plane
  Index maps = 12;                  ///< of each layer, drawn by --seed
  Index top = 9;
  std::optional<Index> class_index;
  std::vector<std::string> skip;
  std::vector<std::string> tables, plots;

  [[nodiscard]] bool wants(const std::string& section) const {
    return std::find(skip.begin(), skip.end(), section) == skip.end();
  }
};

/// What --skip knows.
inline const std::vector<std::string> report_section_names{"filters",     "maps",      "activations",
                                                           "attribution", "occlusion", "invariance"};

/// The patch of --size and --stride; where they are not given, as large in proportion as 32 and 16 pixels are
/// in 224.
[[nodiscard]] PatchOptions report_patch(const ReportOptions& options, const Shape& images);

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
/// For each image: what the network says of it and where it looks, its activations, and the experiments.
void report_images(ReportJob& job, const Inputs& inputs);
/// What the pixels of image `n` have to do with a class, by all methods.
void report_attributions(ReportJob& job, const Inputs& inputs, Index n, Index class_index);
/// What the network makes of image `n` with a part covered.
void report_occlusion(ReportJob& job, const Inputs& inputs, Index n, Index class_index);
/// How the features of image `n` move with it.
void report_invariance(ReportJob& job, const Inputs& inputs, Index n, Index class_index);
/// The tables (.csv) and plots (.svg) that other commands wrote.
void report_files(ReportJob& job);

/// What the experiments with one image of this shape will take, said before they begin. `forward_seconds`:
/// of one forward pass.
void tell_experiments(const ReportJob& job, const Inputs& inputs, double forward_seconds);

/// A number for people: four significant digits.
[[nodiscard]] std::string short_number(double value);

}  // namespace deconv::tool
