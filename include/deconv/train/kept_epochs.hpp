#pragma once

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"

namespace deconv::train {

/// A checkpoint of a run's folder that holds the network as an epoch left it.
struct KeptEpoch {
  Index epoch = 0;  ///< epochs done, from 1
  std::filesystem::path path;
};

/// The checkpoints epoch-0001.safetensors, ... that lie in a run's folder, by ascending epoch. Throws IoError
/// when the folder cannot be read.
[[nodiscard]] inline std::vector<KeptEpoch> kept_epochs(const std::filesystem::path& folder) {
  std::error_code problem;
  std::filesystem::directory_iterator entries(folder, problem);
  require<IoError>(!problem, "cannot read folder ", folder.string(), ": ", problem.message());
  std::vector<KeptEpoch> kept;
  for (; entries != std::filesystem::directory_iterator(); entries.increment(problem)) {
    const std::string name = entries->path().filename().string(), before = "epoch-", after = ".safetensors";
    if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after))
      continue;
    Index epoch = 0;
    const char* end = name.data() + name.size() - after.size();
    const auto got = std::from_chars(name.data() + before.size(), end, epoch);
    if (got.ec == std::errc() && got.ptr == end && epoch > 0) kept.push_back({epoch, entries->path()});
    if (problem) break;
  }
  require<IoError>(!problem, "cannot read folder ", folder.string(), ": ", problem.message());
  std::sort(kept.begin(), kept.end(),
            [](const KeptEpoch& a, const KeptEpoch& b) { return a.epoch < b.epoch; });
  return kept;
}

}  // namespace deconv::train
