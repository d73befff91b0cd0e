#pragma once
/// Reading files. Sizes are known before memory is taken, and every reader of this folder works on a
/// ByteSource, so that the same code reads a file and a block of memory (which is how the fuzz harnesses
/// reach it).

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/error.hpp"

namespace deconv::io {

/// The content of a file or of a part of one.
using Bytes = std::vector<std::uint8_t>;

/// Random access to a fixed number of bytes. `read` may be called from many threads.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Bytes there are.
  [[nodiscard]] virtual std::uint64_t size() const noexcept = 0;
  /// What messages call it: a file's path, for example.
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// Copies bytes [offset, offset + bytes) to `dst`. Throws FormatError when that reaches past the end,
  /// IoError when the system refuses.
  virtual void read(std::uint64_t offset, void* dst, std::size_t bytes) const = 0;

 protected:
  void check_range(std::uint64_t offset, std::size_t bytes) const {
    require<FormatError>(offset <= size() && bytes <= size() - offset, name(), ": bytes ", offset, " to ",
                         offset, " + ", bytes, " wanted, the file has ", size());
  }
};

/// Bytes in memory that outlive the source.
class MemorySource : public ByteSource {
 public:
  MemorySource(std::span<const std::uint8_t> bytes, std::string name)
      : bytes_(bytes), name_(std::move(name)) {}
  [[nodiscard]] std::uint64_t size() const noexcept override { return bytes_.size(); }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  void read(std::uint64_t offset, void* dst, std::size_t bytes) const override {
    check_range(offset, bytes);
    if (bytes > 0) std::memcpy(dst, bytes_.data() + offset, bytes);
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::string name_;
};

/// An open file.
class FileSource : public ByteSource {
 public:
  /// Throws IoError when the path cannot be opened or is not a regular file.
  explicit FileSource(const std::filesystem::path& path) : name_(path.string()) {
    struct stat status {};
    // Looked at before it is opened: opening a named pipe would wait for its writer.
    if (::stat(path.c_str(), &status) != 0) raise<IoError>("cannot open ", name_, ": ", std::strerror(errno));
    require<IoError>(!S_ISDIR(status.st_mode), "cannot read ", name_, ": a file is wanted, this is a folder");
    require<IoError>(S_ISREG(status.st_mode), "cannot read ", name_, ": a regular file is wanted");
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) raise<IoError>("cannot open ", name_, ": ", std::strerror(errno));
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;
  ~FileSource() override { ::close(descriptor_); }

  [[nodiscard]] std::uint64_t size() const noexcept override { return size_; }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  void read(std::uint64_t offset, void* dst, std::size_t bytes) const override {
    check_range(offset, bytes);
    auto* next = static_cast<char*>(dst);
    while (bytes > 0) {
      const ssize_t got =
          ::pread(descriptor_, next, std::min(bytes, largest_request), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) raise<IoError>("cannot read ", name_, ": ", std::strerror(errno));
      require<IoError>(got > 0, "cannot read ", name_, ": it became shorter while it was read");
      next += got;
      offset += static_cast<std::uint64_t>(got);
      bytes -= static_cast<std::size_t>(got);
    }
  }

 private:
  static constexpr std::size_t largest_request = std::size_t{1} << 30;
  std::string name_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// The whole content of a source, at most `limit` bytes. Throws FormatError when there are more.
[[nodiscard]] inline Bytes read_all(const ByteSource& source, std::uint64_t limit) {
  require<FormatError>(source.size() <= limit, source.name(), ": at most ", limit, " bytes wanted, it has ",
                       source.size());
  Bytes bytes(static_cast<std::size_t>(source.size()));
  source.read(0, bytes.data(), bytes.size());
  return bytes;
}

/// The whole content of a file, at most `limit` bytes (default 8 GiB). Throws IoError when it cannot be read,
/// FormatError when it is larger.
[[nodiscard]] inline Bytes read_file(const std::filesystem::path& path,
                                     std::uint64_t limit = std::uint64_t{1} << 33) {
  return read_all(FileSource(path), limit);
}

/// The whole content of a text file, at most `limit` bytes (default 1 GiB); errors as read_file.
[[nodiscard]] inline std::string read_text(const std::filesystem::path& path,
                                           std::uint64_t limit = std::uint64_t{1} << 30) {
  const FileSource source(path);
  require<FormatError>(source.size() <= limit, source.name(), ": a text of at most ", limit,
                       " bytes wanted, it has ", source.size());
  std::string text(static_cast<std::size_t>(source.size()), '\0');
  source.read(0, text.data(), text.size());
  return text;
}

}  // namespace deconv::io
