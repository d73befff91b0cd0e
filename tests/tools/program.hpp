#pragma once
/// Runs the built deconv program as a user does, and what its tests run it on.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "deconv/io/file.hpp"
#include "deconv/io/image.hpp"
#include "deconv/io/json.hpp"
#include "deconv/io/model_file.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "support/test_data.hpp"

namespace deconv::test {

/// How a run of the program ended. `status` is -1 when a signal ended it.
struct Run {
  int status = -1;
  std::string out, err;

  [[nodiscard]] io::Json json() const { return io::parse_json(out, "stdout"); }
  /// Whether stderr is one line that begins "deconv: error: " and holds `part`.
  [[nodiscard]] bool error_names(const std::string& part) const {
    return err.starts_with("deconv: error: ") && err.find('\n') + 1 == err.size() &&
           err.find(part) != std::string::npos;
  }
};

/// The program's path: DECONV_TOOL of the environment, else the one that was built with the tests.
inline std::string program_path() {
  const char* named = std::getenv("DECONV_TOOL");
#if defined(DECONV_TOOL)
  return named != nullptr ? named : DECONV_TOOL;
#else
  if (named == nullptr) throw std::runtime_error("DECONV_TOOL must name the deconv program");
  return named;
#endif
}

/// Runs the program with these arguments, without a shell in between.
inline Run run_program(const std::vector<std::string>& arguments,
                       const std::string& program = program_path()) {
  const ScratchFolder scratch;
  const std::string out = (scratch / "out").string(), err = (scratch / "err").string();
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(program.c_str()));
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int out_file = ::open(out.c_str(), O_WRONLY | O_CREAT, 0600);
    const int err_file = ::open(err.c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(out_file, STDOUT_FILENO);
    ::dup2(err_file, STDERR_FILENO);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  if (child < 0) throw std::runtime_error("fork failed");
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, io::read_text(out), io::read_text(err)};
}

/// Runs with --json and wants success, an empty stderr and a document.
inline io::Json document_of(std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const Run run = run_program(arguments);
  INFO(run.err);
  REQUIRE(run.status == 0);
  CHECK(run.err.empty());
  return run.json();
}

/// Files of a folder, hidden ones included: nothing may be left behind after an error.
inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// A small network with every kind of layer that the commands look at: 3 x 20 x 20 to four classes.
inline io::ModelFile small_model(bool with_preprocess = true) {
  GraphBuilder net("data", {1, 3, 20, 20});
  net.add("conv1", node::Conv2d{6, {Window2d::square(3)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(2, 2)}});
  net.add("conv2", node::Conv2d{5, {Window2d::square(3)}});
  net.add("relu2", node::Relu{});
  net.add("fc", node::Linear{4});
  net.add("prob", node::Softmax{});
  io::ModelFile file;
  file.model.name = "small";
  file.model.graph = std::move(net).finish();
  initialise(file.model, Initialisation::he, 3);
  if (with_preprocess) {
    file.preprocess = io::built_in_preprocess("unit");
    file.preprocess = file.preprocess->resized_to(20, 20);
    file.class_names = {"square", "bar", "dot", "nothing"};
  }
  return file;
}

/// A picture that differs by `number`: a gradient with a bright rectangle.
inline io::Image small_picture(int number) {
  io::Image image(24, 22);
  for (Index y = 0; y < 22; ++y)
    for (Index x = 0; x < 24; ++x)
      for (Index c = 0; c < 3; ++c)
        image(y, x, c) = static_cast<std::uint8_t>((x * 7 + y * (3 + c) + number * 31) % 120);
  for (Index y = 4 + number % 5; y < 10; ++y)
    for (Index x = 6; x < 12 + number % 7; ++x) image(y, x, number % 3) = 250;
  return image;
}

/// The small model, three pictures and a data set of two classes in a folder of their own.
class SmallWorld {
 public:
  SmallWorld() {
    io::write_model_file(model(), small_model());
    for (int i = 0; i < 3; ++i) io::write_png(picture(i), small_picture(i));
    for (const char* name : {"a", "b"}) std::filesystem::create_directories(folder_ / "set" / name);
    for (int i = 0; i < 6; ++i)
      io::write_png(folder_ / "set" / (i % 2 == 0 ? "a" : "b") / (std::to_string(i) + ".png"),
                    small_picture(i));
  }
  [[nodiscard]] std::string model() const { return (folder_ / "small.safetensors").string(); }
  [[nodiscard]] std::string picture(int i) const {
    return (folder_ / ("picture" + std::to_string(i) + ".png")).string();
  }
  [[nodiscard]] std::string set() const { return (folder_ / "set").string(); }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return folder_.path() / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }

 private:
  ScratchFolder folder_;
};

}  // namespace deconv::test
