/// The same training with one process and with several (tests/dist/ranks).

#include <cmath>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "deconv/io/safetensors.hpp"
#include "mpi_run.hpp"
#include "support/bar_pictures.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

#if defined(DECONV_MPI_RANKS)

using namespace deconv;

/// What a run ended in.
io::SafetensorsReader run(const std::filesystem::path& folder, int processes, const std::string& recipe,
                          const std::string& name, int steps) {
  const auto ended =
      test::run_ranks(processes, message("train ", folder.string(), " ", recipe, " ", name, " ", steps), 300);
  CAPTURE(processes, recipe, ended.output);
  REQUIRE(ended.status == 0);
  return io::SafetensorsReader(folder / name / "last.safetensors");
}

/// The largest relative L2 difference over the tensors, weights and momentum alike.
double difference(const io::SafetensorsReader& met, const io::SafetensorsReader& wanted) {
  double largest = 0;
  REQUIRE(met.entries().size() == wanted.entries().size());
  std::size_t compared = 0;
  for (const auto& entry : wanted.entries()) {
    if (entry.dtype != DType::float32) continue;
    const auto a = met.read<float>(entry.name), b = wanted.read<float>(entry.name);
    double apart = 0, size = 0;
    for (Index i = 0; i < b.count(); ++i) {
      apart += std::pow(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]), 2);
      size += std::pow(static_cast<double>(b.data()[i]), 2);
    }
    const double relative = std::sqrt(apart) / std::sqrt(size);
    if (!(relative <= largest)) largest = relative;
    ++compared;
  }
  REQUIRE(compared > 8);
  return largest;
}

/// Two processes have 8 images each of every batch, and end in the same bits. Three cannot have equal shares:
/// they agree to rounding until that decides a tie in a pool, so few steps are compared.
TEST_CASE("several processes end in the weights of one") {
  const test::ScratchFolder folder;
  test::write_bars(folder.path(), "train", 64);
  for (const std::string recipe : {"lenet32-fashion-mnist", "zfnet-small-fashion-mnist"}) {
    CAPTURE(recipe);
    const auto one = run(folder.path(), 1, recipe, recipe + "-1", 20);
    // One step fewer ends elsewhere, so that the comparison says something.
    CHECK(difference(run(folder.path(), 1, recipe, recipe + "-shorter", 19), one) > 1e-3);
    CHECK(difference(run(folder.path(), 2, recipe, recipe + "-2", 20), one) == 0);
    const auto two_steps = run(folder.path(), 1, recipe, recipe + "-1-short", 2);
    CHECK(difference(run(folder.path(), 3, recipe, recipe + "-3-short", 2), two_steps) <= 1e-5);
  }
}

#else

TEST_CASE("training with several processes") {
  std::cerr << "training with several processes is not tested: this build has no MPI (DECONV_MPI)\n";
}

#endif

}  // namespace
