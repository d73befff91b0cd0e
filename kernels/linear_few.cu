#include "linear_few.cuh"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "common/launch.cuh"
#include "deconv/ops/cuda/linear.hpp"
#include "ordered_sums.hpp"
#include "tuning/linear_few.hpp"

namespace deconv::cuda {
namespace {

/// Everything but the tiles; false where the kernels do not take the product.
template <class T>
bool make_product(TensorView<const T, Cuda> src, TensorView<const T, Cuda> weights, TensorView<T, Cuda> dst,
                  FewProduct<T>& p) {
  constexpr int width = vector_width<T>;
  constexpr Index most = std::numeric_limits<int>::max() / 64;
  const Index images = src[0], outputs = weights[0], features = weights[1];
  if (images < 1 || images > most_few_images || outputs < 1 || features < 1 || outputs > most ||
      features > most || !vector_aligned<width>(weights.data(), features))
    return false;
  p.src = src.data();
  p.weights = weights.data();
  p.dst = dst.data();
  p.images = static_cast<int>(images);
  p.outputs = static_cast<int>(outputs);
  p.row_pieces = static_cast<int>(features / width);
  return true;
}

/// Divides the work, calls start(grid), and adds the parts.
template <class T, class Start>
void in_parts(const Context<Cuda>& context, FewProduct<T>& p, Index tiles, Index steps, Index width,
              int splits, const Start& start) {
  p.tiles = static_cast<unsigned>(tiles);
  if (splits <= 0) splits = tuning::few_splits(tiles, steps, width * most_few_images);
  splits = static_cast<int>(std::min<Index>(splits, steps));
  p.splits = static_cast<unsigned>(splits);
  const Index count = p.images * width;
  Tensor<float, Cuda> parts;
  if (splits > 1) {
    parts = context.make<float>({splits, count});
    p.parts = parts.data();
  }
  start(dim3(p.tiles * p.splits));
  if (splits == 1) return;
  SumsTarget<T> sums;
  sums.dst = p.dst;
  sums.bias = p.bias;
  sums.channels = static_cast<int>(width);
  sums.rectified = p.rectified;
  sums.negative_slope = p.negative_slope;
  add_parts<T>(context, parts.data(), splits, count, sums);
}

/// Calls start.operator()<Images>() with 1, 2, 4 or 8.
template <class Start>
void with_images(int images, const Start& start) {
  if (images == 1)
    start.template operator()<1>();
  else if (images == 2)
    start.template operator()<2>();
  else if (images <= 4)
    start.template operator()<4>();
  else
    start.template operator()<8>();
}

constexpr std::size_t ring_bytes(int pieces) { return std::size_t{16} * few_stages * pieces; }

}  // namespace

template <class T>
bool linear_few_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                        TensorView<const T, Cuda> weights, const T* bias, TensorView<T, Cuda> dst,
                        std::optional<float> negative_slope, int splits) {
  FewProduct<T> p{};
  if (!vector_aligned<vector_width<T>>(src.data(), 0) || !make_product(src, weights, dst, p)) return false;
  p.bias = bias;
  p.rectified = negative_slope.has_value();
  p.negative_slope = negative_slope.value_or(0.0f);
  in_parts(context, p, parts_of<Index>(p.outputs, few_rows), parts_of<Index>(p.row_pieces, few_pieces),
           p.outputs, splits, [&](dim3 grid) {
             if constexpr (std::is_same_v<T, float>)
               with_images(p.images, [&]<int Images>() {
                 launch(context, &linear_few_forward<Images>, grid, few_threads,
                        ring_bytes(few_forward_pieces<Images>), p);
               });
             else
               launch(context, &linear_few_forward_of_halves<T>, grid, few_threads,
                      ring_bytes(few_forward_pieces<most_few_images>), p);
           });
  return true;
}

template <class T>
bool linear_few_reverse_data(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                             TensorView<const T, Cuda> weights, TensorView<T, Cuda> diff_src, int splits) {
  FewProduct<T> p{};
  if (!make_product(diff_dst, weights, diff_src, p)) return false;
  in_parts(context, p, parts_of<Index>(p.row_pieces, few_pieces), parts_of<Index>(p.outputs, few_rows),
           weights[1], splits, [&](dim3 grid) {
             with_images(p.images, [&]<int Images>() {
               launch(context, &linear_few_reverse<T, Images>, grid, few_threads,
                      ring_bytes(few_rows * few_pieces), p);
             });
           });
  return true;
}

#define DECONV_INSTANCE(T)                                                                      \
  template bool linear_few_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>,          \
                                      TensorView<const T, Cuda>, const T*, TensorView<T, Cuda>, \
                                      std::optional<float>, int);                               \
  template bool linear_few_reverse_data<T>(const Context<Cuda>&, TensorView<const T, Cuda>,     \
                                           TensorView<const T, Cuda>, TensorView<T, Cuda>, int);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
