#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "deconv/io/dataset.hpp"
#include "deconv/io/gzip.hpp"

namespace deconv::io {

/// CIFAR-10's binary records: one label byte, then 1024 red, 1024 green and 1024 blue bytes of a 32x32
/// picture. Source: the description on the CIFAR-10 page.
inline constexpr Index cifar_record_bytes = 3073;

/// Throws FormatError unless the bytes are whole records with labels 0 to 9.
inline void check_cifar(std::span<const std::uint8_t> bytes, const std::string& name) {
  const auto size = static_cast<Index>(bytes.size());
  require<FormatError>(size > 0 && size % cifar_record_bytes == 0, name, ": whole CIFAR-10 records of ",
                       cifar_record_bytes, " bytes wanted, met ", size, " bytes");
  for (Index i = 0; i < size / cifar_record_bytes; ++i) {
    const int label = bytes[static_cast<std::size_t>(i * cifar_record_bytes)];
    require<FormatError>(label < 10, name, ": record ", i, ": a label from 0 to 9 wanted, met ", label);
  }
}

/// The picture of one record (3073 bytes).
[[nodiscard]] inline Image cifar_picture(const std::uint8_t* record) {
  Image image(32, 32);
  std::uint8_t* dst = image.pixels().data();
  for (Index p = 0; p < 1024; ++p)
    for (Index c = 0; c < 3; ++c) *dst++ = record[1 + c * 1024 + p];
  return image;
}

/// The pictures of one or several files of CIFAR-10 records, each plain or gzip's, in the order given. Held
/// in memory; at most 1 GiB a file. Classes are named by batches.meta.txt beside the first file, or by
/// CIFAR-10's own names.
class CifarDataset : public Dataset {
 public:
  /// Throws IoError when a file cannot be read, FormatError when it is not whole records.
  explicit CifarDataset(const std::vector<std::filesystem::path>& files) {
    require<ArgumentError>(!files.empty(), "a data set of CIFAR records wants a file");
    for (const auto& path : files) {
      Bytes bytes = read_maybe_gzip(path);
      check_cifar(bytes, path.string());
      size_ += static_cast<Index>(bytes.size()) / cifar_record_bytes;
      files_.push_back({path.filename().string(), std::move(bytes)});
    }
    std::error_code ignored;
    const auto list = files.front().parent_path() / "batches.meta.txt";
    if (std::filesystem::is_regular_file(list, ignored))
      for (ClassLine& line : read_class_list(list)) classes_.push_back(std::move(line.name));
    if (classes_.size() != 10)
      classes_ = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  }

  [[nodiscard]] Index size() const noexcept override { return size_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override { return classes_; }
  [[nodiscard]] std::optional<Index> label(Index i) const override {
    const auto [file, record] = find(i);
    return file.bytes[static_cast<std::size_t>(record * cifar_record_bytes)];
  }
  [[nodiscard]] std::string name(Index i) const override {
    const auto [file, record] = find(i);
    return message(file.name, '#', record);
  }
  [[nodiscard]] Image read(Index i) const override {
    const auto [file, record] = find(i);
    return cifar_picture(file.bytes.data() + record * cifar_record_bytes);
  }

 private:
  struct File {
    std::string name;
    Bytes bytes;
  };
  struct Found {
    const File& file;
    Index record;
  };

  [[nodiscard]] Found find(Index i) const {
    auto record = static_cast<Index>(checked(i));
    for (const File& file : files_) {
      const Index records = static_cast<Index>(file.bytes.size()) / cifar_record_bytes;
      if (record < records) return {file, record};
      record -= records;
    }
    raise<ArgumentError>("picture ", i, " of a data set of ", size());
  }

  std::vector<File> files_;
  Index size_ = 0;
  std::vector<std::string> classes_;
};

}  // namespace deconv::io
