#pragma once

#include <algorithm>
#include <array>
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

/// Which of MNIST's two halves. `all`: what there is, training pictures first.
enum class IdxPart : std::uint8_t { all, train, test };

/// The pictures and labels of IDX files. Source: the description on the MNIST database's page (big-endian
/// header: two zero bytes, element type, number of axes, extents; then the elements).
struct IdxRecords {
  Index count = 0, height = 0, width = 0;
  Bytes pixels;  ///< count x height x width.
  Bytes labels;  ///< count, or none.
};

/// Takes images (type 08, three axes) and, where not empty, labels (type 08, one axis) apart. Throws
/// FormatError when they are not what their headers say, to the byte, or do not belong together.
[[nodiscard]] inline IdxRecords parse_idx(Bytes images, const std::string& images_name, Bytes labels = {},
                                          const std::string& labels_name = "") {
  const auto word = [](const Bytes& bytes, std::size_t i) {
    return Index{bytes[i]} << 24 | Index{bytes[i + 1]} << 16 | Index{bytes[i + 2]} << 8 | Index{bytes[i + 3]};
  };
  require<FormatError>(images.size() >= 16 && word(images, 0) == 0x0803, images_name,
                       ": IDX images wanted (a header of 16 bytes that begins 00 00 08 03)");
  IdxRecords records;
  records.count = word(images, 4);
  records.height = word(images, 8);
  records.width = word(images, 12);
  require<FormatError>(records.count > 0 && records.height > 0 && records.width > 0 &&
                           records.height <= 1 << 15 && records.width <= 1 << 15,
                       images_name, ": IDX images of ", records.width, "x", records.height, ", ",
                       records.count, " of them");
  const Index wanted = 16 + records.count * records.height * records.width;
  require<FormatError>(static_cast<Index>(images.size()) == wanted, images_name, ": ", records.count,
                       " images of ", records.width, "x", records.height, " take ", wanted, " bytes, met ",
                       images.size());
  images.erase(images.begin(), images.begin() + 16);
  records.pixels = std::move(images);
  if (labels.empty()) return records;
  require<FormatError>(labels.size() >= 8 && word(labels, 0) == 0x0801, labels_name,
                       ": IDX labels wanted (a header of 8 bytes that begins 00 00 08 01)");
  require<FormatError>(word(labels, 4) == records.count, labels_name, ": labels of the ", records.count,
                       " images in ", images_name, " wanted, met ", word(labels, 4));
  require<FormatError>(static_cast<Index>(labels.size()) == 8 + records.count, labels_name, ": ",
                       records.count, " labels take ", 8 + records.count, " bytes, met ", labels.size());
  labels.erase(labels.begin(), labels.begin() + 8);
  records.labels = std::move(labels);
  return records;
}

/// The pictures of MNIST, Fashion-MNIST and the like: a folder with train-images-idx3-ubyte,
/// train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (or one of the pairs), each
/// plain or as .gz. Grey becomes three equal channels. Held in memory, a byte a pixel; at most 1 GiB a file.
/// Classes are named by their numbers, or by classes.txt in the folder.
class IdxDataset : public Dataset {
 public:
  /// Throws IoError when the files of the part are missing (for `all`: when there is none), FormatError when
  /// they are damaged.
  explicit IdxDataset(const std::filesystem::path& folder, IdxPart part = IdxPart::all) : folder_(folder) {
    std::error_code ignored;
    require<IoError>(std::filesystem::is_directory(folder, ignored), "cannot read ", folder.string(),
                     ": there is no such folder");
    if (part != IdxPart::test) add("train", part == IdxPart::train);
    if (part != IdxPart::train) add("t10k", part == IdxPart::test);
    require<IoError>(
        !halves_.empty(), "cannot read ", folder.string(),
        ": train-images-idx3-ubyte or t10k-images-idx3-ubyte wanted (plain or .gz), met neither");
    const auto list = folder / "classes.txt";
    if (std::filesystem::is_regular_file(list, ignored)) {
      for (ClassLine& line : read_class_list(list)) classes_.push_back(std::move(line.name));
      if (static_cast<Index>(classes_.size()) < label_count_) classes_.clear();
    }
    if (classes_.empty())
      for (Index c = 0; c < label_count_; ++c) classes_.push_back(std::to_string(c));
  }

  [[nodiscard]] Index size() const noexcept override { return size_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override { return classes_; }
  [[nodiscard]] std::optional<Index> label(Index i) const override {
    const auto [half, record] = find(i);
    if (half.records.labels.empty()) return std::nullopt;
    return half.records.labels[static_cast<std::size_t>(record)];
  }
  [[nodiscard]] std::string name(Index i) const override {
    const auto [half, record] = find(i);
    return message(half.name, '#', record);
  }
  [[nodiscard]] Image read(Index i) const override {
    const auto [half, record] = find(i);
    Image image(half.records.width, half.records.height);
    const Index count = half.records.width * half.records.height;
    const std::uint8_t* src = half.records.pixels.data() + record * count;
    std::uint8_t* dst = image.pixels().data();
    for (Index p = 0; p < count; ++p, dst += 3) std::fill_n(dst, 3, src[p]);
    return image;
  }

 private:
  struct Half {
    std::string name;
    IdxRecords records;
  };
  struct Found {
    const Half& half;
    Index record;
  };

  [[nodiscard]] Found find(Index i) const {
    auto record = static_cast<Index>(checked(i));
    for (const Half& half : halves_) {
      if (record < half.records.count) return {half, record};
      record -= half.records.count;
    }
    raise<ArgumentError>("picture ", i, " of a data set of ", size());
  }

  /// The file as it is called in the wild, or nothing.
  [[nodiscard]] std::optional<std::filesystem::path> locate(const std::string& half, const char* kind,
                                                            const char* axes) const {
    std::error_code ignored;
    for (const char* joint : {"-", "."})
      for (const char* ending : {"", ".gz"}) {
        const auto path = folder_ / message(half, '-', kind, joint, axes, "-ubyte", ending);
        if (std::filesystem::is_regular_file(path, ignored)) return path;
      }
    return std::nullopt;
  }

  void add(const std::string& half, bool wanted) {
    const auto images = locate(half, "images", "idx3");
    const auto labels = locate(half, "labels", "idx1");
    if (!images) {
      require<IoError>(!wanted, "cannot read ", folder_.string(), ": ", half,
                       "-images-idx3-ubyte wanted (plain or .gz), met none");
      return;
    }
    Bytes label_bytes;
    if (labels) {
      label_bytes = read_maybe_gzip(*labels);
      require<FormatError>(!label_bytes.empty(), labels->string(), ": IDX labels wanted, the file is empty");
    }
    Half made{images->filename().string(), parse_idx(read_maybe_gzip(*images), images->string(),
                                                     std::move(label_bytes), labels ? labels->string() : "")};
    size_ += made.records.count;
    for (const std::uint8_t label : made.records.labels)
      label_count_ = std::max(label_count_, Index{label} + 1);
    halves_.push_back(std::move(made));
  }

  std::filesystem::path folder_;
  std::vector<Half> halves_;
  Index size_ = 0;
  Index label_count_ = 0;
  std::vector<std::string> classes_;
};

}  // namespace deconv::io
