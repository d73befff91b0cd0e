#pragma once
/// Writes small ONNX files for tests, message by message, so that tests need no other program's files.

#include <cstdint>
#include <initializer_list>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "deconv/io/onnx_proto.hpp"

namespace deconv::test {

/// A TensorProto's bytes.
class OnnxTensorBytes {
 public:
  OnnxTensorBytes(const std::string& name, const std::vector<std::int64_t>& dims,
                  io::onnx::ElementType type) {
    protozero::pbf_writer writer(bytes);
    writer.add_packed_int64(1, dims.begin(), dims.end());
    writer.add_int32(2, static_cast<std::int32_t>(type));
    writer.add_string(8, name);
  }
  static OnnxTensorBytes floats(const std::string& name, const std::vector<std::int64_t>& dims,
                                const std::vector<float>& values) {
    OnnxTensorBytes tensor(name, dims, io::onnx::ElementType::float32);
    return tensor.raw(values);
  }
  static OnnxTensorBytes integers(const std::string& name, const std::vector<std::int64_t>& dims,
                                  const std::vector<std::int64_t>& values) {
    OnnxTensorBytes tensor(name, dims, io::onnx::ElementType::int64);
    return tensor.raw(values);
  }
  template <class T>
  OnnxTensorBytes& raw(const std::vector<T>& values) {
    protozero::pbf_writer writer(bytes);
    writer.add_bytes(9, reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    return *this;
  }
  OnnxTensorBytes& external(const std::string& location, const std::string& offset,
                            const std::string& length) {
    protozero::pbf_writer writer(bytes);
    const auto entry = [&](const std::string& key, const std::string& value) {
      if (value.empty()) return;
      protozero::pbf_writer part(writer, 13);
      part.add_string(1, key);
      part.add_string(2, value);
    };
    entry("location", location);
    entry("offset", offset);
    entry("length", length);
    writer.add_int32(14, 1);
    return *this;
  }

  std::string bytes;
};

using OnnxValue = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>,
                               std::vector<float>, OnnxTensorBytes>;

/// An attribute of a node.
struct OnnxAttribute {
  OnnxAttribute(std::string its_name, OnnxValue its_value)
      : name(std::move(its_name)), value(std::move(its_value)) {}
  OnnxAttribute(std::string its_name, float number) : name(std::move(its_name)), value(number) {}
  OnnxAttribute(std::string its_name, int number) : name(std::move(its_name)), value(std::int64_t{number}) {}
  OnnxAttribute(std::string its_name, std::initializer_list<std::int64_t> numbers)
      : name(std::move(its_name)), value(std::vector<std::int64_t>(numbers)) {}
  std::string name;
  OnnxValue value;
};

/// A model, made part by part.
class OnnxBuilder {
 public:
  explicit OnnxBuilder(std::int64_t opset = 13, std::string domain = "")
      : opset_(opset), domain_(std::move(domain)) {}

  /// Extents of 0 or less are written as a name; int64 inputs have element type 7.
  OnnxBuilder& input(const std::string& name, const std::vector<std::int64_t>& dims, int type = 1) {
    value(11, name, dims, type);
    return *this;
  }
  OnnxBuilder& output(const std::string& name) {
    value(12, name, {}, 1);
    return *this;
  }
  OnnxBuilder& initialiser(const OnnxTensorBytes& tensor) {
    protozero::pbf_writer(graph_).add_message(5, tensor.bytes);
    return *this;
  }
  OnnxBuilder& node(const std::string& op, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs,
                    const std::vector<OnnxAttribute>& attributes = {}, const std::string& name = "",
                    const std::string& domain = "") {
    protozero::pbf_writer graph(graph_);
    protozero::pbf_writer node(graph, 1);
    for (const auto& one : inputs) node.add_string(1, one);
    for (const auto& one : outputs) node.add_string(2, one);
    if (!name.empty()) node.add_string(3, name);
    node.add_string(4, op);
    for (const auto& one : attributes) attribute(node, one);
    if (!domain.empty()) node.add_string(7, domain);
    return *this;
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes() const {
    std::string text;
    {
      protozero::pbf_writer model(text);
      model.add_int64(1, 7);
      {
        protozero::pbf_writer opset(model, 8);
        opset.add_string(1, domain_);
        opset.add_int64(2, opset_);
      }
      model.add_message(7, graph_);
    }
    return {text.begin(), text.end()};
  }

 private:
  void value(std::uint32_t field, const std::string& name, const std::vector<std::int64_t>& dims, int type) {
    protozero::pbf_writer graph(graph_);
    protozero::pbf_writer value(graph, field);
    value.add_string(1, name);
    protozero::pbf_writer kind(value, 2);
    protozero::pbf_writer tensor(kind, 1);
    tensor.add_int32(1, type);
    protozero::pbf_writer shape(tensor, 2);
    for (const std::int64_t extent : dims) {
      protozero::pbf_writer dim(shape, 1);
      if (extent > 0)
        dim.add_int64(1, extent);
      else
        dim.add_string(2, "N");
    }
  }
  static void attribute(protozero::pbf_writer& node, const OnnxAttribute& what) {
    protozero::pbf_writer part(node, 5);
    part.add_string(1, what.name);
    if (const auto* number = std::get_if<std::int64_t>(&what.value)) part.add_int64(3, *number);
    if (const auto* real = std::get_if<float>(&what.value)) part.add_float(2, *real);
    if (const auto* text = std::get_if<std::string>(&what.value)) part.add_bytes(4, *text);
    if (const auto* list = std::get_if<std::vector<std::int64_t>>(&what.value))
      for (const std::int64_t one : *list) part.add_int64(8, one);
    if (const auto* list = std::get_if<std::vector<float>>(&what.value))
      for (const float one : *list) part.add_float(7, one);
    if (const auto* tensor = std::get_if<OnnxTensorBytes>(&what.value)) part.add_message(5, tensor->bytes);
  }

  std::int64_t opset_;
  std::string domain_, graph_;
};

}  // namespace deconv::test
