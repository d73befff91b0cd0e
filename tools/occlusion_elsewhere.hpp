#pragma once
/// What a feature map answers to in other pictures (the second half of Fig. 7 c).

#include <map>
#include <string>
#include <vector>

#include "deconv/io/image.hpp"
#include "document.hpp"
#include "model.hpp"

namespace deconv::tool {

/// The pictures of a data set that excite a map most.
struct Elsewhere {
  io::Image picture;  ///< their projections, and beside them the patches
  Document hits;      ///< image, y, x, activation of each
};

/// For each of these maps of a layer the four pictures of --data that excite it most. Throws as features().
[[nodiscard]] std::map<Index, Elsewhere> projections_elsewhere(const CommonOptions& options,
                                                               const LoadedModel& model,
                                                               const std::string& layer,
                                                               std::vector<Index> maps);

}  // namespace deconv::tool
