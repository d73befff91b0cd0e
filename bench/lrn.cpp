// Contrast normalisation on ZFNet's planes, batch 16, and CIFAR-10's within channels. Bytes: 4 an element
// read and written; the reverse pass reads two tensors. Usage: bench_lrn [threads]
#include "deconv/ops/lrn.hpp"

#include "deconv/core/random.hpp"
#include "roof.hpp"

namespace deconv::bench {
namespace {

void run(const Context<Cpu>& context, const Shape& shape, Layout layout, const LrnParams& params) {
  const double each = 4.0 * static_cast<double>(shape.count());
  const auto count = static_cast<std::size_t>(sets_for(2 * each));
  std::vector<Tensor<float, Cpu>> sources, signals, results;
  for (std::size_t i = 0; i < count; ++i) {
    for (auto* tensors : {&sources, &signals, &results}) {
      tensors->push_back(context.make<float>(shape, layout));
      if (i == 0)
        fill_normal(tensors->back().view(), Random(1), 0, 1);
      else
        std::copy(tensors->front().begin(), tensors->front().end(), tensors->back().begin());
    }
  }
  const auto at = [&](int i) { return static_cast<std::size_t>(i) % count; };
  const std::string where = message(params.region == LrnRegion::across_channels ? " across " : " within ",
                                    shape, " ", name_of(layout));
  report(context, "lrn" + where, 2 * each,
         [&](int i) { lrn_forward(context, sources[at(i)], params, results[at(i)].view()); });
  report(context, "lrn reverse" + where, 3 * each,
         [&](int i) { lrn_reverse(context, sources[at(i)], signals[at(i)], params, results[at(i)].view()); });
}

}  // namespace
}  // namespace deconv::bench

int main(int argc, char** argv) {
  using namespace deconv;
  const auto context = bench::context_from(argc, argv);
  const LrnParams across,
      within{LrnRegion::within_channel, AlphaConvention::per_region, 3, 5e-5f, 0.75f, 1.0f};
  bench::run(context, {16, 96, 55, 55}, Layout::nhwc, across);
  bench::run(context, {16, 256, 26, 26}, Layout::nhwc, across);
  bench::run(context, {16, 96, 55, 55}, Layout::nchw, across);
  bench::run(context, {100, 32, 16, 16}, Layout::nhwc, within);
}
