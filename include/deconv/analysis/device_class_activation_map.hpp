#pragma once

#include <utility>

#include "deconv/analysis/class_activation_map.hpp"
#include "deconv/core/recorded_work.hpp"
#include "deconv/ops/resize_planes.hpp"

namespace deconv {

/// Grad-CAM of given classes as one CUDA graph, see RecordedWork: the forward pass, the gradient down to the
/// layer, the weighted and rectified sum of its maps, and the map at the image's size. The values have the
/// same bits as class_activation_maps()'s. The network must outlive it.
template <class T>
class CapturedClassActivation {
 public:
  struct Result {
    DeviceClassActivationMaps<T, Cuda> maps;
    Tensor<T, Cuda> resized;  ///< N x height x width of the image
  };

  /// `shape` is that of the graph's only input, N x C x H x W; `options` name the classes. Waits for the
  /// stream. Throws as class_activation_maps_on_device().
  CapturedClassActivation(const Network<T, Cuda>& network, const Context<Cuda>& context, const Shape& shape,
                          const ClassActivationMapOptions& options)
      : input_(detail::zeros<T>(context, shape)), work_(context, [&](const Context<Cuda>& own) {
          const auto trace =
              network.forward(own, input_.view(), class_activation_forward<T, Cuda>(network, options));
          Result result{class_activation_maps_on_device<T, Cuda>(network, own, trace, options),
                        own.make<T>({shape[0], shape[2], shape[3]})};
          resize_planes<T>(own, result.maps.maps, result.resized.view());
          return result;
        }) {}

  /// Where the images go before run(): the shape given, nchw. Fill it by transfer() or any work on the
  /// stream.
  [[nodiscard]] TensorView<T, Cuda> input() noexcept { return input_.view(); }
  /// Puts the job on the stream and returns its results, which the next run writes again.
  const Result& run() { return work_.run(); }
  [[nodiscard]] const Result& result() const noexcept { return work_.result(); }

 private:
  Tensor<T, Cuda> input_;
  RecordedWork<Result> work_;
};

}  // namespace deconv
