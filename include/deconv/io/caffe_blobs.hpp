#pragma once
/// The numbers in Caffe's binary files: .caffemodel (weights by layer) and .binaryproto (mean images).
/// Source: caffe.proto of BVLC Caffe (field numbers and types).

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if !__has_include(<protozero/pbf_reader.hpp>)
#error "deconv/io/caffe*.hpp needs protozero (Debian: libprotozero-dev)"
#endif
#include <protozero/pbf_reader.hpp>

#include "deconv/core/quoted.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/io/file.hpp"

namespace deconv::io {

namespace detail {

/// Calls `visit(number, wire type, reader)` for every field of a message; a field that `visit` does not read
/// is passed over. Protozero's errors become FormatErrors that name `what`.
template <class Visit>
void for_each_field(std::string_view bytes, const std::string& what, const Visit& visit) {
  try {
    protozero::pbf_reader reader(bytes.data(), bytes.size());
    while (reader.next())
      if (!visit(reader.tag(), reader.wire_type(), reader)) reader.skip();
  } catch (const protozero::exception& problem) {
    raise<FormatError>(what, ": not a Caffe file, or a damaged one (", problem.what(), ")");
  }
}

[[nodiscard]] inline std::string_view view_of(protozero::pbf_reader& reader) {
  const protozero::data_view view = reader.get_view();
  return {view.data(), view.size()};
}

}  // namespace detail

/// One array of numbers inside the bytes of a file, which must outlive it: nothing is copied until it is
/// asked for.
class CaffeBlob {
 public:
  /// Looks at extents and counts. Throws FormatError, naming `what`, for a message that is none, for extents
  /// that are negative or too large, and when there are not as many numbers as the extents say.
  CaffeBlob(std::string_view bytes, std::string what) : bytes_(bytes), what_(std::move(what)) {
    using Wire = protozero::pbf_wire_type;
    std::vector<Index> legacy(4, 0), modern;
    bool has_legacy = false, has_modern = false;
    detail::for_each_field(bytes_, what_,
                           [&](std::uint32_t number, Wire wire, protozero::pbf_reader& reader) {
                             if (number >= 1 && number <= 4 && wire == Wire::varint) {
                               legacy[number - 1] = static_cast<std::int32_t>(reader.get_int32());
                               return has_legacy = true;
                             }
                             if (number == 7 && wire == Wire::length_delimited) {
                               modern = shape_of(detail::view_of(reader));
                               return has_modern = true;
                             }
                             return false;
                           });
    require<FormatError>(has_legacy || has_modern, what_, ": an array without extents");
    const std::vector<Index>& extents = has_modern ? modern : legacy;
    try {
      shape_ = Shape(std::span<const Index>(extents));
    } catch (const ShapeError& problem) {
      raise<FormatError>(what_, ": ", problem.what());
    }
    std::uint64_t met = 0;
    for_each_part([&](std::string_view part, std::size_t size) { met += part.size() / size; });
    require<FormatError>(met == static_cast<std::uint64_t>(shape_.count()), what_, ": ", shape_, " wants ",
                         shape_.count(), " numbers, met ", met);
  }

  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }

  /// The numbers under another shape of as many elements. Throws FormatError when that has more or fewer.
  [[nodiscard]] Tensor<float, Cpu> read(const Shape& shape) const {
    require<FormatError>(shape.count() == shape_.count(), what_, ": wants ", shape, ", met ", shape_);
    Tensor<float, Cpu> result(shape);
    float* dst = result.data();
    for_each_part([&](std::string_view part, std::size_t size) {
      if (size == sizeof(float)) {
        if (!part.empty()) std::memcpy(dst, part.data(), part.size());
        dst += part.size() / size;
        return;
      }
      for (std::size_t i = 0; i < part.size(); i += size) {
        double value = 0;
        std::memcpy(&value, part.data() + i, size);
        *dst++ = static_cast<float>(value);
      }
    });
    return result;
  }
  [[nodiscard]] Tensor<float, Cpu> read() const { return read(shape_); }

 private:
  [[nodiscard]] std::vector<Index> shape_of(std::string_view bytes) const {
    using Wire = protozero::pbf_wire_type;
    std::vector<Index> extents;
    const auto put = [&](std::int64_t extent) {
      require<FormatError>(extents.size() < Shape::max_rank, what_, ": an array of more than ",
                           Shape::max_rank, " extents");
      extents.push_back(extent);
    };
    detail::for_each_field(bytes, what_, [&](std::uint32_t number, Wire wire, protozero::pbf_reader& reader) {
      if (number != 1) return false;
      if (wire == Wire::varint) {
        put(reader.get_int64());
        return true;
      }
      if (wire != Wire::length_delimited) return false;
      for (const std::int64_t extent : reader.get_packed_int64()) put(extent);
      return true;
    });
    return extents;
  }

  /// Calls `take(bytes, element size)` for every run of numbers: packed or single, float or double.
  template <class Take>
  void for_each_part(const Take& take) const {
    using Wire = protozero::pbf_wire_type;
    detail::for_each_field(bytes_, what_,
                           [&](std::uint32_t number, Wire wire, protozero::pbf_reader& reader) {
                             const bool floats = number == 5, doubles = number == 8;
                             if (!floats && !doubles) return false;
                             const std::size_t size = floats ? sizeof(float) : sizeof(double);
                             if (wire == Wire::length_delimited) {
                               const std::string_view part = detail::view_of(reader);
                               require<FormatError>(part.size() % size == 0, what_, ": a run of numbers of ",
                                                    part.size(), " bytes");
                               take(part, size);
                               return true;
                             }
                             if (floats && wire == Wire::fixed32) {
                               const float value = reader.get_float();
                               take(std::string_view(reinterpret_cast<const char*>(&value), size), size);
                               return true;
                             }
                             if (doubles && wire == Wire::fixed64) {
                               const double value = reader.get_double();
                               take(std::string_view(reinterpret_cast<const char*>(&value), size), size);
                               return true;
                             }
                             return false;
                           });
  }

  std::string_view bytes_;
  std::string what_;
  Shape shape_;
};

/// The weights of a .caffemodel by layer. Keeps the file's bytes.
class CaffeWeights {
 public:
  /// Throws FormatError for bytes that are no NetParameter message or hold no layer at all.
  CaffeWeights(Bytes bytes, std::string name) : bytes_(std::move(bytes)), name_(std::move(name)) {
    using Wire = protozero::pbf_wire_type;
    bool any = false;
    const std::string_view all(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    detail::for_each_field(all, name_, [&](std::uint32_t number, Wire wire, protozero::pbf_reader& reader) {
      const bool modern = number == 100, older = number == 2;
      if ((!modern && !older) || wire != Wire::length_delimited) return false;
      read_layer(detail::view_of(reader), modern ? 1 : 4, modern ? 7 : 6);
      return any = true;
    });
    require<FormatError>(any, name_, ": a .caffemodel wanted, met a file without layers");
  }
  CaffeWeights(const CaffeWeights&) = delete;
  CaffeWeights& operator=(const CaffeWeights&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// The arrays of a layer, in their order; none when the file has no such layer.
  [[nodiscard]] std::vector<CaffeBlob> blobs(const std::string& layer) const {
    std::vector<CaffeBlob> result;
    const auto found = layers_.find(layer);
    if (found == layers_.end()) return result;
    for (std::size_t i = 0; i < found->second.size(); ++i)
      result.emplace_back(found->second[i], message(name_, ": layer ", quoted(layer), ": array ", i));
    return result;
  }

 private:
  static constexpr std::size_t most_blobs = 64;

  void read_layer(std::string_view bytes, std::uint32_t name_field, std::uint32_t blobs_field) {
    using Wire = protozero::pbf_wire_type;
    std::string_view layer;
    std::vector<std::string_view> blobs;
    detail::for_each_field(bytes, name_, [&](std::uint32_t number, Wire wire, protozero::pbf_reader& reader) {
      if (wire != Wire::length_delimited || (number != name_field && number != blobs_field)) return false;
      const std::string_view view = detail::view_of(reader);
      if (number == name_field) {
        layer = view;
      } else {
        require<FormatError>(blobs.size() < most_blobs, name_, ": a layer of more than ", most_blobs,
                             " arrays");
        blobs.push_back(view);
      }
      return true;
    });
    // Layers without numbers, the inputs of the training net for example, may share names; Caffe lets the
    // last one win.
    if (!blobs.empty()) layers_.insert_or_assign(std::string(layer), std::move(blobs));
  }

  Bytes bytes_;
  std::string name_;
  std::map<std::string, std::vector<std::string_view>> layers_;
};

/// The array in a .binaryproto file: a mean image [1, C, H, W] in the file's channel order. Throws IoError,
/// FormatError.
[[nodiscard]] inline Tensor<float, Cpu> read_binaryproto(const std::filesystem::path& path) {
  const Bytes bytes = read_file(path, std::uint64_t{1} << 30);
  return CaffeBlob({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string()).read();
}

}  // namespace deconv::io
