#pragma once

#include <bit>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "deconv/core/device.hpp"
#include "deconv/core/error.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace deconv {

template <Device D>
class Workspace;

/// A block of bytes that goes back to its workspace (or the system) when it dies. Move-only.
template <Device D>
class Buffer {
 public:
  Buffer() = default;
  Buffer(void* data, std::size_t bytes, std::shared_ptr<Workspace<D>> home) noexcept
      : data_(data), bytes_(bytes), home_(std::move(home)) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) home_->give_back(data_, bytes_);
  }

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::shared_ptr<Workspace<D>>& home() const noexcept { return home_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(home_, other.home_);
  }
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::shared_ptr<Workspace<D>> home_;
};

/// The arena that activations, switches and scratch memory come from. Blocks are 64-byte aligned and are kept
/// for reuse when they come back, because the page faults of fresh memory cost as much as the arithmetic on
/// it. Block sizes are rounded up to steps of an eighth of a power of two, so that nearly equal requests
/// share blocks. Safe to use from many threads; outlives its context as long as a buffer lives.
template <>
class Workspace<Cpu> : public std::enable_shared_from_this<Workspace<Cpu>> {
 public:
  /// Whether blocks that come back stay for reuse or go to the system at once.
  enum class Keep : bool { no, yes };

  static std::shared_ptr<Workspace> make(Keep keep = Keep::yes) {
    return std::shared_ptr<Workspace>(new Workspace(keep));
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { release(); }

  /// A block of at least `bytes` bytes with unspecified content. Throws DeviceError when memory is out.
  [[nodiscard]] Buffer<Cpu> take(std::size_t bytes) {
    const std::size_t rounded = round_up(bytes);
    {
      const std::lock_guard lock(mutex_);
      // A large block of up to twice the size serves too: else every size that a network passes through keeps
      // blocks of its own. Small ones, which are held in great numbers, fit exactly.
      const std::size_t most = rounded >= (std::size_t{1} << 20) ? 2 * rounded : rounded;
      for (auto found = free_.lower_bound(rounded); found != free_.end() && found->first <= most; ++found) {
        if (found->second.empty()) continue;
        void* block = found->second.back();
        found->second.pop_back();
        note_use(found->first);
        return {block, found->first, shared_from_this()};
      }
    }
    void* block = std::aligned_alloc(alignment_for(rounded), rounded);
    if (block == nullptr) {
      release();
      block = std::aligned_alloc(alignment_for(rounded), rounded);
    }
    require<DeviceError>(block != nullptr, "out of host memory: ", rounded, " bytes wanted");
#if defined(__linux__)
    if (rounded >= huge_page) madvise(block, rounded, MADV_HUGEPAGE);
#endif
    const std::lock_guard lock(mutex_);
    note_use(rounded);
    return {block, rounded, shared_from_this()};
  }

  /// Returns all kept blocks to the system.
  void release() noexcept {
    const std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : free_)
      for (void* block : blocks) std::free(block);
    free_.clear();
  }

  /// Bytes in use now, and the most that ever were.
  [[nodiscard]] std::size_t bytes_in_use() const {
    const std::lock_guard lock(mutex_);
    return in_use_;
  }
  [[nodiscard]] std::size_t peak_bytes() const {
    const std::lock_guard lock(mutex_);
    return peak_;
  }

 private:
  friend class Buffer<Cpu>;
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t huge_page = std::size_t{2} << 20;

  explicit Workspace(Keep keep) : keep_(keep) {}

  static std::size_t alignment_for(std::size_t bytes) noexcept {
    return bytes >= huge_page ? huge_page : alignment;
  }
  static std::size_t round_up(std::size_t bytes) {
    require<DeviceError>(bytes <= (std::size_t{1} << 46), "out of host memory: ", bytes, " bytes wanted");
    if (bytes < 1024) return (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
    const std::size_t step = std::bit_floor(bytes) / 8;
    const std::size_t rounded = (bytes + step - 1) / step * step;
    return rounded >= huge_page ? (rounded + huge_page - 1) / huge_page * huge_page : rounded;
  }
  void note_use(std::size_t bytes) noexcept {
    in_use_ += bytes;
    if (in_use_ > peak_) peak_ = in_use_;
  }
  void give_back(void* block, std::size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    in_use_ -= bytes;
    if (keep_ == Keep::no) return std::free(block);
    try {
      free_[bytes].push_back(block);
    } catch (...) {
      std::free(block);
    }
  }

  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  Keep keep_;
  std::size_t in_use_ = 0;
  std::size_t peak_ = 0;
};

/// The workspace of tensors that are made without a context: parameters, files, small host arrays. It keeps
/// no block, so that what such tensors free goes back to the system's allocator.
[[nodiscard]] inline const std::shared_ptr<Workspace<Cpu>>& host_workspace() {
  static const std::shared_ptr<Workspace<Cpu>> home = Workspace<Cpu>::make(Workspace<Cpu>::Keep::no);
  return home;
}

}  // namespace deconv
