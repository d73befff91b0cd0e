#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "deconv/analysis/occlusion_graph.hpp"
#include "deconv/analysis/occlusion_result.hpp"

namespace deconv::detail {

/// The part of a tensor's planes that is computed for each place: a window that lies inside the plane.
struct WindowSize {
  bool whole = true;
  Index height = 0, width = 0;
};

enum class StepWay : std::uint8_t {
  left_out,  ///< not run, or without work of its own
  windows,
  mean,  ///< of whole planes, from the windows' changes
  whole
};

/// Places that go through the network with windows of one size a tensor.
struct OcclusionGroup {
  std::vector<Index> rows, columns;  ///< of the grid
  std::vector<WindowSize> windows;   ///< by tensor; meaningful for roots
  std::vector<StepWay> ways;         ///< by step
  std::size_t image_bytes = 0;       ///< most that one place holds at a time
  double multiply_adds = 0;          ///< of one place, the tail's left out
  Index batch = 1;

  [[nodiscard]] Index count() const noexcept {
    return static_cast<Index>(rows.size()) * static_cast<Index>(columns.size());
  }
};

/// How the places of a grid are divided into groups and batches, and what that costs.
class OcclusionPlan {
 public:
  /// Without `windows` all places make one group of whole planes. `element` is the bytes of a number.
  OcclusionPlan(const OcclusionGraph& graph, const PatchGrid& grid, std::size_t bytes, std::size_t element,
                bool windows)
      : graph_(&graph), grid_(grid), element_(element) {
    const Shape& plane = graph.shape(graph.input());
    spans_y_ = spans(true, grid.rows, grid.step_y, grid.height, plane[2]);
    spans_x_ = spans(false, grid.columns, grid.step_x, grid.width, plane[3]);
    const Index most = windows ? classes_an_axis : 1;
    for (const auto& rows : classes(spans_y_, true, most))
      for (const auto& columns : classes(spans_x_, false, most))
        groups_.push_back(group(rows, columns, windows));
    std::stable_sort(groups_.begin(), groups_.end(),
                     [](const auto& a, const auto& b) { return a.image_bytes > b.image_bytes; });
    choose_batches(bytes, windows);
  }

  [[nodiscard]] const PatchGrid& grid() const noexcept { return grid_; }
  [[nodiscard]] const std::vector<OcclusionGroup>& groups() const noexcept { return groups_; }
  /// Rows that the tail takes at once; 0 without a tail.
  [[nodiscard]] Index tail_rows() const noexcept { return tail_rows_; }
  /// Roots whose unoccluded planes windows are completed from.
  [[nodiscard]] const std::vector<bool>& known() const noexcept { return known_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] double multiply_adds() const noexcept { return multiply_adds_; }

  /// What the patch at row (or column) k of the grid reaches of a tensor.
  [[nodiscard]] const Span& reached(bool rows, std::size_t tensor, Index k) const {
    return (rows ? spans_y_ : spans_x_)[tensor][static_cast<std::size_t>(k)];
  }
  /// The first row (or column) of its window of `size` in a plane of `extent`.
  [[nodiscard]] Index start(bool rows, std::size_t tensor, Index k, Index size, Index extent) const {
    return std::clamp<Index>(reached(rows, tensor, k).first, 0, extent - size);
  }

 private:
  using Spans = std::vector<std::vector<Span>>;
  /// Windows near a border are cut off by it. More classes of sizes save more arithmetic, and each costs
  /// primitives of its own.
  static constexpr Index classes_an_axis = 3;
  static constexpr Index most_tail_rows = 256;

  [[nodiscard]] Index extent(bool rows, std::size_t tensor) const {
    return graph_->shape(tensor)[rows ? 2 : 3];
  }
  [[nodiscard]] bool planar(std::size_t tensor) const { return graph_->shape(tensor).rank() == 4; }

  [[nodiscard]] Spans spans(bool rows, Index places, Index step, Index size, Index extent_of_input) const {
    const auto count = static_cast<std::size_t>(places);
    Spans all(graph_->shapes().size(), std::vector<Span>(count));
    for (std::size_t k = 0; k < count; ++k) {
      const Index first = static_cast<Index>(k) * step;
      all[graph_->input()][k] = {first, std::min(first + size, extent_of_input)};
    }
    for (std::size_t i = 0; i < graph_->steps(); ++i) {
      const SpreadOf spread = graph_->spread(i);
      for (const std::size_t output : graph_->topology().steps()[i].outputs) {
        if (!planar(output)) continue;
        for (std::size_t k = 0; k < count; ++k) {
          Span& span = all[output][k];
          for (const std::size_t input : graph_->inputs(i))
            span = hull(span, planar(input) ? reached_by(spread, all[input][k], rows, extent(rows, output))
                                            : Span{0, extent(rows, output)});
          if (spread.kind == Spread::unknown || spread.kind == Spread::mean) span = {0, extent(rows, output)};
        }
      }
    }
    return all;
  }

  /// Rows (or columns) of the grid divided into at most `most` classes whose windows are of about one size.
  /// The division with the least work along this axis, each place of a class costing what its largest does.
  [[nodiscard]] std::vector<std::vector<Index>> classes(const Spans& all, bool rows, Index most) const {
    const std::size_t count = all[graph_->input()].size();
    // share[k][i]: of step i's arithmetic.
    std::vector<std::size_t> steps;
    for (std::size_t i = 0; i < graph_->steps(); ++i)
      if (graph_->runs(i) && graph_->multiply_adds(i) > 0 && planar(graph_->output(i))) steps.push_back(i);
    const auto work = [&](std::size_t step, std::size_t k) {
      const std::size_t output = graph_->output(step);
      return graph_->multiply_adds(step) * static_cast<double>(all[output][k].size()) /
             static_cast<double>(extent(rows, output));
    };
    std::vector<double> total(count, 0.0);
    for (std::size_t k = 0; k < count; ++k)
      for (const std::size_t step : steps) total[k] += work(step, k);
    std::vector<Index> order(count);
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
      return total[static_cast<std::size_t>(a)] < total[static_cast<std::size_t>(b)];
    });
    const auto parts = std::min(static_cast<std::size_t>(most), count);
    // best[p][k]: least work of the first k places in p classes; from[p][k]: where the last of them begins.
    constexpr double endless = std::numeric_limits<double>::infinity();
    std::vector<std::vector<double>> best(parts + 1, std::vector<double>(count + 1, endless));
    std::vector<std::vector<std::size_t>> from(parts + 1, std::vector<std::size_t>(count + 1, 0));
    best[0][0] = 0;
    for (std::size_t last = 1; last <= count; ++last) {
      std::vector<double> largest(steps.size(), 0.0);
      for (std::size_t first = last; first-- > 0;) {
        double each = 0;
        for (std::size_t s = 0; s < steps.size(); ++s)
          each += largest[s] = std::max(largest[s], work(steps[s], static_cast<std::size_t>(order[first])));
        for (std::size_t p = 1; p <= parts; ++p) {
          const double sum = best[p - 1][first] + each * static_cast<double>(last - first);
          if (sum < best[p][last]) {
            best[p][last] = sum;
            from[p][last] = first;
          }
        }
      }
    }
    std::size_t chosen = 1;
    for (std::size_t p = 2; p <= parts; ++p)
      if (best[p][count] < 0.97 * best[chosen][count]) chosen = p;
    std::vector<std::vector<Index>> result;
    for (std::size_t last = count, p = chosen; p > 0; last = from[p][last], --p) {
      std::vector<Index> part(order.begin() + static_cast<std::ptrdiff_t>(from[p][last]),
                              order.begin() + static_cast<std::ptrdiff_t>(last));
      std::sort(part.begin(), part.end());
      result.push_back(std::move(part));
    }
    return result;
  }

  [[nodiscard]] OcclusionGroup group(const std::vector<Index>& rows, const std::vector<Index>& columns,
                                     bool windows) const {
    OcclusionGroup result;
    result.rows = rows;
    result.columns = columns;
    result.windows.resize(graph_->shapes().size());
    result.ways.assign(graph_->steps(), StepWay::left_out);
    const auto largest = [](const std::vector<Index>& places, const std::vector<Span>& spans) {
      Index size = 1;
      for (const Index k : places) size = std::max(size, spans[static_cast<std::size_t>(k)].size());
      return size;
    };
    const auto set = [&](std::size_t tensor) {
      WindowSize& window = result.windows[tensor];
      window.height = largest(rows, spans_y_[tensor]);
      window.width = largest(columns, spans_x_[tensor]);
      window.whole = takes_whole_plane(window.height, window.width, graph_->shape(tensor));
    };
    if (windows) set(graph_->input());
    for (std::size_t i = 0; i < graph_->steps(); ++i) {
      if (!graph_->runs(i) || graph_->step_in_tail(i)) continue;
      const SpreadOf spread = graph_->spread(i);
      if (spread.kind == Spread::alias) continue;
      bool any_whole = false;
      for (const std::size_t input : graph_->inputs(i))
        any_whole = any_whole || result.windows[graph_->root(input)].whole || !planar(input) ||
                    graph_->shape(input) != graph_->shape(graph_->root(input));
      const std::size_t output = graph_->output(i);
      result.ways[i] = StepWay::whole;
      if (!any_whole && spread.kind == Spread::mean) result.ways[i] = StepWay::mean;
      if (!any_whole && spread.kind != Spread::mean && spread.kind != Spread::unknown) set(output);
      if (!result.windows[output].whole) result.ways[i] = StepWay::windows;
      const WindowSize& w = result.windows[output];
      const double share = w.whole ? 1.0
                                   : static_cast<double>(w.height * w.width) /
                                         static_cast<double>(extent(true, output) * extent(false, output));
      result.multiply_adds += share * graph_->multiply_adds(i);
    }
    result.image_bytes = bytes_of(result);
    return result;
  }

  [[nodiscard]] std::size_t size_of(const OcclusionGroup& group, std::size_t tensor) const {
    const Shape& shape = graph_->shape(tensor);
    const WindowSize& w = group.windows[tensor];
    return static_cast<std::size_t>(w.whole ? shape.count() : shape[1] * w.height * w.width) * element_;
  }

  /// Follows one place through its steps: what is held, and what each step takes besides.
  [[nodiscard]] std::size_t bytes_of(const OcclusionGroup& group) const {
    std::vector<Index> reads = graph_->reads(false);
    std::vector<bool> pasted(graph_->shapes().size());
    std::size_t held = size_of(group, graph_->input()), most = held;
    const auto plane = [&](std::size_t tensor) {
      return static_cast<std::size_t>(graph_->shape(tensor).count()) * element_;
    };
    for (std::size_t i = 0; i < graph_->steps(); ++i) {
      if (group.ways[i] == StepWay::left_out) continue;
      const SpreadOf spread = graph_->spread(i);
      const std::size_t output = graph_->output(i);
      const WindowSize& w = group.windows[output];
      std::size_t besides = 0;
      for (const std::size_t input : graph_->inputs(i)) {
        const std::size_t root = graph_->root(input);
        if (group.ways[i] == StepWay::windows && (spread.kind != Spread::same || spread.joined)) {
          const Index height = (w.height - 1) * spread.window.stride_y + spread.window.reach_y(),
                      width = (w.width - 1) * spread.window.stride_x + spread.window.reach_x();
          const bool twice = std::holds_alternative<node::Lrn>(graph_->node(i).params);
          besides +=
              static_cast<std::size_t>(graph_->shape(root)[1] * height * width * (twice ? 2 : 1)) * element_;
        }
        if (group.ways[i] != StepWay::whole) continue;
        if (!group.windows[root].whole && !pasted[root]) {
          pasted[root] = true;
          held += plane(root);
        }
        if (std::holds_alternative<node::Linear>(graph_->node(i).params) || input != root)
          besides += plane(input);
      }
      held += size_of(group, output);
      most = std::max(most, held + besides);
      for (const std::size_t input : graph_->inputs(i)) {
        const std::size_t root = graph_->root(input);
        if (--reads[root] == 0) held -= size_of(group, root) + (pasted[root] ? plane(root) : 0);
      }
    }
    if (graph_->tail_input() != OcclusionGraph::none)
      most = std::max(most, held + 2 * plane(graph_->tail_input()));
    return most;
  }

  void choose_batches(std::size_t bytes, bool windows) {
    std::size_t fixed = 0;
    known_.assign(graph_->shapes().size(), false);
    for (std::size_t t = 0; t < known_.size(); ++t) {
      for (const OcclusionGroup& group : groups_) known_[t] = known_[t] || !group.windows[t].whole;
      if (known_[t] || t == graph_->layer() || t == graph_->score())
        fixed += static_cast<std::size_t>(graph_->shape(t).count()) * element_;
    }
    for (std::size_t i = 0; i < graph_->steps(); ++i)
      for (const OcclusionGroup& group : groups_)
        if (group.ways[i] == StepWay::mean) known_[graph_->output(i)] = true;
    double tail_work = 0;
    if (graph_->tail_input() != OcclusionGraph::none) {
      std::size_t row = static_cast<std::size_t>(graph_->shape(graph_->tail_input()).count()) * element_;
      for (std::size_t t = 0; t < known_.size(); ++t)
        if (graph_->in_tail(t)) row += static_cast<std::size_t>(graph_->shape(t).count()) * element_;
      const std::size_t room = bytes / 4 / std::max<std::size_t>(row, 1);
      const Index most = std::clamp<Index>(static_cast<Index>(room), 1, most_tail_rows);
      const Index turns = (grid_.count() + most - 1) / most;
      tail_rows_ = (grid_.count() + turns - 1) / turns;
      fixed += static_cast<std::size_t>(tail_rows_) * row;
      for (std::size_t i = 0; i < graph_->steps(); ++i)
        if (graph_->runs(i) && graph_->step_in_tail(i)) tail_work += graph_->multiply_adds(i);
    }
    bytes_ = 0;
    multiply_adds_ = 0;
    for (OcclusionGroup& group : groups_) {
      const std::size_t each = std::max<std::size_t>(group.image_bytes, 1);
      const std::size_t room = bytes > fixed ? (bytes - fixed) / each : 1;
      // Enough for full arithmetic units, few enough that what one layer leaves is still in the caches.
      const std::size_t cached = std::clamp<std::size_t>((std::size_t{32} << 20) / each, 8, 64);
      const Index most = static_cast<Index>(
          std::clamp<std::size_t>(std::min(room, windows ? cached : std::size_t{32}), 1, 64));
      const Index turns = (group.count() + most - 1) / most;
      group.batch = (group.count() + turns - 1) / turns;
      bytes_ = std::max(bytes_, static_cast<std::size_t>(group.batch) * each);
      multiply_adds_ += static_cast<double>(group.count()) * (group.multiply_adds + tail_work);
    }
    bytes_ += fixed;
  }

  const OcclusionGraph* graph_;
  PatchGrid grid_;
  std::size_t element_;
  Spans spans_y_, spans_x_;
  std::vector<OcclusionGroup> groups_;
  std::vector<bool> known_;
  Index tail_rows_ = 0;
  std::size_t bytes_ = 0;
  double multiply_adds_ = 0;
};

}  // namespace deconv::detail
