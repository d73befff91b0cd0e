#include "weighted_maps.cuh"

#include "common/launch.cuh"
#include "deconv/ops/cuda/weighted_maps.hpp"

namespace deconv::cuda {

template <class T>
void gradient_weighted_maps(const Context<Cuda>& context, TensorView<const T, Cuda> maps,
                            TensorView<const T, Cuda> gradient, TensorView<T, Cuda> weights,
                            TensorView<T, Cuda> dst) {
  constexpr unsigned threads = 128;
  const Index channels = maps[1], positions = maps[2] * maps[3];
  const bool together = maps.layout() == Layout::nhwc;
  const MapPlaces at{channels, positions, together ? channels : 1, together ? 1 : positions};
  const Index means_count = maps[0] * channels, dst_count = dst.count();
  const Index most = Index{threads} << 30;
  require<ShapeError>(means_count <= most && dst_count <= most, "gradient_weighted_maps: maps ", maps.shape(),
                      " are too many for a GPU");
  auto means = context.make<double>({means_count == 0 ? 1 : means_count});
  if (means_count > 0)
    launch(context, &mean_slopes<T>, dim3(static_cast<unsigned>(parts_of<Index>(means_count, threads))),
           threads, 0, gradient.data(), at, means_count, means.data(), weights.data());
  launch(context, &add_weighted<T>, dim3(static_cast<unsigned>(parts_of<Index>(dst_count, threads))), threads,
         0, maps.data(), at, dst_count, means.data(), dst.data());
}

#define DECONV_INSTANCE(T)                                                                 \
  template void gradient_weighted_maps<T>(const Context<Cuda>&, TensorView<const T, Cuda>, \
                                          TensorView<const T, Cuda>, TensorView<T, Cuda>,  \
                                          TensorView<T, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
