#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/projection.hpp"
#include "deconv/core/recorded_work.hpp"

// Projections that stay on the device, and the whole job as a CUDA graph.
namespace deconv {

/// Units of one trace projected to the input, on the device.
template <class T, Device D>
struct DeviceProjections {
  std::vector<Unit> units;
  std::vector<PlaneBox> boxes;  ///< of each unit: its receptive field in input pixels, all of one size
  Tensor<T, D> activations;     ///< one a unit
  Tensor<T, D> pixels;          ///< units x C x height x width of a box, nchw; zero outside the image
};

/// project() of units of one trace whose results stay on the device: nothing waits and nothing is copied to
/// or from the host, so that the work may be recorded. The units are given: to look for the strongest first
/// is strongest_units(), which waits. The values have the same bits as project()'s. Throws as project();
/// ArgumentError when there is no unit.
template <class T, Device D>
DeviceProjections<T, D> project_on_device(const Network<T, D>& network, const Context<D>& context,
                                          const Trace<T, D>& trace, const std::string& layer,
                                          std::span<const Unit> units,
                                          const ProjectionOptions& options = {}) {
  require<ArgumentError>(!units.empty(), "a unit to project wanted, met none");
  const detail::ProjectionWay<T, D> way(network, layer, trace, options);
  const auto& held = trace.slot(way.seed()).view;
  require<ArgumentError>(!held.empty(), "layer ", quoted(network.topology().name(way.seed())),
                         " was not kept by the forward pass");
  for (const Unit& unit : units) detail::check_unit(trace.shape(way.seed()), unit, layer);
  const auto count = static_cast<Index>(units.size());
  const Shape one = way.pixels_shape();
  DeviceProjections<T, D> results{{units.begin(), units.end()},
                                  {},
                                  context.template make<T>({count}),
                                  context.template make<T>({count, one[0], one[1], one[2]})};
  for (const Unit& unit : units) results.boxes.push_back(way.box(unit));
  read_units<T, D>(context, held, units, results.activations.view());
  std::vector<TracedUnit<T, D>> traced;
  for (const Unit& unit : units) traced.push_back({&trace, unit, {}});
  for (std::size_t begin = 0; begin < units.size();) {
    const auto chosen =
        std::span<const TracedUnit<T, D>>(traced).subspan(begin, way.units_a_pass(units.size() - begin));
    const auto first = static_cast<Index>(begin), here = static_cast<Index>(chosen.size());
    const auto pixels = way.down(context, chosen, [&](std::span<const Unit> places, TensorView<T, D> signal) {
      if (options.seed_value == SeedValue::one)
        place_units<T>(context, places, std::vector<T>(places.size(), T(1)), signal);
      else
        place_units<T, D>(context, places, TensorView<const T, D>(results.activations.data() + first, {here}),
                          signal);
    });
    copy_layout<T>(context, pixels.view(), results.pixels.view().slice(first, here));
    begin += chosen.size();
  }
  return results;
}

/// The deconvnet of given units of one layer as one CUDA graph, see RecordedWork: the forward pass with what
/// its reverse reads, and the units' way down to the pixels. The network must outlive it.
template <class T>
class CapturedProjection {
 public:
  /// `shape` is that of the graph's only input; the units' images lie in it. Waits for the stream. Throws as
  /// Network::forward and project().
  CapturedProjection(const Network<T, Cuda>& network, const Context<Cuda>& context, const Shape& shape,
                     const std::string& layer, std::span<const Unit> units,
                     const ProjectionOptions& options = {})
      : input_(detail::zeros<T>(context, shape)), work_(context, [&](const Context<Cuda>& own) {
          ForwardOptions forward = ForwardOptions::only({layer});
          forward.reverse = options.reverse;
          forward.up_to = layer;
          const auto trace = network.forward(own, input_.view(), forward);
          return project_on_device<T, Cuda>(network, own, trace, layer, units, options);
        }) {}

  /// Where the images go before run(): the shape given, nchw. Fill it by transfer() or any work on the
  /// stream.
  [[nodiscard]] TensorView<T, Cuda> input() noexcept { return input_.view(); }
  /// Puts the job on the stream and returns its results, which the next run writes again.
  const DeviceProjections<T, Cuda>& run() { return work_.run(); }
  [[nodiscard]] const DeviceProjections<T, Cuda>& result() const noexcept { return work_.result(); }

 private:
  Tensor<T, Cuda> input_;
  RecordedWork<DeviceProjections<T, Cuda>> work_;
};

}  // namespace deconv
