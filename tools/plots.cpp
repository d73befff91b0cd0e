#include "plots.hpp"

#include "deconv/viz/plot_picture.hpp"

namespace deconv::tool {

void check_plots(const CommonOptions& options, OutputKind kind) {
  require<UsageError>(kind != OutputKind::png || viz::has_plot_pictures, "--output ", options.output,
                      ": this deconv was built without librsvg, which draws plots as pictures; .svg wanted");
}

}  // namespace deconv::tool
