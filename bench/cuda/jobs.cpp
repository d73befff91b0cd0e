// Whole jobs, each a recorded CUDA graph: forward passes, nine units projected, Grad-CAM, and features over a
// data set. Flops: the convolutions' and linear layers' multiply-adds, of projections on the units' receptive
// fields alone; bytes: every layer's weights, and its input and output once, rectifiers working in place.
#include "deconv/analysis/device_class_activation_map.hpp"
#include "deconv/analysis/device_projection.hpp"
#include "deconv/analysis/features.hpp"
#include "deconv/nn/captured_forward.hpp"
#include "deconv/nn/initialise.hpp"
#include "job_counts.hpp"
#include "layers.hpp"
#include "measure.hpp"

namespace deconv::bench {
namespace {

constexpr Index units_a_projection = 9, batches_of_features = 4, followed_maps = 16;

template <class T>
using HeldNetwork = std::shared_ptr<Network<T, Cuda>>;

/// The network with random weights, made once.
template <class T>
HeldNetwork<T> network_of(Room& room, const std::string& name, const Graph& graph) {
  return room.kept<Network<T, Cuda>>(message(name, ' ', name_of(dtype_of<T>)), [&] {
    Model model{name, graph, {}};
    initialise(model, Initialisation::torch, 1);
    return std::make_shared<Network<T, Cuda>>(room.context(), std::move(model));
  });
}

/// One way: `job` and what it needs, launched as a whole. Random images go in before.
template <class T, class Job>
Ways recorded(Room& room, const HeldNetwork<T>& network, std::shared_ptr<Job> job) {
  const auto input = job->input();
  room.fill_random(dtype_of<T>, input.data(), input.bytes());
  return {{"ours", [job, network] { job->run(); }}};
}

template <class T>
Ways forward_ways(Room& room, const std::string& name, const Graph& graph, Index batch, Maths maths) {
  const auto network = network_of<T>(room, name, graph);
  const Shape shape = graph.inputs[0].shape.with(0, batch);
  return recorded<T>(room, network,
                     std::make_shared<CapturedForward<T>>(*network, room.context().with(maths), shape,
                                                          ForwardOptions::outputs_only()));
}

template <class T>
Ways projection_ways(Room& room, const std::string& name, const Graph& graph, Maths maths) {
  const auto network = network_of<T>(room, name, graph);
  const Shape shape = graph.inputs[0].shape.with(0, 1);
  const std::string layer = last_rectified(graph);
  const Shape plane = infer_shapes(graph, 1).at(layer);
  std::vector<Unit> units;
  for (Index i = 0; i < units_a_projection; ++i)
    units.push_back({0, i * 7 % plane[1], i * 5 % plane[2], i * 3 % plane[3]});
  ProjectionOptions options;
  options.chunk_bytes = std::size_t{1} << 30;  // all units in one pass
  return recorded<T>(room, network,
                     std::make_shared<CapturedProjection<T>>(*network, room.context().with(maths), shape,
                                                             layer, units, options));
}

template <class T>
Ways class_activation_ways(Room& room, const std::string& name, const Graph& graph, Maths maths) {
  const auto network = network_of<T>(room, name, graph);
  return recorded<T>(room, network,
                     std::make_shared<CapturedClassActivation<T>>(
                         *network, room.context().with(maths), graph.inputs[0].shape.with(0, 1),
                         ClassActivationMapOptions{last_rectified(graph), {7}}));
}

/// A data set whose pictures are decoded, over and over.
struct FeatureJob {
  FeatureJob(const Context<Cuda>& gpu, HeldNetwork<float> held, const Shape& shape, const std::string& layer,
             const std::vector<Index>& maps)
      : context(gpu),
        network(std::move(held)),
        images(shape),
        top(*network, {{layer, maps}}),
        options(top.forward_options(ReverseOptions::deconvnet())),
        passes(*network, context, stream, top, options) {
    fill_normal<float>(images, Random(1), 0, 1);
    batch.images = images.view();
    for (Index i = 0; i < shape[0]; ++i) batch.numbers.push_back(i);
    stream.next = [this] { return &batch; };
  }

  void run() {
    for (Index i = 0; i < batches_of_features; ++i) {
      const auto* pass = passes.next();
      top.add(context, *pass->maxima, pass->numbers);
    }
  }

  Context<Cuda> context;
  HeldNetwork<float> network;
  Tensor<float, Cpu> images;
  ImageBatch<float> batch;
  ImageStream<float> stream;
  TopActivations<float, Cuda> top;
  ForwardOptions options;
  detail::BatchPasses<float, Cuda> passes;
};

Ways feature_ways(Room& room, const std::string& name, const Graph& graph, Index batch, Maths maths) {
  const std::string layer = last_rectified(graph);
  std::vector<Index> maps;
  for (Index k = 0; k < std::min(followed_maps, infer_shapes(graph, 1).at(layer)[1]); ++k) maps.push_back(k);
  const auto job =
      std::make_shared<FeatureJob>(room.context().with(maths), network_of<float>(room, name, graph),
                                   graph.inputs[0].shape.with(0, batch), layer, maps);
  return {{"ours", [job] { job->run(); }}};
}

template <class T>
void add_jobs(Jobs& jobs, const std::string& name, const Graph& graph, Index batch,
              std::optional<Maths> chosen) {
  const Maths maths = chosen.value_or(Maths::float32);
  const auto add = [&](const char* op, Index images, const Counts& counts,
                       std::function<Ways(Room&)> prepare) {
    const double bytes = static_cast<double>(sizeof(T)) * counts.elements;
    jobs.all.push_back({op,
                        name,
                        images,
                        dtype_of<T>,
                        bytes,
                        counts.flops,
                        {graph.inputs[0].shape.with(0, images)},
                        std::move(prepare),
                        chosen});
  };
  const std::string last = last_rectified(graph);
  add("job_forward", batch, forward_counts(graph, batch),
      [=](Room& room) { return forward_ways<T>(room, name, graph, batch, maths); });
  if (batch == jobs.batches.front()) {  // jobs of one image
    add("job_projection", 1,
        forward_counts(graph, 1, last) + projection_counts(graph, last, units_a_projection),
        [=](Room& room) { return projection_ways<T>(room, name, graph, maths); });
    add("job_gradcam", 1, forward_counts(graph, 1) + reverse_counts(graph, 1, last),
        [=](Room& room) { return class_activation_ways<T>(room, name, graph, maths); });
  }
  if constexpr (std::same_as<T, float>)
    if (batch > 1) {
      Counts counts = forward_counts(graph, batch, last);
      counts.flops *= batches_of_features;
      counts.elements *= batches_of_features;
      add("job_features", batch, counts,
          [=](Room& room) { return feature_ways(room, name, graph, batch, maths); });
    }
}

const Family family([](Jobs& jobs) {
  for (const auto& [name, graph] : whole_networks(jobs.tiny))
    jobs.each_maths([&, &name = name, &graph = graph]<class T>(Index batch, std::optional<Maths> maths) {
      add_jobs<T>(jobs, name, graph, batch, maths);
    });
});

}  // namespace
}  // namespace deconv::bench
