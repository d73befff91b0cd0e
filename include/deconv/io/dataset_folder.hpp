#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "deconv/io/dataset.hpp"

namespace deconv::io {

/// Pictures (.jpg, .jpeg, .png, .bmp) in a folder with one folder a class, or, where no folder below it holds
/// any, the pictures in the folder itself, without classes. Hidden files and folders are passed over. Classes
/// and pictures are sorted by name (by bytes). Where a list of classes (see read_class_list) knows every
/// class folder by key, it gives their order and names: the list that is passed, else classes.txt in the
/// folder, else the one beside it.
class FolderDataset : public Dataset {
 public:
  /// Throws IoError when the folder cannot be read, FormatError when there is no picture in it, or when a
  /// class folder is missing in the list that was passed.
  explicit FolderDataset(const std::filesystem::path& folder, const std::filesystem::path& class_list = {})
      : folder_(folder) {
    std::error_code problem;
    require<IoError>(std::filesystem::is_directory(folder_, problem), "cannot read ", folder_.string(),
                     ": there is no such folder");
    for (const auto& entry : walk<std::filesystem::directory_iterator>(folder_))
      if (entry.is_directory(problem)) classes_.push_back(entry.path().filename().string());
    std::sort(classes_.begin(), classes_.end());
    for (std::size_t c = 0; c < classes_.size(); ++c)
      add_pictures(folder_ / classes_[c], static_cast<std::int32_t>(c));
    if (pictures_.empty()) {
      classes_.clear();
      for (const auto& entry : walk<std::filesystem::directory_iterator>(folder_)) add_picture(entry, -1);
    }
    require<FormatError>(
        !pictures_.empty(), folder_.string(),
        ": pictures (.jpg, .jpeg, .png, .bmp) or class folders of pictures wanted, met none");
    std::sort(pictures_.begin(), pictures_.end(), [](const Picture& a, const Picture& b) {
      return std::tie(a.label, a.path) < std::tie(b.label, b.path);
    });
    order_classes(class_list);
  }

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
    std::string path;  ///< Below the folder.
    std::int32_t label = -1;
  };

  static bool hidden(const std::filesystem::path& path) { return path.filename().string().starts_with("."); }

  /// What a folder holds; all of a folder's failures become IoError.
  template <class Iterator>
  static std::vector<std::filesystem::directory_entry> walk(const std::filesystem::path& folder) {
    std::vector<std::filesystem::directory_entry> entries;
    try {
      for (const auto& entry : Iterator(folder))
        if (!hidden(entry.path())) entries.push_back(entry);
    } catch (const std::filesystem::filesystem_error& failure) {
      raise<IoError>("cannot read the folder ", folder.string(), ": ", failure.code().message());
    }
    return entries;
  }

  void add_picture(const std::filesystem::directory_entry& entry, std::int32_t label) {
    std::error_code ignored;
    if (detail::has_picture_extension(entry.path()) && entry.is_regular_file(ignored))
      pictures_.push_back({entry.path().lexically_relative(folder_).string(), label});
  }
  void add_pictures(const std::filesystem::path& folder, std::int32_t label) {
    for (const auto& entry : walk<std::filesystem::recursive_directory_iterator>(folder))
      add_picture(entry, label);
  }

  void order_classes(const std::filesystem::path& passed) {
    if (classes_.empty()) return;
    std::filesystem::path found = passed;
    if (passed.empty()) {
      std::error_code ignored;
      const auto inside = folder_ / "classes.txt";
      const auto beside = std::filesystem::absolute(folder_, ignored).lexically_normal();
      const auto parent =
          beside.filename().empty() ? beside.parent_path().parent_path() : beside.parent_path();
      if (std::filesystem::is_regular_file(inside, ignored))
        found = inside;
      else if (std::filesystem::is_regular_file(parent / "classes.txt", ignored))
        found = parent / "classes.txt";
      else
        return;
    }
    const std::vector<ClassLine> lines = read_class_list(found);
    std::map<std::string, std::int32_t> position;
    for (std::size_t i = 0; i < lines.size(); ++i)
      position.emplace(lines[i].key, static_cast<std::int32_t>(i));
    std::vector<std::int32_t> label_of;
    for (const std::string& folder : classes_) {
      const auto known = position.find(folder);
      if (known == position.end()) {
        require<FormatError>(passed.empty(), passed.string(), ": the class folder ", folder, " of ",
                             folder_.string(), " is not in this list of classes");
        return;  // a list of something else
      }
      label_of.push_back(known->second);
    }
    for (Picture& picture : pictures_) picture.label = label_of[static_cast<std::size_t>(picture.label)];
    std::stable_sort(pictures_.begin(), pictures_.end(),
                     [](const Picture& a, const Picture& b) { return a.label < b.label; });
    classes_.clear();
    for (const ClassLine& line : lines) classes_.push_back(line.name);
  }

  std::filesystem::path folder_;
  std::vector<std::string> classes_;
  std::vector<Picture> pictures_;
};

}  // namespace deconv::io
