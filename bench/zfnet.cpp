// ZFNet's jobs on the Cpu, as bench/compare.py runs them beside the peers: see bench/README.md for names and
// counts. bench_zfnet [--threads N] [--repeat N] prints one JSON object a line; a table with rates goes to
// stderr.

#include <string>
#include <vector>

#include "deconv/analysis/projection.hpp"
#include "deconv/nn/models/zfnet.hpp"
#include "job.hpp"

namespace {

using namespace deconv;
using bench::measure;

Tensor<float, Cpu> noise(const Shape& shape, std::uint64_t stream, Layout layout = Layout::nchw) {
  Tensor<float, Cpu> tensor(shape, layout);
  fill_normal(tensor.view(), Random(1, stream), 0.0f, 50.0f);
  return tensor;
}

void pools(const Context<Cpu>& context, const std::string& suffix, const Shape& src_shape, int repeat) {
  const MaxPool2dParams params{Window2d::square(3, 2, 0, Rounding::ceil)};
  const auto src = noise(src_shape, 7, Layout::nhwc);
  const Shape dst_shape = pool2d_output_shape(src_shape, params.window);
  auto dst = context.make<float>(dst_shape, Layout::nhwc);
  auto back = context.make<float>(src_shape, Layout::nhwc);
  auto switches = Switches<Cpu>::make(dst_shape, Layout::nhwc, params.window.taps(), context.workspace());
  const double bytes =
      4.0 * static_cast<double>(src_shape.count()) + 5.0 * static_cast<double>(dst_shape.count());
  measure({"max_pool_switches_" + suffix, 0, bytes,
           [&] { max_pool2d_forward<float>(context, src, params, dst.view(), switches); }},
          repeat);
  measure({"unpool_" + suffix, 0, bytes,
           [&] { unpool2d<float>(context, dst, switches, params, OverlapRule::sum, back.view()); }},
          repeat);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, default_threads());
  const int repeat = arguments.repeat;
  const Context<Cpu> context(arguments.threads);
  const Network<float, Cpu> network(models::zfnet());
  const auto one = noise({1, 3, 224, 224}, 2), sixteen = noise({16, 3, 224, 224}, 3);
  const double forward_flops = 2.0 * static_cast<double>(multiply_adds(network.graph()));

  {
    const auto from = noise({16, 96, 110, 110}, 4);
    auto to = context.make<float>(from.shape());
    measure({"copy", 0, 2.0 * static_cast<double>(from.bytes()),
             [&] { copy_layout<float>(context, from, to.view()); }},
            repeat);
  }
  measure({"forward_16", 16 * forward_flops, 0,
           [&] { static_cast<void>(network.forward(context, sixteen, ForwardOptions::outputs_only())); }},
          repeat);
  measure({"forward_1", forward_flops, 0,
           [&] { static_cast<void>(network.forward(context, one, ForwardOptions::outputs_only())); }},
          repeat);

  ForwardOptions to_conv5{false, {}, ReverseOptions::deconvnet(), "relu5"};
  const std::vector<Index> maps{0, 17, 41, 77, 100, 133, 170, 201, 255};
  measure({"project_nine_conv5", 0, 0,
           [&] {
             const auto trace = network.forward(context, one, to_conv5);
             project<float, Cpu>(network, context, trace, "relu5", strongest_units(trace, "relu5", 0, maps));
           }},
          repeat);

  pools(context, "1", {16, 96, 110, 110}, repeat);
  pools(context, "2", {16, 256, 26, 26}, repeat);

  const Conv2dParams conv1{Window2d::square(7, 2, 0, Rounding::ceil)};
  const auto weights = noise({96, 3, 7, 7}, 5);
  for (const Index images : {1, 9, 16}) {
    const auto signal = noise({images, 96, 110, 110}, 6, Layout::nhwc);
    auto pixels = context.make<float>({images, 3, 224, 224});
    Conv2dCache<float, Cpu> cache;
    measure({"deconv1_to_pixels_" + std::to_string(images),
             2.0 * 96 * 110 * 110 * 3 * 49 * static_cast<double>(images), 0,
             [&] { conv2d_reverse_data<float>(context, signal, weights, conv1, pixels.view(), &cache); }},
            repeat);
  }
}
