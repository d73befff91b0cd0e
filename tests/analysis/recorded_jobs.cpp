// Whole jobs as CUDA graphs, and features while the next batch is on its way: the same bits as without.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "deconv/analysis/device_class_activation_map.hpp"
#include "deconv/analysis/device_projection.hpp"
#include "deconv/analysis/features.hpp"
#include "deconv/nn/captured_forward.hpp"
#include "nn/small_networks.hpp"
#include "support/any_stream_order.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"

using namespace deconv;
using test::random_tensor;

#if !defined(DECONV_TEST_CUDA)

TEST_CASE("recorded jobs") { WARN("this build has no Cuda device, not even an emulated one"); }

#else

namespace {

const Shape batch_shape{2, 4, 17, 15};

/// conv - relu - lrn - pool - conv - relu - linear - softmax.
Model classifier() {
  GraphBuilder net("x", batch_shape);
  net.add("conv1", node::Conv2d{6, {Window2d::square(3, 1, 1)}});
  net.add("relu1", node::Relu{});
  net.add("norm1", node::Lrn{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2)}});
  net.add("conv2", node::Conv2d{5, {Window2d::square(3, 1, 1)}});
  net.add("relu2", node::Relu{});
  net.add("fc", node::Linear{7});
  net.add("prob", node::Softmax{});
  return test::with_random_weights("classifier", std::move(net).finish());
}

template <class A, class B>
bool same_bits(const A& a, const B& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

bool any_signal(const Tensor<float, Cpu>& tensor) {
  return std::any_of(tensor.begin(), tensor.end(), [](float value) { return value != 0; });
}

/// Units all over a layer's planes, of both images.
std::vector<Unit> units_of(const Shape& shape, Index count) {
  std::vector<Unit> units;
  for (Index i = 0; i < count; ++i)
    units.push_back({i % shape[0], i * 2 % shape[1], i * 3 % shape[2], i * 5 % shape[3]});
  return units;
}

void check_projection(const Context<Cuda>& gpu, const Network<float, Cuda>& network,
                      const ProjectionOptions& options) {
  const std::string layer = "relu2";
  ForwardOptions forward = ForwardOptions::only({layer});
  forward.reverse = options.reverse;
  forward.up_to = layer;
  const auto blank =
      network.forward(gpu, to_device(gpu, random_tensor<float>(batch_shape, 1).view()), forward);
  const std::vector<Unit> units = units_of(blank.shape(layer), 9);
  CapturedProjection<float> job(network, gpu, batch_shape, layer, units, options);
  for (const std::uint64_t seed : {41u, 42u, 41u}) {
    const auto images = random_tensor<float>(batch_shape, seed);
    transfer<float>(gpu, images.view(), job.input());
    const auto& met = job.run();
    const auto pixels = to_host(gpu, met.pixels.view()), activations = to_host(gpu, met.activations.view());
    const auto trace = network.forward(gpu, to_device(gpu, images.view()), forward);
    const auto wanted = project<float, Cuda>(network, gpu, trace, layer, units, options);
    REQUIRE(met.boxes.size() == wanted.size());
    REQUIRE(pixels[0] == static_cast<Index>(wanted.size()));
    int with_signal = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const Index count = wanted[i].pixels.count();
      CHECK(met.boxes[i] == wanted[i].box);
      CHECK(std::memcmp(&activations.data()[i], &wanted[i].activation, sizeof(float)) == 0);
      CHECK(std::memcmp(pixels.data() + static_cast<Index>(i) * count, wanted[i].pixels.data(),
                        wanted[i].pixels.bytes()) == 0);
      with_signal += any_signal(wanted[i].pixels);
    }
    CHECK(with_signal >= 3);
  }
}

/// The images of a data set in batches, whose memory is overwritten as soon as the next one is asked for.
struct Stream {
  explicit Stream(Index count) : images(random_tensor<float>({count, 4, 17, 15}, 10)), held(batch_shape) {
    stream.next = [this]() -> const ImageBatch<float>* {
      std::fill(held.begin(), held.end(), std::nanf(""));
      if (next >= images[0]) return nullptr;
      const Index here = std::min<Index>(2, images[0] - next);
      std::copy_n(images.data() + next * images.count() / images[0], here * images.count() / images[0],
                  held.data());
      batch.images = held.view().slice(0, here);
      last_but_one = batch.numbers;
      batch.numbers.clear();
      for (Index i = 0; i < here; ++i) batch.numbers.push_back(next + i);
      next += here;
      return &batch;
    };
    stream.again = [this](std::int64_t number) {
      ++again;
      Tensor<float, Cpu> one({1, 4, 17, 15});
      std::copy_n(images.data() + number * one.count(), one.count(), one.data());
      return one;
    };
  }
  [[nodiscard]] bool holds(std::int64_t number) const {
    const auto in = [&](const auto& numbers) {
      return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
    };
    return in(batch.numbers) || in(last_but_one);
  }

  Tensor<float, Cpu> images, held;
  ImageBatch<float> batch;
  std::vector<std::int64_t> last_but_one;
  ImageStream<float> stream;
  Index next = 0;
  int again = 0;
};

const std::vector<MapSelection> selections{{"relu1", {0, 5}}, {"relu2", {1, 2, 4}}};

}  // namespace

TEST_CASE("nine units projected in one recording have project()'s bits, run after run") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  const Network<float, Cuda> network(gpu, classifier());
  for (const bool windows : {true, false})
    for (const SeedValue seed : {SeedValue::activation, SeedValue::one})
      for (const ReverseOptions& rule : {ReverseOptions::deconvnet(), ReverseOptions::gradient()}) {
        ProjectionOptions options;
        options.windows = windows;
        options.seed_value = seed;
        options.reverse = rule;
        // Passes of two and of nine units.
        options.chunk_bytes = windows ? std::size_t{3} << 12 : std::size_t{8} << 20;
        check_projection(gpu, network, options);
      }
  for (const Maths maths : {Maths::tf32, Maths::tf32x3}) check_projection(gpu.with(maths), network, {});
}

TEST_CASE("recorded class-activation maps have class_activation_maps()' bits, and grow to the image's size") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  const Network<float, Cuda> network(gpu, classifier());
  for (const std::vector<Index>& classes : {std::vector<Index>{3}, std::vector<Index>{6, 0}}) {
    const ClassActivationMapOptions options{"relu2", classes};
    CapturedClassActivation<float> job(network, gpu, batch_shape, options);
    int with_signal = 0;
    for (const std::uint64_t seed : {51u, 52u, 51u}) {
      const auto images = to_device(gpu, random_tensor<float>(batch_shape, seed).view());
      cuda::copy_on_device(gpu.device(), gpu.stream(), job.input().data(), images.data(), images.bytes());
      const auto& met = job.run();
      const auto maps = to_host(gpu, met.maps.maps.view()), weights = to_host(gpu, met.maps.weights.view()),
                 scores = to_host(gpu, met.maps.scores.view()), resized = to_host(gpu, met.resized.view());
      const auto wanted = class_activation_maps<float, Cuda>(network, gpu, images.view(), options);
      REQUIRE(met.maps.layer == "relu2");
      auto grown = gpu.make<float>({2, 17, 15});
      resize_planes<float>(gpu, met.maps.maps, grown.view());
      CHECK(same_bits(resized, to_host(gpu, grown.view())));
      for (std::size_t n = 0; n < wanted.size(); ++n) {
        const auto row = static_cast<Index>(n);
        CHECK(met.maps.classes[n] == wanted[n].class_index);
        CHECK(scores.data()[row] == wanted[n].score);
        CHECK(std::memcmp(weights.data() + row * weights[1], wanted[n].weights.data(),
                          wanted[n].weights.bytes()) == 0);
        CHECK(std::memcmp(maps.data() + row * wanted[n].map.count(), wanted[n].map.data(),
                          wanted[n].map.bytes()) == 0);
        with_signal += any_signal(wanted[n].map);
      }
    }
    CHECK(with_signal > 0);
  }
  CHECK_THROWS_AS(CapturedClassActivation<float>(network, gpu, batch_shape, {"relu2", {}}), ArgumentError);
  CHECK_THROWS_AS(CapturedClassActivation<float>(network, gpu, batch_shape, {"relu2", {7}}), ArgumentError);
}

namespace {

/// features() against passes one by one over as many images.
void check_features(const Context<Cuda>& gpu, const Network<float, Cuda>& network, Index images,
                    std::size_t state_bytes) {
  INFO(images << " images, " << state_bytes << " bytes for states");
  Stream plain(images);
  TopActivations<float, Cuda> top(network, selections, 3);
  const ForwardOptions forward = top.forward_options(ReverseOptions::deconvnet());
  while (const ImageBatch<float>* batch = plain.stream.next())
    top.add(gpu, network.forward(gpu, to_device(gpu, batch->images), forward), batch->numbers);

  Stream stream(images);
  FeatureOptions options;
  options.top = 3;
  options.state_bytes = state_bytes;
  std::set<std::int64_t> used;
  std::int64_t told = 0;
  options.image_use = [&](std::int64_t number, bool in_use) {
    if (!in_use) {
      used.erase(number);
      return;
    }
    CHECK(stream.holds(number));
    used.insert(number);
  };
  options.progress = [&](std::string_view phase, std::int64_t done, std::int64_t) {
    if (phase == "images") told = done;
  };
  std::vector<Feature<float>> all;
  features<float, Cuda>(
      network, gpu, selections, stream.stream, [&](Feature<float> one) { all.push_back(std::move(one)); },
      options);
  CHECK(told == images);
  CHECK((stream.again > 0) == (state_bytes == 0 && images > 0));
  std::size_t next = 0;
  std::set<std::int64_t> wanted_used;
  for (std::size_t s = 0; s < selections.size(); ++s)
    for (std::size_t k = 0; k < selections[s].maps.size(); ++k) {
      const Feature<float>& feature = all.at(next++);
      const auto& hits = top.hits(s, k);
      REQUIRE(feature.hits.size() == hits.size());
      for (std::size_t i = 0; i < hits.size(); ++i) {
        wanted_used.insert(hits[i].image);
        CHECK(feature.hits[i].image == hits[i].image);
        CHECK((feature.hits[i].y == hits[i].y && feature.hits[i].x == hits[i].x));
        CHECK(feature.hits[i].activation == hits[i].activation);
        const auto image = plain.stream.again(hits[i].image);
        const auto trace = network.forward(gpu, to_device(gpu, image.view()), forward);
        const std::vector<Unit> unit{{0, selections[s].maps[k], hits[i].y, hits[i].x}};
        const auto wanted = project<float, Cuda>(network, gpu, trace, selections[s].layer, unit);
        CHECK(feature.projections[i].box == wanted[0].box);
        CHECK(same_bits(feature.projections[i].pixels, wanted[0].pixels));
      }
    }
  CHECK(next == all.size());
  CHECK(used == wanted_used);
}

}  // namespace

TEST_CASE("features of overlapped and recorded passes have the bits of passes one by one") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  const Network<float, Cuda> network(gpu, classifier());
  // Whole batches and a smaller last one; one batch alone; none.
  for (const Index images : {Index{11}, Index{12}, Index{2}, Index{1}, Index{0}})
    for (const std::size_t state_bytes : {std::size_t{1} << 20, std::size_t{0}})
      test::in_any_stream_order(state_bytes == 0 ? 0 : 6,
                                [&] { check_features(gpu, network, images, state_bytes); });
}

TEST_CASE("work that waits cannot be recorded, and the stream goes on afterwards") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  const Network<float, Cuda> network(gpu, classifier());
  const auto images = to_device(gpu, random_tensor<float>(batch_shape, 61).view());
  const auto before = to_host(gpu, network.forward(gpu, images).activation(gpu, "prob").view());
  CHECK_THROWS_AS(RecordedWork(gpu,
                               [&](const Context<Cuda>& own) {
                                 auto trace = network.forward(own, images);
                                 return to_host(own, trace.activation(own, "prob").view());
                               }),
                  DeviceError);
  const auto after = to_host(gpu, network.forward(gpu, images).activation(gpu, "prob").view());
  CHECK(same_bits(before, after));
}

TEST_CASE("an image stream that fails ends features() with its own error") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  const Network<float, Cuda> network(gpu, classifier());
  for (const int good : {0, 1, 3}) {
    Stream stream(12);
    const auto next = stream.stream.next;
    int given = 0;
    stream.stream.next = [&]() -> const ImageBatch<float>* {
      if (given++ == good) raise<FormatError>("a broken picture");
      return next();
    };
    CHECK_THROWS_AS((features<float, Cuda>(network, gpu, selections, stream.stream, [](Feature<float>) {})),
                    FormatError);
  }
}

#endif
