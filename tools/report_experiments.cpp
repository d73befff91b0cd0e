// What a report finds out about an image by changing it and by passing signals down.

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "attribution.hpp"
#include "deconv/viz/attribution.hpp"
#include "deconv/viz/invariance.hpp"
#include "deconv/viz/occlusion.hpp"
#include "invariance.hpp"
#include "occlusion.hpp"
#include "progress.hpp"
#include "report_sections.hpp"

namespace deconv::tool {

namespace {

AttributionOptions attribution_options(const ReportJob& job) {
  AttributionOptions how;
  how.seed = job.options.seed;
  how.batch = job.options.batch;
  return how;
}

Index attribution_passes(const AttributionOptions& how) {
  Index rows = 0;
  for (const AttributionMethod method : attribution_methods) rows += attribution_rows(method, 1, how);
  return rows;
}

OcclusionOptions occlusion_options(const ReportJob& job, const Shape& images) {
  OcclusionOptions how;
  apply_patch(report_patch(job.options, images), !job.options.input.empty(), how);
  return how;
}

InvarianceOptions invariance_options(const ReportJob& job) {
  InvarianceOptions how;
  how.layers = {job.layers.front(), "last"};
  how.batch = job.options.batch;
  return how;
}

/// The paper's sweeps, its translations of up to 60 of 224 pixels as a share of the image's height.
std::vector<Sweep> sweeps_for(const Inputs& inputs) {
  std::vector<Sweep> sweeps = paper_sweeps();
  const double reach = std::round(static_cast<double>(inputs.batch[2]) * 60 / 224);
  const double step = std::max(1.0, std::round(reach / 12));
  for (Sweep& sweep : sweeps)
    if (sweep.kind == SweepKind::down) {
      // From zero outwards, so that no change is among them.
      sweep.amounts = amounts_between(0, reach, step);
      for (std::size_t i = 1, count = sweep.amounts.size(); i < count; ++i)
        sweep.amounts.push_back(-sweep.amounts[i]);
      std::sort(sweep.amounts.begin(), sweep.amounts.end());
    }
  return sweeps;
}

Index amounts_of(const std::vector<Sweep>& sweeps) {
  Index amounts = 0;
  for (const Sweep& sweep : sweeps) amounts += static_cast<Index>(sweep.amounts.size());
  return amounts;
}

/// A plane of an occlusion's results over the picture, without a frame, so that the patch can wander on it.
viz::ReportPicture occlusion_map(const io::Image& seen, const Occlusion<float>& occlusion,
                                 const Tensor<float, Cpu>& planes, const std::string& what) {
  const auto plane = viz::occlusion_plane(planes, 0);
  const auto [least, most] = std::minmax_element(plane.begin(), plane.end());
  viz::HeatMapOptions how;
  how.frame = false;
  how.cells = viz::occlusion_cells(occlusion.grid);
  how.alpha = 0.7;
  return {viz::heat_map(plane, seen, how),
          message(what, ": from ", short_number(static_cast<double>(*least)), " (dark) to ",
                  short_number(static_cast<double>(*most)), " (bright)"),
          viz::PictureCoding::png, false};
}

}  // namespace

void tell_experiments(const ReportJob& job, const Inputs& inputs, double forward_seconds) {
  const Shape one = inputs.batch.shape().with(0, 1);
  double passes = 0;
  std::uint64_t bytes = 0;
  if (job.options.wants("attribution")) {
    const AttributionOptions how = attribution_options(job);
    // A gradient costs a forward pass and about two more.
    passes += 3 * static_cast<double>(attribution_passes(how));
    bytes = std::max<std::uint64_t>(bytes, gradient_bytes_of(*job.model.engine, one, how.batch));
  }
  if (job.options.wants("occlusion")) {
    const auto cost = occlusion_cost_of(*job.model.engine, one, occlusion_options(job, inputs.batch.shape()),
                                        OcclusionMethod::windows);
    passes += cost.multiply_adds / cost.brute_multiply_adds * static_cast<double>(cost.places);
    bytes = std::max<std::uint64_t>(bytes, cost.bytes);
  }
  if (job.options.wants("invariance")) {
    passes += static_cast<double>(amounts_of(sweeps_for(inputs)));
    bytes =
        std::max<std::uint64_t>(bytes, invariance_bytes_of(*job.model.engine, one, invariance_options(job)));
  }
  const double seconds = passes * forward_seconds * static_cast<double>(inputs.size());
  constexpr double little = 2;
  if (seconds > little)
    tell_work(inputs.size(), inputs.size() == 1 ? "image" : "images", seconds, bytes, job.options.quiet);
}

void report_attributions(ReportJob& job, const Inputs& inputs, Index n, Index class_index) {
  job.page.heading("Attribution");
  job.page.paragraph(
      message("What the pixels have to do with class ", class_index, " ", job.model.class_name(class_index),
              ". Sums over the channels are red for it and blue against it; magnitudes are dark "
              "to bright; the others are in the picture's colours about mid-grey."));
  AttributionOptions how = attribution_options(job);
  how.target.maps = {class_index};
  Progress progress("attribution", "passes", attribution_passes(how), job.options.quiet);
  Index before = 0;
  how.progress = [&](Index done, Index) {
    progress.advance(done - before);
    before = done;
  };
  std::vector<viz::ReportPicture> pictures;
  for (const AttributionMethod method : attribution_methods) {
    before = 0;
    const auto all = attributions_of(*job.model.engine, inputs.batch.view().slice(n, 1), method, how);
    const auto& found = all.front();
    std::string caption(name_of(method));
    if (found.completeness_gap)
      caption += message(", completeness gap ", short_number(*found.completeness_gap));
    pictures.push_back(
        {viz::attribution_picture(found.values, method, job.model.channel_order(), contrast_percentile),
         std::move(caption), viz::PictureCoding::png, false});
  }
  job.page.gallery(pictures);
}

void report_occlusion(ReportJob& job, const Inputs& inputs, Index n, Index class_index) {
  const auto& seen = inputs.seen[static_cast<std::size_t>(n)];
  const auto image = inputs.batch.view().slice(n, 1);
  OcclusionOptions how = occlusion_options(job, inputs.batch.shape());
  how.classes = {class_index};
  const PatchGrid grid = occlusion_grid(image[2], image[3], how);
  Progress progress("occlusion", "positions", grid.count(), job.options.quiet);
  Index before = 0;
  how.progress = [&](Index done, Index) {
    progress.advance(done - before);
    before = done;
  };
  const auto fill = choose_fill(job.options, !job.options.input.empty(), job.model, image, how);
  const Occlusion<float> found =
      occlusion_of(*job.model.engine, image, how, OcclusionMethod::windows, fill.view());
  const std::string named = message("class ", class_index, " ", job.model.class_name(class_index));
  const std::string map = message("total activation of ", found.layer, " map ", found.maps.front());

  job.page.heading("Occlusion");
  job.page.paragraph(message("What the network makes of the image when a patch of ", grid.height, "x",
                             grid.width, " pixels (", job.options.fill, ") covers a part, at ", grid.count(),
                             " places."));
  viz::ReportOcclusion experiment;
  experiment.picture = seen;
  for (Index r = 0; r < grid.rows; ++r) experiment.tops.push_back(grid.top + r * grid.step_y);
  for (Index c = 0; c < grid.columns; ++c) experiment.lefts.push_back(grid.left + c * grid.step_x);
  experiment.patch_height = grid.height;
  experiment.patch_width = grid.width;
  std::vector<std::string> probabilities, classes, activations;
  for (Index i = 0; i < grid.count(); ++i) {
    const Index top = found.top_class.data()[i];
    probabilities.push_back(short_number(static_cast<double>(found.probability.data()[i])));
    classes.push_back(message(top, " ", job.model.class_name(top)));
    activations.push_back(short_number(static_cast<double>(found.activation.data()[i])));
  }
  experiment.lines = {{"probability of " + named, std::move(probabilities)},
                      {"most probable: class", std::move(classes)},
                      {map, std::move(activations)}};
  experiment.maps.push_back(occlusion_map(seen, found, found.probability, "Probability of " + named));
  experiment.maps.push_back(occlusion_map(seen, found, found.activation, map));
  job.page.occlusion(experiment);
}

void report_invariance(ReportJob& job, const Inputs& inputs, Index n, Index class_index) {
  job.page.heading("Invariance");
  InvarianceOptions how = invariance_options(job);
  how.class_index = class_index;
  const std::vector<Sweep> sweeps = sweeps_for(inputs);
  Progress progress("invariance", "images", amounts_of(sweeps) + 1, job.options.quiet);
  Index before = 0;
  how.progress = [&](Index done, Index) {
    progress.advance(done - before);
    before = done;
  };
  const Invariance found = invariance_of(*job.model.engine, inputs.batch.view().slice(n, 1), sweeps, how);
  const std::vector<std::string> names{
      std::filesystem::path(inputs.names[static_cast<std::size_t>(n)]).filename().string()};
  job.page.plot(
      viz::invariance_plots(std::span(&found, 1), names),
      message("How far the features move (Euclidean distance over the features' norm) when the image "
              "is moved, scaled and rotated, and the probability of class ",
              class_index, " ", job.model.class_name(class_index)));
}

}  // namespace deconv::tool
