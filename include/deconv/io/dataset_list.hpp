#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/io/dataset.hpp"

namespace deconv::io {

/// Pictures named by a list file, one `path label` a line: the path relative to the list's folder (it may
/// hold blanks), the label a whole number from 0, or several of them parted by commas (`path 3,7`). A
/// question mark behind a label marks it as difficult (`path 3,7?`, PASCAL VOC): a picture may have no
/// others. A list may go without labels, but not in part. Empty lines and lines that begin with # are passed
/// over.
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
    for (Index i = 0; i < size(); ++i) {
      std::vector<Index> all = labels(i);
      for (const Index label : difficult_labels(i)) all.push_back(label);
      for (const Index label : all)
        require<FormatError>(label < static_cast<Index>(classes_.size()), list.string(), ": label ", label,
                             " of ", name(i), ", but ", class_list.string(), " has ", classes_.size(),
                             " classes");
    }
  }

  /// A list that is in memory; its paths are relative to the working folder. Throws FormatError.
  ListDataset(std::string_view text, const std::string& name) { parse(text, name); }

  [[nodiscard]] Index size() const noexcept override { return static_cast<Index>(pictures_.size()); }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override { return classes_; }
  [[nodiscard]] std::optional<Index> label(Index i) const override {
    const Index found = pictures_[checked(i)].label;
    return found < 0 ? std::nullopt : std::optional<Index>(found);
  }
  [[nodiscard]] bool multi_label() const noexcept override {
    return !several_.empty() || !difficult_.empty();
  }
  [[nodiscard]] std::vector<Index> labels(Index i) const override {
    const auto found = several_.find(i);
    return found == several_.end() ? Dataset::labels(i) : found->second;
  }
  [[nodiscard]] std::vector<Index> difficult_labels(Index i) const override {
    static_cast<void>(checked(i));
    const auto found = difficult_.find(i);
    return found == difficult_.end() ? std::vector<Index>{} : found->second;
  }
  [[nodiscard]] std::string name(Index i) const override { return pictures_[checked(i)].path; }
  [[nodiscard]] Image read(Index i) const override {
    return read_image(folder_ / pictures_[checked(i)].path);
  }

 private:
  struct Picture {
    std::string path;
    std::int32_t label = -1;
    bool marked = false;  ///< the line has labels, perhaps difficult ones alone
  };
  struct Labels {
    std::vector<Index> sure, difficult;
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
      add(line.substr(first, line.find_last_not_of(" \t\r") + 1 - first), name, number);
      require<FormatError>(pictures_.back().marked == pictures_.front().marked, name, ": line ", number,
                           ": a line with a label and one without in the same list ('path label' wanted)");
    }
    require<FormatError>(!pictures_.empty(), name,
                         ": a line 'path label' a picture wanted, the list is empty");
  }

  void add(std::string_view line, const std::string& name, Index number) {
    const auto blank = line.find_last_of(" \t");
    Labels labels;
    if (blank != std::string_view::npos) labels = parse_labels(line.substr(blank + 1));
    if (labels.sure.empty() && labels.difficult.empty()) {
      pictures_.push_back({std::string(line), -1, false});
      return;
    }
    std::vector<Index> sorted = labels.sure;
    sorted.insert(sorted.end(), labels.difficult.begin(), labels.difficult.end());
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    require<FormatError>(twice == sorted.end(), name, ": line ", number, ": the label ",
                         twice == sorted.end() ? -1 : *twice, " stands there twice");
    const Index first = labels.sure.empty() ? -1 : labels.sure.front();
    if (labels.sure.size() > 1) several_.emplace(size(), std::move(labels.sure));
    if (!labels.difficult.empty()) difficult_.emplace(size(), std::move(labels.difficult));
    pictures_.push_back({std::string(line.substr(0, line.find_last_not_of(" \t", blank) + 1)),
                         static_cast<std::int32_t>(first), true});
  }

  /// The labels in `3` or `3,7?`; none when it is anything else.
  static Labels parse_labels(std::string_view text) {
    Labels labels;
    for (std::size_t at = 0; at <= text.size();) {
      const char* const stop = text.data() + std::min(text.find(',', at), text.size());
      std::int32_t label = -1;
      const auto [end, error] = std::from_chars(text.data() + at, stop, label);
      const bool difficult = end != stop && *end == '?';
      if (error != std::errc{} || end + difficult != stop || label < 0 || label >= most_classes) return {};
      (difficult ? labels.difficult : labels.sure).push_back(label);
      at = static_cast<std::size_t>(stop - text.data()) + 1;
    }
    return labels;
  }

  std::filesystem::path folder_;
  std::vector<std::string> classes_;
  std::vector<Picture> pictures_;
  std::map<Index, std::vector<Index>> several_;    ///< All labels of the pictures that have more than one.
  std::map<Index, std::vector<Index>> difficult_;  ///< The difficult ones of the pictures that have such.
};

}  // namespace deconv::io
