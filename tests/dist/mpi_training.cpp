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

/// Few steps for the net with dropout: where two taps of a pool, or a rectifier and zero, are nearer than
/// rounding, one more image in a product decides, and from there on the weights differ by more than rounding.
TEST_CASE("several processes end in the weights of one") {
  const test::ScratchFolder folder;
  // The fourth batch of 16 is short, and no batch falls into three equal parts.
  test::write_bars(folder.path(), "train", 60);
  for (const auto& [recipe, steps] :
       {std::pair("lenet32-fashion-mnist", 20), std::pair("zfnet-small-fashion-mnist", 2)}) {
    const std::string name = recipe;
    const auto one = run(folder.path(), 1, recipe, name + "-1", steps);
    // One step fewer ends elsewhere, so that the comparison says something.
    CHECK(difference(run(folder.path(), 1, recipe, name + "-shorter", steps - 1), one) > 1e-3);
    for (const int processes : {2, 3}) {
      CAPTURE(recipe, processes);
      CHECK(difference(run(folder.path(), processes, recipe, message(name, "-", processes), steps), one) <=
            1e-5);
    }
    // The same number of processes ends in the same bits.
    CHECK(difference(run(folder.path(), 2, recipe, name + "-2-again", steps),
                     io::SafetensorsReader(folder / (name + "-2") / "last.safetensors")) == 0);
  }
}

#else

TEST_CASE("training with several processes") {
  std::cerr << "training with several processes is not tested: this build has no MPI (DECONV_MPI)\n";
}

#endif

}  // namespace
