#pragma once
/// Pictures that a network learns within some steps, in MNIST's files: 28 x 28, noise and a bright bar, whose
/// place is the class.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "deconv/core/random.hpp"
#include "support/catch.hpp"

namespace deconv::test {

inline void write_idx(const std::filesystem::path& path, const std::vector<std::uint32_t>& extents,
                      const std::vector<unsigned char>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << '\0' << '\0' << '\x08' << static_cast<char>(extents.size());
  for (const std::uint32_t extent : extents)
    for (int shift = 24; shift >= 0; shift -= 8) file << static_cast<char>(extent >> shift & 0xff);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

/// `count` pictures of ten classes as the part `train` or `t10k` of a set.
inline void write_bars(const std::filesystem::path& folder, const std::string& part, std::uint32_t count) {
  std::vector<unsigned char> pixels, classes;
  const Random random(count);
  for (std::uint32_t n = 0; n < count; ++n) {
    const std::uint32_t kind = n * 7 % 10;
    classes.push_back(static_cast<unsigned char>(kind));
    for (std::uint32_t i = 0; i < 28 * 28; ++i)
      pixels.push_back(static_cast<unsigned char>((i % 28 / 2 == kind + 2 ? 150u : 0u) +
                                                  random.below(pixels.size(), 100)));
  }
  write_idx(folder / (part + "-images-idx3-ubyte"), {count, 28, 28}, pixels);
  write_idx(folder / (part + "-labels-idx1-ubyte"), {count}, classes);
}

}  // namespace deconv::test
