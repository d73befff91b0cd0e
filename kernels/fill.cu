#include "fill.cuh"

#include <bit>

#include "common/bits.cuh"
#include "common/instances.cuh"
#include "common/launch.cuh"
#include "deconv/ops/cuda/fill.hpp"

namespace deconv::cuda {

template <class T>
void fill(const Context<Cuda>& context, T* dst, T value, Index count) {
  if (count == 0) return;
  using B = Bits<T>;
  constexpr int width = vector_width<T>;
  constexpr unsigned threads = 256;
  const auto bits = std::bit_cast<B>(value);
  if (vector_aligned<width>(dst, 0))
    launch(context, &fill_elements<B, width>, grid_for(parts_of<Index>(count, width), threads), threads, 0,
           bits, as_bits(dst), count);
  else
    launch(context, &fill_elements<B, 1>, grid_for(count, threads), threads, 0, bits, as_bits(dst), count);
}

#define DECONV_INSTANCE(T) template void fill<T>(const Context<Cuda>&, T*, T, Index);
DECONV_FOR_ELEMENTS(DECONV_INSTANCE)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
