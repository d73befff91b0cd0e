#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "deconv/analysis/occlusion_pass.hpp"
#include "deconv/analysis/occlusion_record.hpp"
#include "deconv/analysis/occlusion_tail.hpp"

namespace deconv::detail {

/// What stands in the patch: a value a channel, or the same place of another image.
template <class T>
struct PatchFill {
  std::vector<T> values;             ///< C of them, read where there is no picture
  TensorView<const T, Cpu> picture;  ///< 1 x C x H x W, nhwc
};

/// The part of the plane that the patch at a place of the grid covers.
[[nodiscard]] inline PlaneBox patch_box(const PatchGrid& grid, Index place, const Shape& plane) {
  const Index top = grid.top + place / grid.columns * grid.step_y,
              left = grid.left + place % grid.columns * grid.step_x;
  return PlaneBox{top, left, top + grid.height, left + grid.width}.clipped(plane[2], plane[3]);
}

/// windows = the image's pixels, those of each window's patch replaced. plane 1 x C x H x W, windows B x C x
/// h x w, all nhwc; windows lie inside the plane and patches inside their windows.
template <class T>
void occlude_windows(const Context<Cpu>& context, TensorView<const T, Cpu> plane, const PatchFill<T>& fill,
                     const WindowPlaces& at, const std::vector<PlaneBox>& patches,
                     std::type_identity_t<TensorView<T, Cpu>> windows) {
  const Index channels = plane[1], width = plane[3];
  parallel_for(context, windows[0] * at.height, [&](Index job) {
    const auto b = static_cast<std::size_t>(job / at.height);
    const Index row = at.tops[b] + job % at.height, left = at.lefts[b];
    T* line = windows.data() + job * at.width * channels;
    std::copy_n(plane.data() + (row * width + left) * channels, at.width * channels, line);
    const PlaneBox& patch = patches[b];
    if (row < patch.top || row >= patch.bottom) return;
    for (Index x = patch.left; x < patch.right; ++x) {
      const T* from =
          fill.picture.empty() ? fill.values.data() : fill.picture.data() + (row * width + x) * channels;
      std::copy_n(from, channels, line + (x - left) * channels);
    }
  });
}

/// occlude() by windows, in progress.
template <class T>
class OcclusionRun {
 public:
  OcclusionRun(const Network<T, Cpu>& network, const Context<Cpu>& context, const OcclusionGraph& graph,
               const OcclusionPlan& plan, const Trace<T, Cpu>& known, const PatchFill<T>& fill,
               OcclusionRecord<T>& record)
      : network_(network),
        context_(context),
        graph_(graph),
        plan_(plan),
        known_(known),
        fill_(fill),
        record_(record),
        tail_(network, context, graph, plan, known, record) {}

  void run() {
    Index done = 0;
    for (const OcclusionGroup& group : plan_.groups()) {
      std::vector<Index> places;
      for (const Index row : group.rows)
        for (const Index column : group.columns) places.push_back(row * plan_.grid().columns + column);
      sort_for_tail(group, places);
      const auto count = static_cast<Index>(places.size());
      for (Index first = 0; first < count; first += group.batch) {
        // The last batch is as large as the others, so that it finds their primitives: some places come
        // twice.
        const Index from = std::min(first, count - group.batch);
        batch(group,
              std::span<const Index>(places).subspan(static_cast<std::size_t>(from),
                                                     static_cast<std::size_t>(group.batch)),
              first - from);
        done += std::min(group.batch, count - first);
        record_.done(done);
      }
    }
    tail_.finish();
  }

 private:
  /// Places that change the same columns of the tail's input one behind the other.
  void sort_for_tail(const OcclusionGroup& group, std::vector<Index>& places) const {
    if (graph_.tail_input() == OcclusionGraph::none) return;
    const std::size_t root = graph_.root(graph_.tail_input());
    const WindowSize& size = group.windows[root];
    if (size.whole) return;
    const Shape& plane = graph_.shape(root);
    const Index columns = plan_.grid().columns;
    const auto box = [&](Index place) {
      return std::pair(plan_.start(true, root, place / columns, size.height, plane[2]),
                       plan_.start(false, root, place % columns, size.width, plane[3]));
    };
    std::stable_sort(places.begin(), places.end(), [&](Index a, Index b) { return box(a) < box(b); });
  }

  /// `again` places at the front were done by the batch before.
  void batch(const OcclusionGroup& group, std::span<const Index> places, Index again) {
    const BatchPlaces at = places_of(group, places);
    const Shape input = graph_.shape(graph_.input()).with(0, static_cast<Index>(places.size()));
    OcclusionPass<T> pass(network_, context_, graph_, known_, network_.shapes_for({input}));
    put_patches(group, places, at, pass.slot(graph_.input()));
    pass.run(false, group.ways, at);

    if (!graph_.in_tail(graph_.layer())) record_layer(group, places, at, pass, again);
    if (graph_.tail_input() != OcclusionGraph::none) {
      const auto [rows, copy] = pass.planes(graph_.tail_input(), true);
      const std::size_t root = graph_.root(graph_.tail_input());
      for (std::size_t b = static_cast<std::size_t>(again); b < places.size(); ++b)
        tail_.add(places[b], rows.slice(static_cast<Index>(b), 1), changed(group, root, at, b));
    } else {
      const auto [rows, copy] = pass.planes(graph_.score(), true);
      const Index classes = rows.count() / static_cast<Index>(places.size());
      for (std::size_t b = static_cast<std::size_t>(again); b < places.size(); ++b)
        record_.scores(places[b], rows.data() + static_cast<Index>(b) * classes);
    }
  }

  [[nodiscard]] BatchPlaces places_of(const OcclusionGroup& group, std::span<const Index> places) const {
    BatchPlaces at(graph_.shapes().size());
    for (std::size_t t = 0; t < at.size(); ++t) {
      const WindowSize& size = group.windows[t];
      if (size.whole) continue;
      const Shape& plane = graph_.shape(t);
      at[t].height = size.height;
      at[t].width = size.width;
      for (const Index place : places) {
        at[t].tops.push_back(plan_.start(true, t, place / plan_.grid().columns, size.height, plane[2]));
        at[t].lefts.push_back(plan_.start(false, t, place % plan_.grid().columns, size.width, plane[3]));
      }
    }
    return at;
  }

  void put_patches(const OcclusionGroup& group, std::span<const Index> places, const BatchPlaces& at,
                   OccludedTensor<T>& slot) {
    const std::size_t input = graph_.input();
    const Shape& plane = graph_.shape(input);
    std::vector<PlaneBox> patches;
    for (const Index place : places) patches.push_back(patch_box(plan_.grid(), place, plane));
    const bool whole = group.windows[input].whole;
    const std::vector<Index> zeros(places.size(), 0);
    const WindowPlaces lie = whole ? WindowPlaces{zeros, zeros, plane[2], plane[3]} : at[input];
    auto pixels = std::make_shared<Tensor<T, Cpu>>(
        context_.make<T>({static_cast<Index>(places.size()), plane[1], lie.height, lie.width}, Layout::nhwc));
    occlude_windows<T>(context_, known_.slot(input).view, fill_, lie, patches, pixels->view());
    (whole ? slot.whole : slot.windows) = pixels;
    if (whole) slot.view = pixels->view();
  }

  void record_layer(const OcclusionGroup& group, std::span<const Index> places, const BatchPlaces& at,
                    OcclusionPass<T>& pass, Index again) {
    const std::size_t layer = graph_.layer(), root = graph_.root(layer);
    const auto begin = static_cast<std::size_t>(again);
    const auto& maps = record_.maps();
    if (!group.windows[root].whole && graph_.shape(layer) == graph_.shape(root)) {
      const TensorView<const T, Cpu> plane = known_.slot(root).view;
      const TensorView<const T, Cpu> windows = pass.slot(root).windows->view();
      for (std::size_t b = begin; b < places.size(); ++b)
        for (std::size_t m = 0; m < maps.size(); ++m)
          record_.activation(places[b], m,
                             record_.whole_sum(m) +
                                 change_of_map<T>(plane, windows, at[root], static_cast<Index>(b), maps[m]));
      return;
    }
    const auto [view, copy] = pass.planes(layer, false);
    for (std::size_t b = begin; b < places.size(); ++b)
      for (std::size_t m = 0; m < maps.size(); ++m)
        record_.activation(places[b], m, sum_of_map<T>(view, static_cast<Index>(b), maps[m]));
  }

  /// Where a row of the tail's input differs from the unoccluded one: the part of the planes it is made of.
  [[nodiscard]] PlaneBox changed(const OcclusionGroup& group, std::size_t root, const BatchPlaces& at,
                                 std::size_t b) const {
    const Shape& plane = graph_.shape(root);
    if (plane.rank() != 4) return {};
    if (group.windows[root].whole) return {0, 0, plane[2], plane[3]};
    return {at[root].tops[b], at[root].lefts[b], at[root].tops[b] + at[root].height,
            at[root].lefts[b] + at[root].width};
  }

  const Network<T, Cpu>& network_;
  const Context<Cpu>& context_;
  const OcclusionGraph& graph_;
  const OcclusionPlan& plan_;
  const Trace<T, Cpu>& known_;
  const PatchFill<T>& fill_;
  OcclusionRecord<T>& record_;
  OcclusionTail<T> tail_;
};

}  // namespace deconv::detail
