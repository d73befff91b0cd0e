#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "deconv/io/dataset.hpp"
#include "deconv/io/dataset_cifar.hpp"
#include "deconv/io/dataset_folder.hpp"
#include "deconv/io/dataset_idx.hpp"
#include "deconv/io/dataset_list.hpp"

namespace deconv::io {

namespace detail {

/// The files of `cifar:FILE...`: parted at commas; a part that is no file itself is parted at blanks.
[[nodiscard]] inline std::vector<std::filesystem::path> cifar_files(std::string_view text) {
  const auto split = [](std::string_view all, char at) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= all.size();) {
      const std::size_t end = std::min(all.find(at, begin), all.size());
      if (end > begin) parts.emplace_back(all.substr(begin, end - begin));
      begin = end + 1;
    }
    return parts;
  };
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  for (const std::string& part : split(text, ','))
    if (std::filesystem::exists(part, ignored))
      files.emplace_back(part);
    else
      for (const std::string& word : split(part, ' ')) files.emplace_back(word);
  return files;
}

}  // namespace detail

/// Opens a data set by what --data says: a folder with one folder a class (or of pictures without classes), a
/// list file with lines `path label`, `idx:FOLDER[:train|test]`, or `cifar:FILE[,FILE...]`. `class_list`
/// gives the order and names of the classes of a folder or list; optional. Throws IoError, FormatError;
/// ArgumentError when the specification is empty.
[[nodiscard]] inline std::unique_ptr<Dataset> open_dataset(const std::string& specification,
                                                           const std::filesystem::path& class_list = {}) {
  std::string_view rest = specification;
  require<ArgumentError>(!rest.empty(),
                         "a data set wants a folder, a list file, idx:FOLDER or cifar:FILE, met nothing");
  if (rest.starts_with("idx:")) {
    rest.remove_prefix(4);
    IdxPart part = IdxPart::all;
    if (rest.ends_with(":train")) part = IdxPart::train;
    if (rest.ends_with(":test")) part = IdxPart::test;
    if (part != IdxPart::all) rest = rest.substr(0, rest.rfind(':'));
    require<ArgumentError>(!rest.empty(), "data set '", specification, "': a folder after idx: wanted");
    return std::make_unique<IdxDataset>(std::filesystem::path(rest), part);
  }
  if (rest.starts_with("cifar:")) {
    const auto files = detail::cifar_files(rest.substr(6));
    require<ArgumentError>(!files.empty(), "data set '", specification, "': a file after cifar: wanted");
    return std::make_unique<CifarDataset>(files);
  }
  const std::filesystem::path path(specification);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return std::make_unique<FolderDataset>(path, class_list);
  require<FormatError>(!detail::has_picture_extension(path), specification,
                       ": a folder or a list file wanted for a data set, this is a picture");
  return std::make_unique<ListDataset>(path, class_list);
}

}  // namespace deconv::io
