#pragma once
/// What `deconv attribute` computed, on its way to JSON, pictures and tables.

#include <optional>
#include <string>
#include <vector>

#include "attribution.hpp"
#include "deconv/viz/attribution.hpp"
#include "document.hpp"
#include "inputs.hpp"
#include "output.hpp"
#include "target_options.hpp"

namespace deconv::tool {

struct AttributeOptions : CommonOptions {
  TargetOptions target;
  std::vector<std::string> methods;
  bool signed_values = false, squared = false, curves = false;
  std::optional<Index> steps, samples, curve_steps;
  std::optional<double> noise, blur;
  std::string path_rule, baseline, cam_layer;
};

/// What was computed: by method, then by image; the curves' last entry is a random order.
struct AttributeResults {
  std::vector<AttributionMethod> methods;
  std::vector<std::vector<Attribution<float>>> attributions;
  std::vector<viz::NamedCurves> curves;
};

/// --baseline: "zero", values parted by commas, or an array's file. Throws UsageError, IoError, FormatError.
[[nodiscard]] std::vector<double> baseline_of(const std::string& text);

/// How the pictures of a deletion or an insertion curve are made.
[[nodiscard]] PerturbationOptions curve_options(const AttributeOptions& options, const Inputs& inputs,
                                                bool insertion);

[[nodiscard]] Document document_of(const AttributeOptions& options, const LoadedModel& model,
                                   const Inputs& inputs, const AttributionOptions& how,
                                   const AttributeResults& results);

/// Writes what --output asks for; a folder's files are named in the document.
void write_attributions(const AttributeOptions& options, OutputKind kind, const LoadedModel& model,
                        const Inputs& inputs, const AttributeResults& results, Document& document);

}  // namespace deconv::tool
