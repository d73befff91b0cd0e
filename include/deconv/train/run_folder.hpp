#pragma once
/// A run's folder:
///   config.json             what was asked for
///   log.jsonl, log.csv      see run_log.hpp
///   last.safetensors        the checkpoint that a resumed run goes on from
///   best.safetensors        that of the lowest validation error
///   epoch-0001.safetensors  those after the last few epochs, and after the epochs of the paper's Fig. 4

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "deconv/io/atomic_file.hpp"
#include "deconv/io/json.hpp"
#include "deconv/train/checkpoint.hpp"

namespace deconv::train {

/// Epochs whose checkpoints stay, those of Fig. 4 (Zeiler and Fergus 2013).
inline constexpr Index figure_epochs[] = {1, 2, 5, 10, 20, 30, 40, 64};

/// A run's folder while a process writes to it; no second one can have it open.
class RunFolder {
 public:
  /// Makes the folder (or takes an empty one) for a run that begins, and writes its config.json. Throws
  /// IoError where that cannot be, or a run is there already.
  static RunFolder begin(const std::filesystem::path& path, const io::Json& config) {
    std::error_code problem;
    std::filesystem::create_directories(path, problem);
    require<IoError>(!problem, "cannot make folder ", path.string(), ": ", problem.message());
    RunFolder folder(path);
    require<IoError>(!std::filesystem::exists(folder.file("config.json")), path.string(),
                     ": a run is there already; resume it, or choose another folder");
    const bool empty =
        std::filesystem::directory_iterator(path, problem) == std::filesystem::directory_iterator();
    require<IoError>(!problem && empty, path.string(), ": an empty folder wanted for a run");
    io::write_text(folder.file("config.json"), config.dump(2) + "\n");
    return folder;
  }
  /// Opens the folder of a run that is to go on. Throws IoError where there is none, or another process
  /// writes to it.
  static RunFolder resume(const std::filesystem::path& path) {
    require<IoError>(std::filesystem::exists(path / "config.json"), path.string(),
                     ": no run is there (no config.json)");
    RunFolder folder(path);
    // What a process left that was killed while it wrote.
    std::error_code problem;
    std::vector<std::filesystem::path> torn;
    for (const auto& entry : std::filesystem::directory_iterator(path, problem)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with('.') && name.ends_with(".partial")) torn.push_back(entry.path());
    }
    for (const auto& file : torn) std::filesystem::remove(file, problem);
    return folder;
  }
  RunFolder(RunFolder&& other) noexcept
      : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder() {
    if (lock_ >= 0) ::close(lock_);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return path_ / name; }
  [[nodiscard]] std::filesystem::path last() const { return file("last.safetensors"); }
  [[nodiscard]] std::filesystem::path best() const { return file("best.safetensors"); }
  [[nodiscard]] static std::string epoch_name(Index epoch) {
    char name[64];
    std::snprintf(name, sizeof name, "epoch-%04lld.safetensors", static_cast<long long>(epoch));
    return name;
  }

  /// Takes back that a run began here, for one that could not start: the folder is free again.
  void withdraw() const noexcept {
    std::error_code ignored;
    std::filesystem::remove(file("config.json"), ignored);
  }

  /// To be called when last.safetensors holds `state`: gives it its other names, and removes the epochs'
  /// checkpoints that are not kept. May be called again. Throws IoError.
  void keep(const RunState& state, Index last_epochs) const {
    if (state.best_step == state.step) name_last(best());
    if (state.step_in_epoch != 0 || state.epoch == 0) return;
    name_last(file(epoch_name(state.epoch)));
    for (Index epoch = 1; epoch <= state.epoch - last_epochs; ++epoch) {
      std::error_code ignored;
      if (std::find(std::begin(figure_epochs), std::end(figure_epochs), epoch) == std::end(figure_epochs))
        std::filesystem::remove(file(epoch_name(epoch)), ignored);
    }
  }

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {
    lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require<IoError>(lock_ >= 0, "cannot open folder ", path_.string(), ": ", std::strerror(errno));
    if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
    // Some network file systems have no locks; there the user must take care.
    if (errno != EWOULDBLOCK) return;
    ::close(std::exchange(lock_, -1));
    raise<IoError>(path_.string(), ": another process is writing this run");
  }

  /// A further name for the last checkpoint, which is never changed in place; a copy where the file system
  /// knows no such names.
  void name_last(const std::filesystem::path& name) const {
    const std::filesystem::path temporary = path_ / ("." + name.filename().string() + ".partial");
    std::error_code problem;
    std::filesystem::remove(temporary, problem);
    std::filesystem::create_hard_link(last(), temporary, problem);
    if (problem) std::filesystem::copy_file(last(), temporary, problem);
    if (!problem) std::filesystem::rename(temporary, name, problem);
    require<IoError>(!problem, "cannot write ", name.string(), ": ", problem.message());
    // Renaming one name of a file to another of the same file leaves both.
    std::filesystem::remove(temporary, problem);
  }

  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace deconv::train
