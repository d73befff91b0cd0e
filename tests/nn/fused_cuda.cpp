// Layers that networks run in one kernel on the Cuda device against the same layers one by one.
#include <cstring>
#include <vector>

#include "deconv/core/dtype.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/nn/captured_forward.hpp"
#include "deconv/nn/reverse.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"

using namespace deconv;
using test::random_tensor;

#if !defined(DECONV_TEST_CUDA)

TEST_CASE("fused layers on the Cuda device") {
  WARN("this build has no Cuda device, not even an emulated one");
}

#else

namespace {

/// A model, the shape of its images, and its convolutions' last tensors, which pools alone read.
struct Pooled {
  Model model;
  Shape input;
  std::vector<std::string> pooled;
};

Pooled zfnet_like(const Shape& input = {2, 3, 31, 27}) {
  GraphBuilder net("x", input);
  net.add("conv1", node::Conv2d{24, {Window2d::square(7, 2, 1), 1}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, 1, Rounding::ceil)}});
  net.add("norm1",
          node::Lrn{{LrnRegion::across_channels, AlphaConvention::per_region, 3, 0.8f, 0.75f, 1.0f}});
  net.add("conv2", node::Conv2d{40, {Window2d::square(3, 1, 1), 1}});
  net.add("relu2", node::Relu{0.2f});
  net.add("pool2", node::MaxPool2d{{Window2d::square(3, 2)}});
  net.add("conv3", node::Conv2d{16, {Window2d::square(3, 1, 1), 1}});
  net.add("relu3", node::Relu{});
  return {test::with_random_weights("zfnet-like", std::move(net).finish()), input, {"relu1", "relu2"}};
}

/// Convolutions behind each other, one pooled without a rectifier, and one read by two layers.
Pooled vgg_like() {
  const Shape input{1, 16, 18, 20};
  GraphBuilder net("x", input);
  net.add("conv1", node::Conv2d{16, {Window2d::square(3, 1, 1), 1}});
  net.add("relu1", node::Relu{});
  net.add("conv2", node::Conv2d{72, {Window2d::square(3, 1, 1), 1}});
  net.add("pool2", node::MaxPool2d{{Window2d::square(2, 2)}});
  const std::string shared = net.add("conv3", node::Conv2d{8, {Window2d::square(3, 1, 1), 1}});
  const std::string left = net.add("left", node::MaxPool2d{{Window2d::square(3, 1, 1)}}, {shared});
  net.add("sum", node::Add{}, {left, shared});
  return {test::with_random_weights("vgg-like", std::move(net).finish()), input, {"conv2"}};
}

Model copy_of(const Model& model) {
  Model copy{model.name, model.graph, {}};
  for (const auto& [name, weight] : model.weights) copy.weights.emplace(name, weight.clone());
  return copy;
}

template <class T>
Tensor<T, Cuda> images(const Context<Cuda>& context, const Shape& shape, std::uint64_t seed) {
  const auto values = random_tensor<float>(shape, seed);
  Tensor<T, Cpu> converted(shape);
  std::transform(values.begin(), values.end(), converted.begin(),
                 [](float value) { return static_cast<T>(value); });
  return to_device(context, converted.view());
}

std::vector<std::byte> bytes_of(const Context<Cuda>& context, const Switches<Cuda>& switches) {
  std::vector<std::byte> copied(switches.bytes());
  cuda::copy_to_host(context.device(), context.stream(), copied.data(), switches.view().data(),
                     copied.size());
  context.synchronise();
  return copied;
}

template <class T>
void check_same_bits(const Context<Cuda>& context, const Trace<T, Cuda>& met, const Trace<T, Cuda>& wanted,
                     const std::string& name) {
  INFO(name);
  const auto left = to_host(context, met.activation(context, name).view()),
             right = to_host(context, wanted.activation(context, name).view());
  REQUIRE(left.shape() == right.shape());
  CHECK(std::memcmp(left.data(), right.data(), left.bytes()) == 0);
}

ForwardOptions keeping(const Model& model, std::vector<std::string> more) {
  ForwardOptions options = ForwardOptions::only(std::move(more));
  for (const Node& node : model.graph.nodes)
    if (std::holds_alternative<node::MaxPool2d>(node.params)) options.keep.push_back(node.outputs[0]);
  options.reverse = ReverseOptions::deconvnet();
  return options;
}

}  // namespace

TEST_CASE("pools run with the convolutions before them have the bits and switches of their own layers") {
  if (!test::cuda_context()) return;
  const auto check = [&]<class T>(T, Maths maths) {
    const Context<Cuda> gpu = test::cuda_context()->with(maths);
    for (const Pooled& pooled : {zfnet_like(), vgg_like()}) {
      INFO(pooled.model.name << ", " << name_of(dtype_of<T>) << ", " << name_of(maths));
      const Network<T, Cuda> network(gpu, copy_of(pooled.model));
      const auto src = images<T>(gpu, pooled.input, 5);
      const auto fused = network.forward(gpu, src, keeping(pooled.model, {}));
      // A convolution's output that is kept is written, and pooled by a kernel of its own.
      const auto apart = network.forward(gpu, src, keeping(pooled.model, pooled.pooled));
      const Topology& topology = network.topology();
      for (const std::string& name : pooled.pooled) {
        CHECK(fused.slot(topology.find(name)).view.empty());
        CHECK_FALSE(apart.slot(topology.find(name)).view.empty());
      }
      int switches = 0;
      for (std::size_t i = 0; i < topology.steps().size(); ++i) {
        CHECK(fused.switches_of(i).empty() == apart.switches_of(i).empty());
        if (fused.switches_of(i).empty()) continue;
        check_same_bits<T>(gpu, fused, apart, topology.name(topology.steps()[i].outputs[0]));
        CHECK(bytes_of(gpu, fused.switches_of(i)) == bytes_of(gpu, apart.switches_of(i)));
        ++switches;
      }
      CHECK(switches == 2);
      check_same_bits<T>(gpu, fused, apart, network.graph().outputs[0]);
    }
  };
  check(deconv::half(), Maths::float32);
  check(deconv::bfloat16(), Maths::float32);
  check(float(), Maths::tf32);
  check(float(), Maths::tf32x3);
  check(float(), Maths::float32);
}

TEST_CASE("a plane that is pooled at once takes no memory") {
  if (!test::cuda_context()) return;
  const Shape input{1, 8, 24, 32};
  GraphBuilder net("x", input);
  net.add("conv", node::Conv2d{64, {Window2d::square(3, 1, 1), 1}});
  net.add("relu", node::Relu{});
  net.add("pool", node::MaxPool2d{{Window2d::square(2, 2)}});
  const Model model = test::with_random_weights("plane", std::move(net).finish());
  const auto peak = [&](Maths maths, const ForwardOptions& options) {
    const Context<Cuda> gpu = Context<Cuda>(0).with(maths);
    const Network<float, Cuda> network(gpu, copy_of(model));
    const auto src = images<float>(gpu, input, 5);
    const std::size_t before = gpu.workspace()->bytes_in_use();
    const auto trace = network.forward(gpu, src, options);
    gpu.synchronise();
    return gpu.workspace()->peak_bytes() - before;
  };
  const std::size_t plane = 64 * 24 * 32 * sizeof(float);
  CHECK(peak(Maths::tf32, ForwardOptions::outputs_only()) < plane);
  CHECK(peak(Maths::tf32, ForwardOptions::only({"relu"})) > plane);
  CHECK(peak(Maths::tf32, {}) > plane);
  CHECK(peak(Maths::float32, ForwardOptions::outputs_only()) > plane);  // no such kernel
}

TEST_CASE("fused layers are recorded as a graph") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  const Pooled pooled = zfnet_like();
  const Network<deconv::half, Cuda> network(gpu, copy_of(pooled.model));
  const ForwardOptions options = keeping(pooled.model, {});
  CapturedForward<deconv::half> captured(network, gpu, pooled.input, options);
  for (const std::uint64_t seed : {31u, 32u}) {
    const auto src = images<deconv::half>(gpu, pooled.input, seed);
    copy_layout<deconv::half>(gpu, src.view(), captured.input());
    const auto& trace = captured.run();
    const auto plain = network.forward(gpu, src, options);
    check_same_bits<deconv::half>(gpu, trace, plain, "pool1");
    check_same_bits<deconv::half>(gpu, trace, plain, network.graph().outputs[0]);
  }
}

namespace {

/// Weights of -1, 0 and 1: sums of few of them are exact in any order.
Model with_small_weights(Model model) {
  std::uint64_t seed = 1;
  for (auto& [name, weight] : model.weights) {
    const Random random(seed++);
    for (Index i = 0; i < weight.count(); ++i)
      weight.data()[i] = static_cast<float>(random.below(static_cast<std::uint64_t>(i), 3)) - 1.0f;
  }
  return model;
}

/// The signal at the input of `model` for whole planes of every image, or for windows of some units of the
/// last tensor. `apart`: the tensors below the pools are asked for as well, so that each layer runs by
/// itself.
template <class T>
Tensor<T, Cpu> signal_below(const Context<Cuda>& gpu, const Network<T, Cuda>& network,
                            const Trace<T, Cuda>& trace, const ReverseOptions& options, bool windows,
                            const std::vector<std::string>& apart) {
  const Topology& topology = network.topology();
  const std::size_t seed = topology.find(network.graph().outputs[0]), input = topology.input(0);
  std::vector<Shape> shapes;
  for (std::size_t t = 0; t < topology.tensor_count(); ++t) shapes.push_back(trace.shape(t));
  const auto regions = reverse_regions(network, shapes, seed, {input}, options, windows);
  std::vector<ReverseRow<T, Cuda>> rows;
  if (windows)
    for (Index u = 0; u < 3; ++u)
      rows.push_back(
          {&trace, u % trace.images(), u * (shapes[seed][2] - 1) / 2, (2 - u) * (shapes[seed][3] - 1) / 2});
  else
    for (Index n = 0; n < trace.images(); ++n) rows.push_back({&trace, n, 0, 0});
  detail::ReverseRun<T, Cuda> run(network, gpu, options, rows, regions);
  for (const std::string& name : apart) run.keep(topology.find(name));
  Tensor<T, Cpu> signal(run.signal_shape(seed), Layout::nhwc);
  const Random random(9);
  for (Index i = 0; i < signal.count(); ++i)
    signal.data()[i] =
        static_cast<T>(static_cast<float>(random.below(static_cast<std::uint64_t>(i), 5)) - 2.0f);
  run.seed(seed, to_device(gpu, signal.view()));
  run.run();
  return to_host(gpu, run.take(input).view());
}

template <class T>
Index nonzero(const Tensor<T, Cpu>& values) {
  return static_cast<Index>(
      std::count_if(values.begin(), values.end(), [](T value) { return static_cast<float>(value) != 0.0f; }));
}

}  // namespace

TEST_CASE("signals go down through pools, rectifiers and convolutions at once as through each by itself") {
  if (!test::cuda_context()) return;
  const auto check = [&]<class T>(T, Maths maths) {
    const Context<Cuda> gpu = test::cuda_context()->with(maths);
    for (const bool windows : {false, true}) {
      // Windows are smaller than the planes only of images larger than a unit sees.
      Pooled pooled = windows ? zfnet_like({2, 3, 79, 71}) : zfnet_like();
      const Network<T, Cuda> network(gpu, with_small_weights(std::move(pooled.model)));
      const auto trace = network.forward(gpu, images<T>(gpu, pooled.input, 5));
      for (const OverlapRule overlap : {OverlapRule::sum, OverlapRule::last}) {
        INFO(name_of(dtype_of<T>) << ", " << name_of(maths) << (windows ? ", windows" : "")
                                  << (overlap == OverlapRule::last ? ", last" : ""));
        ReverseOptions options = ReverseOptions::deconvnet();
        options.overlap = overlap;
        const auto fused = signal_below<T>(gpu, network, trace, options, windows, {});
        CHECK(nonzero(fused) > fused.count() / 20);
        for (const auto& kept : std::vector<std::vector<std::string>>{{"relu1", "relu2"}, {"conv1"}}) {
          const auto apart = signal_below<T>(gpu, network, trace, options, windows, kept);
          REQUIRE(fused.shape() == apart.shape());
          CHECK(std::memcmp(fused.data(), apart.data(), fused.bytes()) == 0);
        }
      }
    }
  };
  check(deconv::half(), Maths::float32);
  check(deconv::bfloat16(), Maths::float32);
  check(float(), Maths::tf32);
  check(float(), Maths::tf32x3);
  check(float(), Maths::float32);
}

TEST_CASE("an unpooled plane takes no memory where the signal goes through it at once") {
  if (!test::cuda_context()) return;
  const Shape input{1, 16, 48, 64};
  GraphBuilder net("x", input);
  net.add("conv", node::Conv2d{32, {Window2d::square(3, 1, 1), 1}});
  net.add("relu", node::Relu{});
  net.add("pool", node::MaxPool2d{{Window2d::square(2, 2)}});
  const Model model = test::with_random_weights("plane", std::move(net).finish());
  const auto peak = [&](Maths maths, const ReverseOptions& options, const std::vector<std::string>& apart) {
    const Context<Cuda> gpu = Context<Cuda>(0).with(maths);
    const Network<float, Cuda> network(gpu, copy_of(model));
    ForwardOptions forward = ForwardOptions::outputs_only();
    forward.reverse = options;
    const auto src = images<float>(gpu, input, 5);
    const auto trace = network.forward(gpu, src, forward);
    // Another workspace, so that the forward pass' own peak does not count.
    const auto own = gpu.with(Workspace<Cuda>::make(gpu.device()));
    CHECK(nonzero(signal_below<float>(own, network, trace, options, false, apart)) > 0);
    return own.workspace()->peak_bytes();
  };
  const std::size_t plane = 32 * 48 * 64 * sizeof(float);
  const ReverseOptions deconvnet = ReverseOptions::deconvnet();
  CHECK(peak(Maths::tf32, deconvnet, {}) < plane);
  CHECK(peak(Maths::tf32, deconvnet, {"relu"}) > plane);
  CHECK(peak(Maths::tf32, ReverseOptions::gradient(), {}) > plane);  // the rule reads forward values
  CHECK(peak(Maths::float32, deconvnet, {}) > plane);                // no such kernel
}

#endif
