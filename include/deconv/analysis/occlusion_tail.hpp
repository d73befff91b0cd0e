#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "deconv/analysis/occlusion_pass.hpp"
#include "deconv/analysis/occlusion_record.hpp"
#include "deconv/nn/layers/linear.hpp"

namespace deconv::detail {

/// The fully connected tail of a network, which collects the rows of many batches, so that its weights are
/// read once for all of them. Rows that differ from the unoccluded one in few columns go through the first
/// layer by their differences alone.
template <class T>
class OcclusionTail {
 public:
  OcclusionTail(const Network<T, Cpu>& network, const Context<Cpu>& context, const OcclusionGraph& graph,
                const OcclusionPlan& plan, const Trace<T, Cpu>& known, OcclusionRecord<T>& record)
      : network_(network), context_(context), graph_(graph), known_(known), record_(record) {
    if (plan.tail_rows() == 0) return;
    before_ = known.activation(context, graph.topology().name(graph.tail_input()));
    rows_ = context.make<T>(graph.shape(graph.tail_input()).with(0, plan.tail_rows()));
  }

  /// One place's row; `changed` is the part of its planes that may differ from the unoccluded image's.
  void add(Index place, TensorView<const T, Cpu> row, const PlaneBox& changed) {
    const auto at = static_cast<Index>(places_.size());
    std::copy_n(row.data(), row.count(), rows_.data() + at * row.count());
    places_.push_back(place);
    changed_.push_back(changed);
    if (at + 1 == rows_[0]) finish();
  }

  /// Runs what has been collected. A last share that is not full has the rows of an earlier one behind it.
  void finish() {
    if (places_.empty()) return;
    if (!filled_ && static_cast<Index>(places_.size()) < rows_[0])
      std::fill_n(rows_.data() + static_cast<Index>(places_.size()) * row_size(),
                  (rows_[0] - static_cast<Index>(places_.size())) * row_size(), T(0));
    filled_ = true;
    const std::size_t input = graph_.tail_input();
    const Shape images = graph_.shape(graph_.input()).with(0, rows_[0]);
    OcclusionPass<T> pass(network_, context_, graph_, known_, network_.shapes_for({images}));
    pass.slot(input).view = rows_.view();
    by_differences(pass);
    pass.run(true, {}, {});
    const auto [scores, copy] = pass.planes(graph_.score(), true);
    const Index classes = scores.count() / rows_[0];
    for (std::size_t n = 0; n < places_.size(); ++n)
      record_.scores(places_[n], scores.data() + static_cast<Index>(n) * classes);
    if (graph_.in_tail(graph_.layer())) {
      const auto [view, other] = pass.planes(graph_.layer(), false);
      for (std::size_t n = 0; n < places_.size(); ++n)
        for (std::size_t m = 0; m < record_.maps().size(); ++m)
          record_.activation(places_[n], m, sum_of_map<T>(view, static_cast<Index>(n), record_.maps()[m]));
    }
    places_.clear();
    changed_.clear();
  }

 private:
  [[nodiscard]] Index row_size() const { return rows_.count() / rows_[0]; }

  /// Gathering the weights of some columns costs as much as this many rows' products with them.
  static constexpr double rows_a_gather = 150;

  /// The first layer's result from differences where that is less work for every row; else nothing.
  void by_differences(OcclusionPass<T>& pass) {
    const std::size_t input = graph_.tail_input();
    const Shape& plane = graph_.shape(graph_.root(input));
    std::size_t step = graph_.steps(), readers = 0;
    for (std::size_t i = graph_.steps(); i-- > 0;)
      if (graph_.runs(i) && graph_.inputs(i)[0] == input && graph_.step_in_tail(i)) step = i, ++readers;
    if (readers != 1 || plane.rank() != 4 || !std::holds_alternative<node::Linear>(graph_.node(step).params))
      return;
    std::map<std::tuple<Index, Index, Index, Index>, std::vector<Index>> classes;
    for (std::size_t n = 0; n < places_.size(); ++n) {
      const PlaneBox& box = changed_[n];
      classes[{box.top, box.left, box.bottom, box.right}].push_back(static_cast<Index>(n));
    }
    double work = 0;
    for (const auto& [key, rows] : classes) {
      const PlaneBox& box = changed_[static_cast<std::size_t>(rows.front())];
      work += static_cast<double>(box.height() * box.width()) *
              (static_cast<double>(rows.size()) + rows_a_gather);
    }
    if (!(work < 0.8 * static_cast<double>(rows_[0] * plane[2] * plane[3]))) return;

    const auto& linear = dynamic_cast<const Linear<T, Cpu>&>(network_.layer(step));
    const std::size_t output = graph_.output(step), own = graph_.topology().steps()[step].outputs[0];
    const TensorView<const T, Cpu> before = known_.slot(own).view;
    auto& slot = pass.slot(output);
    slot.whole = std::make_shared<Tensor<T, Cpu>>(context_.make<T>({rows_[0], before.count()}));
    slot.view = slot.whole->view();
    std::fill(slot.view.begin(), slot.view.end(), T(0));
    for (const auto& [key, rows] : classes)
      add_class(linear.weights(), changed_[static_cast<std::size_t>(rows.front())], rows, slot.view);
    const std::optional<float>& slope = graph_.rectifier(step);
    for (std::size_t n = 0; n < places_.size(); ++n)
      for (Index o = 0; o < before.count(); ++o) {
        T& value = slot.view.data()[static_cast<Index>(n) * before.count() + o];
        value += before.data()[o];
        if (slope && value < T(0)) value *= static_cast<T>(*slope);
      }
  }

  /// dst's rows = their differences inside the box times the weights of those columns.
  void add_class(TensorView<const T, Cpu> weights, const PlaneBox& box, const std::vector<Index>& rows,
                 TensorView<T, Cpu> dst) {
    const Shape& plane = graph_.shape(graph_.root(graph_.tail_input()));
    const Index outputs = weights[0], features = weights[1];
    const Index columns = plane[1] * box.height() * box.width(), count = static_cast<Index>(rows.size());
    if (columns == 0) return;
    auto some = context_.make<T>({outputs, columns}), changes = context_.make<T>({count, columns}),
         product = context_.make<T>({count, outputs});
    const auto gather = [&](const T* from, T* to, const auto& put) {
      for (Index c = 0; c < plane[1]; ++c)
        for (Index y = box.top; y < box.bottom; ++y)
          for (Index x = box.left; x < box.right; ++x) {
            const Index at = (c * plane[2] + y) * plane[3] + x;
            put(*to++, from[at], at);
          }
    };
    parallel_for(context_, outputs, [&](Index o) {
      gather(weights.data() + o * features, some.data() + o * columns,
             [](T& to, T from, Index) { to = from; });
    });
    const T* before = before_.data();
    parallel_for(context_, count, [&](Index n) {
      gather(rows_.data() + rows[static_cast<std::size_t>(n)] * features, changes.data() + n * columns,
             [before](T& to, T from, Index at) { to = from - before[at]; });
    });
    linear_forward<T>(context_, changes.view(), some.view(), TensorView<const T, Cpu>(), product.view());
    for (Index n = 0; n < count; ++n)
      std::copy_n(product.data() + n * outputs, outputs,
                  dst.data() + rows[static_cast<std::size_t>(n)] * outputs);
  }

  const Network<T, Cpu>& network_;
  const Context<Cpu>& context_;
  const OcclusionGraph& graph_;
  const Trace<T, Cpu>& known_;
  OcclusionRecord<T>& record_;
  Tensor<T, Cpu> rows_, before_;  ///< before_: the unoccluded image's row
  std::vector<Index> places_;
  std::vector<PlaneBox> changed_;
  bool filled_ = false;
};

}  // namespace deconv::detail
