#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/io/dataset.hpp"

namespace deconv::io {

/// Pictures named by a list file, one `path label` a line: the path relative to the list's folder (it may
/// hold blanks), the label a whole number from 0. A list may go without labels, but not in part. Empty lines
/// and lines that begin with # are passed over.
class ListDataset : public Dataset {
 public:
  /// Labels are below this.
  static constexpr Index most_classes = 1'000'000;

  /// `class_list`: names of the classes, see read_class_list; optional. Throws IoError when a file cannot be
  /// read, FormatError, naming the line, for what is not a list. The pictures themselves are first looked at
  /// in `read`.
  explicit ListDataset(const std::filesystem::path& list, const std::filesystem::path& class_list = {})
      : folder_(list.parent_path()) {
    parse(read_text(list), list.string());
    if (class_list.empty()) return;
    for (ClassLine& line : read_class_list(class_list)) classes_.push_back(std::move(line.name));
    for (const Picture& picture : pictures_)
      require<FormatError>(picture.label < static_cast<Index>(classes_.size()), list.string(), ": label ",
                           picture.label, " of ", picture.path, ", but ", class_list.string(), " has ",
                           classes_.size(), " classes");
  }

  /// A list that is in memory; its paths are relative to the working folder. Throws FormatError.
  ListDataset(std::string_view text, const std::string& name) { parse(text, name); }

  [[nodiscard]] Index size() const noexcept override { return static_cast<Index>(pictures_.size()); }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override { return classes_; }
  [[nodiscard]] std::optional<Index> label(Index i) const override {
    const Index found = pictures_[checked(i)].label;
    return found < 0 ? std::nullopt : std::optional<Index>(found);
  }
  [[nodiscard]] std::string name(Index i) const override { return pictures_[checked(i)].path; }
  [[nodiscard]] Image read(Index i) const override {
    return read_image(folder_ / pictures_[checked(i)].path);
  }

 private:
  struct Picture {
    std::string path;
    std::int32_t label = -1;
  };

  void parse(std::string_view text, const std::string& name) {
    require<FormatError>(text.find('\0') == std::string_view::npos, name,
                         ": a list with a line 'path label' a picture wanted, this is no text");
    Index number = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t stop = std::min(text.find('\n', at), text.size());
      const std::string_view line(text.data() + at, stop - at);
      at = stop + 1;
      ++number;
      const auto first = line.find_first_not_of(" \t\r");
      if (first == std::string_view::npos || line[first] == '#') continue;
      require<FormatError>(line.size() <= 8192, name, ": line ", number,
                           ": 'path label' wanted, the line has ", line.size(), " bytes");
      pictures_.push_back(parse_line(line.substr(first, line.find_last_not_of(" \t\r") + 1 - first)));
      require<FormatError>((pictures_.back().label < 0) == (pictures_.front().label < 0), name, ": line ",
                           number,
                           ": a line with a label and one without in the same list ('path label' wanted)");
    }
    require<FormatError>(!pictures_.empty(), name,
                         ": a line 'path label' a picture wanted, the list is empty");
  }

  static Picture parse_line(std::string_view line) {
    const auto blank = line.find_last_of(" \t");
    if (blank != std::string_view::npos) {
      const std::string_view last = line.substr(blank + 1);
      std::int32_t label = -1;
      const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), label);
      if (error == std::errc{} && end == last.data() + last.size() && label >= 0 && label < most_classes)
        return {std::string(line.substr(0, line.find_last_not_of(" \t", blank) + 1)), label};
    }
    return {std::string(line), -1};
  }

  std::filesystem::path folder_;
  std::vector<std::string> classes_;
  std::vector<Picture> pictures_;
};

}  // namespace deconv::io
