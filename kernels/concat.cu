#include "concat.cuh"

#include <algorithm>

#include "common/bits.cuh"
#include "common/element.cuh"
#include "common/instances.cuh"
#include "common/launch.cuh"
#include "deconv/ops/cuda/concat.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv::cuda {
namespace {

/// Everything in units of U.
template <class U>
void copy_units(const Context<Cuda>& context, const U* src, Index src_step, U* dst, Index dst_step,
                Index rows, Index run) {
  constexpr unsigned threads = 256;
  if (run > divider_limit) {  // rows this long are taken in halves
    const Index half = run / 2;
    copy_units(context, src, src_step, dst, dst_step, rows, half);
    return copy_units(context, src + half, src_step, dst + half, dst_step, rows, run - half);
  }
  const Index at_once = divider_limit / run;
  for (Index row = 0; row < rows; row += at_once) {
    const Index here = std::min(at_once, rows - row) * run;
    launch(context, &copy_runs<U>, grid_for(parts_of<Index>(here, loads_in_flight), threads), threads, 0,
           src + row * src_step, src_step, dst + row * dst_step, dst_step, Divider(run),
           static_cast<std::uint32_t>(here));
  }
}

template <class T>
void copy_rows(const Context<Cuda>& context, const T* src, Index src_step, T* dst, Index dst_step, Index rows,
               Index run) {
  if (rows == 0 || run == 0) return;
  constexpr int width = vector_width<T>;
  const bool steps = rows == 1 || (src_step % width == 0 && dst_step % width == 0);
  if (steps && vector_aligned<width>(src, run) && vector_aligned<width>(dst, run))
    copy_units(context, reinterpret_cast<const SixteenBytes*>(src), src_step / width,
               reinterpret_cast<SixteenBytes*>(dst), dst_step / width, rows, run / width);
  else
    copy_units(context, as_bits(src), src_step, as_bits(dst), dst_step, rows, run);
}

}  // namespace

template <class T>
void copy_into_part(const Context<Cuda>& context, TensorView<const T, Cuda> part, Index axis, Index offset,
                    TensorView<T, Cuda> whole) {
  const auto from = deconv::detail::axis_span(part.shape(), part.layout(), axis);
  const auto to = deconv::detail::axis_span(whole.shape(), whole.layout(), axis);
  const Index run = from.extent * from.inner;
  copy_rows(context, part.data(), run, whole.data() + offset * to.inner, to.extent * to.inner, from.outer,
            run);
}

template <class T>
void copy_from_part(const Context<Cuda>& context, TensorView<const T, Cuda> whole, Index axis, Index offset,
                    TensorView<T, Cuda> part) {
  const auto from = deconv::detail::axis_span(whole.shape(), whole.layout(), axis);
  const auto to = deconv::detail::axis_span(part.shape(), part.layout(), axis);
  const Index run = to.extent * to.inner;
  copy_rows(context, whole.data() + offset * from.inner, from.extent * from.inner, part.data(), run, to.outer,
            run);
}

#define DECONV_INSTANCE(T)                                                                       \
  template void copy_into_part<T>(const Context<Cuda>&, TensorView<const T, Cuda>, Index, Index, \
                                  TensorView<T, Cuda>);                                          \
  template void copy_from_part<T>(const Context<Cuda>&, TensorView<const T, Cuda>, Index, Index, \
                                  TensorView<T, Cuda>);
DECONV_FOR_ELEMENTS(DECONV_INSTANCE)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
