// The main function of a fuzz harness where libFuzzer is absent (g++): replays every file given, then mutates
// them for a while with a seeded generator. It has no coverage feedback; what it shares with libFuzzer are
// the harness, the arguments that we use and what a finding looks like, a file crash-<number> beside the run.
//
//   fuzz_x [-max_total_time=SECONDS] [-runs=N] [-seed=N] [-max_len=BYTES] [-artifact_prefix=PATH]
//   [FILE|FOLDER...]
//
// Without -max_total_time and -runs it replays and ends. A folder that does not exist counts as empty.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// Called by a sanitizer before it ends the process; absent without one.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using Bytes = std::vector<std::uint8_t>;

// What is being run, for the handlers below: they may not allocate.
const Bytes* current_input = nullptr;
std::array<char, 512> artifact_path{};

void keep_current_input() {
  if (current_input == nullptr) return;
  const int file = open(artifact_path.data(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return;
  std::size_t done = 0;
  while (done < current_input->size()) {
    const ssize_t wrote = write(file, current_input->data() + done, current_input->size() - done);
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  close(file);
  constexpr std::string_view line = "the input that failed was kept: ";
  const std::string_view path(artifact_path.data());
  if (write(STDERR_FILENO, line.data(), line.size()) < 0 ||
      write(STDERR_FILENO, path.data(), path.size()) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
    return;
}

extern "C" void on_fatal_signal(int number) {
  keep_current_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void run(const Bytes& input) {
  current_input = &input;
  LLVMFuzzerTestOneInput(input.data(), input.size());
  current_input = nullptr;
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// One change that a broken or hostile file may show: a byte, a length field, a cut, a repeat, a splice.
void mutate(Bytes& bytes, const std::vector<Bytes>& seeds, std::size_t max_len, std::mt19937_64& random) {
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  if (bytes.empty()) bytes.push_back(static_cast<std::uint8_t>(random()));
  switch (below(8)) {
    case 0:
      bytes[below(bytes.size())] ^= static_cast<std::uint8_t>(1U << below(8));
      break;
    case 1:
      bytes[below(bytes.size())] = static_cast<std::uint8_t>(random());
      break;
    case 2: {  // an absurd number where a size may stand
      constexpr std::array<std::uint64_t, 8> absurd = {
          0, 1, 0x7f, 0xff, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff};
      const std::uint64_t value = absurd[below(absurd.size())];
      const std::size_t width = std::size_t{1} << below(4);
      const std::size_t start = below(bytes.size());
      for (std::size_t i = 0; i < width && start + i < bytes.size(); ++i)
        bytes[start + i] = static_cast<std::uint8_t>(value >> (8 * i));
      break;
    }
    case 3:
      bytes.resize(below(bytes.size()) + 1);
      break;
    case 4: {
      const std::size_t start = below(bytes.size());
      const std::size_t count = std::min<std::size_t>(below(16) + 1, bytes.size() - start);
      const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(start);
      bytes.erase(first, first + static_cast<std::ptrdiff_t>(count));
      break;
    }
    case 5: {
      Bytes inserted(below(16) + 1);
      for (auto& byte : inserted) byte = static_cast<std::uint8_t>(random());
      const auto where = bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1));
      bytes.insert(where, inserted.begin(), inserted.end());
      break;
    }
    case 6: {  // a piece of this file over another place of it
      const std::size_t from = below(bytes.size());
      const std::size_t to = below(bytes.size());
      const std::size_t count = std::min({below(64) + 1, bytes.size() - from, bytes.size() - to});
      const Bytes piece(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                        bytes.begin() + static_cast<std::ptrdiff_t>(from + count));
      std::copy(piece.begin(), piece.end(), bytes.begin() + static_cast<std::ptrdiff_t>(to));
      break;
    }
    default: {  // the head of this one, the tail of another
      const Bytes& other = seeds[below(seeds.size())];
      if (other.empty()) break;
      bytes.resize(below(bytes.size() + 1));
      bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(below(other.size())),
                   other.end());
    }
  }
  if (bytes.size() > max_len) bytes.resize(max_len);
}

std::uint64_t number_after(std::string_view argument, std::string_view name) {
  const std::string digits(argument.substr(name.size()));
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) {
    std::fprintf(stderr, "%s wants a number, not '%s'\n", std::string(name).c_str(), digits.c_str());
    std::exit(2);
  }
  return std::strtoull(digits.c_str(), nullptr, 10);
}

}  // namespace

int main(int count, char** arguments) {
  std::uint64_t seconds = 0;
  std::uint64_t runs = 0;
  std::uint64_t seed = 1;
  std::uint64_t max_len = 1U << 20U;
  std::string prefix = "./";
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument.starts_with("-max_total_time=")) {
      seconds = number_after(argument, "-max_total_time=");
    } else if (argument.starts_with("-runs=")) {
      runs = number_after(argument, "-runs=");
    } else if (argument.starts_with("-seed=")) {
      seed = number_after(argument, "-seed=");
    } else if (argument.starts_with("-max_len=")) {
      max_len = std::max<std::uint64_t>(1, number_after(argument, "-max_len="));
    } else if (argument.starts_with("-artifact_prefix=")) {
      prefix = argument.substr(std::string_view("-artifact_prefix=").size());
    } else if (argument.starts_with("-")) {
      std::fprintf(stderr, "unknown argument %s\n", arguments[i]);
      return 2;
    } else if (std::filesystem::is_directory(argument)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(argument))
        if (entry.is_regular_file()) files.push_back(entry.path());
    } else if (std::filesystem::is_regular_file(argument)) {
      files.emplace_back(argument);
    } else {
      std::fprintf(stderr, "note: no such file or folder: %s\n", arguments[i]);
    }
  }
  std::sort(files.begin(), files.end());  // the same order, so the same mutations, on every machine
  std::snprintf(artifact_path.data(), artifact_path.size(), "%scrash-%ld", prefix.c_str(),
                static_cast<long>(getpid()));
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(keep_current_input);
  } else {
    for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(number, on_fatal_signal);
  }
  std::signal(SIGABRT, on_fatal_signal);  // an exception that escapes ends here

  std::vector<Bytes> seeds;
  run({});
  for (const auto& file : files) {
    seeds.push_back(read_file(file));
    run(seeds.back());
  }
  if (seeds.empty()) seeds.emplace_back();

  std::mt19937_64 random(seed);
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t done = 0;
  Bytes input;
  while (runs != 0 || seconds != 0) {
    if (runs != 0 && done >= runs) break;
    if (seconds != 0 && std::chrono::steady_clock::now() - start >= std::chrono::seconds(seconds)) break;
    input = seeds[static_cast<std::size_t>(random() % seeds.size())];
    const std::uint64_t changes = 1 + random() % 6;
    for (std::uint64_t i = 0; i < changes; ++i)
      mutate(input, seeds, static_cast<std::size_t>(max_len), random);
    run(input);
    ++done;
  }
  std::fprintf(stderr, "replayed %zu files, then %llu mutations: nothing broke\n", files.size(),
               static_cast<unsigned long long>(done));
  return 0;
}
