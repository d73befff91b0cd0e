// Whole networks on the Cuda device against the host's.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "deconv/analysis/class_activation_map.hpp"
#include "deconv/analysis/features.hpp"
#include "deconv/analysis/projection.hpp"
#include "deconv/core/dtype.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/nn/captured_forward.hpp"
#include "deconv/nn/reverse.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#include "support/relative_error.hpp"

using namespace deconv;
using test::random_tensor;
using test::relative_error;

#if !defined(DECONV_TEST_CUDA)

TEST_CASE("networks on the Cuda device") { WARN("this build has no Cuda device, not even an emulated one"); }

#else

namespace {

// Both sides in float32, in different orders of summation.
constexpr double float_tolerance = 2e-6;

Model copy_of(const Model& model) {
  Model copy{model.name, model.graph, {}};
  for (const auto& [name, weight] : model.weights) copy.weights.emplace(name, weight.clone());
  return copy;
}

template <class T>
Tensor<float, Cpu> as_float(const Tensor<T, Cpu>& tensor) {
  Tensor<float, Cpu> result(tensor.shape(), tensor.layout());
  std::transform(tensor.begin(), tensor.end(), result.begin(),
                 [](T value) { return static_cast<float>(value); });
  return result;
}

template <class T>
Tensor<T, Cuda> on_device(const Context<Cuda>& context, const Tensor<float, Cpu>& tensor) {
  Tensor<T, Cpu> converted(tensor.shape());
  std::transform(tensor.begin(), tensor.end(), converted.begin(),
                 [](float value) { return static_cast<T>(value); });
  return to_device(context, converted.view());
}

template <class T>
Tensor<float, Cpu> activation(const Context<Cuda>& context, const Trace<T, Cuda>& trace,
                              const std::string& name) {
  return as_float(to_host(context, trace.activation(context, name).view()));
}

std::vector<ReverseOptions> rules() {
  ReverseOptions last = ReverseOptions::deconvnet();
  last.overlap = OverlapRule::last;
  return {ReverseOptions::deconvnet(), ReverseOptions::guided(), ReverseOptions::gradient(), last};
}

}  // namespace

TEST_CASE("every kind of layer forward, with switches and indices, and in reverse by every rule") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const Context<Cpu> host(2);
  for (auto& small : test::small_networks()) {
    INFO(small.model.name);
    const Network<float, Cuda> there(gpu, copy_of(small.model));
    const Network<float, Cpu> here(std::move(small.model));
    const auto src = random_tensor<float>(small.input, 5);
    const auto wanted = here.forward(host, src);
    const auto met = there.forward(gpu, to_device(gpu, src.view()));
    const Topology& topology = here.topology();
    for (std::size_t t = 0; t < topology.tensor_count(); ++t) {
      const std::string& name = topology.name(t);
      INFO(name);
      if (wanted.slot(t).indices) {
        const auto indices = to_host(gpu, met.indices(name));
        CHECK(std::equal(indices.begin(), indices.end(), wanted.indices(name).begin()));
        continue;
      }
      CHECK_FALSE(
          !(relative_error(activation(gpu, met, name), wanted.activation(host, name)) <= float_tolerance));
    }
    for (std::size_t i = 0; i < topology.steps().size(); ++i) {
      if (wanted.switches_of(i).empty()) continue;
      const auto there_switches = met.switches_of(i).view();
      const auto here_switches = wanted.switches_of(i).view();
      REQUIRE(there_switches.bytes() == here_switches.bytes());
      REQUIRE(there_switches.layout() == here_switches.layout());
      std::vector<std::byte> copied(there_switches.bytes());
      cuda::copy_to_host(gpu.device(), gpu.stream(), copied.data(), there_switches.data(), copied.size());
      gpu.synchronise();
      CHECK(std::equal(copied.begin(), copied.end(), here_switches.data()));
    }
    const std::string& top = here.graph().outputs[0];
    const auto signal = random_tensor<float>(wanted.shape(top), 6);
    for (const ReverseOptions& options : rules()) {
      const auto below = reverse<float, Cpu>(here, host, wanted, top, signal.view(), "x", options);
      const auto down =
          reverse<float, Cuda>(there, gpu, met, top, to_device(gpu, signal.view()), "x", options);
      CHECK_FALSE(!(relative_error(to_host(gpu, down.view()), below) <= 5 * float_tolerance));
    }
  }
}

TEST_CASE("half and bfloat16 networks stay near the float one") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const Context<Cpu> host(1);
  const auto check = [&]<class T>(T, double tolerance) {
    for (auto& small : test::small_networks()) {
      INFO(small.model.name << " " << name_of(dtype_of<T>));
      const Network<T, Cuda> there(gpu, copy_of(small.model));
      const Network<float, Cpu> here(std::move(small.model));
      const auto src = random_tensor<float>(small.input, 5);
      const auto wanted = here.forward(host, src);
      const auto met = there.forward(gpu, on_device<T>(gpu, src));
      const std::string& top = here.graph().outputs[0];
      CHECK_FALSE(!(relative_error(activation(gpu, met, top), wanted.activation(host, top)) <= tolerance));
    }
  };
  // A few layers, each of which rounds what it stores to 11 or 8 bits.
  check(deconv::half(), 4e-3);
  check(deconv::bfloat16(), 3e-2);
}

TEST_CASE("projections by windows and by whole planes agree with the host's") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const Context<Cpu> host(1);
  int compared = 0;
  for (auto& small : test::small_networks()) {
    if (small.model.name != "relu" && small.model.name != "max_pool2d" && small.model.name != "branches" &&
        small.model.name != "lrn")
      continue;
    INFO(small.model.name);
    const Network<float, Cuda> there(gpu, copy_of(small.model));
    const Network<float, Cpu> here(std::move(small.model));
    const auto src = random_tensor<float>(small.input, 8);
    const auto wanted = here.forward(host, src);
    const auto met = there.forward(gpu, to_device(gpu, src.view()));
    const std::string& top = here.graph().outputs[0];
    std::vector<Unit> units;
    const Shape& shape = wanted.shape(top);
    for (Index n = 0; n < shape[0]; ++n) units.push_back({n, n % shape[1], shape[2] / 2, shape[3] - 1});
    const std::vector<Index> maps{0, 1};
    for (const Unit& unit : strongest_units(gpu, met, top, 1, std::span<const Index>(maps)))
      units.push_back(unit);
    for (const bool windows : {true, false})
      for (const ReverseOptions& rule : rules()) {
        ProjectionOptions options;
        options.reverse = rule;
        options.windows = windows;
        options.seed_value = SeedValue::one;
        const auto expected = project(here, host, wanted, top, units, options);
        const auto projected = project(there, gpu, met, top, units, options);
        REQUIRE(projected.size() == expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
          CHECK(projected[i].unit == expected[i].unit);
          CHECK(projected[i].box == expected[i].box);
          // One sum may cancel to a small part of its terms, which a whole tensor's error does not show.
          const double scale = std::abs(static_cast<double>(expected[i].activation)) + 1;
          const double difference = std::abs(static_cast<double>(projected[i].activation) -
                                             static_cast<double>(expected[i].activation));
          CHECK_FALSE(!(difference <= 1e-6 * scale));
          // Signals that a rule holds back altogether are zeros on both sides.
          const bool none = std::all_of(expected[i].pixels.begin(), expected[i].pixels.end(),
                                        [](float value) { return value == 0; });
          if (none) {
            CHECK(std::equal(projected[i].pixels.begin(), projected[i].pixels.end(),
                             expected[i].pixels.begin()));
            continue;
          }
          ++compared;
          CHECK_FALSE(!(relative_error(projected[i].pixels, expected[i].pixels) <= 5 * float_tolerance));
        }
      }
  }
  CHECK(compared > 100);
}

namespace {

/// conv - relu - pool - conv - relu - linear over 4 x 9 x 8.
Model classifier() {
  GraphBuilder net("x", {2, 4, 9, 8});
  net.add("conv1", node::Conv2d{6, {Window2d::square(3, 1, 1)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(2, 2)}});
  net.add("conv2", node::Conv2d{5, {Window2d::square(3, 1, 1)}});
  net.add("relu2", node::Relu{});
  net.add("fc", node::Linear{7});
  net.add("prob", node::Softmax{});
  return test::with_random_weights("classifier", std::move(net).finish());
}

}  // namespace

TEST_CASE("class-activation maps and features agree with the host's") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const Context<Cpu> host(1);
  const Network<float, Cuda> there(gpu, classifier());
  const Network<float, Cpu> here(classifier());
  const auto src = random_tensor<float>({2, 4, 9, 8}, 9);
  const auto wanted = class_activation_maps<float>(here, host, src.view());
  const auto met = class_activation_maps<float>(there, gpu, to_device(gpu, src.view()).view());
  REQUIRE(met.size() == wanted.size());
  for (std::size_t n = 0; n < met.size(); ++n) {
    CHECK(met[n].layer == wanted[n].layer);
    CHECK(met[n].class_index == wanted[n].class_index);
    CHECK_FALSE(!(relative_error(met[n].weights, wanted[n].weights) <= 1e-5));
    CHECK_FALSE(!(relative_error(met[n].map, wanted[n].map) <= 1e-5));
  }

  const auto images = random_tensor<float>({9, 4, 9, 8}, 10);
  const auto collect = [&](const auto& network, const auto& context, std::size_t state_bytes) {
    ImageBatch<float> batch;
    Index next = 0;
    ImageStream<float> stream;
    stream.next = [&]() -> const ImageBatch<float>* {
      if (next >= images.shape()[0]) return nullptr;
      const Index count = std::min<Index>(2, images.shape()[0] - next);
      batch.images = images.view().slice(next, count);
      batch.numbers.clear();
      for (Index i = 0; i < count; ++i) batch.numbers.push_back(next + i);
      next += count;
      return &batch;
    };
    stream.again = [&](std::int64_t number) {
      Tensor<float, Cpu> one({1, 4, 9, 8});
      std::copy_n(images.data() + number * one.count(), one.count(), one.data());
      return one;
    };
    std::vector<Feature<float>> all;
    FeatureOptions options;
    options.top = 3;
    options.state_bytes = state_bytes;
    features<float>(
        network, context, {{"relu1", {0, 5}}, {"relu2", {1, 2, 4}}}, stream,
        [&](Feature<float> feature) { all.push_back(std::move(feature)); }, options);
    return all;
  };
  const auto expected = collect(here, host, std::size_t{1} << 20);
  for (const std::size_t state_bytes : {std::size_t{1} << 20, std::size_t{0}}) {
    const auto found = collect(there, gpu, state_bytes);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      REQUIRE(found[i].hits.size() == expected[i].hits.size());
      for (std::size_t k = 0; k < found[i].hits.size(); ++k) {
        CHECK(found[i].hits[k].image == expected[i].hits[k].image);
        CHECK(found[i].hits[k].y == expected[i].hits[k].y);
        CHECK(found[i].hits[k].x == expected[i].hits[k].x);
        CHECK_FALSE(
            !(relative_error(found[i].projections[k].pixels, expected[i].projections[k].pixels) <= 1e-5));
      }
    }
  }
}

TEST_CASE("a recorded forward pass gives the same bits, run after run, for new images") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  const Network<float, Cuda> network(gpu, classifier());
  for (const bool everything : {true, false}) {
    ForwardOptions options;
    options.keep_everything = everything;
    CapturedForward<float> captured(network, gpu, {2, 4, 9, 8}, options);
    for (const std::uint64_t seed : {31u, 32u, 31u}) {
      const auto src = random_tensor<float>({2, 4, 9, 8}, seed);
      transfer<float>(gpu, src.view(), captured.input());
      const auto& trace = captured.run();
      const auto met = activation(gpu, trace, "prob");
      // Other work on the stream between runs must not reach the recording's memory.
      const auto plain = network.forward(gpu, to_device(gpu, src.view()), options);
      const auto wanted = activation(gpu, plain, "prob");
      CHECK(std::memcmp(met.data(), wanted.data(), met.bytes()) == 0);
    }
  }
}

TEST_CASE("reruns give the same bits, and the workspace keeps what was lent") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  const Network<float, Cuda> network(gpu, classifier());
  const auto src = random_tensor<float>({2, 4, 9, 8}, 12);
  const auto device = to_device(gpu, src.view());
  const auto first = activation(gpu, network.forward(gpu, device), "prob");
  const std::size_t peak = gpu.workspace()->peak_bytes(), in_use = gpu.workspace()->bytes_in_use();
  for (int i = 0; i < 3; ++i) {
    const auto again = activation(gpu, network.forward(gpu, device), "prob");
    CHECK(std::memcmp(first.data(), again.data(), first.bytes()) == 0);
  }
  CHECK(gpu.workspace()->peak_bytes() == peak);
  CHECK(gpu.workspace()->bytes_in_use() == in_use);
}

#endif
