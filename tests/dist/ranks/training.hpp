#pragma once

#include <filesystem>
#include <string>

#include "deconv/core/shape.hpp"
#include "deconv/dist/communicator.hpp"

namespace deconv::test {

/// Trains the recipe of this name for some steps of 16 images on the IDX files in `folder`; the leading rank
/// leaves the run in folder/run.
void train_some_steps(dist::Communicator<Cpu>& communicator, const std::filesystem::path& folder,
                      const std::string& recipe_name, const std::string& run, Index steps);

}  // namespace deconv::test
