#pragma once
/// One node of an ONNX file while it is converted: typed access to its inputs, outputs and attributes. An
/// attribute that nobody asked for is an error, so that none is ignored in silence.

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/io/onnx_proto.hpp"

namespace deconv::io::onnx {

class Call {
 public:
  /// `proto` must outlive the call; `opset` is the version of ONNX's own operators that the file asks for.
  Call(const NodeProto& proto, std::int64_t opset)
      : proto_(proto), opset_(opset), asked_(proto.attributes.size()) {
    const std::string_view own =
        !proto.name.empty() || proto.outputs.empty() ? proto.name : proto.outputs.front();
    label_ = std::string(quoted(proto.op).substr(1));
    label_.back() = ' ';
    label_ += quoted(own);
  }

  [[nodiscard]] std::string_view op() const noexcept { return proto_.op; }
  [[nodiscard]] std::int64_t opset() const noexcept { return opset_; }
  /// How messages call the node: Conv "conv1".
  [[nodiscard]] const std::string& label() const noexcept { return label_; }
  [[nodiscard]] const NodeProto& proto() const noexcept { return proto_; }

  [[nodiscard]] std::size_t input_count() const noexcept { return proto_.inputs.size(); }
  [[nodiscard]] bool has_input(std::size_t i) const noexcept {
    return i < proto_.inputs.size() && !proto_.inputs[i].empty();
  }
  [[nodiscard]] std::string input(std::size_t i) const {
    require<FormatError>(has_input(i), label_, ": input ", i, " is missing");
    return std::string(proto_.inputs[i]);
  }
  [[nodiscard]] bool has_output(std::size_t i) const noexcept {
    return i < proto_.outputs.size() && !proto_.outputs[i].empty();
  }
  [[nodiscard]] std::string output(std::size_t i) const {
    require<FormatError>(has_output(i), label_, ": output ", i, " is missing");
    return std::string(proto_.outputs[i]);
  }
  /// Throws FormatError unless there are `least` to `most` inputs.
  void want_inputs(std::size_t least, std::size_t most) const {
    require<FormatError>(input_count() >= least && input_count() <= most, label_, ": wants ", least, " to ",
                         most, " inputs, met ", input_count());
  }

  [[nodiscard]] bool has(std::string_view name) { return find(name) != nullptr; }
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t fallback) {
    const AttributeProto* found = find(name);
    if (found == nullptr) return fallback;
    if (found->integer) return *found->integer;
    // Writers of protobuf's third version leave zeros out.
    require<FormatError>(is_bare(*found), label_, ": attribute ", name, " wants an integer");
    return 0;
  }
  [[nodiscard]] bool flag(std::string_view name) { return integer(name, 0) != 0; }
  [[nodiscard]] float real(std::string_view name, float fallback) {
    const AttributeProto* found = find(name);
    if (found == nullptr) return fallback;
    if (found->real) return *found->real;
    require<FormatError>(is_bare(*found), label_, ": attribute ", name, " wants a real number");
    return 0;
  }
  [[nodiscard]] std::string text(std::string_view name, std::string_view fallback) {
    const AttributeProto* found = find(name);
    if (found == nullptr) return std::string(fallback);
    require<FormatError>(found->text.has_value() || is_bare(*found), label_, ": attribute ", name,
                         " wants a text");
    return std::string(found->text.value_or(""));
  }
  /// Empty when absent.
  [[nodiscard]] std::vector<Index> integers(std::string_view name) {
    const AttributeProto* found = find(name);
    if (found == nullptr) return {};
    require<FormatError>(!found->integers.empty() || is_bare(*found), label_, ": attribute ", name,
                         " wants integers");
    return found->integers;
  }
  [[nodiscard]] std::vector<float> reals(std::string_view name) {
    const AttributeProto* found = find(name);
    if (found == nullptr) return {};
    require<FormatError>(!found->reals.empty() || is_bare(*found), label_, ": attribute ", name,
                         " wants real numbers");
    return found->reals;
  }
  /// Null when absent.
  [[nodiscard]] const TensorProto* tensor(std::string_view name) {
    const AttributeProto* found = find(name);
    if (found == nullptr) return nullptr;
    require<FormatError>(found->tensor.has_value(), label_, ": attribute ", name, " wants a tensor");
    return &*found->tensor;
  }
  /// Names attributes that mean nothing to inference.
  void allow(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) static_cast<void>(find(name));
  }
  /// Throws FormatError when the file gives an attribute that was never asked for.
  void finish() const {
    for (std::size_t i = 0; i < asked_.size(); ++i)
      require<FormatError>(asked_[i], label_, ": attribute ", quoted(proto_.attributes[i].name),
                           " is not supported");
  }

 private:
  [[nodiscard]] const AttributeProto* find(std::string_view name) {
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      if (proto_.attributes[i].name != name) continue;
      asked_[i] = true;
      return &proto_.attributes[i];
    }
    return nullptr;
  }
  [[nodiscard]] static bool is_bare(const AttributeProto& attribute) noexcept {
    return !attribute.integer && !attribute.real && !attribute.text && !attribute.tensor &&
           attribute.reals.empty() && attribute.integers.empty();
  }

  const NodeProto& proto_;
  std::int64_t opset_;
  std::vector<bool> asked_;
  std::string label_;
};

}  // namespace deconv::io::onnx
