#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "common/tensor_map.cuh"
#include "reports.hpp"

// What the tests of reports on bulk copies share.
namespace simt::test {

/// The number of the line of that file that ends with the remark.
inline unsigned line_in(const char* path, const std::string& remark) {
  std::ifstream file(path);
  std::string line;
  for (unsigned number = 1; std::getline(file, line); ++number) {
    if (line.ends_with("  // " + remark)) return number;
  }
  FAIL("no line ends with the remark " << remark);
  return 0;
}

constexpr unsigned panel_bytes = 4096;  // 32 rows of 128 bytes

/// Ones, 12 panels of 32 rows of 32.
struct Tensor {
  static constexpr int rows = 32 * 12;
  Memory<float> data{std::size_t{rows} * 32}, out{128};

  Tensor() {
    const std::vector<float> ones(std::size_t{rows} * 32, 1.0f);
    REQUIRE(cudaMemcpy(data.get(), ones.data(), ones.size() * 4, cudaMemcpyHostToDevice) == cudaSuccess);
  }
  [[nodiscard]] deconv::cuda::TiledShape shape() const {
    deconv::cuda::TiledShape shape;
    shape.base = data.get();
    shape.extents[0] = 32;
    shape.extents[1] = rows;
    shape.strides[0] = 128;
    shape.box[0] = shape.box[1] = 32;
    return shape;
  }
  [[nodiscard]] deconv::cuda::TensorMap map() const { return deconv::cuda::make_tiled_map(shape()); }
};

}  // namespace simt::test
