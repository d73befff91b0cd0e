// deconv maximise: the input that a map or a class wants to see.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <numeric>

#include "arrays.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/nn/score_tensor.hpp"
#include "deconv/viz/animation.hpp"
#include "deconv/viz/input_picture.hpp"
#include "deconv/viz/montage.hpp"
#include "deconv/viz/plot.hpp"
#include "deconv/viz/stretch.hpp"
#include "document.hpp"
#include "maximise.hpp"
#include "model.hpp"
#include "output.hpp"
#include "progress.hpp"

namespace deconv::tool {

namespace {

struct MaximiseOptions : CommonOptions {
  std::string layer, maps, classes, start = "noise", reading = "mean";
  std::optional<double> noise;
  bool unclamped = false;
  Index frames = 0, delay = 80;
  MaximisationOptions how;
};

using Inputs = std::vector<MaximisedInput<float>>;

/// Share of the range between black and white that pixels of photographs deviate by, as ImageNet's do.
constexpr double deviation_of_range = 0.225;

/// What the ascent begins with, and how its inputs become pictures.
class Ground {
 public:
  Ground(MaximiseOptions& options, const LoadedModel& model) : model_(model) {
    const Shape& own = model.input().shape;
    require<ShapeError>(own.rank() == 4, "the input ", quoted(model.input().name), " of shape ", own,
                        " is no picture");
    Shape planes{own[1], own[2], own[3]};
    if (!options.input_size.empty()) planes = {own[1], options.input_size.front(), options.input_size.back()};
    require<UsageError>(planes[1] > 0 && planes[2] > 0,
                        "the network's input has no size of its own: --input-size wanted");
    MaximisationOptions& how = options.how;
    const bool known = model.preprocess && model.preprocess->channels() == planes[0];
    if (known) {
      const auto [black, white] = viz::input_range(*model.preprocess, planes[1], planes[2]);
      double range = 0;
      for (Index c = 0; c < planes[0]; ++c) {
        const Index middle = c * planes[1] * planes[2] + planes[1] * planes[2] / 2;
        const float low = black.data()[middle], high = white.data()[middle];
        range +=
            std::abs(static_cast<double>(high) - static_cast<double>(low)) / static_cast<double>(planes[0]);
        // Where preprocessing subtracts no mean the middle between black and white is the most even picture.
        how.rest.push_back(low < 0 && high > 0 ? 0 : (low + high) / 2);
      }
      how.pixel_deviation = range * deviation_of_range;
      if (!options.unclamped)
        for (Index i = 0; i < planes.count(); ++i) {
          how.lowest.push_back(std::min(black.data()[i], white.data()[i]));
          how.highest.push_back(std::max(black.data()[i], white.data()[i]));
        }
    }
    const bool from_file = options.start != "noise" && options.start != "mean";
    if (from_file) {
      start_ = model.preprocess_for_pictures(options).apply(io::read_image(options.start));
      require<ShapeError>(start_.shape() == planes, "--start ", options.start, " becomes an input of shape ",
                          start_.shape(), ", wanted is ", planes);
    } else {
      start_ = Tensor<float, Cpu>::filled(planes, 0.0f);
      for (std::size_t c = 0; c < how.rest.size(); ++c)
        std::fill_n(start_.data() + static_cast<Index>(c) * planes[1] * planes[2], planes[1] * planes[2],
                    how.rest[c]);
    }
    how.noise = options.noise.value_or(options.start == "noise" ? how.noise : 0.0);
  }

  [[nodiscard]] const Tensor<float, Cpu>& start() const noexcept { return start_; }

  /// Without a preprocessing that tells what values pixels have, from the smallest to the largest.
  [[nodiscard]] io::Image picture(TensorView<const float, Cpu> input) const {
    if (model_.preprocess && model_.preprocess->channels() == input[0])
      return viz::input_picture(input, *model_.preprocess);
    require<UsageError>(input[0] == 1 || input[0] == 3, "an input of ", input[0],
                        " channels is no picture; --output FILE.npy wanted");
    io::Image picture = viz::stretched(input, viz::full_range(input.span()));
    io::Image coloured = viz::filled(picture.width(), picture.height(), viz::white);
    viz::paste(coloured, picture, 0, 0);
    return coloured;
  }

 private:
  const LoadedModel& model_;
  Tensor<float, Cpu> start_;
};

/// Pictures of all units at some steps, in the order of steps.
struct Frames {
  std::vector<Index> steps;
  std::vector<std::vector<io::Image>> pictures;  ///< by frame, then by unit
};

/// Steps from the first to the last, as evenly as whole numbers allow.
Frames frames_wanted(const MaximiseOptions& options, Index units) {
  Frames frames;
  for (Index i = 0; i < options.frames; ++i)
    frames.steps.push_back(options.frames == 1 ? options.how.steps
                                               : i * options.how.steps / (options.frames - 1));
  frames.pictures.assign(frames.steps.size(), std::vector<io::Image>(static_cast<std::size_t>(units)));
  return frames;
}

std::string caption(const MaximiseOptions& options, const LoadedModel& model, Index map) {
  if (options.classes.empty()) return message("map ", map);
  const std::string name = model.class_name(map);
  return name.empty() ? message("class ", map) : message(map, " ", name);
}

io::Image sheet(const std::vector<io::Image>& pictures, const std::vector<std::string>& captions) {
  viz::MontageOptions grid;
  grid.gap = 4;
  grid.cell_width = std::max<Index>(pictures.front().width(), 96);
  grid.cell_height = std::max<Index>(pictures.front().height(), 96);
  return viz::montage(pictures, grid, captions);
}

/// A frame a wanted step: all units side by side.
std::vector<io::Image> sheets(const Frames& frames, const std::vector<std::string>& captions) {
  std::vector<io::Image> all;
  for (const auto& pictures : frames.pictures) all.push_back(sheet(pictures, captions));
  return all;
}

viz::Plot objective_plot(const Inputs& inputs, const std::vector<std::string>& captions,
                         const std::string& layer) {
  viz::Plot plot{.title = layer, .x = {.label = "step", .whole = true}, .y = {.label = "objective"}};
  for (std::size_t u = 0; u < inputs.size(); ++u) {
    viz::Series series{.name = inputs.size() <= 10 ? captions[u] : std::string()};
    for (std::size_t i = 0; i < inputs[u].objective.size(); ++i) {
      series.x.push_back(static_cast<double>(i));
      series.y.push_back(inputs[u].objective[i]);
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Tensor<float, Cpu> stacked(const Inputs& inputs) {
  const Shape& one = inputs.front().input.shape();
  Tensor<float, Cpu> all({static_cast<Index>(inputs.size()), one[0], one[1], one[2]});
  float* out = all.data();
  for (const auto& input : inputs) out = std::copy(input.input.begin(), input.input.end(), out);
  return all;
}

void write_folder(const MaximiseOptions& options, const Ground& ground, const Inputs& inputs,
                  const Frames& frames, const std::vector<std::string>& captions, Document& document) {
  FolderOutput folder(options.output);
  io::write_npy(folder.add("inputs.npy"), stacked(inputs));
  for (std::size_t u = 0; u < inputs.size(); ++u) {
    const auto file = folder.add(message(options.classes.empty() ? "map" : "class", inputs[u].map, ".png"));
    io::write_png(file, ground.picture(inputs[u].input.view()));
    document["units"][u]["picture"] = file.filename().string();
  }
  io::write_text(folder.add("objective.svg"),
                 viz::to_svg(objective_plot(inputs, captions, document["layer"].get<std::string>())));
  const auto all = sheets(frames, captions);
  for (std::size_t i = 0; i < all.size(); ++i)
    io::write_png(folder.add(message("step", frames.steps[i], ".png")), all[i]);
  if (!all.empty() && viz::has_animations)
    viz::write_gif(folder.add("steps.gif"), all, {.delay_ms = options.delay, .last_delay_ms = 2000});
  folder.commit(document);
}

void write(const MaximiseOptions& options, OutputKind kind, const Ground& ground, const Inputs& inputs,
           const Frames& frames, const std::vector<std::string>& captions, Document& document) {
  if (kind == OutputKind::npy) io::write_npy(options.output, stacked(inputs));
  if (kind == OutputKind::safetensors) {
    NamedArrays arrays;
    for (const auto& input : inputs)
      arrays.emplace_back(message(options.classes.empty() ? "map" : "class", input.map), input.input.clone());
    write_arrays(kind, options.output, arrays);
  }
  if (kind == OutputKind::png) {
    std::vector<io::Image> pictures;
    for (const auto& input : inputs) pictures.push_back(ground.picture(input.input.view()));
    io::write_png(options.output, pictures.size() == 1 ? pictures.front() : sheet(pictures, captions));
  }
  if (kind == OutputKind::gif)
    viz::write_gif(options.output, sheets(frames, captions),
                   {.delay_ms = options.delay, .last_delay_ms = 2000});
  if (kind == OutputKind::folder) write_folder(options, ground, inputs, frames, captions, document);
}

/// Checks what of the options can be checked before any file is read, and settles what depends on others.
OutputKind checked(MaximiseOptions& options) {
  const OutputKind kind = output_kind(options, {OutputKind::png, OutputKind::gif, OutputKind::npy,
                                                OutputKind::safetensors, OutputKind::folder});
  require<UsageError>(options.maps.empty() != options.classes.empty(),
                      "one of --map K[,K...] (with --layer) and --class K[,K...] wanted");
  require<UsageError>(options.layer.empty() == options.maps.empty(),
                      options.layer.empty() ? "--map: --layer NAME wanted too"
                                            : "--layer: maps are named by --map; --class reads the scores");
  require<UsageError>(options.frames == 0 || kind == OutputKind::gif || kind == OutputKind::folder,
                      "--frames: --output FILE.gif or a folder wanted, which hold them");
  require<UsageError>(kind != OutputKind::gif || viz::has_animations, "--output ", options.output,
                      ": this deconv was built without giflib, which writes animations; a folder wanted");
  if (kind == OutputKind::gif && options.frames == 0) options.frames = 24;
  options.frames = std::min(options.frames, options.how.steps + 1);
  options.how.reading = options.reading == "sum"      ? MapReading::sum
                        : options.reading == "centre" ? MapReading::centre
                                                      : MapReading::mean;
  options.how.seed = options.seed;
  return kind;
}

void run_maximise(const MaximiseOptions& given) {
  MaximiseOptions options = given;
  check_device(options);
  const OutputKind kind = checked(options);
  const std::vector<Index> maps = options.classes.empty() ? parse_indices("--map", options.maps)
                                                          : parse_indices("--class", options.classes);
  for (std::size_t i = 0; i < maps.size(); ++i)
    require<UsageError>(std::find(maps.begin(), maps.begin() + static_cast<std::ptrdiff_t>(i), maps[i]) ==
                            maps.begin() + static_cast<std::ptrdiff_t>(i),
                        options.classes.empty() ? "--map" : "--class", ": ", maps[i], " is there twice");
  const LoadedModel model = load_model(options);
  const std::string layer = options.classes.empty() ? options.layer : score_tensor(model.topology());
  static_cast<void>(model.topology().find(layer));
  const Ground ground(options, model);
  const auto units = static_cast<Index>(maps.size());
  Frames frames = frames_wanted(options, units);
  const Index batches = (units + options.how.batch - 1) / options.how.batch;
  const std::size_t bytes =
      maximised_bytes(*model.engine, layer, units, options.how, ground.start().shape()) +
      static_cast<std::size_t>(options.frames * units * ground.start().count());

  std::optional<Timing> timing;
  bool told = false;
  const Inputs inputs = timed(options.repeat, timing, [&] {
    using Clock = std::chrono::steady_clock;
    Clock::time_point second;
    Progress progress("maximise", "steps", batches * options.how.steps, options.quiet);
    return maximised(*model.engine, layer, maps, options.how, ground.start().view(),
                     [&](const MaximisationStep<float>& at) {
                       for (std::size_t f = 0; f < frames.steps.size(); ++f)
                         for (Index u = 0; frames.steps[f] == at.step && u < at.inputs[0]; ++u) {
                           const TensorView<const float, Cpu> one(
                               at.inputs.data() + u * ground.start().count(), ground.start().shape());
                           frames.pictures[f][static_cast<std::size_t>(at.first + u)] = ground.picture(one);
                         }
                       // The first step warms up; the second and third tell how long all of them take.
                       if (at.step == 1 && at.first == 0) second = Clock::now();
                       if (at.step == 3 && at.first == 0 && !told) {
                         told = true;
                         const double seconds = std::chrono::duration<double>(Clock::now() - second).count() /
                                                2 * static_cast<double>(batches * options.how.steps);
                         if (seconds > 2)
                           tell_work(batches * options.how.steps,
                                     message("steps of ", units, units > 1 ? " units" : " unit"), seconds,
                                     bytes, options.quiet);
                       }
                       if (at.step > 0) progress.advance();
                     });
  });

  Document document = make_document("maximise", options);
  document["layer"] = layer;
  document["reading"] = options.reading;
  document["steps"] = options.how.steps;
  document["start"] = options.start;
  document["shape"] = to_document(ground.start().shape());
  std::vector<std::string> captions;
  for (const auto& input : inputs) {
    captions.push_back(caption(options, model, input.map));
    Document unit{{options.classes.empty() ? "map" : "class", input.map}};
    if (!options.classes.empty()) unit["name"] = model.class_name(input.map);
    unit["objective"] = input.objective;
    document["units"].push_back(unit);
  }
  add_timing(document, timing);
  write(options, kind, ground, inputs, frames, captions, document);
  print(options, document, [&] {
    for (std::size_t u = 0; u < inputs.size(); ++u)
      std::cout << captions[u] << ": from " << inputs[u].objective.front() << " to "
                << inputs[u].objective.back() << " in " << options.how.steps << " steps\n";
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_maximise(CLI::App& program, Action& action) {
  std::shared_ptr<MaximiseOptions> options;
  CLI::App& command = add_command<MaximiseOptions>(
      program, action, "maximise", "the input that a map or class wants (gradient ascent with regularisers)",
      run_maximise, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_preprocess_options(command, *options);
  MaximisationOptions& how = options->how;
  const auto number = [&](const char* name, double& value, double low, double high, const char* what,
                          const char* unit) {
    command.add_option(name, value, what)
        ->check(CLI::Range(low, high))
        ->type_name(unit)
        ->capture_default_str();
  };
  const auto whole = [&](const char* name, Index& value, Index low, const char* what) {
    command.add_option(name, value, what)->check(at_least(low))->type_name("N")->capture_default_str();
  };
  command.add_option("--layer", options->layer, "whose maps are excited")->type_name("NAME");
  command.add_option("--map", options->maps, "numbers of maps, parted by commas")->type_name("K[,K...]");
  command
      .add_option("--class", options->classes, "numbers of classes: their scores before softmax are raised")
      ->type_name("K[,K...]");
  command.add_option("--reading", options->reading, "how a map's positions become one number")
      ->check(CLI::IsMember({"mean", "sum", "centre"}))
      ->capture_default_str();
  whole("--steps", how.steps, 1, "of gradient ascent");
  number("--step-size", how.step_size, 1e-6, 1e6, "RMS of a step, in standard deviations of pixels", "X");
  command.add_option("--start", options->start, "noise, mean (the mean image) or a picture")
      ->type_name("noise|mean|FILE")
      ->capture_default_str();
  command
      .add_option("--noise", options->noise,
                  "deviation of the noise that is added to the start, in those of pixels (default: 0.2 for "
                  "--start noise, else 0)")
      ->check(CLI::Range(0.0, 1e6))
      ->type_name("X");
  number("--l2", how.l2_decay, 0, 0.999999,
         "share of the distance to the mean image that each step takes away", "X");
  number("--blur", how.blur, 0, 100, "Gaussian blur: standard deviation in pixels; 0: none", "PX");
  whole("--blur-every", how.blur_every, 1, "steps from one blur to the next");
  whole("--jitter", how.jitter, 0, "pixels that the input is moved by at random before each step, at most");
  number("--total-variation", how.total_variation, 0, 1e6,
         "weight of the total variation's gradient beside the unit's", "X");
  number("--clip", how.clip_norm, 0, 99.999, "per cent of pixels set to the mean for their small norm", "P");
  number("--clip-contribution", how.clip_contribution, 0, 99.999,
         "per cent of pixels set to the mean for their small contribution", "P");
  whole("--clip-every", how.clip_every, 1, "steps from one clipping to the next");
  command.add_flag("--unclamped", options->unclamped, "let values leave the range of a picture's pixels");
  whole("--frames", options->frames, 0,
        "pictures on the way, for an animation (.gif, default there: 24) or as files of a folder");
  command.add_option("--delay", options->delay, "time of a frame in ms")
      ->check(CLI::Range(20, 655350))
      ->capture_default_str();
  whole("--batch", how.batch, 1, "units that are made together; memory grows with it");
}

}  // namespace deconv::tool
