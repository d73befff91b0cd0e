// Many units of several traces in one pass on the Cuda device: their windows are cut together, and each
// unit's pixels are those that it has alone and those of the host.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "deconv/analysis/projection.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#include "support/relative_error.hpp"

#if defined(DECONV_TEST_CUDA)

using namespace deconv;
using test::random_tensor;
using test::relative_error;

namespace {

// Sums of float32 in other orders, over a few layers.
constexpr double reordered = 1e-5;

/// Windows that overlap, branches that reach differently far, values and switches that a reverse pass reads,
/// a rectifier between linear layers.
Model mixed() {
  GraphBuilder net("x", {1, 3, 33, 29});
  net.add("conv1", node::Conv2d{8, {Window2d::square(3, 2, 1)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}});
  net.add("norm1", node::Lrn{{LrnRegion::across_channels, AlphaConvention::plain, 5, 1e-4f, 0.75f, 2.0f}});
  net.add("narrow", node::Conv2d{4, {Window2d::square(1, 1, 0)}});
  net.add("wide", node::Conv2d{8, {Window2d::square(3, 1, 1)}}, {"norm1"});
  net.add("both", node::Concat{1}, {"narrow", "wide"});
  net.add("relu2", node::Relu{});
  net.add("fc", node::Linear{9});
  net.add("relu3", node::Relu{});
  net.add("last", node::Linear{6});
  return test::with_random_weights("mixed", std::move(net).finish());
}

Model copy_of(const Model& model) {
  Model copy{model.name, model.graph, {}};
  for (const auto& [name, weight] : model.weights) copy.weights.emplace(name, weight.clone());
  return copy;
}

template <class D>
std::vector<TracedUnit<float, D>> units_of(const Trace<float, D>& first, const Trace<float, D>& second,
                                           const std::string& layer) {
  std::vector<TracedUnit<float, D>> units;
  for (Index i = 0; i < 16; ++i) {
    const auto& trace = i % 3 == 2 ? second : first;
    const Shape& shape = trace.shape(layer);
    const bool planes = shape.rank() == 4;
    units.push_back(
        {&trace,
         {i % trace.images(), i % shape[1], planes ? i * 7 % shape[2] : 0, planes ? i * 5 % shape[3] : 0},
         {}});
  }
  return units;
}

}  // namespace

TEST_CASE("units of several traces go down together as they do alone, and as on the host", "[cuda]") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const Context<Cpu> host(1);
  auto model = mixed();
  const Network<float, Cuda> there(gpu, copy_of(model));
  const Network<float, Cpu> here(std::move(model));
  const auto images = random_tensor<float>({2, 3, 33, 29}, 5), more = random_tensor<float>({1, 3, 33, 29}, 6);
  const auto first = here.forward(host, images), second = here.forward(host, more);
  const auto first_there = there.forward(gpu, to_device(gpu, images.view())),
             second_there = there.forward(gpu, to_device(gpu, more.view()));
  ReverseOptions last = ReverseOptions::deconvnet();
  last.overlap = OverlapRule::last;
  int not_zero = 0;
  for (const std::string layer : {"norm1", "both", "last"})
    for (const ReverseOptions& rule :
         {ReverseOptions::deconvnet(), ReverseOptions::guided(), ReverseOptions::gradient(), last})
      for (const bool windows : {true, false}) {
        INFO(layer << (windows ? ", windows" : ", whole planes"));
        ProjectionOptions options;
        options.reverse = rule;
        options.windows = windows;
        options.seed_value = SeedValue::one;
        const auto wanted = project<float, Cpu>(here, host, layer, units_of(first, second, layer), options);
        const auto units = units_of(first_there, second_there, layer);
        const auto together = project<float, Cuda>(there, gpu, layer, units, options);
        REQUIRE(together.size() == units.size());
        for (std::size_t u = 0; u < units.size(); ++u) {
          CHECK(together[u].box == wanted[u].box);
          const auto alone = project<float, Cuda>(there, gpu, layer, std::span(&units[u], 1), options);
          const bool zero = std::all_of(wanted[u].pixels.begin(), wanted[u].pixels.end(),
                                        [](float value) { return value == 0; });
          if (zero) {
            CHECK(std::equal(together[u].pixels.begin(), together[u].pixels.end(), wanted[u].pixels.begin()));
            continue;
          }
          ++not_zero;
          CHECK_FALSE(!(relative_error(together[u].pixels, wanted[u].pixels) <= reordered));
          CHECK_FALSE(!(relative_error(together[u].pixels, alone[0].pixels) <= reordered));
        }
      }
  CHECK(not_zero > 200);
}

#endif
