// The smallest program that embeds deconv: makes a tensor of two images and says how large it is.
#include <iostream>

#include "deconv/core/tensor.hpp"

int main() {
  const auto images = deconv::Tensor<float, deconv::Cpu>::filled({2, 3, 224, 224}, 0.5F);
  std::cout << "shape " << images.shape() << ", " << images.bytes() << " bytes\n";
  return images.count() == 2 * 3 * 224 * 224 ? 0 : 1;
}
