#pragma once
/// Pictures of several known classes, made of four pictures of one class each.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "deconv/core/random.hpp"
#include "deconv/io/dataset.hpp"
#include "deconv/io/image.hpp"
#include "deconv/io/resize.hpp"

namespace example {

/// Writes `count` mosaics of 2 x 2 pictures, drawn from the set, and a list of them with all their classes, a
/// class once where it stands twice. Every eighth picture's last class is marked as difficult. Returns the
/// list's path.
inline std::filesystem::path write_mosaics(const deconv::io::Dataset& set,
                                           const std::filesystem::path& folder, const std::string& name,
                                           deconv::Index count, std::uint64_t seed) {
  using namespace deconv;
  std::filesystem::create_directories(folder / name);
  std::ofstream list(folder / (name + ".txt"));
  const Random random(seed, 77);
  constexpr Index side = 64;
  for (Index n = 0; n < count; ++n) {
    io::Image mosaic(2 * side, 2 * side);
    std::vector<Index> classes;
    for (Index part = 0; part < 4; ++part) {
      const auto picture = static_cast<Index>(
          random.below(static_cast<std::uint64_t>(4 * n + part), static_cast<std::uint64_t>(set.size())));
      const io::Image tile = io::resize(set.read(picture), side, side);
      for (Index y = 0; y < side; ++y)
        for (Index x = 0; x < side; ++x)
          for (Index c = 0; c < 3; ++c) mosaic(y + part / 2 * side, x + part % 2 * side, c) = tile(y, x, c);
      const Index label = set.label(picture).value_or(0);
      if (std::find(classes.begin(), classes.end(), label) == classes.end()) classes.push_back(label);
    }
    const std::string file = name + "/" + std::to_string(n) + ".png";
    io::write_png(folder / file, mosaic);
    list << file << ' ';
    for (std::size_t k = 0; k < classes.size(); ++k)
      list << (k > 0 ? "," : "") << classes[k] << (n % 8 == 7 && k > 0 && k + 1 == classes.size() ? "?" : "");
    list << "\n";
  }
  return folder / (name + ".txt");
}

}  // namespace example
