#pragma once
/// The pictures of a data set as the network saw them, for the patches beside projections.

#include <cstdint>
#include <map>

#include "deconv/io/dataset.hpp"
#include "deconv/io/preprocess.hpp"

namespace deconv::tool {

/// What the network saw, made back from its input [C, H, W]: exact to the byte, but grey where the network
/// takes grey.
[[nodiscard]] io::Image picture_from_input(const io::Preprocess& preprocess,
                                           TensorView<const float, Cpu> input);

/// Keeps pictures while there is room; the others are read again when they are asked for.
class SeenPictures {
 public:
  SeenPictures(const io::Dataset& set, const io::Preprocess& preprocess, std::size_t most_bytes)
      : set_(set), preprocess_(preprocess), most_bytes_(most_bytes) {}

  void keep(std::int64_t number, TensorView<const float, Cpu> input);
  void drop(std::int64_t number);
  [[nodiscard]] io::Image get(std::int64_t number) const;

 private:
  const io::Dataset& set_;
  const io::Preprocess& preprocess_;
  std::size_t most_bytes_, bytes_ = 0;
  std::map<std::int64_t, io::Image> kept_;
};

}  // namespace deconv::tool
