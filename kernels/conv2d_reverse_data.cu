#include "conv2d_correlation_launch.cuh"
#include "matrix_launch.cuh"

namespace deconv::cuda {

template <class T>
void conv2d_reverse_data(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                         TensorView<const T, Cuda> weights, const T* bias, const Conv2dParams& params,
                         TensorView<T, Cuda> diff_src, TileChoice choice) {
  if (diff_src.count() == 0) return;
  if (calls_for_matrix_units<T>(context, choice.units)) {
    if (matrix_reverse_data<T>(context, diff_dst, weights, bias, params, diff_src, choice)) return;
    if (choice.units != Units::by_maths) refuse_matrix_units("reverse to data");
  }
  run_correlation<T, true>(context, make_correlation<T>(diff_dst, weights, bias, params, diff_src), choice);
}

#define DECONV_INSTANCE(T)                                                                       \
  template void conv2d_reverse_data<T>(const Context<Cuda>&, TensorView<const T, Cuda>,          \
                                       TensorView<const T, Cuda>, const T*, const Conv2dParams&, \
                                       TensorView<T, Cuda>, TileChoice);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
