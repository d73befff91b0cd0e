#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "deconv/core/transfer.hpp"
#include "deconv/dist/gradient_buckets.hpp"
#include "deconv/nn/parameter_gradients.hpp"
#include "deconv/ops/convert.hpp"
#include "deconv/ops/sgd_update.hpp"

namespace deconv::train {

/// How one parameter is trained.
struct ParameterRule {
  float rate = 1;         ///< times the step's learning rate; 0: it stays as it is
  float decay = 0;        ///< weight decay
  float largest_rms = 0;  ///< of a filter (outermost axis) after the step; 0: any
};

/// The rule of a parameter, from its name ("conv1.weight") and its layer.
using ParameterRules = std::function<ParameterRule(const std::string& name, const Node& node)>;

/// Stochastic gradient descent with momentum (sgd_update) over a network's parameters, and all that it needs
/// between steps: gradients in the buckets in which they are added over the ranks, and velocities. Networks
/// of half or bfloat16 have float weights beside their own, which are what is trained; their own are these
/// rounded.
///
///     reverse_to_parameters(network, context, trace, from, signal, sgd.gradients(),
///                           [&](std::size_t node) { sgd.ready(node); });
///     sgd.update(rate, momentum, 1.0f / images);
///
/// Where one rank trains on a GPU, what layers can update while the pass goes down need not wait for the end,
/// and its gradients are never written. The same bits:
///
///     const auto& steps = sgd.steps(rate, momentum, 1.0f / images);
///     reverse_to_parameters(network, context, trace, from, signal, sgd.gradients(),
///                           [&](std::size_t node) { sgd.ready(node); }, steps);
///     sgd.update(rate, momentum, 1.0f / images);
///
/// Memory: 8 bytes a parameter, for T other than float sizeof(T) + 12.
template <class T, Device D>
class Sgd {
 public:
  /// The network and the communicator must live longer. Throws ArgumentError when a rule is out of range, or
  /// no parameter is left to train.
  Sgd(const Context<D>& context, Network<T, D>& network, dist::Communicator<D>& communicator,
      const ParameterRules& rules)
      : context_(context),
        network_(&network),
        communicator_(&communicator),
        slots_of_(network.topology().steps().size()) {
    const auto& nodes = network.topology().graph().nodes;
    gradients_.resize(nodes.size());
    for (std::size_t i = nodes.size(); i-- > 0;) {
      std::vector<Slot> slots;
      bool any = false;
      for (const Parameter<T, D>& parameter : network.layer(i).parameters()) {
        Slot slot{nodes[i].name + "." + parameter.name, parameter.value, parameter.trained, {}, {}, {}};
        slot.rule = parameter.trained ? rules(slot.name, nodes[i]) : ParameterRule{0, 0, 0};
        for (const float value : {slot.rule.rate, slot.rule.decay, slot.rule.largest_rms})
          require<ArgumentError>(std::isfinite(value) && value >= 0, "parameter ", quoted(slot.name),
                                 ": factors that are finite and not negative wanted, met ", value);
        any = any || slot.rule.rate > 0;
        slots.push_back(std::move(slot));
      }
      if (!any) continue;  // nor are gradients computed for it
      for (Slot& slot : slots) {
        slots_of_[i].push_back(slots_.size());
        slots_.push_back(std::move(slot));
      }
    }
    require<ArgumentError>(!slots_.empty(), "network ", quoted(network.name()), ": no parameter is trained");
    make_memory(communicator);
  }
  Sgd(const Sgd&) = delete;
  Sgd& operator=(const Sgd&) = delete;

  /// Where a backward pass writes.
  [[nodiscard]] const ParameterGradients<T, D>& gradients() const noexcept { return gradients_; }
  /// The steps of this update that a backward pass may take by itself: those of layers' first parameters,
  /// where no other rank's gradient is to be added and the layer can. After it update() leaves them out; both
  /// want the same numbers. None on the host, where nothing would be saved.
  [[nodiscard]] const ParameterSteps<T, D>& steps(float rate, float momentum, float gradient_scale) {
    steps_.assign(slots_of_.size(), std::nullopt);
    if constexpr (std::same_as<D, Cuda>) {
      if (communicator_->size() > 1) return steps_;
      for (std::size_t i = 0; i < slots_of_.size(); ++i) {
        if (slots_of_[i].empty() || !network_->layer(i).takes_step()) continue;
        Slot& slot = slots_[slots_of_[i].front()];
        if (!slot.trained || slot.rule.rate == 0) continue;
        slot.stepped = true;
        steps_[i].emplace(WeightStep<T, D>{
            params_of(slot, rate, momentum, gradient_scale), slot.velocity.view(), master(slot), {}});
        if constexpr (!std::is_same_v<T, float>) steps_[i]->rounded = slot.value->view();
      }
    }
    return steps_;
  }
  /// A node's gradients are written: their sum over the ranks may begin.
  void ready(std::size_t node) {
    for (const std::size_t s : slots_of_[node]) {
      Slot& slot = slots_[s];
      if (!slot.trained) continue;
      if constexpr (!std::is_same_v<T, float>)
        if (!slot.stepped) convert(context_, slot.gradient.view(), buckets_->gradient(slot.bucket));
      buckets_->ready(slot.bucket);
    }
  }
  /// Waits for the sums over the ranks and takes the step: gradients times `gradient_scale`, decay, momentum,
  /// renormalisation. Bytes: 20 a parameter that has not taken its step yet.
  void update(float rate, float momentum, float gradient_scale) {
    buckets_->wait();
    for (Slot& slot : slots_) {
      if (!slot.trained || slot.rule.rate == 0 || std::exchange(slot.stepped, false)) continue;
      const auto weights = master(slot);
      sgd_update<float>(context_, params_of(slot, rate, momentum, gradient_scale),
                        buckets_->gradient(slot.bucket), slot.velocity.view(), weights);
      if constexpr (!std::is_same_v<T, float>) convert(context_, weights, slot.value->view());
    }
    network_->parameters_changed();
  }
  /// Gives a step up that an exception ended.
  void abandon() noexcept {
    buckets_->abandon();
    for (Slot& slot : slots_) slot.stepped = false;
  }

  /// Calls `visit(name, weights, velocity)` with each trained parameter's float weights and velocity, in the
  /// order of their training.
  template <class Visit>
  void each(const Visit& visit) {
    for (Slot& slot : slots_)
      if (slot.trained && slot.rule.rate > 0) visit(slot.name, master(slot), slot.velocity.view());
  }
  /// To be called after `each` changed weights: the network's own follow.
  void weights_changed() {
    if constexpr (!std::is_same_v<T, float>)
      for (Slot& slot : slots_)
        if (slot.trained) convert(context_, master(slot), slot.value->view());
    network_->parameters_changed();
  }

 private:
  struct Slot {
    std::string name;
    Tensor<T, D>* value = nullptr;
    bool trained = true;
    ParameterRule rule;
    Tensor<float, D> velocity, weights;  ///< `weights` for T other than float
    Tensor<T, D> gradient = {};          ///< likewise
    std::size_t bucket = 0;              ///< its number among the gradients
    bool stepped = false;                ///< the backward pass takes this update's step
  };

  [[nodiscard]] static SgdParams params_of(const Slot& slot, float rate, float momentum,
                                           float gradient_scale) {
    return {rate * slot.rule.rate, momentum, slot.rule.decay, slot.rule.largest_rms, gradient_scale};
  }

  [[nodiscard]] TensorView<float, D> master(Slot& slot) {
    if constexpr (std::is_same_v<T, float>)
      return slot.value->view();
    else
      return slot.weights.view();
  }

  void make_memory(dist::Communicator<D>& communicator) {
    const Context<D> home = deconv::detail::parameter_context(context_);
    std::vector<dist::GradientShape> shapes;
    for (Slot& slot : slots_) {
      if (!slot.trained) continue;
      const Shape& shape = slot.value->shape();
      const Layout layout = slot.value->layout();
      slot.bucket = shapes.size();
      shapes.push_back({shape, layout});
      slot.velocity = home.template make<float>(shape, layout);
      fill<float>(home, slot.velocity.view(), 0.0f);
      if constexpr (!std::is_same_v<T, float>) {
        slot.weights = home.template make<float>(shape, layout);
        convert(home, slot.value->view(), slot.weights.view());
        slot.gradient = home.template make<T>(shape, layout);
      }
    }
    buckets_ = std::make_unique<dist::GradientBuckets<D>>(home, communicator, shapes);
    for (std::size_t i = 0; i < slots_of_.size(); ++i)
      for (const std::size_t s : slots_of_[i]) {
        Slot& slot = slots_[s];
        if (!slot.trained)
          gradients_[i].emplace_back();
        else if constexpr (std::is_same_v<T, float>)
          gradients_[i].push_back(buckets_->gradient(slot.bucket));
        else
          gradients_[i].push_back(slot.gradient.view());
      }
  }

  Context<D> context_;
  Network<T, D>* network_;
  dist::Communicator<D>* communicator_;
  std::vector<Slot> slots_;
  std::vector<std::vector<std::size_t>> slots_of_;  ///< a node's
  ParameterGradients<T, D> gradients_;
  ParameterSteps<T, D> steps_;
  std::unique_ptr<dist::GradientBuckets<D>> buckets_;
};

}  // namespace deconv::train
