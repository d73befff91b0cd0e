#pragma once
/// --output: which kind of result, and folders that appear whole or not at all.

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include "document.hpp"
#include "options.hpp"

namespace deconv::tool {

enum class OutputKind { none, png, npy, safetensors, csv, svg, gif, html, folder };

/// The kind that --output asks for by its extension. Throws UsageError when the command cannot write it,
/// IoError when the place cannot be written: both before any work is done.
[[nodiscard]] OutputKind output_kind(const CommonOptions& options,
                                     std::initializer_list<OutputKind> possible);

/// A file name made of a layer's name: what a file system or a shell could trip over becomes '_'.
[[nodiscard]] std::string file_name_of(const std::string& layer);

/// A folder that appears under its name with all its files, or not at all. A folder that deconv itself wrote
/// before (its document lists every file in it) is replaced; any other that is not empty is an error.
class FolderOutput {
 public:
  /// Throws IoError.
  explicit FolderOutput(const std::filesystem::path& target);
  ~FolderOutput();
  FolderOutput(const FolderOutput&) = delete;
  FolderOutput& operator=(const FolderOutput&) = delete;

  /// Where to write the file of that name for now. Names are given once.
  [[nodiscard]] std::filesystem::path add(const std::string& name);
  [[nodiscard]] const std::vector<std::string>& files() const noexcept { return files_; }
  /// Writes `<command>.json`, the document with the list of all files, and puts the folder in its place.
  void commit(Document& document);

 private:
  std::filesystem::path target_, temporary_;
  std::vector<std::string> files_;
};

}  // namespace deconv::tool
