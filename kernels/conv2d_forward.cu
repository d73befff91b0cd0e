#include "conv2d_correlation_launch.cuh"
#include "matrix_launch.cuh"

namespace deconv::cuda {

template <class T>
void conv2d_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                    TensorView<const T, Cuda> weights, const T* bias, const Conv2dParams& params,
                    TensorView<T, Cuda> dst, std::optional<float> negative_slope, TileChoice choice) {
  if (dst.count() == 0) return;
  if (calls_for_matrix_units<T>(context, choice.units)) {
    if (matrix_forward<T>(context, src, weights, bias, params, dst, negative_slope, choice)) return;
    if (choice.units != Units::by_maths) refuse_matrix_units("forward");
  }
  Correlation<T> c = make_correlation<T>(src, weights, bias, params, dst);
  c.target.rectified = negative_slope.has_value();
  c.target.negative_slope = negative_slope.value_or(0.0f);
  run_correlation<T, false>(context, c, choice);
}

#define DECONV_INSTANCE(T)                                                                  \
  template void conv2d_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>,          \
                                  TensorView<const T, Cuda>, const T*, const Conv2dParams&, \
                                  TensorView<T, Cuda>, std::optional<float>, TileChoice);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
