/// The same training with one process and with several (tests/dist/ranks).

#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "deconv/core/random.hpp"
#include "deconv/io/safetensors.hpp"
#include "mpi_run.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

#if defined(DECONV_MPI_RANKS)

using namespace deconv;

void write_idx(const std::filesystem::path& path, const std::vector<std::uint32_t>& extents,
               const std::vector<unsigned char>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << '\0' << '\0' << '\x08' << static_cast<char>(extents.size());
  for (const std::uint32_t extent : extents)
    for (int shift = 24; shift >= 0; shift -= 8) file << static_cast<char>(extent >> shift & 0xff);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

/// 60 pictures of 28 x 28: a bright bar whose place is the class, and noise. The fourth batch of 16 is short,
/// and no batch falls into three equal parts.
void write_pictures(const std::filesystem::path& folder) {
  constexpr std::uint32_t count = 60, side = 28;
  std::vector<unsigned char> pixels, classes;
  const Random random(7);
  for (std::uint32_t n = 0; n < count; ++n) {
    const std::uint32_t kind = n * 7 % 10;
    classes.push_back(static_cast<unsigned char>(kind));
    for (std::uint32_t y = 0; y < side; ++y)
      for (std::uint32_t x = 0; x < side; ++x)
        pixels.push_back(
            static_cast<unsigned char>((x / 2 == kind + 2 ? 150u : 0u) + random.below(pixels.size(), 100)));
  }
  write_idx(folder / "train-images-idx3-ubyte", {count, side, side}, pixels);
  write_idx(folder / "train-labels-idx1-ubyte", {count}, classes);
}

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
  write_pictures(folder.path());
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
