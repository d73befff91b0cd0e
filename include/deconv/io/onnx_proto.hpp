#pragma once
/// The part of ONNX's protobuf messages that the importer needs, as plain structs. Names and strings refer to
/// the file's bytes, which must outlive them. Memory is at most a small multiple of those bytes. Source:
/// onnx.proto of the ONNX project (field numbers and types).

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#if !__has_include(<protozero/pbf_reader.hpp>)
#error "deconv/io/onnx*.hpp needs protozero (Debian: libprotozero-dev)"
#endif
#include <protozero/pbf_reader.hpp>

#include "deconv/core/error.hpp"
#include "deconv/core/quoted.hpp"
#include "deconv/core/shape.hpp"

namespace deconv::io::onnx {

/// ONNX's numbers of element types.
enum class ElementType : std::int32_t {
  undefined = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  bfloat16 = 16
};

/// A tensor as the file states it; nothing is checked yet but the syntax.
struct TensorProto {
  std::string_view name;
  std::vector<Index> dims;
  ElementType type = ElementType::undefined;
  std::optional<std::string_view> raw;  ///< little-endian elements
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::int64_t> integers;  ///< int32_data, int64_data and uint64_data
  bool external = false;               ///< the elements stand in the file `location`
  std::string_view location, offset, length;
};

struct AttributeProto {
  std::string_view name;
  std::optional<float> real;
  std::optional<std::int64_t> integer;
  std::optional<std::string_view> text;
  std::optional<TensorProto> tensor;
  std::vector<float> reals;
  std::vector<std::int64_t> integers;
};

struct NodeProto {
  std::string_view name, op, domain;
  std::vector<std::string_view> inputs, outputs;
  std::vector<AttributeProto> attributes;
};

/// A graph input or output. An extent is -1 where the file gives a name or nothing.
struct ValueProto {
  std::string_view name;
  ElementType type = ElementType::undefined;
  std::optional<std::vector<Index>> dims;
};

struct GraphProto {
  std::string_view name;
  std::vector<NodeProto> nodes;
  std::vector<TensorProto> initialisers;
  std::vector<ValueProto> inputs, outputs;
  bool sparse = false;  ///< there are sparse initialisers
};

struct OpsetProto {
  std::string_view domain;
  std::int64_t version = 0;
};

struct ModelProto {
  std::int64_t ir_version = 0;
  std::string_view producer;
  std::vector<OpsetProto> opsets;
  std::optional<GraphProto> graph;
  bool functions = false;  ///< the file defines operators of its own
};

namespace detail {

using Reader = protozero::pbf_reader;
using Wire = protozero::pbf_wire_type;

/// Far above any real graph; keeps a file of empty messages from becoming a much larger list of structs.
inline constexpr std::size_t most_items = std::size_t{1} << 18;

[[nodiscard]] constexpr std::uint32_t field(std::uint32_t number, Wire type) noexcept {
  return protozero::tag_and_type(number, type);
}
[[nodiscard]] constexpr std::uint32_t bytes(std::uint32_t number) noexcept {
  return field(number, Wire::length_delimited);
}
[[nodiscard]] constexpr std::uint32_t varint(std::uint32_t number) noexcept {
  return field(number, Wire::varint);
}

[[nodiscard]] inline std::string_view text(Reader& reader) {
  const protozero::data_view view = reader.get_view();
  return {view.data(), view.size()};
}

/// Calls `take(reader)` for every message of a length-delimited field and appends what it returns.
template <class T, class Parse>
void append(std::vector<T>& list, std::size_t limit, const char* what, Reader& reader, const Parse& parse) {
  require<FormatError>(list.size() < limit, "more than ", limit, ' ', what);
  list.push_back(parse(reader));
}

template <class T, class Range>
void append_packed(std::vector<T>& list, const Range& range) {
  for (const auto value : range) list.push_back(static_cast<T>(value));
}

[[nodiscard]] inline TensorProto read_tensor(Reader message) {
  TensorProto tensor;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case varint(1):
        require<FormatError>(tensor.dims.size() < Shape::max_rank, "a tensor has more than ", Shape::max_rank,
                             " extents");
        tensor.dims.push_back(message.get_int64());
        break;
      case bytes(1):
        append_packed(tensor.dims, message.get_packed_int64());
        require<FormatError>(tensor.dims.size() <= Shape::max_rank, "a tensor has more than ",
                             Shape::max_rank, " extents");
        break;
      case varint(2):
        tensor.type = static_cast<ElementType>(message.get_int32());
        break;
      case bytes(4):
        append_packed(tensor.floats, message.get_packed_float());
        break;
      case field(4, Wire::fixed32):
        tensor.floats.push_back(message.get_float());
        break;
      case bytes(5):
        append_packed(tensor.integers, message.get_packed_int32());
        break;
      case varint(5):
        tensor.integers.push_back(message.get_int32());
        break;
      case bytes(7):
        append_packed(tensor.integers, message.get_packed_int64());
        break;
      case varint(7):
        tensor.integers.push_back(message.get_int64());
        break;
      case bytes(8):
        tensor.name = text(message);
        break;
      case bytes(9):
        tensor.raw = text(message);
        break;
      case bytes(10):
        append_packed(tensor.doubles, message.get_packed_double());
        break;
      case field(10, Wire::fixed64):
        tensor.doubles.push_back(message.get_double());
        break;
      case bytes(11):
        append_packed(tensor.integers, message.get_packed_uint64());
        break;
      case varint(11):
        tensor.integers.push_back(static_cast<std::int64_t>(message.get_uint64()));
        break;
      case bytes(13): {
        Reader entry = message.get_message();
        std::string_view key, value;
        while (entry.next()) {
          if (entry.tag_and_type() == bytes(1))
            key = text(entry);
          else if (entry.tag_and_type() == bytes(2))
            value = text(entry);
          else
            entry.skip();
        }
        if (key == "location") tensor.location = value;
        if (key == "offset") tensor.offset = value;
        if (key == "length") tensor.length = value;
        break;
      }
      case varint(14):
        tensor.external = message.get_int32() == 1;
        break;
      default:
        message.skip();
    }
  }
  return tensor;
}

[[nodiscard]] inline AttributeProto read_attribute(Reader message) {
  AttributeProto attribute;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case bytes(1):
        attribute.name = text(message);
        break;
      case field(2, Wire::fixed32):
        attribute.real = message.get_float();
        break;
      case varint(3):
        attribute.integer = message.get_int64();
        break;
      case bytes(4):
        attribute.text = text(message);
        break;
      case bytes(5):
        attribute.tensor = read_tensor(message.get_message());
        break;
      case bytes(7):
        append_packed(attribute.reals, message.get_packed_float());
        break;
      case field(7, Wire::fixed32):
        attribute.reals.push_back(message.get_float());
        break;
      case bytes(8):
        append_packed(attribute.integers, message.get_packed_int64());
        break;
      case varint(8):
        attribute.integers.push_back(message.get_int64());
        break;
      default:
        message.skip();
    }
  }
  return attribute;
}

[[nodiscard]] inline NodeProto read_node(Reader message) {
  NodeProto node;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case bytes(1):
        append(node.inputs, most_items, "inputs of a node", message, text);
        break;
      case bytes(2):
        append(node.outputs, most_items, "outputs of a node", message, text);
        break;
      case bytes(3):
        node.name = text(message);
        break;
      case bytes(4):
        node.op = text(message);
        break;
      case bytes(5):
        append(node.attributes, 256, "attributes of a node", message,
               [](Reader& reader) { return read_attribute(reader.get_message()); });
        break;
      case bytes(7):
        node.domain = text(message);
        break;
      default:
        message.skip();
    }
  }
  return node;
}

[[nodiscard]] inline Index read_extent(Reader message) {
  Index extent = -1;
  while (message.next()) {
    if (message.tag_and_type() == varint(1))
      extent = message.get_int64();
    else
      message.skip();
  }
  return extent;
}

[[nodiscard]] inline ValueProto read_value(Reader message) {
  ValueProto value;
  while (message.next()) {
    if (message.tag_and_type() == bytes(1)) {
      value.name = text(message);
    } else if (message.tag_and_type() == bytes(2)) {
      Reader type = message.get_message();
      while (type.next(1, Wire::length_delimited)) {
        Reader tensor = type.get_message();
        while (tensor.next()) {
          if (tensor.tag_and_type() == varint(1)) {
            value.type = static_cast<ElementType>(tensor.get_int32());
          } else if (tensor.tag_and_type() == bytes(2)) {
            value.dims.emplace();
            Reader shape = tensor.get_message();
            while (shape.next(1, Wire::length_delimited))
              append(*value.dims, Shape::max_rank, "extents of a tensor", shape,
                     [](Reader& reader) { return read_extent(reader.get_message()); });
          } else {
            tensor.skip();
          }
        }
      }
    } else {
      message.skip();
    }
  }
  return value;
}

[[nodiscard]] inline GraphProto read_graph(Reader message) {
  GraphProto graph;
  const auto value = [](Reader& reader) { return read_value(reader.get_message()); };
  while (message.next()) {
    switch (message.tag_and_type()) {
      case bytes(1):
        append(graph.nodes, most_items, "nodes", message,
               [](Reader& reader) { return read_node(reader.get_message()); });
        break;
      case bytes(2):
        graph.name = text(message);
        break;
      case bytes(5):
        append(graph.initialisers, most_items, "initialisers", message,
               [](Reader& reader) { return read_tensor(reader.get_message()); });
        break;
      case bytes(11):
        append(graph.inputs, most_items, "graph inputs", message, value);
        break;
      case bytes(12):
        append(graph.outputs, most_items, "graph outputs", message, value);
        break;
      case bytes(15):
        graph.sparse = true;
        message.skip();
        break;
      default:
        message.skip();
    }
  }
  return graph;
}

[[nodiscard]] inline OpsetProto read_opset(Reader message) {
  OpsetProto opset;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case bytes(1):
        opset.domain = text(message);
        break;
      case varint(2):
        opset.version = message.get_int64();
        break;
      default:
        message.skip();
    }
  }
  return opset;
}

[[nodiscard]] inline Reader reader_of(std::span<const std::uint8_t> content) {
  return Reader(reinterpret_cast<const char*>(content.data()), content.size());
}

}  // namespace detail

/// Reads a ModelProto. Throws FormatError where the bytes are no protobuf message.
[[nodiscard]] inline ModelProto read_model_proto(std::span<const std::uint8_t> content) {
  using namespace detail;
  try {
    ModelProto model;
    Reader message = reader_of(content);
    while (message.next()) {
      switch (message.tag_and_type()) {
        case varint(1):
          model.ir_version = message.get_int64();
          break;
        case bytes(2):
          model.producer = text(message);
          break;
        case bytes(7):
          model.graph = read_graph(message.get_message());
          break;
        case bytes(8):
          append(model.opsets, 256, "opset imports", message,
                 [](Reader& reader) { return read_opset(reader.get_message()); });
          break;
        case bytes(25):
          model.functions = true;
          message.skip();
          break;
        default:
          message.skip();
      }
    }
    return model;
  } catch (const protozero::exception& failure) {
    raise<FormatError>("not a whole protobuf message (", failure.what(), ')');
  }
}

/// Reads a lone TensorProto, as in the .pb files of ONNX's test vectors. Errors as read_model_proto.
[[nodiscard]] inline TensorProto read_tensor_proto(std::span<const std::uint8_t> content) {
  try {
    return detail::read_tensor(detail::reader_of(content));
  } catch (const protozero::exception& failure) {
    raise<FormatError>("not a whole protobuf message (", failure.what(), ')');
  }
}

}  // namespace deconv::io::onnx
