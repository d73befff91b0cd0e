// A program of two files that both include everything, as an embedding project may well do.
#include <iostream>

#include "deconv/deconv.hpp"

deconv::Shape shape_from_the_other_file();

int main() {
  const deconv::Tensor<float, deconv::Cpu> tensor(shape_from_the_other_file());
  std::cout << "shape " << tensor.shape() << '\n';
  return tensor.count() == 24 ? 0 : 1;
}
