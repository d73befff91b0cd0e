#pragma once
/// What is known while the nodes of an ONNX graph are walked: which tensors are constants, the shapes of the
/// others, and the network made so far.

#include <filesystem>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "deconv/io/onnx_fold.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv::io {

/// What read_onnx may be told beside the file.
struct OnnxOptions {
  /// Values for graph inputs that are to be part of the network, by name: weights that a file leaves open.
  std::map<std::string, OnnxTensor> constants;
  /// Shapes of graph inputs, by name, in place of what the file says; needed where it leaves height or width
  /// open.
  std::map<std::string, Shape> input_shapes;
  /// Most elements that may be made by nodes such as ConstantOfShape, or by using stored weights several
  /// times. Guards against small files that ask for all of the memory; the default is 2 GiB of floats.
  Index most_made_elements = Index{1} << 29;
};

namespace onnx {

/// A tensor that is computed when the network runs: its shape for the nominal batch.
struct Computed {
  Shape shape;
  bool integers = false;
};

class Import {
 public:
  Import(const GraphProto& graph, const OnnxOptions& options, std::filesystem::path folder)
      : folder_(std::move(folder)), budget_(options.most_made_elements) {
    for (const TensorProto& tensor : graph.initialisers)
      require<FormatError>(stored_.emplace(tensor.name, &tensor).second, "two initialisers are named ",
                           quoted(tensor.name));
    for (const auto& [name, tensor] : options.constants) bound_.emplace(name, &tensor);
    for (const NodeProto& node : graph.nodes) {
      for (const std::string_view input : node.inputs) ++uses_[input];
      for (const std::string_view output : node.outputs) taken_.insert(output);
    }
    for (const ValueProto& output : graph.outputs) ++uses_[output.name];
    for (const ValueProto& input : graph.inputs) taken_.insert(input.name);
    for (const TensorProto& tensor : graph.initialisers) taken_.insert(tensor.name);
  }

  Model model;

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  [[nodiscard]] Budget& budget() noexcept { return budget_; }
  [[nodiscard]] bool is_used(std::string_view name) const { return uses_.contains(name); }

  // ---- tensors
  // ----------------------------------------------------------------------------------------------

  [[nodiscard]] bool is_constant(const std::string& name) const {
    return constants_.contains(name) || bound_.contains(name) || stored_.contains(name);
  }
  [[nodiscard]] const Computed* find_computed(const std::string& name) const {
    const auto found = computed_.find(name);
    return found == computed_.end() ? nullptr : &found->second;
  }
  /// The constant of that name, decoded at its first use; null where the name stands for none.
  [[nodiscard]] Constant find_constant(const std::string& name) {
    if (const auto found = constants_.find(name); found != constants_.end()) return found->second;
    if (const auto found = bound_.find(name); found != bound_.end())
      return constants_.emplace(name, std::make_shared<OnnxTensor>(found->second->clone())).first->second;
    if (const auto found = stored_.find(name); found != stored_.end())
      return constants_.emplace(name, std::make_shared<OnnxTensor>(decode(*found->second, folder_)))
          .first->second;
    return nullptr;
  }
  /// Input `i`, which must be a constant. Throws FormatError.
  [[nodiscard]] Constant constant(const Call& call, std::size_t i) {
    Constant found = find_constant(call.input(i));
    if (found == nullptr) want_known(call, i);
    require<FormatError>(found != nullptr, call.label(), ": input ", i, ", ", quoted(call.input(i)),
                         ", must be a constant");
    return found;
  }
  /// As constant, null where the node leaves the input out.
  [[nodiscard]] Constant optional_constant(const Call& call, std::size_t i) {
    return call.has_input(i) ? constant(call, i) : nullptr;
  }
  /// The shape of input `i`, which must be computed floats. Throws FormatError.
  [[nodiscard]] const Shape& shape(const Call& call, std::size_t i) const {
    const Computed& met = computed(call, i);
    require<FormatError>(!met.integers, call.label(), ": input ", i, ", ", quoted(call.input(i)),
                         ", must not be integers");
    return met.shape;
  }
  /// The same for images, N,C,H,W.
  [[nodiscard]] const Shape& image_shape(const Call& call, std::size_t i) const {
    const Shape& met = shape(call, i);
    require<FormatError>(met.rank() == 4, call.label(),
                         ": only two-dimensional images N,C,H,W are supported, met shape ", met);
    return met;
  }
  [[nodiscard]] const Computed& computed(const Call& call, std::size_t i) const {
    const Computed* met = find_computed(call.input(i));
    if (met == nullptr) want_known(call, i);
    require<FormatError>(met != nullptr, call.label(), ": input ", i, ", ", quoted(call.input(i)),
                         ", is a constant where a computed tensor is wanted");
    return *met;
  }
  /// The floats of constant input `i`, for the network to keep: moved on the last use, else copied.
  [[nodiscard]] Tensor<float, Cpu> take(const Call& call, std::size_t i) {
    const Constant found = constant(call, i);
    require<FormatError>(found->is_float(), call.label(), ": input ", i, ", ", quoted(call.input(i)),
                         ", must be floats");
    // One reference is the table's, one is ours.
    const bool last = uses_.at(call.proto().inputs[i]) == 1 && found.use_count() == 2;
    if (last) return std::move(std::get<0>(found->values));
    budget_.spend(found->shape().count(), call.label());
    return found->floats().clone();
  }

  void add_input(const std::string& name, const Shape& shape, bool integers) {
    model.graph.inputs.push_back({name, shape});
    define(message("graph input ", quoted(name)), name, Computed{shape, integers});
  }
  void add_constant(const Call& call, Constant value) {
    const std::string name = call.output(0);
    check_undefined(call.label(), name);
    if (value->name.empty()) value->name = name;
    constants_.emplace(name, std::move(value));
  }
  /// Forgets constants that nobody needs any more.
  void finish(const Call& call) {
    for (const std::string_view input : call.proto().inputs)
      if (--uses_.at(input) == 0) constants_.erase(std::string(input));
  }

  // ---- the network
  // --------------------------------------------------------------------------------------------

  /// The node whose name and further names the file's node has.
  Node& emit(const Call& call, node::Params params, std::vector<std::string> inputs, Weights weights = {}) {
    return emit(call, std::move(params), std::move(inputs), {call.output(0)}, std::move(weights));
  }
  Node& emit(const Call& call, node::Params params, std::vector<std::string> inputs,
             std::vector<std::string> outputs, Weights weights = {}) {
    const std::string own(call.proto().name);
    const std::string name = own.empty() ? outputs.front() : own;
    Node& made =
        append(call, name, std::move(params), std::move(inputs), std::move(outputs), std::move(weights));
    add_alias(own, made.outputs.front());
    return made;
  }
  /// A node that the file does not have, before or behind one that it has; returns the name of its output.
  std::string emit_extra(const Call& call, const char* suffix, node::Params params,
                         std::vector<std::string> inputs, Weights weights = {}) {
    const std::string own(call.proto().name);
    const std::string name = unused((own.empty() ? call.output(0) : own) + suffix);
    append(call, name, std::move(params), std::move(inputs), {name}, std::move(weights));
    return name;
  }
  /// The node that makes a tensor which only one other node reads, or null.
  [[nodiscard]] Node* sole_producer(const std::string& tensor) {
    const auto uses = uses_.find(tensor);
    const auto found = producers_.find(tensor);
    return uses == uses_.end() || uses->second != 1 || found == producers_.end()
               ? nullptr
               : &model.graph.nodes[found->second];
  }
  /// Makes `output` what the node at hand puts out in place of its present output, which nobody else reads.
  void rename_output(const Call& call, Node& made) {
    const std::string before = made.outputs.front(), after = call.output(0);
    define(call.label(), after, computed_.at(before));
    computed_.erase(before);
    const auto producer = producers_.extract(before);
    producers_.emplace(after, producer.mapped());
    made.outputs.front() = after;
    for (const std::string& alias : aliases_of_[before]) model.graph.aliases[alias] = after;
    aliases_of_[after] = std::move(aliases_of_[before]);
    aliases_of_.erase(before);
    add_alias(std::string(call.proto().name), after);
  }

 private:
  [[noreturn]] static void unknown(const Call& call, std::size_t i) {
    raise<FormatError>(call.label(), ": input ", quoted(call.input(i)), " is not made by any node before it");
  }
  void want_known(const Call& call, std::size_t i) const {
    const std::string name = call.input(i);
    if (!is_constant(name) && !computed_.contains(name)) unknown(call, i);
  }
  void check_undefined(const std::string& label, const std::string& name) const {
    require<FormatError>(!is_constant(name) && !computed_.contains(name), label, ": the tensor ",
                         quoted(name), " is made twice");
  }
  void define(const std::string& label, const std::string& name, Computed what) {
    check_undefined(label, name);
    computed_.emplace(name, std::move(what));
  }
  [[nodiscard]] std::string unused(const std::string& wanted) {
    std::string name = wanted;
    // Counts on from the last try, so that many equal names stay cheap.
    while (taken_.contains(name) || node_names_.contains(name)) name = message(wanted, '_', ++tries_[wanted]);
    return name;
  }
  void add_alias(const std::string& alias, const std::string& tensor) {
    const bool names_a_tensor = taken_.contains(alias) && !stored_.contains(alias);
    if (alias.empty() || alias == tensor || names_a_tensor) return;
    if (model.graph.aliases.emplace(alias, tensor).second) aliases_of_[tensor].push_back(alias);
  }
  Node& append(const Call& call, const std::string& wanted, node::Params params,
               std::vector<std::string> inputs, std::vector<std::string> outputs, Weights weights) {
    // A file may use a node's name twice, but not a tensor's.
    std::string name = wanted;
    if (node_names_.contains(name))
      name = node_names_.contains(outputs.front()) ? unused(name) : outputs.front();
    node_names_.insert(name);
    Node made{name, std::move(params), std::move(inputs), std::move(outputs)};
    std::vector<Shape> shapes;
    for (const std::string& input : made.inputs) shapes.push_back(computed_.at(input).shape);
    Shape result;
    try {
      deconv::detail::check_arity(made);
      result = deconv::detail::ShapeRule(made, shapes).first();
      deconv::detail::check_extents(result, call.label());
    } catch (const ShapeError& failure) {
      raise<ShapeError>(call.label(), ": ", failure.what());
    }
    for (std::size_t i = 0; i < made.outputs.size(); ++i) {
      define(call.label(), made.outputs[i], Computed{result, i > 0});
      producers_.emplace(made.outputs[i], model.graph.nodes.size());
    }
    for (auto& [weight, tensor] : weights) model.weights.emplace(name + '.' + weight, std::move(tensor));
    model.graph.nodes.push_back(std::move(made));
    return model.graph.nodes.back();
  }

  std::filesystem::path folder_;
  Budget budget_;
  std::unordered_map<std::string_view, const TensorProto*> stored_;
  std::unordered_map<std::string_view, const OnnxTensor*> bound_;
  std::unordered_map<std::string_view, std::size_t> uses_;
  std::unordered_set<std::string_view> taken_;  ///< names of all tensors in the file
  std::unordered_map<std::string, Constant> constants_;
  std::unordered_map<std::string, Computed> computed_;
  std::unordered_map<std::string, std::size_t> producers_;  ///< place of the node that makes a tensor
  std::unordered_map<std::string, std::vector<std::string>> aliases_of_;
  std::unordered_map<std::string, std::size_t> tries_;
  std::unordered_set<std::string> node_names_;
};

}  // namespace onnx
}  // namespace deconv::io
