// deconv train as a user runs it: killed, interrupted, resumed, misused.

#include <csignal>
#include <map>
#include <thread>

#include "deconv/core/random.hpp"
#include "deconv/io/safetensors.hpp"
#include "deconv/train/run_log.hpp"
#include "program.hpp"
#include "support/bar_pictures.hpp"

namespace {

using namespace deconv;
using namespace deconv::test;

/// Pictures in MNIST's files, a part to learn from and one to judge by.
void write_pictures(const std::filesystem::path& folder) {
  write_bars(folder, "train", 96);
  write_bars(folder, "t10k", 24);
}

std::map<std::string, std::vector<float>> tensors_of(const std::filesystem::path& path) {
  const io::SafetensorsReader reader(path);
  std::map<std::string, std::vector<float>> all;
  for (const auto& entry : reader.entries()) {
    const auto tensor = reader.read<float>(entry.name);
    all.emplace(entry.name, std::vector<float>(tensor.begin(), tensor.end()));
  }
  return all;
}

/// The program in the background, its output thrown away.
pid_t start(const std::vector<std::string>& arguments) {
  const std::string program = program_path();
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(program.c_str()));
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  if (child < 0) throw std::runtime_error("fork failed");
  return child;
}

/// Its status as a shell has it: what it exited with, or 128 and the signal.
int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// A run of 30 steps with dropout, crops, a plateau and checkpoints inside epochs.
std::vector<std::string> run_arguments(const std::filesystem::path& data,
                                       const std::filesystem::path& output) {
  return {"train",
          "--net",
          "zfnet-small",
          "--data",
          "idx:" + data.string(),
          "--batch",
          "16",
          "--lr",
          "0.01",
          "--schedule",
          "plateau:1:0.5",
          "--augment",
          "random:1",
          "--epochs",
          "5",
          "--threads",
          "1",
          "--workers",
          "2",
          "--checkpoint-every",
          "2",
          "--log-steps",
          "1",
          "--quiet",
          "--output",
          output.string()};
}
std::vector<std::string> resume_arguments(const std::filesystem::path& output) {
  return {"train", "--resume", "--threads", "1", "--log-steps", "1", "--quiet", "--output", output.string()};
}

/// Stops a run `times` times at random moments by `signal`, resumes it each time, and compares its end with
/// that of a run that nobody stopped.
void check_stopped_runs(int signal, int times) {
  const ScratchFolder scratch;
  write_pictures(scratch.path());
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(run_program(run_arguments(scratch.path(), scratch / "whole")).status == 0);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const auto wanted = tensors_of(scratch / "whole" / "last.safetensors");
  REQUIRE(wanted.size() == 32);
  const Random random(static_cast<std::uint64_t>(signal));
  int stopped = 0;
  std::uint64_t draw = 0;
  for (int run = 0; stopped < times; ++run) {
    CAPTURE(signal, run, stopped);
    const std::filesystem::path output = scratch / message("run-", run);
    bool begun = false;
    for (int part = 0;; ++part) {
      REQUIRE(part < 200);
      const pid_t child = start(begun ? resume_arguments(output) : run_arguments(scratch.path(), output));
      // The first time anywhere in the run, later on sooner: each resumption must come forward.
      const double wait = seconds * static_cast<double>(random.uniform(draw++)) * (part < 3 ? 1.0 : 3.0);
      std::this_thread::sleep_for(std::chrono::duration<double>(wait));
      ::kill(child, signal);
      const int status = wait_for(child);
      begun = std::filesystem::exists(output / "config.json");
      if (!begun) std::filesystem::remove_all(output);
      if (status == 0 && begun) break;
      // Before main() an interruption ends the process as a kill does.
      REQUIRE((status == 128 + signal || (signal == SIGINT && status == 1)));
      ++stopped;
    }
    REQUIRE(tensors_of(output / "last.safetensors") == wanted);
    REQUIRE(tensors_of(output / "best.safetensors") == tensors_of(scratch / "whole" / "best.safetensors"));
    const auto lines = [](const std::filesystem::path& folder) {
      std::vector<std::pair<Index, double>> all;
      for (const auto& line : train::read_log(folder).lines)
        if (line.of_epoch) all.emplace_back(line.step, *line.loss);
      return all;
    };
    REQUIRE(lines(output) == lines(scratch / "whole"));
    for (const std::string& name : names_in(output)) REQUIRE_FALSE(name.ends_with(".partial"));
  }
}

TEST_CASE("killed at random moments, a run ends in the same bits", "[tools][train]") {
  check_stopped_runs(SIGKILL, 20);
}
TEST_CASE("interrupted at random moments, a run ends in the same bits", "[tools][train]") {
  check_stopped_runs(SIGINT, 20);
}

TEST_CASE("train writes a run's folder, and says what it did", "[tools][train]") {
  const ScratchFolder scratch;
  write_pictures(scratch.path());
  const std::string output = (scratch / "run").string(), data = "idx:" + scratch.path().string();
  const Run run = run_program({"train", "--net", "lenet32", "--data", data, "--epochs", "8", "--batch", "16",
                               "--lr", "0.05", "--json", "--output", output});
  INFO(run.err);
  REQUIRE(run.status == 0);
  const io::Json json = run.json();
  REQUIRE(json["end"] == "finished");
  REQUIRE(json["steps"] == 48);
  REQUIRE(json["images"] == 96);
  REQUIRE(json["validation_images"] == 24);  // idx: without a part has its test part for that
  REQUIRE(json["last"]["val_error"] < 0.5);
  REQUIRE(json["last"]["loss"] < 2);
  for (const char* name : {"config.json", "log.jsonl", "log.csv", "curves.svg", "last.safetensors",
                           "best.safetensors", "epoch-0001.safetensors", "epoch-0008.safetensors"}) {
    CAPTURE(name);
    REQUIRE(std::filesystem::exists(scratch / "run" / name));
  }
  // Every command opens a checkpoint.
  const Run info = run_program({"info", "--model", output + "/last.safetensors", "--json"});
  REQUIRE(info.status == 0);
  const Run evaluated =
      run_program({"evaluate", "--models", output + "/last.safetensors", "--data", data + ":test", "--json"});
  INFO(evaluated.err);
  REQUIRE(evaluated.status == 0);

  // Further epochs are no other run.
  const Run longer = run_program({"train", "--resume", "--epochs", "9", "--json", "--output", output});
  INFO(longer.err);
  REQUIRE(longer.status == 0);
  REQUIRE(longer.json()["steps"] == 54);
  REQUIRE(longer.json()["epochs"] == 9);
}

TEST_CASE("what train refuses", "[tools][train]") {
  const ScratchFolder scratch;
  write_pictures(scratch.path());
  const std::string output = (scratch / "run").string(), data = "idx:" + scratch.path().string();
  const auto train = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "train");
    return run_program(arguments);
  };
  const auto refused = [&](int status, const std::string& part, const std::vector<std::string>& arguments) {
    const Run run = train(arguments);
    CAPTURE(part, run.err, run.out);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
  };
  refused(2, "--net or --recipe", {"--data", data, "--output", output});
  refused(2, "--output", {"--net", "lenet32", "--data", data});
  refused(2, "--data", {"--net", "lenet32", "--output", output});
  refused(2, "lenet32", {"--net", "lenet33", "--data", data, "--output", output});
  refused(2, "zfnet-imagenet", {"--recipe", "none-such", "--data", data, "--output", output});
  refused(2, "--schedule", {"--net", "lenet32", "--data", data, "--output", output, "--schedule", "step"});
  refused(2, "--augment", {"--net", "lenet32", "--data", data, "--output", output, "--augment", "spin"});
  refused(2, "--lr", {"--net", "lenet32", "--data", data, "--output", output, "--lr", "-1"});
  refused(2, "cuda", {"--net", "lenet32", "--data", data, "--output", output, "--dtype", "bfloat16"});
  refused(1, "no dropout",
          {"--net", "lenet32", "--data", data, "--output", (scratch / "d").string(), "--dropout", "0.2"});
  // What could not start leaves the folder free.
  CHECK(train({"--net", "lenet32", "--data", data, "--steps", "1", "--quiet", "--output",
               (scratch / "d").string()})
            .status == 0);
  refused(1, "/none/such", {"--net", "lenet32", "--data", "/none/such", "--output", output});
  refused(1, "no run", {"--resume", "--output", output});
  refused(1, "/proc/none", {"--net", "lenet32", "--data", data, "--output", "/proc/none"});

  REQUIRE(train({"--net", "lenet32", "--data", data, "--steps", "2", "--batch", "8", "--quiet", "--output",
                 output})
              .status == 0);
  const auto before = tensors_of(scratch / "run" / "last.safetensors");
  refused(1, "already", {"--net", "lenet32", "--data", data, "--output", output});
  refused(2, "rate 0.01 wanted", {"--resume", "--lr", "0.5", "--steps", "4", "--output", output});
  refused(2, "--net", {"--resume", "--net", "lenet32", "--output", output});
  // Another network's checkpoint in the run's place.
  REQUIRE(train({"--net", "zfnet-small", "--data", data, "--steps", "1", "--batch", "8", "--quiet",
                 "--output", (scratch / "other").string()})
              .status == 0);
  std::filesystem::copy_file(scratch / "other" / "last.safetensors", scratch / "run" / "last.safetensors",
                             std::filesystem::copy_options::overwrite_existing);
  refused(1, "another run", {"--resume", "--steps", "4", "--output", output});

  // A loss that explodes.
  refused(1, "the loss is",
          {"--net", "lenet32", "--data", data, "--epochs", "2", "--lr", "1000000", "--batch", "8", "--quiet",
           "--output", (scratch / "exploded").string()});
  REQUIRE(before.size() == 16);
}

}  // namespace
