#pragma once
/// Tests that need tensors of several element types at once, or views into the middle of memory, and so do
/// not fit op_test.hpp's declarations.

#include "deconv/core/transfer.hpp"
#include "support/cuda_context.hpp"

namespace deconv::test {

/// Calls visit(context) for one thread, two threads and, where it is tested, the Cuda device.
template <class Visit>
void each_device(const Visit& visit) {
  visit(Context<Cpu>(1));
  visit(Context<Cpu>(2));
#if defined(DECONV_TEST_CUDA)
  if (cuda_context()) visit(*cuda_context());
#endif
}

/// The device of a context.
template <class C>
struct DeviceOfContext;
template <class D>
struct DeviceOfContext<Context<D>> {
  using type = D;
};
template <class C>
using DeviceOf = typename DeviceOfContext<std::remove_cvref_t<C>>::type;

/// A tensor on a device whose first element lies `shift` elements behind the start of its memory, with the
/// values of `src`.
template <class T, Device D>
class ShiftedTensor {
 public:
  ShiftedTensor(const Context<D>& context, TensorView<const T, Cpu> src, Index shift)
      : memory_(context.template make<T>({src.count() + shift})),
        view_(memory_.data() + shift, src.shape(), src.layout()) {
    if constexpr (std::same_as<D, Cpu>)
      std::copy(src.begin(), src.end(), view_.begin());
    else
      transfer<T>(context, src, view_);
  }
  [[nodiscard]] TensorView<T, D> view() { return view_; }

 private:
  Tensor<T, D> memory_;
  TensorView<T, D> view_;
};

}  // namespace deconv::test
