#pragma once
/// What deconv occlude found: for programs, tables, arrays and pictures.

#include <optional>
#include <string>
#include <vector>

#include "deconv/analysis/occlusion_result.hpp"
#include "deconv/analysis/projection.hpp"
#include "document.hpp"
#include "inputs.hpp"
#include "occlusion_elsewhere.hpp"
#include "output.hpp"

namespace deconv::tool {

/// One image's analysis, all with the same grid, layer, and numbers of maps and classes.
struct OcclusionResult {
  Occlusion<float> occlusion;
  std::optional<Projection<float>> projection;  ///< of the first map's strongest unit
  Elsewhere elsewhere;  ///< the first map in other pictures; empty where none are given
};

/// Adds patch, grid, layer and what was found in each image.
void add_occlusions(Document& document, const LoadedModel& model, const Inputs& inputs,
                    const std::vector<OcclusionResult>& results);
/// Writes --output of any kind; a folder holds the document too.
void write_occlusions(const std::string& output, OutputKind kind, const LoadedModel& model,
                      const Inputs& inputs, const std::vector<OcclusionResult>& results, Document& document);
/// The document for people.
void print_occlusions(const Document& document);

}  // namespace deconv::tool
