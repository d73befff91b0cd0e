// What deconv occlude found: for programs, tables, arrays and pictures.

#include "occlusion_results.hpp"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "arrays.hpp"
#include "csv.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/viz/features.hpp"
#include "deconv/viz/occlusion.hpp"

namespace deconv::tool {

namespace {

Document place_of(const PatchGrid& grid, Index place, float value) {
  return {{"row", place / grid.columns},
          {"column", place % grid.columns},
          {"top", grid.top + place / grid.columns * grid.step_y},
          {"left", grid.left + place % grid.columns * grid.step_x},
          {"value", number(value)}};
}

}  // namespace

void add_occlusions(Document& document, const LoadedModel& model, const Inputs& inputs,
                    const std::vector<OcclusionResult>& results) {
  const PatchGrid& grid = results.front().occlusion.grid;
  document["size"] = {grid.height, grid.width};
  document["stride"] = {grid.step_y, grid.step_x};
  document["rows"] = grid.rows;
  document["columns"] = grid.columns;
  document["positions"] = grid.count();
  document["layer"] = results.front().occlusion.layer;
  Document images = Document::array();
  for (std::size_t n = 0; n < results.size(); ++n) {
    const Occlusion<float>& o = results[n].occlusion;
    Document one = {{"image", inputs.names[n]},
                    {"top_class", o.whole_top_class},
                    {"top_name", model.class_name(o.whole_top_class)}};
    Document maps = Document::array(), classes = Document::array(), seen = Document::array();
    for (std::size_t m = 0; m < o.maps.size(); ++m) {
      const Index least = viz::least_place(o.activation, m);
      maps.push_back(
          {{"map", o.maps[m]},
           {"activation", number(o.whole_activation[m])},
           {"minimum",
            place_of(grid, least, o.activation.data()[static_cast<Index>(m) * grid.count() + least])}});
    }
    for (std::size_t k = 0; k < o.classes.size(); ++k) {
      const Index least = viz::least_place(o.probability, k);
      classes.push_back(
          {{"class", o.classes[k]},
           {"name", model.class_name(o.classes[k])},
           {"score", number(o.whole_score[k])},
           {"probability", number(o.whole_probability[k])},
           {"minimum",
            place_of(grid, least, o.probability.data()[static_cast<Index>(k) * grid.count() + least])}});
    }
    for (const auto& [k, count] : viz::detail::counted_classes(o.top_class.span()))
      seen.push_back({{"class", k}, {"name", model.class_name(k)}, {"positions", count}});
    one["maps"] = maps;
    one["strongest_map"] = o.maps.front();
    one["classes"] = classes;
    one["most_probable"] = seen;
    if (results[n].projection) {
      const Unit& unit = results[n].projection->unit;
      one["unit"] = {{"map", unit.map},
                     {"y", unit.y},
                     {"x", unit.x},
                     {"activation", number(results[n].projection->activation)}};
    }
    if (!results[n].elsewhere.hits.empty()) one["elsewhere"] = results[n].elsewhere.hits;
    images.push_back(std::move(one));
  }
  document["images"] = images;
}

namespace {

std::string csv_of(const LoadedModel& model, const Inputs& inputs,
                   const std::vector<OcclusionResult>& results) {
  std::ostringstream csv;
  csv << std::setprecision(9) << "image,top,left";
  const Occlusion<float>& first = results.front().occlusion;
  for (std::size_t m = 0; m < first.maps.size(); ++m) csv << ",map " << m << ",activation " << m;
  for (std::size_t k = 0; k < first.classes.size(); ++k)
    csv << ",class " << k << ",score " << k << ",probability " << k;
  csv << ",most probable class,name\n";
  for (std::size_t n = 0; n < results.size(); ++n) {
    const Occlusion<float>& o = results[n].occlusion;
    const Index count = o.grid.count();
    for (Index place = 0; place < count; ++place) {
      csv << csv_cell(inputs.names[n]) << ',' << o.grid.top + place / o.grid.columns * o.grid.step_y << ','
          << o.grid.left + place % o.grid.columns * o.grid.step_x;
      for (std::size_t m = 0; m < o.maps.size(); ++m)
        csv << ',' << o.maps[m] << ',' << o.activation.data()[static_cast<Index>(m) * count + place];
      for (std::size_t k = 0; k < o.classes.size(); ++k) {
        const Index at = static_cast<Index>(k) * count + place;
        csv << ',' << o.classes[k] << ',' << o.score.data()[at] << ',' << o.probability.data()[at];
      }
      const Index top = o.top_class.data()[place];
      csv << ',' << top << ',' << csv_cell(model.class_name(top)) << "\n";
    }
  }
  return std::move(csv).str();
}

/// Results of all images one behind the other, axes of one left out.
Tensor<float, Cpu> stacked(const std::vector<OcclusionResult>& results,
                           Tensor<float, Cpu> Occlusion<float>::*part) {
  const Shape& each = (results.front().occlusion.*part).shape();
  std::vector<Index> extents;
  for (const Index extent : {static_cast<Index>(results.size()), each[0]})
    if (extent > 1) extents.push_back(extent);
  extents.push_back(each[1]);
  extents.push_back(each[2]);
  Tensor<float, Cpu> all{Shape(std::span<const Index>(extents))};
  float* out = all.data();
  for (const OcclusionResult& result : results) {
    const auto& from = result.occlusion.*part;
    out = std::copy(from.begin(), from.end(), out);
  }
  return all;
}

/// The most probable classes as numbers that array files of one type can hold.
Tensor<float, Cpu> classes_of(const std::vector<OcclusionResult>& results) {
  const PatchGrid& grid = results.front().occlusion.grid;
  const auto images = static_cast<Index>(results.size());
  Tensor<float, Cpu> all(images > 1 ? Shape{images, grid.rows, grid.columns}
                                    : Shape{grid.rows, grid.columns});
  float* out = all.data();
  for (const OcclusionResult& result : results)
    for (const Index k : result.occlusion.top_class.span()) *out++ = static_cast<float>(k);
  return all;
}

struct Drawn {
  viz::OcclusionPictures parts;
  io::Image projection, figure;
};

Drawn draw(const LoadedModel& model, const io::Image& seen, const OcclusionResult& result) {
  viz::OcclusionFigureOptions how;
  how.name = [&](Index k) {
    const std::string name = model.class_name(k);
    return name.empty() ? message("class ", k) : name.substr(0, name.find(','));
  };
  if (seen.width() < 192) how.width = 192;
  Drawn drawn{viz::occlusion_pictures(seen, result.occlusion, how), {}, {}};
  if (result.projection) {
    Projection<float> whole;
    whole.pixels = result.projection->in_plane(seen.height(), seen.width());
    drawn.projection = viz::projection_pictures(std::span(&whole, 1), model.channel_order(),
                                                viz::StretchScope::each, contrast_percentile)
                           .front();
    if (how.width > 0)
      drawn.projection =
          viz::scaled_to_fit(drawn.projection, how.width, how.width * seen.height() / seen.width());
  }
  drawn.figure = viz::occlusion_figure(drawn.parts, drawn.projection, result.elsewhere.picture);
  return drawn;
}

NamedArrays arrays_of(const std::vector<OcclusionResult>& results) {
  NamedArrays arrays;
  arrays.emplace_back("activation", stacked(results, &Occlusion<float>::activation));
  arrays.emplace_back("score", stacked(results, &Occlusion<float>::score));
  arrays.emplace_back("probability", stacked(results, &Occlusion<float>::probability));
  arrays.emplace_back("top_class", classes_of(results));
  return arrays;
}

}  // namespace

void write_occlusions(const std::string& output, OutputKind kind, const LoadedModel& model,
                      const Inputs& inputs, const std::vector<OcclusionResult>& results, Document& document) {
  if (kind == OutputKind::npy) io::write_npy(output, stacked(results, &Occlusion<float>::probability));
  if (kind == OutputKind::safetensors) write_arrays(kind, output, arrays_of(results));
  if (kind == OutputKind::csv) io::write_text(output, csv_of(model, inputs, results));
  if (kind == OutputKind::png) {
    std::vector<io::Image> figures;
    for (std::size_t n = 0; n < results.size(); ++n)
      figures.push_back(draw(model, inputs.seen[n], results[n]).figure);
    viz::MontageOptions column;
    column.columns = 1;
    io::write_png(output, figures.size() == 1 ? figures.front() : viz::montage(figures, column));
  }
  if (kind != OutputKind::folder) return;
  FolderOutput folder(output);
  io::write_text(folder.add("occlusion.csv"), csv_of(model, inputs, results));
  for (auto& [name, array] : arrays_of(results)) io::write_npy(folder.add(name + ".npy"), array);
  for (std::size_t n = 0; n < results.size(); ++n) {
    const std::string stem = results.size() > 1 ? message("image", n, "_") : std::string();
    const Drawn drawn = draw(model, inputs.seen[n], results[n]);
    const auto picture = [&](const char* name, const io::Image& image) {
      if (image.empty()) return;
      const auto file = folder.add(stem + name + ".png");
      io::write_png(file, image);
      document["images"][n][name] = file.filename().string();
    };
    picture("figure", drawn.figure);
    picture("covered", drawn.parts.covered);
    picture("activation", drawn.parts.activation);
    picture("projection", drawn.projection);
    picture("projections_elsewhere", results[n].elsewhere.picture);
    picture("probability", drawn.parts.probability);
    picture("class_map", drawn.parts.classes);
  }
  folder.commit(document);
}

void print_occlusions(const Document& document) {
  std::cout << document["positions"] << " positions of a patch of " << document["size"][0] << "x"
            << document["size"][1] << ", " << document["rows"] << " rows by " << document["columns"] << "\n";
  for (const auto& image : document["images"]) {
    std::cout << image["image"].get<std::string>() << ":\n";
    for (const auto& k : image["classes"])
      std::cout << "  class " << k["class"] << ' ' << k["name"].get<std::string>() << ": probability "
                << k["probability"] << ", least " << k["minimum"]["value"] << " with the patch at row "
                << k["minimum"]["top"] << ", column " << k["minimum"]["left"] << "\n";
    for (const auto& map : image["maps"])
      std::cout << "  layer " << document["layer"].get<std::string>() << " map " << map["map"]
                << ": total activation " << map["activation"] << ", least " << map["minimum"]["value"]
                << " at row " << map["minimum"]["top"] << ", column " << map["minimum"]["left"] << "\n";
    std::size_t shown = 0;
    std::cout << "  most probable:";
    for (const auto& k : image["most_probable"]) {
      if (++shown > 4) break;
      std::cout << (shown > 1 ? ", " : " ") << k["name"].get<std::string>() << " (" << k["positions"] << ")";
    }
    std::cout << "\n";
  }
}

}  // namespace deconv::tool
