#include "ordered_sums.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/ops/cuda/conv2d.hpp"
#include "sgd_launch.cuh"

namespace deconv::cuda {

template <class T>
void add_parts(const Context<Cuda>& context, const float* parts, int splits, Index count,
               const SumsTarget<T>& target) {
  constexpr unsigned threads = 256;
  launch(context, &sum_parts<T>, grid_for(count, threads), threads, 0, parts, splits, count, target);
}

template <class T>
void add_parts_and_step(const Context<Cuda>& context, const float* parts, int splits,
                        const WeightStep<T, Cuda>& step) {
  const Index count = step.weights.count();
  if (count == 0) return;
  const GradientOfParts<T> gradient{parts, count, splits};
  const Index filters = step.weights[0];
  const auto start = [&](const auto& rounded) {
    start_sgd(context, step.sgd, gradient, step.velocity.data(), step.weights.data(), rounded, filters,
              count / filters);
  };
  if constexpr (std::is_same_v<T, float>)
    start(OnlyInPlace{});
  else
    start(AlsoRounded<T>{step.rounded.data(), vector_aligned<4>(step.rounded.data(), 0)});
}

template <class T>
void channel_sums(const Context<Cuda>& context, const T* src, Index pixels, Index channels, T* dst) {
  if (channels == 0) return;
  // Chunks of at least 64 pixels, and no more of them than fill a large GPU.
  const Index columns = parts_of<Index>(channels, 32);
  const Index most = std::max<Index>(1, 132 * 8 / columns);
  const Index chunks = std::clamp<Index>(pixels / 64, 1, most);
  const Index chunk = parts_of<Index>(pixels, chunks);
  auto parts = context.make<float>({chunks, channels});
  launch(context, &channel_parts<T>, dim3(static_cast<unsigned>(columns * chunks)), 256, 0, src, pixels,
         channels, chunk, static_cast<unsigned>(chunks), parts.data());
  SumsTarget<T> target;
  target.dst = dst;
  add_parts<T>(context, parts.data(), static_cast<int>(chunks), channels, target);
}

#define DECONV_INSTANCE(T)                                                                                  \
  template void add_parts<T>(const Context<Cuda>&, const float*, int, Index, const SumsTarget<T>&);         \
  template void add_parts_and_step<T>(const Context<Cuda>&, const float*, int, const WeightStep<T, Cuda>&); \
  template void channel_sums<T>(const Context<Cuda>&, const T*, Index, Index, T*);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
