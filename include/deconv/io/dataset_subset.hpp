#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/io/dataset.hpp"

namespace deconv::io {

/// Some pictures of another set, which must outlive it, under its classes. Picture i is number `pictures[i]`
/// of the other.
class SubsetDataset final : public Dataset {
 public:
  /// Throws ArgumentError when there are no pictures or the other set lacks one.
  SubsetDataset(const Dataset& set, std::vector<Index> pictures) : set_(set), pictures_(std::move(pictures)) {
    require<ArgumentError>(!pictures_.empty(), "a part of a data set wants a picture");
    for (const Index picture : pictures_)
      require<ArgumentError>(picture >= 0 && picture < set.size(), "picture ", picture, " of a data set of ",
                             set.size());
  }
  [[nodiscard]] Index size() const noexcept override { return static_cast<Index>(pictures_.size()); }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override {
    return set_.class_names();
  }
  [[nodiscard]] std::optional<Index> label(Index i) const override {
    return set_.label(pictures_[checked(i)]);
  }
  [[nodiscard]] bool multi_label() const noexcept override { return set_.multi_label(); }
  [[nodiscard]] std::vector<Index> labels(Index i) const override {
    return set_.labels(pictures_[checked(i)]);
  }
  [[nodiscard]] std::vector<Index> difficult_labels(Index i) const override {
    return set_.difficult_labels(pictures_[checked(i)]);
  }
  [[nodiscard]] std::string name(Index i) const override { return set_.name(pictures_[checked(i)]); }
  [[nodiscard]] Image read(Index i) const override { return set_.read(pictures_[checked(i)]); }

 private:
  const Dataset& set_;
  std::vector<Index> pictures_;
};

}  // namespace deconv::io
