#pragma once
/// A data set that a small network learns: grey pictures of noise with a bright bar, whose place is the
/// class.

#include <optional>
#include <string>
#include <vector>

#include "deconv/core/random.hpp"
#include "deconv/io/dataset.hpp"

namespace deconv::test {

class LearnableDataset : public io::Dataset {
 public:
  /// `classes` bars fit a side of 4 * classes pixels. With `several`, a picture has its bar's class and the
  /// next one's.
  explicit LearnableDataset(Index size, Index classes = 4, std::uint64_t seed = 5, bool several = false)
      : size_(size), classes_(classes), seed_(seed), several_(several) {}
  [[nodiscard]] Index size() const noexcept override { return size_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override { return none_; }
  [[nodiscard]] std::optional<Index> label(Index i) const override { return i * 7 % classes_; }
  [[nodiscard]] bool multi_label() const noexcept override { return several_; }
  [[nodiscard]] std::vector<Index> labels(Index i) const override {
    const Index own = *label(i);
    return several_ ? std::vector<Index>{own, (own + 1) % classes_} : std::vector<Index>{own};
  }
  [[nodiscard]] std::string name(Index i) const override { return message("learnable#", i); }
  [[nodiscard]] io::Image read(Index i) const override {
    const Index side = 4 * classes_;
    io::Image image(side, side);
    const Random random(seed_, static_cast<std::uint64_t>(i));
    const auto classes = labels(i);
    for (Index p = 0; p < side * side; ++p) {
      auto value = static_cast<std::uint8_t>(random.below(static_cast<std::uint64_t>(p), 120));
      for (const Index c : classes)
        if (p % side / 4 == c) value = static_cast<std::uint8_t>(value + 100);
      for (Index k = 0; k < 3; ++k) image.pixels()[static_cast<std::size_t>(3 * p + k)] = value;
    }
    return image;
  }

 private:
  Index size_, classes_;
  std::uint64_t seed_;
  bool several_;
  std::vector<std::string> none_;
};

}  // namespace deconv::test
