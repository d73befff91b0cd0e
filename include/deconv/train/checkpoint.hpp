#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "deconv/io/model_file.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/train/optimiser.hpp"
#include "deconv/train/recipe_json.hpp"
#include "deconv/train/schedule_json.hpp"

// A checkpoint is a model file (io/model_file.hpp) that any command opens, with in addition
//   state/velocity/<parameter>  float32, the optimiser's velocity of each trained parameter
//   training                    in __metadata__: JSON with the recipe and where the run stands
// Order of pictures, augmentation and dropout masks are pure functions of the recipe's seed and the step, so
// there is no other random state.
namespace deconv::train {

/// Where a run stands after some number of steps: with the weights and velocities all that the following
/// steps depend on.
struct RunState {
  Index step = 0;           ///< steps done
  Index epoch = 0;          ///< the epoch of the next step, from 0
  Index step_in_epoch = 0;  ///< its number there; 0: an epoch was just finished (or none begun)
  ScheduleState schedule;
  double best_error = std::numeric_limits<double>::infinity();  ///< lowest at an epoch's end
  Index best_step = -1;                                         ///< steps done then; -1: none yet

  // Of the epoch under way, so that its line in the log covers all of it.
  double loss_sum = 0, error_sum = 0;  ///< over the images seen
  Index images = 0;
  double seconds = 0, waited = 0;  ///< of training and of its waiting for data
  double run_seconds = 0;          ///< since the run began, pauses left out

  friend bool operator==(const RunState&, const RunState&) = default;
};

[[nodiscard]] inline io::Json run_state_to_json(const RunState& state) {
  return {{"step", state.step},
          {"epoch", state.epoch},
          {"step_in_epoch", state.step_in_epoch},
          {"schedule", schedule_state_to_json(state.schedule)},
          {"best_error", std::isfinite(state.best_error) ? io::Json(state.best_error) : io::Json(nullptr)},
          {"best_step", state.best_step},
          {"loss_sum", state.loss_sum},
          {"error_sum", state.error_sum},
          {"images", state.images},
          {"seconds", state.seconds},
          {"waited", state.waited},
          {"run_seconds", state.run_seconds}};
}

/// Throws FormatError that begins with `name` and names the field.
[[nodiscard]] inline RunState run_state_from_json(const io::Json& json, const std::string& name) {
  RunState state;
  const auto field = [&](const char* key) -> const io::Json& {
    require<FormatError>(json.is_object() && json.contains(key), name, ": field ", quoted(key),
                         " wanted, met ", io::json_excerpt(json));
    return json[key];
  };
  const auto count = [&](const char* key, Index least) {
    return io::json_integer(field(key), name + ": " + key, least, std::numeric_limits<Index>::max());
  };
  const auto real = [&](const char* key) {
    require<FormatError>(field(key).is_number(), name, ": ", key, ": a number wanted, met ",
                         io::json_excerpt(field(key)));
    return field(key).get<double>();
  };
  state.step = count("step", 0);
  state.epoch = count("epoch", 0);
  state.step_in_epoch = count("step_in_epoch", 0);
  state.schedule = schedule_state_from_json(field("schedule"), name + ": schedule");
  if (!field("best_error").is_null()) state.best_error = real("best_error");
  state.best_step = count("best_step", -1);
  state.loss_sum = real("loss_sum");
  state.error_sum = real("error_sum");
  state.images = count("images", 0);
  state.seconds = real("seconds");
  state.waited = real("waited");
  state.run_seconds = real("run_seconds");
  return state;
}

namespace detail {

inline const std::string velocity_prefix = std::string(io::foreign_tensor_prefix) + "velocity/";

/// A device's tensor on the host, in float and nchw order.
template <class T, Device D>
Tensor<float, Cpu> plain_on_host(const Context<D>& context, TensorView<T, D> view) {
  using U = std::remove_const_t<T>;
  const Context<Cpu> host(1);
  Tensor<U, Cpu> there = to_host(context, view);
  Tensor<float, Cpu> real;
  if constexpr (std::is_same_v<U, float>) {
    real = std::move(there);
  } else {
    real = Tensor<float, Cpu>(there.shape(), there.layout());
    convert(host, there.view(), real.view());
  }
  if (real.layout() == Layout::nchw) return real;
  Tensor<float, Cpu> plain(real.shape());
  copy_layout<float>(host, real.view(), plain.view());
  return plain;
}

/// dst = a host tensor in nchw order.
template <Device D>
void put_on_device(const Context<D>& context, const Tensor<float, Cpu>& src, TensorView<float, D> dst) {
  const Context<Cpu> host(1);
  Tensor<float, Cpu> arranged(src.shape(), dst.layout());
  copy_layout<float>(host, src.view(), arranged.view());
  if constexpr (std::same_as<D, Cpu>)
    std::copy(arranged.begin(), arranged.end(), dst.data());
  else
    transfer<float>(context, arranged.view(), dst);
}

}  // namespace detail

/// The network's weights as they would be stored: float, nchw, the optimiser's float ones where it has them.
/// Waits for the device.
template <class T, Device D>
[[nodiscard]] Weights weights_of(Network<T, D>& network, const Context<D>& context, Sgd<T, D>& sgd) {
  Weights weights;
  sgd.each([&](const std::string& name, TensorView<float, D> value, TensorView<float, D>) {
    weights.emplace(name, detail::plain_on_host(context, value));
  });
  for (const auto& [name, value] : network.parameters())
    if (!weights.contains(name)) weights.emplace(name, detail::plain_on_host(context, value->view()));
  return weights;
}

/// Writes a checkpoint, whole or not at all: `about` gives preprocessing and class names (its weights are not
/// looked at). Throws IoError. Bytes: 8 a parameter.
template <class T, Device D>
void write_checkpoint(const std::filesystem::path& path, Network<T, D>& network, const Context<D>& context,
                      Sgd<T, D>& sgd, const io::ModelFile& about, const Recipe& recipe,
                      const RunState& state) {
  io::ModelFile file;
  file.model.name = network.name();
  file.model.graph = network.graph();
  file.model.weights = weights_of(network, context, sgd);
  file.preprocess = about.preprocess;
  file.class_names = about.class_names;
  io::SafetensorsWriter writer;
  io::add_model(writer, file);
  sgd.each([&](const std::string& name, TensorView<float, D>, TensorView<float, D> velocity) {
    writer.add(detail::velocity_prefix + name, detail::plain_on_host(context, velocity));
  });
  const io::Json training{
      {"version", 1}, {"recipe", recipe_to_json(recipe)}, {"state", run_state_to_json(state)}};
  writer.set_metadata("training", training.dump());
  writer.write(path);
}

/// A checkpoint that was opened: its model, and where its run stands.
struct Checkpoint {
  io::ModelFile file;
  RunState state;
  io::Json recipe;  ///< as recipe_to_json wrote it
};

/// Throws IoError, FormatError; a model file that is no checkpoint is a FormatError.
[[nodiscard]] inline Checkpoint read_checkpoint(const io::SafetensorsReader& reader) {
  const auto found = reader.metadata().find("training");
  require<FormatError>(found != reader.metadata().end(), reader.name(),
                       ": a checkpoint of a training run wanted, its metadata have no training");
  const std::string name = reader.name() + ": training";
  const io::Json json = io::parse_json(found->second, name);
  require<FormatError>(json.is_object() && json.contains("version") && json["version"] == 1 &&
                           json.contains("state") && json.contains("recipe"),
                       name, ": version 1 with a recipe and a state wanted, met ", io::json_excerpt(json));
  RunState state = run_state_from_json(json["state"], name);
  return {io::read_model_file(reader), state, json["recipe"]};
}

/// Puts the weights and velocities of a checkpoint into a run's network and optimiser. Throws FormatError,
/// naming the parameter, when the checkpoint is one of another network; then nothing was changed.
template <class T, Device D>
void restore(const io::SafetensorsReader& reader, const Context<D>& context, Sgd<T, D>& sgd) {
  sgd.each([&](const std::string& name, TensorView<float, D> value, TensorView<float, D>) {
    for (const std::string& tensor : {name, detail::velocity_prefix + name}) {
      const io::SafetensorsEntry& entry = reader.entry(tensor);
      require<FormatError>(entry.shape == value.shape() && entry.dtype == DType::float32, reader.name(),
                           ": the checkpoint is of another network: tensor ", quoted(tensor), ": float32 ",
                           value.shape(), " wanted, met ", name_of(entry.dtype), ' ', entry.shape);
    }
  });
  sgd.each([&](const std::string& name, TensorView<float, D> value, TensorView<float, D> velocity) {
    detail::put_on_device<D>(context, reader.read<float>(name), value);
    detail::put_on_device<D>(context, reader.read<float>(detail::velocity_prefix + name), velocity);
  });
  sgd.weights_changed();
}

}  // namespace deconv::train
