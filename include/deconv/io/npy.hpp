#pragma once
/// NumPy's .npy files, versions 1 to 3. Source: numpy.lib.format's description of the format.

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/io/atomic_file.hpp"
#include "deconv/io/elements.hpp"
#include "deconv/io/file.hpp"

namespace deconv::io {

/// What a .npy file's header says.
struct NpyInfo {
  DType dtype = DType::float32;
  bool fortran_order = false;
  Shape shape;
  std::uint64_t data_offset = 0;  ///< Bytes before the first element.
};

namespace detail {

/// Reads the one Python literal that the header is: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4),
/// }.
class NpyHeaderParser {
 public:
  NpyHeaderParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  [[nodiscard]] NpyInfo parse() {
    std::optional<std::string_view> descr;
    std::optional<bool> fortran;
    std::optional<Shape> shape;
    expect('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      const bool repeated =
          (key == "descr" && descr) || (key == "fortran_order" && fortran) || (key == "shape" && shape);
      require<FormatError>(!repeated, name_, ": the .npy header has the key '", key, "' twice");
      if (key == "descr")
        descr = quoted();
      else if (key == "fortran_order")
        fortran = truth();
      else if (key == "shape")
        shape = tuple();
      else
        raise<FormatError>(name_, ": unknown key '", key, "' in the .npy header");
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    require<FormatError>(at_ == text_.size(), name_, ": the .npy header does not end with its dictionary");
    require<FormatError>(descr && fortran && shape, name_,
                         ": the .npy header lacks descr, fortran_order or shape");
    return {element_type(*descr), *fortran, *shape, 0};
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(char wanted) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    require<FormatError>(take(wanted), name_, ": '", wanted, "' wanted at byte ", at_,
                         " of the .npy header's text");
  }
  std::string_view quoted() {
    skip_blanks();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    require<FormatError>(quote == '\'' || quote == '"', name_, ": a string wanted at byte ", at_,
                         " of the .npy header's text");
    const std::size_t end = text_.find(quote, at_ + 1);
    require<FormatError>(end != std::string_view::npos && end - at_ <= 64, name_,
                         ": an endless string in the .npy header (records are not read)");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    for (const char c : inside)
      require<FormatError>(c >= ' ' && c <= '~', name_, ": a strange byte in a string of the .npy header");
    at_ = end + 1;
    return inside;
  }
  bool truth() {
    skip_blanks();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return value;
    }
    raise<FormatError>(name_, ": True or False wanted at byte ", at_, " of the .npy header's text");
  }
  Shape tuple() {
    std::vector<Index> extents;
    expect('(');
    while (!take(')')) {
      skip_blanks();
      Index extent = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      require<FormatError>(error == std::errc{} && extent >= 0, name_, ": an extent wanted at byte ", at_,
                           " of the .npy header's text");
      at_ = static_cast<std::size_t>(end - text_.data());
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote long integers so.
      extents.push_back(extent);
      require<FormatError>(extents.size() <= Shape::max_rank, name_, ": an array of at most ",
                           Shape::max_rank, " axes wanted, met more");
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    try {
      return Shape(extents);
    } catch (const ShapeError& problem) {
      raise<FormatError>(name_, ": ", problem.what());
    }
  }
  DType element_type(std::string_view descr) {
    struct Known {
      std::string_view descr;
      DType dtype;
    };
    static constexpr std::array<Known, 9> known{{{"<f4", DType::float32},
                                                 {"<f8", DType::float64},
                                                 {"<f2", DType::float16},
                                                 {"<i8", DType::int64},
                                                 {"<i4", DType::int32},
                                                 {"|u1", DType::uint8},
                                                 {"<u1", DType::uint8},
                                                 {"<u2", DType::uint16},
                                                 {"|b1", DType::uint8}}};
    for (const Known& entry : known)
      if (entry.descr == descr) return entry.dtype;
    raise<FormatError>(name_, ": little-endian elements f2, f4, f8, i4, i8, u1, u2 or b1 wanted, met '",
                       descr, "'");
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

/// descr of an element type. bfloat16 has none in NumPy.
template <class T>
[[nodiscard]] constexpr std::string_view npy_descr() {
  static_assert(!std::same_as<T, bfloat16>, ".npy has no bfloat16; convert to float first");
  switch (dtype_of<T>) {
    case DType::float32:
      return "<f4";
    case DType::float64:
      return "<f8";
    case DType::float16:
      return "<f2";
    case DType::int64:
      return "<i8";
    case DType::int32:
      return "<i4";
    case DType::uint16:
      return "<u2";
    default:
      return "|u1";
  }
}

}  // namespace detail

/// Reads and checks a .npy header: the elements that it promises must be there, to the byte. Throws
/// FormatError.
[[nodiscard]] inline NpyInfo npy_info(const ByteSource& source) {
  const std::string& name = source.name();
  std::array<std::uint8_t, 12> head{};
  require<FormatError>(source.size() >= 10, name, ": a .npy file wanted, it has only ", source.size(),
                       " bytes");
  source.read(0, head.data(), 10);
  require<FormatError>(std::memcmp(head.data(), "\x93NUMPY", 6) == 0, name,
                       ": a .npy file wanted, it begins otherwise");
  require<FormatError>(head[6] >= 1 && head[6] <= 3, name, ": .npy version 1, 2 or 3 wanted, met ",
                       int{head[6]}, ".", int{head[7]});
  std::uint64_t length = head[8] | std::uint64_t{head[9]} << 8;
  std::uint64_t begin = 10;
  if (head[6] > 1) {
    source.read(0, head.data(), 12);
    length |= std::uint64_t{head[10]} << 16 | std::uint64_t{head[11]} << 24;
    begin = 12;
  }
  constexpr std::uint64_t longest = 1 << 16;
  require<FormatError>(length <= longest && length <= source.size() - begin, name, ": a .npy header of ",
                       length, " bytes in a file of ", source.size());
  std::string text(static_cast<std::size_t>(length), '\0');
  source.read(begin, text.data(), text.size());
  NpyInfo info = detail::NpyHeaderParser(text, name).parse();
  info.data_offset = begin + length;
  const std::uint64_t wanted = static_cast<std::uint64_t>(info.shape.count()) * size_of(info.dtype);
  const std::uint64_t met = source.size() - info.data_offset;
  require<FormatError>(wanted == met, name, ": an array of ", info.shape, " ", name_of(info.dtype), " takes ",
                       wanted, " bytes, the file has ", met);
  return info;
}

/// The array of a .npy source, in row-major order whatever order the file has. Elements are converted to T as
/// converts_from allows. Throws FormatError for a damaged file or unsuitable elements. Cost: one pass; a file
/// in Fortran order takes its size in memory a second time.
template <class T = float>
[[nodiscard]] Tensor<T, Cpu> read_npy(const ByteSource& source) {
  const NpyInfo info = npy_info(source);
  Tensor<T, Cpu> tensor(info.shape);
  if (!info.fortran_order || info.shape.rank() < 2) {
    read_elements(source, info.data_offset, info.dtype, tensor.data(), tensor.count(), source.name());
    return tensor;
  }
  Tensor<T, Cpu> stored(info.shape);
  read_elements(source, info.data_offset, info.dtype, stored.data(), stored.count(), source.name());
  // Walks the row-major order; `from` follows with the strides of the first-axis-fastest order.
  const std::size_t rank = info.shape.rank();
  std::array<Index, Shape::max_rank> stride{}, position{};
  Index step = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    stride[axis] = step;
    step *= info.shape[axis];
  }
  Index from = 0;
  for (Index to = 0; to < tensor.count(); ++to) {
    tensor.data()[to] = stored.data()[from];
    for (std::size_t axis = rank; axis-- > 0;) {
      from += stride[axis];
      if (++position[axis] < info.shape[axis]) break;
      from -= stride[axis] * info.shape[axis];
      position[axis] = 0;
    }
  }
  return tensor;
}

/// The array of a .npy file; as above. Throws IoError when the file cannot be read.
template <class T = float>
[[nodiscard]] Tensor<T, Cpu> read_npy(const std::filesystem::path& path) {
  return read_npy<T>(FileSource(path));
}

/// Writes an array as .npy version 1 in row-major (N,C,H,W) order, whole or not at all. Throws IoError.
template <class T>
void write_npy(const std::filesystem::path& path, TensorView<const T, Cpu> view) {
  std::string header =
      message("{'descr': '", detail::npy_descr<T>(), "', 'fortran_order': False, 'shape': (");
  for (const Index extent : view.shape().extents()) header += message(extent, ", ");
  if (view.rank() > 1) header.resize(header.size() - 2);
  header += "), }";
  // The elements begin at a multiple of 64 bytes, as NumPy does it.
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  AtomicFile file(path);
  file.write(std::string_view("\x93NUMPY\x01\x00", 8));
  const std::array<std::uint8_t, 2> length{static_cast<std::uint8_t>(header.size() & 0xff),
                                           static_cast<std::uint8_t>(header.size() >> 8)};
  file.write(length);
  file.write(header);
  write_elements(view, [&](const void* data, std::size_t bytes) { file.write(data, bytes); });
  file.commit();
}
template <class T>
void write_npy(const std::filesystem::path& path, const Tensor<T, Cpu>& tensor) {
  write_npy<T>(path, tensor.view());
}

}  // namespace deconv::io
