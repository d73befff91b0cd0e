#pragma once
/// Tensors that begin one element behind an aligned address, as a view into the middle of a larger one may.

#include "deconv/core/context.hpp"
#include "deconv/ops/copy_layout.hpp"

namespace deconv::test {

template <class T, Device D>
class Shifted {
 public:
  Shifted(const Context<D>& context, const Shape& shape, Layout layout)
      : room_(context.template make<T>({shape.count() + 1})), view_(room_.data() + 1, shape, layout) {}
  /// A shifted copy.
  Shifted(const Context<D>& context, TensorView<const T, D> src)
      : Shifted(context, src.shape(), src.layout()) {
    copy_layout<T>(context, src, view_);
  }
  [[nodiscard]] TensorView<T, D> view() const noexcept { return view_; }

 private:
  Tensor<T, D> room_;
  TensorView<T, D> view_;
};

/// Runs an op on shifted copies of its tensors: what does not come in whole aligned vectors must give the
/// same results.
template <class Op>
struct OnShifted : Op {
  explicit OnShifted(Op op) : Op(std::move(op)) {}
  [[nodiscard]] std::string name() const { return "shifted " + Op::name(); }
  template <class T, Device D, class In, class Out>
  void run(const Context<D>& context, const In& in, const Out& out) const {
    std::vector<Shifted<T, D>> there, results;
    In in_views;
    Out out_views;
    for (const auto& view : in) in_views.push_back(there.emplace_back(context, view).view());
    for (const auto& view : out)
      out_views.push_back(results.emplace_back(context, view.shape(), view.layout()).view());
    Op::template run<T, D>(context, in_views, out_views);
    for (std::size_t i = 0; i < out.size(); ++i) copy_layout<T>(context, out_views[i], out[i]);
  }
};

}  // namespace deconv::test
