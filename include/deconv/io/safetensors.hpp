#pragma once
/// safetensors files: named tensors behind a JSON header. Source: the format's description in the repository
/// huggingface/safetensors (an eight-byte header length, the header, the tensors' bytes without gaps).

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "deconv/io/elements.hpp"
#include "deconv/io/file.hpp"
#include "deconv/io/json.hpp"

namespace deconv::io {

namespace detail {

struct SafetensorsType {
  std::string_view name;
  DType dtype;
};
inline constexpr std::array<SafetensorsType, 8> safetensors_types{{{"F32", DType::float32},
                                                                   {"F64", DType::float64},
                                                                   {"F16", DType::float16},
                                                                   {"BF16", DType::bfloat16},
                                                                   {"I64", DType::int64},
                                                                   {"I32", DType::int32},
                                                                   {"U8", DType::uint8},
                                                                   {"U16", DType::uint16}}};

}  // namespace detail

/// A tensor of a safetensors file.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;
  std::uint64_t begin = 0;  ///< First byte, from the file's start.
};

/// An open safetensors file. Opening reads and checks the header alone; tensors are read when they are asked
/// for. Reading from many threads is safe.
class SafetensorsReader {
 public:
  /// The longest header that is read, as in the format's own implementation.
  static constexpr std::uint64_t longest_header = 100'000'000;

  /// Throws IoError when the file cannot be opened, FormatError when its header does not describe its bytes:
  /// each tensor's type known, its shape as large as its range of bytes, the ranges covering the file without
  /// overlap.
  explicit SafetensorsReader(const std::filesystem::path& path)
      : SafetensorsReader(std::make_shared<FileSource>(path)) {}
  explicit SafetensorsReader(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {
    read_header();
  }

  /// The file's name, for messages.
  [[nodiscard]] const std::string& name() const noexcept { return source_->name(); }
  /// All tensors in the order of their bytes in the file.
  [[nodiscard]] const std::vector<SafetensorsEntry>& entries() const noexcept { return entries_; }
  /// The free-form strings beside the tensors.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  [[nodiscard]] bool contains(const std::string& tensor) const { return by_name_.contains(tensor); }
  /// Throws FormatError when there is no such tensor.
  [[nodiscard]] const SafetensorsEntry& entry(const std::string& tensor) const {
    const auto found = by_name_.find(tensor);
    require<FormatError>(found != by_name_.end(), name(), ": tensor ", quoted(tensor),
                         " wanted, the file has none of this name");
    return entries_[found->second];
  }

  /// A tensor's elements, converted to T as converts_from allows. Throws FormatError.
  template <class T = float>
  [[nodiscard]] Tensor<T, Cpu> read(const std::string& tensor) const {
    Tensor<T, Cpu> result(entry(tensor).shape);
    read_into<T>(tensor, result);
    return result;
  }
  /// The same into memory that is there (row-major). Throws ShapeError when the shapes differ.
  template <class T>
  void read_into(const std::string& tensor, TensorView<T, Cpu> dst) const {
    const SafetensorsEntry& found = entry(tensor);
    require<ShapeError>(found.shape == dst.shape() && dst.row_major(), name(), ": tensor ", quoted(tensor),
                        " has shape ", found.shape, ", wanted ", dst.shape());
    read_elements(*source_, found.begin, found.dtype, dst.data(), dst.count(),
                  name() + ": tensor " + quoted(tensor));
  }

 private:
  void read_header() {
    require<FormatError>(source_->size() >= 8, name(), ": a safetensors file wanted, it has only ",
                         source_->size(), " bytes");
    std::uint64_t length = 0;
    source_->read(0, &length, sizeof length);
    require<FormatError>(length >= 2 && length <= longest_header && length <= source_->size() - 8, name(),
                         ": a safetensors header of ", length, " bytes in a file of ", source_->size(),
                         " (at most ", longest_header, " are read)");
    std::string text(static_cast<std::size_t>(length), '\0');
    source_->read(8, text.data(), text.size());
    require<FormatError>(text.front() == '{', name(), ": a safetensors header that begins with '{' wanted");
    const Json header = parse_json(text, name() + ": header");
    for (const auto& [key, value] : header.items()) {
      if (key == "__metadata__")
        read_metadata(value);
      else
        read_entry(key, value, 8 + length);
    }
    std::sort(entries_.begin(), entries_.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
      return std::pair(a.begin, bytes_of(a)) < std::pair(b.begin, bytes_of(b));
    });
    std::uint64_t next = 8 + length;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const SafetensorsEntry& tensor = entries_[i];
      require<FormatError>(tensor.begin == next, name(), ": tensor ", quoted(tensor.name), " begins at byte ",
                           tensor.begin, ", wanted ", next, " (no gap, no overlap)");
      next += bytes_of(tensor);
      by_name_.emplace(tensor.name, i);
    }
    require<FormatError>(next == source_->size(), name(), ": the tensors end at byte ", next,
                         ", the file at ", source_->size());
  }

  static std::uint64_t bytes_of(const SafetensorsEntry& tensor) {
    return static_cast<std::uint64_t>(tensor.shape.count()) * size_of(tensor.dtype);
  }

  void read_metadata(const Json& value) {
    require<FormatError>(value.is_object(), name(), ": __metadata__: strings by name wanted, met ",
                         json_excerpt(value));
    for (const auto& [key, text] : value.items())
      metadata_.emplace(key, json_string(text, name() + ": __metadata__ " + quoted(key)));
  }

  void read_entry(const std::string& key, const Json& value, std::uint64_t data) {
    const std::string what = name() + ": tensor " + quoted(key);
    require<FormatError>(value.is_object() && value.contains("dtype") && value.contains("shape") &&
                             value.contains("data_offsets") && value.size() == 3,
                         what, ": dtype, shape and data_offsets wanted, met ", json_excerpt(value));
    const std::string type = json_string(value["dtype"], what + ": dtype");
    const auto known = std::find_if(detail::safetensors_types.begin(), detail::safetensors_types.end(),
                                    [&](const auto& candidate) { return candidate.name == type; });
    require<FormatError>(known != detail::safetensors_types.end(), what,
                         ": dtype F32, F64, F16, BF16, I64, I32, U8 or U16 wanted, met ", quoted(type));
    const Json& shape = value["shape"];
    require<FormatError>(shape.is_array() && shape.size() <= Shape::max_rank, what, ": a shape of at most ",
                         Shape::max_rank, " extents wanted, met ", json_excerpt(shape));
    std::vector<Index> extents;
    for (const Json& extent : shape) extents.push_back(json_integer(extent, what + ": shape"));
    const Json& offsets = value["data_offsets"];
    require<FormatError>(offsets.is_array() && offsets.size() == 2, what, ": two data_offsets wanted, met ",
                         json_excerpt(offsets));
    const auto room = static_cast<Index>(source_->size() - data);
    const Index begin = json_integer(offsets[0], what + ": data_offsets", 0, room);
    const Index end = json_integer(offsets[1], what + ": data_offsets", begin, room);
    SafetensorsEntry tensor{key, known->dtype, {}, data + static_cast<std::uint64_t>(begin)};
    try {
      tensor.shape = Shape(extents);
    } catch (const ShapeError& problem) {
      raise<FormatError>(what, ": ", problem.what());
    }
    require<FormatError>(bytes_of(tensor) == static_cast<std::uint64_t>(end - begin), what, ": ",
                         tensor.shape, " of ", type, " takes ", bytes_of(tensor),
                         " bytes, data_offsets give ", end - begin);
    entries_.push_back(std::move(tensor));
  }

  std::shared_ptr<const ByteSource> source_;
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, std::size_t> by_name_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace deconv::io
