#pragma once
/// Tensors of ONNX files: elements checked against the shape they claim, of whatever type, in or beside the
/// file.

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "deconv/core/dtype.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/io/file.hpp"
#include "deconv/io/onnx_proto.hpp"

namespace deconv::io {

/// A tensor of an ONNX file. Elements of the types float, double, float16 and bfloat16 become float, those of
/// the integer types and bool become int64.
struct OnnxTensor {
  std::string name;
  std::variant<Tensor<float, Cpu>, Tensor<std::int64_t, Cpu>> values;

  [[nodiscard]] bool is_float() const noexcept { return values.index() == 0; }
  [[nodiscard]] const Shape& shape() const {
    return std::visit([](const auto& tensor) -> const Shape& { return tensor.shape(); }, values);
  }
  /// The float elements; throws FormatError when they are integers.
  [[nodiscard]] const Tensor<float, Cpu>& floats() const {
    require<FormatError>(is_float(), "tensor ", quoted(name), ": floats wanted, met integers");
    return std::get<0>(values);
  }
  /// The integer elements; throws FormatError when they are floats.
  [[nodiscard]] const Tensor<std::int64_t, Cpu>& integers() const {
    require<FormatError>(!is_float(), "tensor ", quoted(name), ": integers wanted, met floats");
    return std::get<1>(values);
  }
  [[nodiscard]] OnnxTensor clone() const {
    OnnxTensor copy{name, {}};
    std::visit([&](const auto& tensor) { copy.values = tensor.clone(); }, values);
    return copy;
  }
};

namespace onnx {

/// Bytes of one element in raw data; 0 for types that are not read.
[[nodiscard]] constexpr std::size_t size_of(ElementType type) noexcept {
  switch (type) {
    case ElementType::uint8:
    case ElementType::int8:
    case ElementType::boolean:
      return 1;
    case ElementType::uint16:
    case ElementType::int16:
    case ElementType::float16:
    case ElementType::bfloat16:
      return 2;
    case ElementType::float32:
    case ElementType::int32:
    case ElementType::uint32:
      return 4;
    case ElementType::int64:
    case ElementType::float64:
    case ElementType::uint64:
      return 8;
    default:
      return 0;
  }
}

[[nodiscard]] constexpr bool is_float(ElementType type) noexcept {
  return type == ElementType::float32 || type == ElementType::float64 || type == ElementType::float16 ||
         type == ElementType::bfloat16;
}

namespace detail {

/// Converts little-endian elements of type From, `step` bytes each, one after the other.
template <class From, class To, class Convert>
void convert_raw(const char* src, Tensor<To, Cpu>& dst, const Convert& convert) {
  static_assert(std::endian::native == std::endian::little, "raw tensor data is little-endian");
  for (To& value : dst.span()) {
    From element;
    std::memcpy(&element, src, sizeof element);
    src += sizeof element;
    value = convert(element);
  }
}

inline void decode_raw(ElementType type, const char* src, Tensor<float, Cpu>& dst) {
  const auto widen = [](auto value) { return static_cast<float>(value); };
  switch (type) {
    case ElementType::float64:
      return convert_raw<double>(src, dst, widen);
    case ElementType::float16:
      return convert_raw<half>(src, dst, widen);
    case ElementType::bfloat16:
      return convert_raw<bfloat16>(src, dst, widen);
    default:
      if (dst.bytes() > 0) std::memcpy(dst.data(), src, dst.bytes());
  }
}

inline void decode_raw(ElementType type, const char* src, Tensor<std::int64_t, Cpu>& dst) {
  const auto widen = [](auto value) { return static_cast<std::int64_t>(value); };
  switch (type) {
    case ElementType::uint8:
    case ElementType::boolean:
      return convert_raw<std::uint8_t>(src, dst, widen);
    case ElementType::int8:
      return convert_raw<std::int8_t>(src, dst, widen);
    case ElementType::uint16:
      return convert_raw<std::uint16_t>(src, dst, widen);
    case ElementType::int16:
      return convert_raw<std::int16_t>(src, dst, widen);
    case ElementType::int32:
      return convert_raw<std::int32_t>(src, dst, widen);
    case ElementType::uint32:
      return convert_raw<std::uint32_t>(src, dst, widen);
    default:
      return convert_raw<std::int64_t>(src, dst, widen);
  }
}

/// Elements that the typed fields hold, as float.
inline void decode_typed(const TensorProto& proto, Tensor<float, Cpu>& dst) {
  switch (proto.type) {
    case ElementType::float64:
      std::ranges::transform(proto.doubles, dst.begin(),
                             [](double value) { return static_cast<float>(value); });
      break;
    case ElementType::float16:
      std::ranges::transform(proto.integers, dst.begin(), [](std::int64_t value) {
        return static_cast<float>(std::bit_cast<half>(static_cast<std::uint16_t>(value)));
      });
      break;
    case ElementType::bfloat16:
      std::ranges::transform(proto.integers, dst.begin(), [](std::int64_t value) {
        return static_cast<float>(std::bit_cast<bfloat16>(static_cast<std::uint16_t>(value)));
      });
      break;
    default:
      std::ranges::copy(proto.floats, dst.begin());
  }
}

inline void decode_typed(const TensorProto& proto, Tensor<std::int64_t, Cpu>& dst) {
  std::ranges::copy(proto.integers, dst.begin());
}

[[nodiscard]] inline std::size_t typed_count(const TensorProto& proto) noexcept {
  if (proto.type == ElementType::float32) return proto.floats.size();
  return proto.type == ElementType::float64 ? proto.doubles.size() : proto.integers.size();
}

[[nodiscard]] inline std::uint64_t parse_number(std::string_view digits, std::string_view what,
                                                const std::string& label) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  require<FormatError>(error == std::errc{} && end == digits.data() + digits.size(), label,
                       ": external data's ", what, " wants a number, met ", quoted(digits));
  return value;
}

/// The file beside the model that holds the elements, never outside the model's folder. Throws FormatError.
[[nodiscard]] inline std::filesystem::path external_path(const TensorProto& proto,
                                                         const std::filesystem::path& folder,
                                                         const std::string& label) {
  namespace fs = std::filesystem;
  require<FormatError>(!folder.empty(), label, ": external data, but the model was not read from a folder");
  require<FormatError>(!proto.location.empty(), label, ": external data without a location");
  require<FormatError>(proto.location.find('\0') == std::string_view::npos, label,
                       ": external data's location ", quoted(proto.location), " is not a path");
  const fs::path location = proto.location;
  const bool climbs = std::ranges::any_of(location, [](const fs::path& part) { return part == ".."; });
  require<FormatError>(!location.is_absolute() && !climbs, label, ": external data ", quoted(proto.location),
                       " must lie in the model's folder");
  // A link might still lead out.
  std::error_code failure;
  const fs::path home = fs::canonical(folder, failure);
  const fs::path target = failure ? fs::path() : fs::canonical(home / location, failure);
  require<IoError>(!failure, label, ": cannot open external data ", quoted(proto.location), ": ",
                   failure.message());
  const auto [rest, ignored] = std::ranges::mismatch(home, target);
  require<FormatError>(rest == home.end(), label, ": external data ", quoted(proto.location),
                       " must lie in the model's folder");
  return target;
}

}  // namespace detail

/// Decodes a tensor. `folder` is where external data lies; empty where none is allowed. Throws FormatError
/// naming the tensor when the elements do not match the shape or the type is not read; IoError for external
/// files. No memory is taken before the bytes are known to be there.
[[nodiscard]] inline OnnxTensor decode(const TensorProto& proto, const std::filesystem::path& folder) {
  const std::string label = message("tensor ", quoted(proto.name));
  const std::size_t element = size_of(proto.type);
  require<FormatError>(element > 0, label, ": element type ", static_cast<std::int32_t>(proto.type),
                       " is not read");
  Shape shape;
  try {
    shape = Shape(std::span<const Index>(proto.dims));
  } catch (const ShapeError& failure) {
    raise<FormatError>(label, ": ", failure.what());
  }
  const auto count = static_cast<std::uint64_t>(shape.count());
  const std::uint64_t bytes = count * element;

  const auto make = [&](const auto& fill) {
    OnnxTensor result{std::string(proto.name), {}};
    if (is_float(proto.type)) {
      Tensor<float, Cpu> values(shape);
      fill(values);
      result.values = std::move(values);
    } else {
      Tensor<std::int64_t, Cpu> values(shape);
      fill(values);
      result.values = std::move(values);
    }
    return result;
  };

  if (proto.external) {
    const FileSource source(detail::external_path(proto, folder, label));
    const std::uint64_t offset =
        proto.offset.empty() ? 0 : detail::parse_number(proto.offset, "offset", label);
    const std::uint64_t length =
        proto.length.empty() ? bytes : detail::parse_number(proto.length, "length", label);
    require<FormatError>(length == bytes, label, ": shape ", shape, " wants ", bytes,
                         " bytes, external data has ", length);
    require<FormatError>(offset <= source.size() && length <= source.size() - offset, label,
                         ": external data ", quoted(proto.location), " has ", source.size(),
                         " bytes, wanted ", length, " from ", offset);
    if (proto.type == ElementType::float32) {
      return make([&](auto& values) {
        if constexpr (std::is_same_v<decltype(values), Tensor<float, Cpu>&>)
          source.read(offset, values.data(), static_cast<std::size_t>(bytes));
      });
    }
    std::vector<char> raw(static_cast<std::size_t>(bytes));
    source.read(offset, raw.data(), raw.size());
    return make([&](auto& values) { detail::decode_raw(proto.type, raw.data(), values); });
  }
  if (proto.raw && (!proto.raw->empty() || detail::typed_count(proto) == 0)) {
    require<FormatError>(proto.raw->size() == bytes, label, ": shape ", shape, " wants ", bytes,
                         " bytes, met ", proto.raw->size());
    return make([&](auto& values) { detail::decode_raw(proto.type, proto.raw->data(), values); });
  }
  require<FormatError>(detail::typed_count(proto) == count, label, ": shape ", shape, " wants ", count,
                       " elements, met ", detail::typed_count(proto));
  return make([&](auto& values) { detail::decode_typed(proto, values); });
}

}  // namespace onnx

/// Reads a file that holds one tensor (a TensorProto: the inputs and outputs of ONNX's test vectors). Throws
/// IoError, FormatError.
[[nodiscard]] inline OnnxTensor read_onnx_tensor(const std::filesystem::path& path) {
  const Bytes content = read_file(path);
  try {
    return onnx::decode(onnx::read_tensor_proto(content), path.parent_path());
  } catch (const FormatError& failure) {
    raise<FormatError>("onnx ", path.string(), ": ", failure.what());
  }
}

}  // namespace deconv::io
