// Max pooling with and without switches and unpooling on ZFNet's planes, batch 16, and one image; both
// layouts. Bytes: 4 an input and 4 an output, and 1 a switch where there are any. Usage: bench_pool2d
// [threads]
#include "deconv/core/random.hpp"
#include "deconv/ops/average_pool2d.hpp"
#include "deconv/ops/unpool2d.hpp"
#include "roof.hpp"

namespace deconv::bench {
namespace {

struct Buffers {
  Tensor<float, Cpu> src, dst, back;
  Switches<Cpu> switches;
};

void run(const Context<Cpu>& context, const Shape& shape, Layout layout) {
  const MaxPool2dParams params{Window2d::square(3, 2, 0, Rounding::ceil)};
  const Shape pooled = pool2d_output_shape(shape, params.window);
  const double plain = 4.0 * static_cast<double>(shape.count() + pooled.count());
  const double bytes = plain + static_cast<double>(pooled.count());
  std::vector<Buffers> sets;
  const auto count = static_cast<std::size_t>(sets_for(bytes));
  for (std::size_t i = 0; i < count; ++i) {
    sets.push_back({context.make<float>(shape, layout), context.make<float>(pooled, layout),
                    context.make<float>(shape, layout),
                    Switches<Cpu>::make(pooled, layout, 9, context.workspace())});
    Buffers& set = sets.back();
    if (i == 0)
      fill_normal(set.src.view(), Random(1), 0, 1);
    else
      std::copy(sets[0].src.begin(), sets[0].src.end(), set.src.begin());
    max_pool2d_forward(context, set.src, params, set.dst.view(), set.switches);
    std::fill(set.back.begin(), set.back.end(), 0.0f);
  }
  const auto set = [&](int i) -> Buffers& { return sets[static_cast<std::size_t>(i) % count]; };
  const std::string where = message(" ", shape, " ", name_of(layout));
  report(context, "max pool, switches" + where, bytes,
         [&](int i) { max_pool2d_forward(context, set(i).src, params, set(i).dst.view(), set(i).switches); });
  report(context, "max pool" + where, plain,
         [&](int i) { max_pool2d_forward(context, set(i).src, params, set(i).dst.view()); });
  report(context, "unpool, sum" + where, bytes, [&](int i) {
    unpool2d(context, set(i).dst, set(i).switches, params, OverlapRule::sum, set(i).back.view());
  });
  report(context, "unpool, last" + where, bytes, [&](int i) {
    unpool2d(context, set(i).dst, set(i).switches, params, OverlapRule::last, set(i).back.view());
  });
  report(context, "average pool" + where, plain,
         [&](int i) { average_pool2d_forward(context, set(i).src, {params.window}, set(i).dst.view()); });
  report(context, "average pool, reverse" + where, plain,
         [&](int i) { average_pool2d_reverse(context, set(i).dst, {params.window}, set(i).back.view()); });
}

}  // namespace
}  // namespace deconv::bench

int main(int argc, char** argv) {
  using namespace deconv;
  const auto context = bench::context_from(argc, argv);
  for (const Shape& shape : {Shape{16, 96, 110, 110}, Shape{16, 256, 26, 26}, Shape{1, 96, 110, 110}})
    bench::run(context, shape, Layout::nhwc);
  bench::run(context, {16, 96, 110, 110}, Layout::nchw);
}
