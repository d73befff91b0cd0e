// What a report says of each image.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>

#include "classification.hpp"
#include "deconv/viz/activation_pictures.hpp"
#include "deconv/viz/montage.hpp"
#include "deconv/viz/overlay.hpp"
#include "report_sections.hpp"

namespace deconv::tool {

namespace {

/// The maps of a layer with the largest activations, strongest first, as one picture.
viz::ReportPicture strongest_maps(const std::string& layer, TensorView<const float, Cpu> activation,
                                  Index image) {
  constexpr Index most = 16;
  const Index channels = activation[1];
  std::vector<float> largest(static_cast<std::size_t>(channels));
  for (Index c = 0; c < channels; ++c) {
    float value = activation(image, c, 0, 0);
    for (Index y = 0; y < activation[2]; ++y)
      for (Index x = 0; x < activation[3]; ++x) value = std::max(value, activation(image, c, y, x));
    largest[static_cast<std::size_t>(c)] = value;
  }
  std::vector<Index> order(largest.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return largest[static_cast<std::size_t>(a)] > largest[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(std::min(most, channels)));
  const auto all = viz::activation_pictures(activation, image);
  std::vector<io::Image> pictures;
  std::vector<std::string> captions;
  for (const Index k : order) {
    pictures.push_back(all[static_cast<std::size_t>(k)]);
    captions.push_back(std::to_string(k));
  }
  viz::MontageOptions grid;
  grid.gap = 4;
  grid.cell_width = grid.cell_height = 96;
  return {viz::montage(pictures, grid, captions),
          message(layer, ": the ", order.size(), " strongest of ", channels, " maps"),
          viz::PictureCoding::png, false};
}

}  // namespace

void report_images(ReportJob& job, const Inputs& inputs) {
  // The first pass also makes what later ones find made.
  static_cast<void>(probabilities(job.model, inputs.batch.view().slice(0, 1)));
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const auto scores = probabilities(job.model, inputs.batch);
  const double seconds =
      std::chrono::duration<double>(Clock::now() - begin).count() / static_cast<double>(inputs.size());
  const Index classes = scores.count() / inputs.size();
  ClassActivationMapOptions how;
  if (job.options.class_index) how.classes = {*job.options.class_index};
  const auto heat = job.model.engine->class_activation_maps(inputs.batch, how);
  const auto arrays = job.model.engine->activations(inputs.batch, job.layers);
  tell_experiments(job, inputs, seconds);  // once it is known that there is such a class
  Document images = Document::array();
  for (Index n = 0; n < inputs.size(); ++n) {
    const auto i = static_cast<std::size_t>(n);
    job.page.section(message("Image: ", std::filesystem::path(inputs.names[i]).filename().string()));
    const std::span<const double> row(scores.data() + n * classes, static_cast<std::size_t>(classes));
    viz::ReportTable table{"Most probable classes", {"class", "name", "probability"}, {}};
    Document top = Document::array();
    for (const auto& [k, probability] : top_classes(row, 5)) {
      table.rows.push_back(
          {std::to_string(k), job.model.class_name(k), short_number(static_cast<double>(probability))});
      top.push_back({{"class", k}, {"name", job.model.class_name(k)}, {"probability", number(probability)}});
    }
    job.page.table(table);
    const std::string named =
        message("class ", heat[i].class_index, " ", job.model.class_name(heat[i].class_index));
    const std::vector<viz::ReportPicture> seen{
        {inputs.seen[i], "What the network sees", viz::PictureCoding::jpeg, false},
        {viz::overlay(inputs.seen[i], heat[i].map.view()),
         message("Grad-CAM of ", named, " at layer ", heat[i].layer), viz::PictureCoding::jpeg, false}};
    job.page.gallery(seen);
    if (job.options.wants("attribution")) report_attributions(job, inputs, n, heat[i].class_index);
    if (job.options.wants("activations")) {
      job.page.heading("Activations");
      std::vector<viz::ReportPicture> maps;
      for (std::size_t l = 0; l < arrays.size(); ++l)
        if (arrays[l].rank() == 4) maps.push_back(strongest_maps(job.layers[l], arrays[l].view(), n));
      job.page.gallery(maps);
    }
    if (job.options.wants("occlusion")) report_occlusion(job, inputs, n, heat[i].class_index);
    if (job.options.wants("invariance")) report_invariance(job, inputs, n, heat[i].class_index);
    images.push_back({{"image", inputs.names[i]}, {"top", top}});
  }
  job.document["images"] = std::move(images);
}

}  // namespace deconv::tool
