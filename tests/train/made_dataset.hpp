#pragma once
/// A data set made on the spot: its pictures are noise that depends on the picture's number, some of them
/// broken, some slow.

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "deconv/core/random.hpp"
#include "deconv/io/dataset.hpp"

namespace deconv::test {

class MadeDataset : public io::Dataset {
 public:
  MadeDataset(Index size, Index height, Index width, std::vector<Index> broken = {})
      : size_(size), height_(height), width_(width), broken_(std::move(broken)) {}
  [[nodiscard]] Index size() const noexcept override { return size_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override { return none_; }
  [[nodiscard]] std::optional<Index> label(Index i) const override { return i % 3; }
  [[nodiscard]] std::string name(Index i) const override { return message("made#", i); }
  [[nodiscard]] io::Image read(Index i) const override {
    if (i % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));  // finishes out of order
    if (std::find(broken_.begin(), broken_.end(), i) != broken_.end())
      raise<FormatError>(name(i), ": broken");
    io::Image image(width_, height_);
    const Random random(11, static_cast<std::uint64_t>(i));
    std::uint64_t k = 0;
    for (std::uint8_t& byte : image.pixels()) byte = static_cast<std::uint8_t>(random.below(k++, 256));
    return image;
  }

 private:
  Index size_, height_, width_;
  std::vector<Index> broken_;
  std::vector<std::string> none_;
};

}  // namespace deconv::test
