#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "deconv/core/error.hpp"

namespace deconv::io {

/// A file that appears whole or not at all: bytes go to a temporary beside the target, which `commit` renames
/// over it. Without a commit (an exception on the way, say) the temporary is removed and what stood at the
/// target stays.
class AtomicFile {
 public:
  /// Opens the temporary. A target that is a symbolic link keeps being one: the file it points to is
  /// replaced. Throws IoError when the folder is missing or not writable, or when the target is something
  /// else than a file.
  explicit AtomicFile(const std::filesystem::path& target) : target_(target) {
    std::error_code ignored;
    if (std::filesystem::is_symlink(target_, ignored)) {
      const auto pointed_to = std::filesystem::weakly_canonical(target_, ignored);
      if (!ignored) target_ = pointed_to;
    }
    require<IoError>(!target_.filename().empty(), "cannot write ", target_.string(),
                     ": a file name is wanted");
    const auto status = std::filesystem::status(target_, ignored);
    require<IoError>(!std::filesystem::exists(status) || std::filesystem::is_regular_file(status),
                     "cannot write ", target_.string(), ": it exists and is not a regular file");
    static std::atomic<unsigned> counter{0};
    for (int attempt = 0; attempt < 100; ++attempt) {
      // File names end at 255 bytes; a long one is shortened rather than refused.
      temporary_ = target_.parent_path() / message('.', target_.filename().string().substr(0, 200), '.',
                                                   ::getpid(), '-', counter.fetch_add(1), ".partial");
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ >= 0 || errno != EEXIST) break;
    }
    if (descriptor_ < 0) raise<IoError>("cannot write ", target_.string(), ": ", std::strerror(errno));
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!committed_) ::unlink(temporary_.c_str());
  }

  /// Appends. Throws IoError (disk full, for example).
  void write(const void* data, std::size_t bytes) {
    const auto* next = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t put = ::write(descriptor_, next, bytes < largest_request ? bytes : largest_request);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) raise<IoError>("cannot write ", target_.string(), ": ", std::strerror(errno));
      next += put;
      bytes -= static_cast<std::size_t>(put);
    }
  }
  void write(std::string_view text) { write(text.data(), text.size()); }
  void write(std::span<const std::uint8_t> bytes) { write(bytes.data(), bytes.size()); }

  /// Puts the file in its place; nothing can be written afterwards. Throws IoError.
  void commit() {
    const int descriptor = descriptor_;
    if (::fsync(descriptor) != 0 && errno != EINVAL && errno != EROFS)
      raise<IoError>("cannot write ", target_.string(), ": ", std::strerror(errno));
    descriptor_ = -1;
    if (::close(descriptor) != 0)
      raise<IoError>("cannot write ", target_.string(), ": ", std::strerror(errno));
    if (::rename(temporary_.c_str(), target_.c_str()) != 0)
      raise<IoError>("cannot write ", target_.string(), ": ", std::strerror(errno));
    committed_ = true;
    keep_name();
  }

 private:
  /// The new name, too, survives a power cut. Not every file system can say so of a folder.
  void keep_name() const noexcept {
    const std::filesystem::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
    const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) return;
    ::fsync(opened);
    ::close(opened);
  }

  static constexpr std::size_t largest_request = std::size_t{1} << 30;
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  bool committed_ = false;
};

/// Writes a whole file, or nothing. Throws IoError.
inline void write_file(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

/// Writes a whole text file, or nothing. Throws IoError.
inline void write_text(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace deconv::io
