#pragma once
/// Plots as --output: .svg always, .png where this program can draw them.

#include "output.hpp"

namespace deconv::tool {

/// Throws UsageError, before any work is done, when --output asks for plots as a picture and this program was
/// built without what draws them. What is written is viz::write_plots' (deconv/viz/plot_picture.hpp).
void check_plots(const CommonOptions& options, OutputKind kind);

}  // namespace deconv::tool
