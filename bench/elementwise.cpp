// Ops that should cost what a copy costs: layout conversion, rectifiers, sums, concat, batch normalisation.
// Bytes: every tensor read and written once. Usage: bench_elementwise [threads]
#include "deconv/core/random.hpp"
#include "deconv/ops/add.hpp"
#include "deconv/ops/batch_norm.hpp"
#include "deconv/ops/concat.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/relu.hpp"
#include "roof.hpp"

namespace deconv::bench {
namespace {

using Tensors = std::vector<Tensor<float, Cpu>>;

Tensors make(const Context<Cpu>& context, const Shape& shape, Layout layout) {
  Tensors tensors;
  for (int i = 0; i < sets_for(8.0 * static_cast<double>(shape.count())); ++i) {
    tensors.push_back(context.make<float>(shape, layout));
    fill_uniform(tensors.back().view().slice(0, 1), Random(1), -1, 1);
    for (Index n = 1; n < shape[0]; ++n) {
      const auto first = tensors.back().view().slice(0, 1), other = tensors.back().view().slice(n, 1);
      std::copy(first.begin(), first.end(), other.begin());
    }
  }
  return tensors;
}

void conversions(const Context<Cpu>& context, const Shape& shape) {
  auto rows = make(context, shape, Layout::nchw), woven = make(context, shape, Layout::nhwc);
  const double bytes = 8.0 * static_cast<double>(shape.count());
  const auto at = [&](int i) { return static_cast<std::size_t>(i) % rows.size(); };
  report(context, message("nchw to nhwc ", shape), bytes,
         [&](int i) { copy_layout(context, rows[at(i)], woven[at(i)].view()); });
  report(context, message("nhwc to nchw ", shape), bytes,
         [&](int i) { copy_layout(context, woven[at(i)], rows[at(i)].view()); });
}

void others(const Context<Cpu>& context, const Shape& shape) {
  auto a = make(context, shape, Layout::nhwc), b = make(context, shape, Layout::nhwc),
       c = make(context, shape, Layout::nhwc);
  auto joined = make(context, {shape[0], 2 * shape[1], shape[2], shape[3]}, Layout::nhwc);
  const auto values = Tensor<float, Cpu>::filled({shape[1]}, 0.5f);
  const double each = 4.0 * static_cast<double>(shape.count());
  const auto at = [&](int i) { return static_cast<std::size_t>(i) % joined.size(); };
  const std::string where = message(" ", shape);
  report(context, "relu" + where, 2 * each,
         [&](int i) { relu_forward(context, a[at(i)], 0, c[at(i)].view()); });
  report(context, "relu reverse, gradient" + where, 3 * each, [&](int i) {
    relu_reverse(context, RectifierRule::gradient, a[at(i)], b[at(i)], 0, c[at(i)].view());
  });
  report(context, "add" + where, 3 * each, [&](int i) {
    add_forward(context, std::vector<TensorView<const float, Cpu>>{a[at(i)], b[at(i)]}, c[at(i)].view());
  });
  report(context, "concat" + where, 4 * each, [&](int i) {
    concat_forward(context, std::vector<TensorView<const float, Cpu>>{a[at(i)], b[at(i)]}, 1,
                   joined[at(i)].view());
  });
  report(context, "batch norm" + where, 2 * each, [&](int i) {
    batch_norm_forward(context, a[at(i)], values, values, values, values, 1e-5f, c[at(i)].view());
  });
}

}  // namespace
}  // namespace deconv::bench

int main(int argc, char** argv) {
  using namespace deconv;
  const auto context = bench::context_from(argc, argv);
  for (const Shape& shape : {Shape{16, 3, 224, 224}, Shape{16, 96, 55, 55}, Shape{16, 256, 13, 13}})
    bench::conversions(context, shape);
  bench::others(context, {16, 96, 55, 55});
}
