#include "add.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/ops/cuda/add.hpp"

namespace deconv::cuda {
namespace {

template <class T, class A>
void pass(const Context<Cuda>& context, std::span<const TensorView<const T, Cuda>> sources,
          const float* carried, A* dst, Index count) {
  constexpr int width = vector_width<T>;
  constexpr unsigned threads = 256;
  SumSources<T> terms{};
  bool aligned = vector_aligned<width>(dst, 0);
  for (std::size_t s = 0; s < sources.size(); ++s) {
    terms.at[s] = sources[s].data();
    aligned = aligned && vector_aligned<width>(terms.at[s], 0);
  }
  const int number = static_cast<int>(sources.size());
  if (aligned)
    launch(context, &sum_sources<T, A, width>, grid_for(parts_of<Index>(count, width), threads), threads, 0,
           terms, number, carried, dst, count);
  else
    launch(context, &sum_sources<T, A, 1>, grid_for(count, threads), threads, 0, terms, number, carried, dst,
           count);
}

template <class T>
void add_two(const Context<Cuda>& context, const T* a, const T* b, T* dst, Index count) {
  constexpr int width = vector_width<T>;
  constexpr unsigned threads = 256;
  const bool aligned =
      vector_aligned<width>(a, 0) && vector_aligned<width>(b, 0) && vector_aligned<width>(dst, 0);
  launch(context, aligned ? &sum_two<T, width> : &sum_two<T, 1>,
         grid_for(parts_of<Index>(count, (aligned ? width : 1) * 2), threads), threads, 0, a, b, dst, count);
}

}  // namespace

template <class T>
void add_forward(const Context<Cuda>& context, std::span<const TensorView<const T, Cuda>> sources,
                 TensorView<T, Cuda> dst) {
  const Index count = dst.count();
  if (count == 0) return;
  if (sources.size() == 2) return add_two(context, sources[0].data(), sources[1].data(), dst.data(), count);
  constexpr std::size_t most = SumSources<T>::most;
  Tensor<float, Cuda> carry;
  const float* carried = nullptr;
  for (; sources.size() > most; sources = sources.subspan(most)) {
    if (carry.empty()) carry = context.make<float>({count});
    pass(context, sources.first(most), carried, carry.data(), count);
    carried = carry.data();
  }
  pass(context, sources, carried, dst.data(), count);
}

template <class T>
void accumulate(const Context<Cuda>& context, TensorView<const T, Cuda> src, TensorView<T, Cuda> dst) {
  if (dst.count() > 0) add_two<T>(context, dst.data(), src.data(), dst.data(), dst.count());
}

#define DECONV_INSTANCE(T)                                                                       \
  template void add_forward<T>(const Context<Cuda>&, std::span<const TensorView<const T, Cuda>>, \
                               TensorView<T, Cuda>);                                             \
  template void accumulate<T>(const Context<Cuda>&, TensorView<const T, Cuda>, TensorView<T, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
