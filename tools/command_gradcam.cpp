// deconv gradcam: where in the image a class is seen.

#include <algorithm>
#include <iostream>

#include "arrays.hpp"
#include "deconv/analysis/class_activation_map.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/viz/montage.hpp"
#include "deconv/viz/overlay.hpp"
#include "document.hpp"
#include "inputs.hpp"

namespace deconv::tool {

namespace {

struct GradcamOptions : CommonOptions {
  std::string layer;
  std::optional<Index> class_index;
};

using Maps = std::vector<ClassActivationMap<float>>;

/// All maps, N x H x W of the layer.
Tensor<float, Cpu> stacked(const Maps& maps) {
  const Shape& plane = maps.front().map.shape();
  Tensor<float, Cpu> all({static_cast<Index>(maps.size()), plane[0], plane[1]});
  float* out = all.data();
  for (const auto& map : maps) out = std::copy(map.map.begin(), map.map.end(), out);
  return all;
}

/// The heat map in colours of its own, at the picture's size.
io::Image heat_picture(const ClassActivationMap<float>& map, const io::Image& seen) {
  const auto plane = map.resized(seen.height(), seen.width());
  const float most = *std::max_element(plane.begin(), plane.end());
  return viz::coloured(plane, {0, most > 0 ? most : 1});
}

void write(const GradcamOptions& options, OutputKind kind, const Inputs& inputs, const Maps& maps,
           Document& document) {
  const auto stem = [&](std::size_t n) { return maps.size() > 1 ? message("image", n, "_") : std::string(); };
  if (kind == OutputKind::npy) io::write_npy(options.output, stacked(maps));
  if (kind == OutputKind::safetensors) {
    NamedArrays arrays;
    for (std::size_t n = 0; n < maps.size(); ++n)
      arrays.emplace_back(stem(n) + "gradcam", maps[n].map.clone());
    write_arrays(kind, options.output, arrays);
  }
  if (kind == OutputKind::png) {
    std::vector<io::Image> pictures;
    for (std::size_t n = 0; n < maps.size(); ++n)
      pictures.push_back(viz::overlay(inputs.seen[n], maps[n].map.view()));
    io::write_png(options.output, pictures.size() == 1 ? pictures.front() : viz::montage(pictures));
  }
  if (kind != OutputKind::folder) return;
  FolderOutput folder(options.output);
  io::write_npy(folder.add("gradcam.npy"), stacked(maps));
  for (std::size_t n = 0; n < maps.size(); ++n) {
    const auto heat = folder.add(stem(n) + "heat.png"), over = folder.add(stem(n) + "overlay.png");
    io::write_png(heat, heat_picture(maps[n], inputs.seen[n]));
    io::write_png(over, viz::overlay(inputs.seen[n], maps[n].map.view()));
    document["images"][n]["heat"] = heat.filename().string();
    document["images"][n]["overlay"] = over.filename().string();
  }
  folder.commit(document);
}

void run_gradcam(const GradcamOptions& options) {
  check_device(options);
  const OutputKind kind =
      output_kind(options, {OutputKind::png, OutputKind::npy, OutputKind::safetensors, OutputKind::folder});
  const LoadedModel model = load_model(options);
  if (!options.layer.empty()) static_cast<void>(model.topology().find(options.layer));
  const Inputs inputs = load_inputs(options, model);
  ClassActivationMapOptions how;
  how.layer = options.layer;
  if (options.class_index) how.classes = {*options.class_index};
  std::optional<Timing> timing;
  const Maps maps =
      timed(options.repeat, timing, [&] { return model.engine->class_activation_maps(inputs.batch, how); });

  Document document = make_document("gradcam", options);
  document["layer"] = maps.front().layer;
  Document images = Document::array();
  for (std::size_t n = 0; n < maps.size(); ++n) {
    const auto& map = maps[n];
    const Index strongest = std::max_element(map.map.begin(), map.map.end()) - map.map.begin();
    images.push_back({{"image", inputs.names[n]},
                      {"class", map.class_index},
                      {"name", model.class_name(map.class_index)},
                      {"score", number(map.score)},
                      {"shape", to_document(map.map.shape())},
                      {"max", number(map.map.data()[strongest])},
                      {"y", strongest / map.map[1]},
                      {"x", strongest % map.map[1]}});
  }
  document["images"] = images;
  add_timing(document, timing);
  write(options, kind, inputs, maps, document);
  print(options, document, [&] {
    for (const auto& image : document["images"])
      std::cout << image["image"].get<std::string>() << ": class " << image["class"] << ' '
                << image["name"].get<std::string>() << " (score " << image["score"] << "), seen most at row "
                << image["y"] << ", column " << image["x"] << " of layer "
                << document["layer"].get<std::string>() << ' ' << image["shape"].dump() << "\n";
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_gradcam(CLI::App& program, Action& action) {
  std::shared_ptr<GradcamOptions> options;
  CLI::App& command = add_command<GradcamOptions>(program, action, "gradcam",
                                                  "where in the image a class is seen", run_gradcam, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  command.add_option("--layer", options->layer, "whose maps are weighted (default: the last spatial layer)")
      ->type_name("NAME");
  command.add_option("--class", options->class_index, "a class's number (default: the top one)")
      ->check(at_least(0))
      ->type_name("K");
}

}  // namespace deconv::tool
