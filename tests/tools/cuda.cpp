// --device cuda: the same answers as --device cpu, from the program with the emulated device; and what the
// program that users have says where there is no card.

#include <cmath>

#include "deconv/io/npy.hpp"
#include "program.hpp"

namespace {

using namespace deconv;
using namespace deconv::test;

/// Whether two documents say the same, numbers up to float32's rounding. `device` differs, and so does time.
bool alike(const io::Json& a, const io::Json& b, std::string& where) {
  if (a.is_number() && b.is_number()) {
    const double x = a.get<double>(), y = b.get<double>();
    return std::abs(x - y) <= 1e-5 * (std::abs(x) + 1e-3);
  }
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (a.is_array()) {
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!alike(a[i], b[i], where)) return where = "[" + std::to_string(i) + "]" + where, false;
    return true;
  }
  if (a.is_object()) {
    for (const auto& [key, value] : a.items())
      if (key != "device" && (!b.contains(key) || !alike(value, b[key], where)))
        return where = "." + key + where, false;
    return true;
  }
  return a == b;
}

TEST_CASE("without a card --device cuda is refused by name, before anything is written") {
  const SmallWorld world;
  const std::string out = (world / "out.npy").string();
  const Run run = run_program(
      {"run", "--model", world.model(), "--image", world.picture(0), "--device", "cuda", "--output", out});
  if (run.status == 0) {
    WARN("this machine has a card: the refusal is not tested");
    return;
  }
  CHECK(run.status == 1);
  CHECK(run.error_names("--device cuda"));
  CHECK_FALSE(std::filesystem::exists(out));
}

#if defined(DECONV_EMULATED_TOOL)

TEST_CASE("every command gives on the emulated device what it gives on the host") {
  const SmallWorld world;
  const std::vector<std::vector<std::string>> commands{
      {"run", "--image", world.picture(0), world.picture(1), "--layers", "all"},
      {"classify", "--image", world.picture(0), world.picture(2)},
      {"classify", "--data", world.set()},
      {"evaluate", "--data", world.set()},
      {"activations", "--image", world.picture(1), "--layers", "relu1,prob"},
      {"project", "--image", world.picture(0), "--layer", "relu2", "--top", "3"},
      {"project", "--image", world.picture(0), "--layer", "conv2", "--map", "1", "--rule", "gradient"},
      {"features", "--data", world.set(), "--layer", "relu1,relu2", "--maps", "0,3", "--top", "4"},
      {"gradcam", "--image", world.picture(0), world.picture(1)}};
  for (const auto& command : commands) {
    std::vector<io::Json> documents;
    for (const std::string& device : {std::string("cpu"), std::string("cuda")}) {
      std::vector<std::string> arguments = command;
      for (const std::string& more : {std::string("--model"), world.model(), std::string("--device"), device,
                                      std::string("--json"), std::string("--quiet")})
        arguments.push_back(more);
      if (command[0] == "activations") {
        arguments.emplace_back("--output");
        arguments.push_back((world / device).string());
      }
      const Run run = run_program(arguments, DECONV_EMULATED_TOOL);
      INFO(command[0] << " on " << device << ": " << run.err);
      REQUIRE(run.status == 0);
      documents.push_back(run.json());
    }
    std::string where;
    const bool same = alike(documents[0], documents[1], where);
    INFO(command[0] << " differs at " << where);
    CHECK(same);
  }
}

TEST_CASE("--maths float32 says what is done without it; the others stay near") {
  const SmallWorld world;
  std::vector<Tensor<float, Cpu>> arrays;
  for (const std::string& maths :
       {std::string(), std::string("float32"), std::string("tf32"), std::string("3xtf32")}) {
    const std::string out = (world / ("maths" + maths + ".npy")).string();
    std::vector<std::string> arguments{"run",      "--model", world.model(), "--image", world.picture(0),
                                       "--layers", "fc",      "--device",    "cuda",    "--output",
                                       out};
    if (!maths.empty()) {
      arguments.emplace_back("--maths");
      arguments.push_back(maths);
    }
    const Run run = run_program(arguments, DECONV_EMULATED_TOOL);
    INFO(run.err);
    REQUIRE(run.status == 0);
    arrays.push_back(io::read_npy<float>(out));
  }
  CHECK(std::equal(arrays[0].begin(), arrays[0].end(), arrays[1].begin()));
  // Two convolutions and a product: factors rounded to 11 bits, and to 22.
  const auto error = [&](std::size_t which) {
    double size = 0, difference = 0;
    for (Index i = 0; i < arrays[0].count(); ++i) {
      const double value = static_cast<double>(arrays[0].data()[i]);
      size += value * value;
      difference += std::pow(static_cast<double>(arrays[which].data()[i]) - value, 2);
    }
    return std::sqrt(difference / size);
  };
  CHECK(error(2) > 1e-6);  // the mode was heard of
  CHECK_FALSE(!(error(2) <= 3e-3));
  CHECK_FALSE(!(error(3) <= 2e-6));
}

TEST_CASE("features keep the pictures of their hits while the next batch is on its way") {
  const SmallWorld world;
  std::vector<io::Image> montages;
  for (const std::string& device : {std::string("cpu"), std::string("cuda")}) {
    const std::string out = (world / (device + "-features")).string();
    const Run run =
        run_program({"features", "--model", world.model(), "--data", world.set(), "--layer", "relu1",
                     "--maps", "0,3", "--top", "3", "--batch", "1", "--device", device, "--output", out},
                    DECONV_EMULATED_TOOL);
    INFO(run.err);
    REQUIRE(run.status == 0);
    montages.push_back(io::read_image(out + "/relu1.png"));
  }
  REQUIRE(montages[0].width() == montages[1].width());
  REQUIRE(montages[0].height() == montages[1].height());
  // Projections differ by rounding, pictures not at all.
  Index different = 0;
  const auto first = montages[0].pixels(), second = montages[1].pixels();
  for (std::size_t i = 0; i < first.size(); ++i) different += std::abs(int{first[i]} - int{second[i]}) > 2;
  CHECK(different == 0);
}

TEST_CASE("projections are written alike from the emulated device") {
  const SmallWorld world;
  std::vector<Tensor<float, Cpu>> arrays;
  for (const std::string& device : {std::string("cpu"), std::string("cuda")}) {
    const std::string out = (world / (device + ".npy")).string();
    const Run run = run_program({"project", "--model", world.model(), "--image", world.picture(0), "--layer",
                                 "relu2", "--top", "2", "--device", device, "--output", out},
                                DECONV_EMULATED_TOOL);
    INFO(run.err);
    REQUIRE(run.status == 0);
    arrays.push_back(io::read_npy<float>(out));
  }
  REQUIRE(arrays[0].shape() == arrays[1].shape());
  double size = 0, difference = 0;
  for (Index i = 0; i < arrays[0].count(); ++i) {
    const double value = static_cast<double>(arrays[0].data()[i]);
    size += value * value;
    difference += std::pow(static_cast<double>(arrays[1].data()[i]) - value, 2);
  }
  CHECK(size > 0);
  CHECK_FALSE(!(std::sqrt(difference) <= 1e-5 * std::sqrt(size)));
}

TEST_CASE("without a driver or a card the program says which") {
  const SmallWorld world;
  for (const auto& [fault, words] : {std::pair<std::string, std::string>{"no_driver", "no CUDA driver"},
                                     {"no_device", "no CUDA device"},
                                     {"old_architecture", "not built for"}}) {
    ::setenv("DECONV_SIMT_FAULT", fault.c_str(), 1);
    const Run run =
        run_program({"classify", "--model", world.model(), "--image", world.picture(0), "--device", "cuda"},
                    DECONV_EMULATED_TOOL);
    ::unsetenv("DECONV_SIMT_FAULT");
    CHECK(run.status == 1);
    INFO(run.err);
    CHECK(run.error_names(words));
  }
}

#endif

}  // namespace
