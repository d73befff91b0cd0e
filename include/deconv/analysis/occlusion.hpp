#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/occlusion_run.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/nn/score_tensor.hpp"
#include "deconv/ops/fill_patches.hpp"

// What a network makes of an image of which a patch is covered, for every place of the patch.
// Source: Zeiler and Fergus 2013, section 4.2 and Fig. 7.
namespace deconv {

/// How occluded images go through the network.
enum class OcclusionMethod : std::uint8_t {
  windows,     ///< only what the patch can reach is computed; on a GPU as brute_force
  brute_force  ///< every image as a whole
};

/// What an analysis will take.
struct OcclusionCost {
  Index places = 0;
  std::size_t bytes = 0;           ///< most memory of activations held at a time
  double multiply_adds = 0;        ///< of all places
  double brute_multiply_adds = 0;  ///< of all places as whole images
};

namespace detail {

/// The graph of an occlusion analysis. Throws ArgumentError, ShapeError.
template <class T, Device D>
OcclusionGraph occlusion_graph(const Network<T, D>& network, const Shape& src,
                               const OcclusionOptions& options) {
  const Topology& topology = network.topology();
  require<ArgumentError>(network.graph().inputs.size() == 1, "occlusion wants a network of one input, met ",
                         network.graph().inputs.size());
  require<ShapeError>(src.rank() == 4 && src[0] == 1, "occlusion wants one image 1 x C x H x W, met ", src);
  const auto shapes = network.shapes_for({src});
  const std::string score = score_tensor(topology);
  const std::size_t layer =
      topology.find(options.layer.empty() ? last_spatial_layer(topology, *shapes, score) : options.layer);
  return {topology, *shapes, topology.find(score), layer};
}

/// Whether windows can be followed through the graph: indices of poolings refer to whole planes.
[[nodiscard]] inline bool takes_windows(const OcclusionGraph& graph) {
  for (std::size_t i = 0; i < graph.steps(); ++i)
    if (graph.runs(i) && (graph.topology().steps()[i].outputs.size() > 1 ||
                          std::holds_alternative<node::MaxUnpool2d>(graph.node(i).params)))
      return false;
  return true;
}

template <class T>
std::vector<T> fill_values(const OcclusionOptions& options, Index channels) {
  require<ArgumentError>(options.fill.empty() || static_cast<Index>(options.fill.size()) == channels,
                         "a patch's fill wants ", channels, " values (one a channel), met ",
                         options.fill.size());
  std::vector<T> values(static_cast<std::size_t>(channels), T(0));
  for (std::size_t c = 0; c < options.fill.size(); ++c) values[c] = static_cast<T>(options.fill[c]);
  return values;
}

/// The unoccluded image's trace with what the plan's windows are completed from.
template <class T, Device D>
Trace<T, D> unoccluded(const Network<T, D>& network, const Context<D>& context, TensorView<const T, D> src,
                       const OcclusionGraph& graph, const OcclusionPlan* plan) {
  const Topology& topology = network.topology();
  std::vector<std::string> keep{topology.name(graph.layer()), topology.name(graph.input())};
  if (plan != nullptr) {
    for (std::size_t t = 0; t < plan->known().size(); ++t)
      if (plan->known()[t]) keep.push_back(topology.name(t));
    if (const std::size_t tail = graph.tail_input(); tail != OcclusionGraph::none) {
      keep.push_back(topology.name(tail));
      for (const std::size_t step : topology.consumers(tail))
        keep.push_back(topology.name(topology.steps()[step].outputs[0]));
    }
  }
  return network.forward(context, src,
                         ForwardOptions{false, std::move(keep), {}, topology.name(graph.score())});
}

/// An image in nchw order on the host.
template <class T, Device D>
Tensor<T, Cpu> plain_on_host(const Context<D>& context, TensorView<const T, D> src) {
  auto host = to_host(context, src);
  if (host.layout() == Layout::nchw) return host;
  Tensor<T, Cpu> plain(host.shape());
  copy_layout<T>(Context<Cpu>(1), host.view(), plain.view());
  return plain;
}

/// Images count x C x H x W: `below` with the patches at places from `first` on taken from `above`.
template <class T>
Tensor<T, Cpu> with_picture(const Tensor<T, Cpu>& below, const Tensor<T, Cpu>& above, const PatchGrid& grid,
                            Index first, Index count) {
  Tensor<T, Cpu> images(below.shape().with(0, count));
  for (Index n = 0; n < count; ++n) {
    std::copy(below.begin(), below.end(), images.data() + n * below.count());
    const PlaneBox box = patch_box(grid, first + n, below.shape());
    for (Index c = 0; c < below[1]; ++c)
      for (Index y = box.top; y < box.bottom; ++y)
        for (Index x = box.left; x < box.right; ++x) images(n, c, y, x) = above(0, c, y, x);
  }
  return images;
}

template <class T, Device D>
OcclusionRecord<T> occlusion_record(const Context<D>& context, const Trace<T, D>& trace,
                                    const OcclusionGraph& graph, const PatchGrid& grid,
                                    const OcclusionOptions& options) {
  const Topology& topology = graph.topology();
  const std::string& layer = topology.name(graph.layer());
  const auto activation = activation_on_host(context, trace, layer);
  const auto scores = activation_on_host(context, trace, topology.name(graph.score()));
  return {grid, layer, activation.view(), scores.view(), options};
}

}  // namespace detail

/// What occlude() and occlude_by_brute_force() will take for an image of shape `src` (1 x C x H x W). Memory
/// is that of activations, with the unoccluded image's; the network's own and kept blocks of the workspace
/// come on top. Throws as occlude(). Cost: a walk over the graph a place along each axis, no arithmetic.
template <class T, Device D>
[[nodiscard]] OcclusionCost occlusion_cost(const Network<T, D>& network, const Shape& src,
                                           const OcclusionOptions& options = {},
                                           OcclusionMethod method = OcclusionMethod::windows) {
  const auto graph = detail::occlusion_graph(network, src, options);
  const PatchGrid grid = occlusion_grid(src[2], src[3], options);
  const bool windows =
      std::same_as<D, Cpu> && method == OcclusionMethod::windows && detail::takes_windows(graph);
  const detail::OcclusionPlan plan(graph, grid, options.bytes, sizeof(T), windows);
  const detail::OcclusionPlan whole(graph, grid, options.bytes, sizeof(T), false);
  return {grid.count(), plan.bytes(), plan.multiply_adds(), whole.multiply_adds()};
}

/// The analysis with every occluded image sent through the whole network: the yardstick for occlude(), and
/// how it works on a GPU. src 1 x C x H x W; `picture`, where given, is an image of src's shape that the
/// patch's pixels are taken from in place of options.fill. Memory: options.bytes, see occlusion_cost. Throws
/// ArgumentError for unknown layers, maps, classes, patches that do not fit and fills of another number of
/// channels; ShapeError. Cost: a forward pass a place.
template <class T, Device D>
Occlusion<T> occlude_by_brute_force(const Network<T, D>& network, const Context<D>& context,
                                    std::type_identity_t<TensorView<const T, D>> src,
                                    const OcclusionOptions& options = {},
                                    std::type_identity_t<TensorView<const T, D>> picture = {}) {
  const auto graph = detail::occlusion_graph(network, src.shape(), options);
  const PatchGrid grid = occlusion_grid(src[2], src[3], options);
  require<ShapeError>(picture.empty() || picture.shape() == src.shape(),
                      "a picture to fill patches from wants the image's shape ", src.shape(), ", met ",
                      picture.shape());
  const auto values = detail::fill_values<T>(options, src[1]);
  const detail::OcclusionPlan plan(graph, grid, options.bytes, sizeof(T), false);
  auto record = detail::occlusion_record<T, D>(
      context, detail::unoccluded<T, D>(network, context, src, graph, nullptr), graph, grid, options);

  const std::string layer = network.topology().name(graph.layer()),
                    score = network.topology().name(graph.score());
  const auto on_device =
      to_device(context, TensorView<const T, Cpu>(values.data(), {static_cast<Index>(values.size())}));
  Tensor<T, Cpu> below, above;  // pictures are laid in on the host
  if (!picture.empty()) {
    below = detail::plain_on_host<T, D>(context, src);
    above = detail::plain_on_host<T, D>(context, picture);
  }
  const Index batch = plan.groups().front().batch;
  for (Index first = 0; first < grid.count(); first += batch) {
    const Index count = std::min(batch, grid.count() - first);
    Tensor<T, D> images;
    if (picture.empty()) {
      images = context.template make<T>(src.shape().with(0, count), src.layout());
      fill_patches<T, D>(context, src, on_device.view(), grid, first, images.view());
    } else {
      images = to_device(context, detail::with_picture<T>(below, above, grid, first, count).view());
    }
    const auto trace = network.forward(context, images.view(), ForwardOptions{false, {layer}, {}, score});
    const auto activation = detail::activation_on_host(context, trace, layer),
               scores = detail::activation_on_host(context, trace, score);
    const Index classes = scores.count() / count;
    for (Index n = 0; n < count; ++n) {
      record.scores(first + n, scores.data() + n * classes);
      for (std::size_t m = 0; m < record.maps().size(); ++m)
        record.activation(first + n, m, detail::sum_of_map<T>(activation.view(), n, record.maps()[m]));
    }
    record.done(first + count);
  }
  return std::move(record).take();
}

/// Covers the image with a patch at every place of a grid and tells for each place the total activation of
/// chosen maps of a layer, the score and the probability of chosen classes, and the most probable class. The
/// result is occlude_by_brute_force()'s up to rounding, but on the host only the part of each plane is
/// computed that the patch can reach, for many places in one batch; the rest comes from the pass of the image
/// itself. Layers whose reach is not known (a program's own, transposed convolutions) see whole planes.
/// Arguments, memory and errors as occlude_by_brute_force(). Cost: occlusion_cost().multiply_adds, between a
/// half and a tenth of brute force's for common patches.
template <class T, Device D>
Occlusion<T> occlude(const Network<T, D>& network, const Context<D>& context,
                     std::type_identity_t<TensorView<const T, D>> src, const OcclusionOptions& options = {},
                     std::type_identity_t<TensorView<const T, D>> picture = {}) {
  if constexpr (!std::same_as<D, Cpu>) {
    return occlude_by_brute_force<T, D>(network, context, src, options, picture);
  } else {
    const auto graph = detail::occlusion_graph(network, src.shape(), options);
    if (!detail::takes_windows(graph))
      return occlude_by_brute_force<T, D>(network, context, src, options, picture);
    const PatchGrid grid = occlusion_grid(src[2], src[3], options);
    require<ShapeError>(picture.empty() || picture.shape() == src.shape(),
                        "a picture to fill patches from wants the image's shape ", src.shape(), ", met ",
                        picture.shape());
    detail::PatchFill<T> fill{detail::fill_values<T>(options, src[1]), {}};
    Tensor<T, Cpu> woven;
    if (!picture.empty()) {
      woven = context.template make<T>(src.shape(), Layout::nhwc);
      copy_layout<T>(context, picture, woven.view());
      fill.picture = woven.view();
    }
    const detail::OcclusionPlan plan(graph, grid, options.bytes, sizeof(T), true);
    const auto trace = detail::unoccluded<T, D>(network, context, src, graph, &plan);
    auto record = detail::occlusion_record<T, D>(context, trace, graph, grid, options);
    detail::OcclusionRun<T>(network, context, graph, plan, trace, fill, record).run();
    return std::move(record).take();
  }
}

}  // namespace deconv
