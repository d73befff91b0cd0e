#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"
#include "deconv/io/file.hpp"
#include "deconv/io/image.hpp"

namespace deconv::io {

/// A numbered set of pictures, with classes or without. All member functions may be called from many threads.
class Dataset {
 public:
  virtual ~Dataset() = default;
  /// Pictures there are; more than 0.
  [[nodiscard]] virtual Index size() const noexcept = 0;
  /// The names of the classes, in the order of the labels; empty where they are not known.
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const noexcept = 0;
  /// The class of picture i, from 0, or nothing in a set without classes. Throws ArgumentError when there is
  /// no such picture.
  [[nodiscard]] virtual std::optional<Index> label(Index i) const = 0;
  /// Whether pictures may have several classes.
  [[nodiscard]] virtual bool multi_label() const noexcept { return false; }
  /// All classes of picture i, the one of label() first; empty in a set without classes. Throws as label().
  [[nodiscard]] virtual std::vector<Index> labels(Index i) const {
    const std::optional<Index> one = label(i);
    return one ? std::vector<Index>{*one} : std::vector<Index>{};
  }
  /// Classes that picture i may or may not be said to have, which count neither as its own nor as others'
  /// (PASCAL VOC's "difficult"); none of them stands in labels(). Throws as label().
  [[nodiscard]] virtual std::vector<Index> difficult_labels(Index i) const {
    static_cast<void>(checked(i));
    return {};
  }
  /// What people call picture i: a path below the set's folder, or a file and record.
  [[nodiscard]] virtual std::string name(Index i) const = 0;
  /// Picture i, three channels. Throws IoError or FormatError, whose message names the picture.
  [[nodiscard]] virtual Image read(Index i) const = 0;

  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

 protected:
  /// i as an index into the set's arrays.
  [[nodiscard]] std::size_t checked(Index i) const {
    require<ArgumentError>(i >= 0 && i < size(), "picture ", i, " of a data set of ", size());
    return static_cast<std::size_t>(i);
  }
};

/// One line of a list of classes.
struct ClassLine {
  std::string key;   ///< The first word: a folder's name, often a WordNet number.
  std::string name;  ///< The rest of the line, or the first word where there is no rest.
};

/// Reads a list of classes, one a line in the order of the labels: `key` or `key name`. Empty lines at the
/// end do not count. Throws IoError; FormatError when a line is empty or a key occurs twice.
[[nodiscard]] inline std::vector<ClassLine> read_class_list(const std::filesystem::path& path) {
  const std::string text = read_text(path, std::uint64_t{1} << 26);
  std::vector<ClassLine> lines;
  std::vector<std::string> keys;
  std::size_t at = 0;
  const std::size_t end = text.find_last_not_of(" \t\r\n") + 1;
  while (at < end) {
    const std::size_t stop = std::min(text.find('\n', at), end);
    std::string_view line(text.data() + at, stop - at);
    const auto first = line.find_first_not_of(" \t\r");
    require<FormatError>(first != std::string_view::npos, path.string(), ": line ", lines.size() + 1,
                         ": a class wanted, the line is empty");
    line = line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
    const std::string_view key = line.substr(0, line.find_first_of(" \t"));
    const auto rest = line.find_first_not_of(" \t", key.size());
    lines.push_back(
        {std::string(key), std::string(rest == std::string_view::npos ? key : line.substr(rest))});
    keys.emplace_back(key);
    at = stop + 1;
  }
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  require<FormatError>(twice == keys.end(), path.string(), ": the class ", twice == keys.end() ? "" : *twice,
                       " stands there twice");
  return lines;
}

namespace detail {

/// Whether a file's name is that of a picture, by its extension.
[[nodiscard]] inline bool has_picture_extension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".bmp";
}

}  // namespace detail

}  // namespace deconv::io
