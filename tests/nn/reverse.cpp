#include "deconv/nn/reverse.hpp"

#include <cmath>
#include <set>
#include <vector>

#include "deconv/io/file.hpp"
#include "deconv/io/json.hpp"
#include "nn/small_networks.hpp"
#include "support/captum_network.hpp"
#include "support/catch.hpp"
#include "support/relative_error.hpp"
#include "support/test_data.hpp"
#include "support/tolerances.hpp"

using namespace deconv;
using test::random_tensor;
using test::relative_error;

namespace {

template <class T>
double inner(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b) {
  REQUIRE(a.count() == b.count());
  double sum = 0;
  for (Index i = 0; i < a.count(); ++i)
    sum += static_cast<double>(a.data()[i]) * static_cast<double>(b.data()[i]);
  return sum;
}

/// Reverse from the graph's output to its input.
Tensor<double, Cpu> down(const Network<double, Cpu>& network, const Context<Cpu>& context,
                         const Trace<double, Cpu>& trace, const Tensor<double, Cpu>& signal,
                         const ReverseOptions& options) {
  return reverse<double, Cpu>(network, context, trace, network.graph().outputs[0], signal.view(),
                              network.graph().inputs[0].name, options);
}

Tensor<double, Cpu> output_of(const Network<double, Cpu>& network, const Context<Cpu>& context,
                              const Tensor<double, Cpu>& src) {
  return network.forward(context, src, ForwardOptions::outputs_only())
      .activation(context, network.graph().outputs[0]);
}

/// 1 x 1 x 1 x n.
Tensor<double, Cpu> row(const std::vector<double>& values) {
  return Tensor<double, Cpu>::from({1, 1, 1, static_cast<Index>(values.size())}, values);
}
std::vector<double> values_of(const Tensor<double, Cpu>& tensor) { return {tensor.begin(), tensor.end()}; }

}  // namespace

TEST_CASE("the small networks hold every kind of layer") {
  std::set<std::size_t> kinds;
  for (const auto& small : test::small_networks())
    for (const Node& node : small.model.graph.nodes) kinds.insert(node.params.index());
  CHECK(kinds.size() + 1 == std::variant_size_v<node::Params>);  // all but node::Custom
}

TEST_CASE("the gradient of a network agrees with finite differences, kind by kind") {
  const Context<Cpu> context(1);
  for (auto& small : test::small_networks()) {
    INFO(small.model.name);
    const Network<double, Cpu> network(std::move(small.model));
    auto src = random_tensor<double>(small.input, 21);
    const auto trace = network.forward(context, src);
    const auto signal = random_tensor<double>(trace.shape(network.graph().outputs[0]), 22);
    const auto gradient = down(network, context, trace, signal, ReverseOptions::gradient());
    Tensor<double, Cpu> differences(src.shape());
    constexpr double step = 1e-5;
    for (Index i = 0; i < src.count(); ++i) {
      const double kept = src.data()[i];
      src.data()[i] = kept + step;
      const double above = inner(output_of(network, context, src), signal);
      src.data()[i] = kept - step;
      const double below = inner(output_of(network, context, src), signal);
      src.data()[i] = kept;
      differences.data()[i] = (above - below) / (2 * step);
    }
    CHECK(!(relative_error(gradient, differences) > test::tolerance::finite_differences));
  }
}

TEST_CASE("the reverse of an affine network is its adjoint under every rule") {
  const Context<Cpu> context(1);
  int checked = 0;
  for (auto& small : test::small_networks()) {
    if (!small.affine) continue;
    INFO(small.model.name);
    const Network<double, Cpu> network(std::move(small.model));
    const auto direction = random_tensor<double>(small.input, 31);
    const auto trace = network.forward(context, direction);
    auto image = output_of(network, context, direction);
    const auto origin = output_of(network, context, Tensor<double, Cpu>::filled(small.input, 0.0));
    for (Index i = 0; i < image.count(); ++i) image.data()[i] -= origin.data()[i];
    const auto signal = random_tensor<double>(image.shape(), 32);
    for (const auto rule :
         {ReverseOptions::deconvnet(), ReverseOptions::guided(), ReverseOptions::gradient()}) {
      const double up = inner(image, signal),
                   adjoint = inner(direction, down(network, context, trace, signal, rule));
      CHECK(!(std::abs(up - adjoint) > test::tolerance::adjoint * std::max(1.0, std::abs(up))));
    }
    ++checked;
  }
  CHECK(checked >= 10);
}

TEST_CASE("a gradient needs only what the forward pass was asked to keep for it") {
  const Context<Cpu> context(1);
  for (auto& small : test::small_networks()) {
    INFO(small.model.name);
    const Network<double, Cpu> network(std::move(small.model));
    const auto src = random_tensor<double>(small.input, 41);
    const auto whole = network.forward(context, src);
    const auto signal = random_tensor<double>(whole.shape(network.graph().outputs[0]), 42);
    for (const auto rule :
         {ReverseOptions::deconvnet(), ReverseOptions::guided(), ReverseOptions::gradient()}) {
      ForwardOptions thrifty = ForwardOptions::outputs_only();
      thrifty.reverse = rule;
      const auto part = network.forward(context, src, thrifty);
      CHECK(values_of(down(network, context, part, signal, rule)) ==
            values_of(down(network, context, whole, signal, rule)));
    }
  }
}

TEST_CASE("the three rules of a rectifier") {
  GraphBuilder net("x", {1, 1, 1, 4});
  net.add("relu", node::Relu{});
  const Network<double, Cpu> network(Model{"relu", std::move(net).finish(), {}});
  const Context<Cpu> context(1);
  const auto trace = network.forward(context, row({-1, 2, 3, -4}));
  const auto signal = row({5, -6, 7, -8});
  CHECK(values_of(down(network, context, trace, signal, ReverseOptions::gradient())) ==
        std::vector<double>{0, -6, 7, 0});
  CHECK(values_of(down(network, context, trace, signal, ReverseOptions::deconvnet())) ==
        std::vector<double>{5, 0, 7, 0});
  CHECK(values_of(down(network, context, trace, signal, ReverseOptions::guided())) ==
        std::vector<double>{0, 0, 7, 0});
}

TEST_CASE("signals of overlapping windows add, or the last one stays") {
  GraphBuilder net("x", {1, 1, 1, 5});
  net.add("pool", node::MaxPool2d{{Window2d{1, 3, 1, 2, 1, 1, {}}}});
  const Network<double, Cpu> network(Model{"pool", std::move(net).finish(), {}});
  const Context<Cpu> context(1);
  const auto trace = network.forward(context, row({1, 2, 9, 3, 4}));
  ReverseOptions options;
  CHECK(values_of(down(network, context, trace, row({10, 7}), options)) ==
        std::vector<double>{0, 0, 17, 0, 0});
  options.overlap = OverlapRule::last;
  CHECK(values_of(down(network, context, trace, row({10, 7}), options)) ==
        std::vector<double>{0, 0, 7, 0, 0});
}

TEST_CASE("contrast normalisation is passed by unchanged, or by its gradient") {
  GraphBuilder net("x", {1, 1, 1, 2});
  net.add("norm", node::Lrn{{LrnRegion::across_channels, AlphaConvention::plain, 1, 1.0f, 1.0f, 1.0f}});
  const Network<double, Cpu> network(Model{"norm", std::move(net).finish(), {}});
  const Context<Cpu> context(1);
  const auto trace = network.forward(context, row({1, 2}));
  CHECK(values_of(down(network, context, trace, row({3, 5}), ReverseOptions::deconvnet())) ==
        std::vector<double>{3, 5});
  // x / (1 + x^2) has the slope (1 - x^2) / (1 + x^2)^2.
  const auto gradient = values_of(down(network, context, trace, row({3, 5}), ReverseOptions::gradient()));
  CHECK(!(std::abs(gradient[0]) > 1e-12));
  CHECK(!(std::abs(gradient[1] - 5 * (1 - 4) / 25.0) > 1e-12));
}

TEST_CASE("a reverse pass may begin and end at any tensors, the same one included") {
  const Context<Cpu> context(1);
  GraphBuilder net("x", {1, 2, 5, 5});
  net.add("conv1", node::Conv2d{3, {Window2d::square(3)}});
  net.add("relu1", node::Relu{});
  net.add("conv2", node::Conv2d{4, {Window2d::square(3)}});
  net.add("side", node::Conv2d{2, {Window2d::square(1)}}, {"relu1"});
  net.add("pooled", node::GlobalAveragePool{}, {"conv2"});
  net.add("join", node::GlobalAveragePool{}, {"side"});
  net.add("all", node::Concat{}, {"pooled", "join"});
  const Network<double, Cpu> network(test::with_random_weights("two heads", std::move(net).finish()));
  const auto trace = network.forward(context, random_tensor<double>({3, 2, 5, 5}, 1));
  const auto signal = random_tensor<double>(trace.shape("conv2"), 2);
  const auto options = ReverseOptions::gradient();
  const auto middle = reverse<double, Cpu>(network, context, trace, "conv2", signal.view(), "relu1", options);
  const auto below = reverse<double, Cpu>(network, context, trace, "relu1", middle.view(), "x", options);
  const auto direct = reverse<double, Cpu>(network, context, trace, "conv2", signal.view(), "x", options);
  CHECK(direct.shape() == Shape{3, 2, 5, 5});
  CHECK(!(relative_error(below, direct) > 1e-14));
  const auto same = reverse<double, Cpu>(network, context, trace, "conv2", signal.view(), "conv2", options);
  CHECK(values_of(same) == values_of(signal));

  const auto head = random_tensor<double>(trace.shape("side"), 3);
  CHECK_THROWS_AS((reverse<double, Cpu>(network, context, trace, "side", head.view(), "conv2", options)),
                  ArgumentError);
  CHECK_THROWS_AS((reverse<double, Cpu>(network, context, trace, "side", signal.view(), "x", options)),
                  ShapeError);
  CHECK_THROWS_AS((reverse<double, Cpu>(network, context, trace, "nothing", head.view(), "x", options)),
                  ArgumentError);
  const auto thin =
      network.forward(context, random_tensor<double>({3, 2, 5, 5}, 1), ForwardOptions::outputs_only());
  CHECK_THROWS_AS((reverse<double, Cpu>(network, context, thin, "conv2", signal.view(), "x", options)),
                  ArgumentError);
}

TEST_CASE("deconvnet and guided backpropagation agree with what Captum's tests expect") {
  DECONV_TEST_DATA_OR_SKIP(path, "golden/captum_expectations.json");
  const io::Bytes text = io::read_file(path, std::uint64_t{1} << 24);
  const auto facts = io::parse_json({reinterpret_cast<const char*>(text.data()), text.size()}, "captum");
  const Network<double, Cpu> network = test::captum_one_convolution();
  const Context<Cpu> context(1);
  int checked = 0;
  for (const auto& one : facts["cases"]) {
    const std::string method = one["method"];
    const bool guided = method.starts_with("guided backprop"), deconvnet = method.starts_with("deconvnet");
    if (!guided && !deconvnet) continue;
    INFO(method);
    const auto flat = [](const io::Json& rows) {
      std::vector<double> all;
      for (const auto& line : rows)
        for (const auto& value : line) all.push_back(value.get<double>());
      return all;
    };
    const auto trace = network.forward(context, Tensor<double, Cpu>::from({1, 1, 4, 4}, flat(one["input"])));
    const auto signal = Tensor<double, Cpu>::from({1, 4}, std::vector<double>{1, 0, 0, 0});
    const auto met = down(network, context, trace, signal,
                          guided ? ReverseOptions::guided() : ReverseOptions::deconvnet());
    CHECK(values_of(met) == flat(one["expected"]));
    ++checked;
  }
  CHECK(checked == 3);
}
