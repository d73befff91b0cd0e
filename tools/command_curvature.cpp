// deconv curvature: the directions around a picture that a unit minds most, and those that it likes.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include "arrays.hpp"
#include "attribution.hpp"
#include "deconv/viz/features.hpp"
#include "deconv/viz/montage.hpp"
#include "document.hpp"
#include "inputs.hpp"
#include "progress.hpp"
#include "target_options.hpp"

namespace deconv::tool {

namespace {

struct CurvatureCommand : CommonOptions {
  TargetOptions target;
  CurvatureOptions how;
};

/// The directions, those of the largest eigenvalues first, with names.
std::vector<std::pair<std::string, const CurvatureDirection<float>*>> listed(const Curvature<float>& found) {
  std::vector<std::pair<std::string, const CurvatureDirection<float>*>> all;
  for (std::size_t k = 0; k < found.highest.size(); ++k)
    all.emplace_back(message("highest", k), &found.highest[k]);
  for (std::size_t k = 0; k < found.lowest.size(); ++k)
    all.emplace_back(message("lowest", k), &found.lowest[k]);
  return all;
}

/// Where any direction is more than a hundredth of its largest value: the part of the plane that is worth
/// drawing.
PlaneBox drawn_part(const Curvature<float>& found, Index height, Index width) {
  PlaneBox box{height, width, 0, 0};
  for (const auto& [name, one] : listed(found)) {
    const auto span = viz::symmetric_range(one->direction.span());
    for (Index i = 0; i < one->direction.count(); ++i) {
      if (!(std::abs(one->direction.data()[i]) > 0.01f * span.high)) continue;
      const Index y = i / width % height, x = i % width;
      box = {std::min(box.top, y), std::min(box.left, x), std::max(box.bottom, y + 1),
             std::max(box.right, x + 1)};
    }
  }
  return box.bottom > box.top ? box : PlaneBox{0, 0, height, width};
}

/// The picture, then each direction where it lies, zero in mid-grey.
io::Image picture_of(const Curvature<float>& found, const io::Image& seen, io::ChannelOrder order) {
  const Index height = seen.height(), width = seen.width();
  const PlaneBox box = drawn_part(found, height, width);
  std::vector<io::Image> pictures{viz::patch_under(seen, box)};
  std::vector<std::string> captions{"input"};
  for (const auto& [name, one] : listed(found)) {
    Projection<float> part;
    part.pixels = Tensor<float, Cpu>({one->direction[0], box.height(), box.width()});
    for (Index c = 0; c < one->direction[0]; ++c)
      for (Index y = 0; y < box.height(); ++y)
        std::copy_n(one->direction.data() + (c * height + y + box.top) * width + box.left, box.width(),
                    part.pixels.data() + (c * box.height() + y) * box.width());
    pictures.push_back(
        viz::projection_pictures(std::span(&part, 1), order, viz::StretchScope::each, contrast_percentile)
            .front());
    std::ostringstream caption;
    caption.precision(3);
    caption << (one->eigenvalue > 0 ? "+" : "") << one->eigenvalue;
    captions.push_back(std::move(caption).str());
  }
  viz::MontageOptions how;
  how.cell_width = how.cell_height = std::max<Index>(128, std::max(box.height(), box.width()));
  how.columns = static_cast<Index>(std::max(found.highest.size(), found.lowest.size())) + 1;
  // The second row begins below the first one's directions.
  if (!found.lowest.empty() && found.highest.size() + 1 == static_cast<std::size_t>(how.columns)) {
    pictures.insert(pictures.begin() + how.columns, viz::filled(1, 1, viz::white));
    captions.insert(captions.begin() + how.columns, "");
  }
  return viz::montage(pictures, how, captions);
}

void write(const CurvatureCommand& options, OutputKind kind, const LoadedModel& model, const Inputs& inputs,
           const Curvature<float>& found, Document& document) {
  const auto arrays = [&] {
    NamedArrays all;
    for (const auto& [name, one] : listed(found)) all.emplace_back(name, one->direction.clone());
    return all;
  };
  if (kind == OutputKind::safetensors) write_arrays(kind, options.output, arrays());
  if (kind == OutputKind::png)
    io::write_png(options.output, picture_of(found, inputs.seen.front(), model.channel_order()));
  if (kind != OutputKind::folder) return;
  FolderOutput folder(options.output);
  io::write_png(folder.add("montage.png"), picture_of(found, inputs.seen.front(), model.channel_order()));
  write_arrays(OutputKind::safetensors, folder.add("directions.safetensors").string(), arrays());
  folder.commit(document);
}

Document directions_of(const std::vector<CurvatureDirection<float>>& directions) {
  Document list = Document::array();
  for (const auto& one : directions)
    list.push_back({{"eigenvalue", one.eigenvalue},
                    {"residual", one.residual},
                    {"forward", one.forward},
                    {"backward", one.backward}});
  return list;
}

void tell(const CurvatureCommand& options, const LoadedModel& model, const Inputs& inputs) {
  CurvatureOptions few = options.how;
  few.progress = nullptr;
  few.iterations = 2;
  few.directions = 1;
  const auto begin = std::chrono::steady_clock::now();
  static_cast<void>(curvature_of(*model.engine, inputs.batch, few));
  const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const Index products = options.how.iterations + 2 * options.how.directions;
  const double seconds = taken / 5.5 * static_cast<double>(products);  // five products, and the gradient
  if (seconds > 2)
    tell_work(products, "products", seconds,
              curvature_bytes_of(*model.engine, inputs.batch.shape(), options.how), options.quiet);
}

void run_curvature(const CurvatureCommand& given) {
  CurvatureCommand options = given;
  require<UsageError>(options.how.iterations >= 2 * options.how.directions, "--iterations: at least ",
                      2 * options.how.directions, " wanted (twice --directions), met ",
                      options.how.iterations);
  static_cast<void>(options.target.target());
  check_device(options);
  const OutputKind kind =
      output_kind(options, {OutputKind::png, OutputKind::safetensors, OutputKind::folder});
  const LoadedModel model = load_model(options);
  options.how.target = options.target.target(&model.topology());
  options.how.seed = options.seed;
  options.how.batch = options.batch;
  const Inputs inputs = load_inputs(options, model);
  require<UsageError>(inputs.size() == 1, "a curvature is taken at one picture, met ", inputs.size());
  require<ShapeError>(inputs.batch.rank() == 4, options.input, ": an array N,C,H,W wanted, met shape ",
                      inputs.batch.shape());
  if (options.how.iterations > 10) tell(options, model, inputs);
  std::optional<Timing> timing;
  const auto found = timed(options.repeat, timing, [&] {
    Progress bar("curvature", "products", options.how.iterations + 2 * options.how.directions, options.quiet);
    options.how.progress = [&](Index, Index) { bar.advance(); };
    return curvature_of(*model.engine, inputs.batch, options.how);
  });

  Document document = make_document("curvature", options);
  document["image"] = inputs.names.front();
  add_target(document, options.target, model, found.layer, found.unit, found.activation);
  document["radius"] = found.radius;
  document["samples"] = options.how.samples;
  document["on_sphere"] = options.how.on_sphere;
  document["gradient_norm"] = found.gradient_norm;
  document["asymmetry"] = found.asymmetry;
  document["highest"] = directions_of(found.highest);
  document["lowest"] = directions_of(found.lowest);
  add_timing(document, timing);
  write(options, kind, model, inputs, found, document);
  print(options, document, [&] {
    std::cout << inputs.names.front() << ": " << target_text(options.target, model, found.layer, found.unit)
              << ", value " << found.activation << ", gradient's norm " << found.gradient_norm
              << "; curvature over a radius of " << found.radius << ", asymmetry " << found.asymmetry << "\n";
    for (const auto& [name, one] : listed(found))
      std::cout << "  " << name << ": eigenvalue " << one->eigenvalue << " (residual " << one->residual
                << "), value at the radius " << one->forward << " and " << one->backward << "\n";
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_curvature(CLI::App& program, Action& action) {
  std::shared_ptr<CurvatureCommand> options;
  CLI::App& command = add_command<CurvatureCommand>(
      program, action, "curvature", "what a unit does not mind: directions of most and least curvature",
      run_curvature, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_input_options(command, *options);
  add_target_options(command, options->target);
  CurvatureOptions& how = options->how;
  command
      .add_option("--radius", how.radius,
                  "of the Gaussian that smooths the unit's value, as a share of the input's range")
      ->check(CLI::Range(1e-6, 10.0))
      ->capture_default_str()
      ->type_name("SHARE");
  command
      .add_option("--samples", how.samples, "pairs of points that stand for the Gaussian; 0: no smoothing")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--batch", options->batch, "gradients that are taken together")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command.add_option("--directions", how.directions, "at each end of the spectrum")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--iterations", how.iterations, "of Lanczos: products with the Hessian")
      ->check(CLI::Range(2, 10000))
      ->capture_default_str()
      ->type_name("N");
  command.add_flag("--sphere", how.on_sphere, "only directions that keep the input's norm");
}

}  // namespace deconv::tool
