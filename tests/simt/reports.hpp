#pragma once

#include <cuda_runtime.h>

#include <fstream>
#include <optional>
#include <string>

#include "simt/emulator.hpp"
#include "support/catch.hpp"

// What the tests of the emulator's reports share.
namespace simt::test {

using deconv::test::Contains;

/// Launches on the default stream; the report of what went wrong, or nothing.
template <class... Parameters, class... Arguments>
std::optional<Violation> report_of(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                                   std::size_t shared_bytes, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  cudaError_t error = cudaSuccess;
  try {
    error = cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
  } catch (const Violation& violation) {
    return violation;
  }
  REQUIRE(error == cudaSuccess);
  return std::nullopt;
}

/// Device memory for a test.
template <class T>
class Memory {
 public:
  explicit Memory(std::size_t count) { REQUIRE(cudaMalloc(&data_, count * sizeof(T)) == cudaSuccess); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { cudaFree(data_); }
  T* get() const { return data_; }

 private:
  T* data_ = nullptr;
};

/// The line of a test's file that ends with the remark "// ...".
inline unsigned line_with(const char* path, const std::string& remark) {
  std::ifstream file(path);
  std::string line;
  for (unsigned number = 1; std::getline(file, line); ++number) {
    if (line.ends_with("  // " + remark)) return number;
  }
  FAIL("no line of " << path << " ends with the remark " << remark);
  return 0;
}

/// The checks that every report passes: the kernel's name, this file, the line, and the seed.
inline void check_report(const std::optional<Violation>& report, Mistake mistake, const char* kernel,
                         const char* file, unsigned line) {
  REQUIRE(report);
  const std::string text = report->what();
  INFO(text);
  CHECK(report->mistake == mistake);
  CHECK_THAT(report->kernel, Contains(kernel));
  CHECK_THAT(report->file, Contains(file));
  CHECK(report->line == line);
  CHECK_THAT(text, Contains(kernel));
  CHECK_THAT(text, Contains(std::string(file) + ":" + std::to_string(line)));
  CHECK_THAT(text, Contains("DECONV_SIMT_SEED=" + std::to_string(seed())));
}

}  // namespace simt::test
