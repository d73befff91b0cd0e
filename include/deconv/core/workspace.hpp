#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/core/cuda/runtime.hpp"
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

namespace detail {

/// Where a device's blocks come from.
template <Device D>
struct MemorySource;

template <>
struct MemorySource<Cpu> {
  static constexpr std::size_t huge_page = std::size_t{2} << 20;
  static constexpr std::string_view what = "host";
  /// Null when memory is out.
  [[nodiscard]] void* allocate(std::size_t bytes) const {
    void* block = std::aligned_alloc(bytes >= huge_page ? huge_page : 64, bytes);
#if defined(__linux__)
    if (block != nullptr && bytes >= huge_page) madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
  }
  void release(void* block) const noexcept { std::free(block); }
};

template <>
struct MemorySource<Cuda> {
  static constexpr std::size_t huge_page = std::size_t{2} << 20;
  static constexpr std::string_view what = "GPU";
  int device = 0;
  [[nodiscard]] void* allocate(std::size_t bytes) const { return cuda::allocate(device, bytes); }
  void release(void* block) const noexcept { cuda::release(device, block); }
};

}  // namespace detail

/// The arena that activations, switches and scratch memory come from. Blocks are aligned to at least 64 bytes
/// and are kept for reuse when they come back, because fresh memory costs as much as the arithmetic on it:
/// page faults on the host, a wait for all work on a GPU. Block sizes are rounded up to steps of an eighth of
/// a power of two, so that nearly equal requests share blocks. Safe to use from many threads; outlives its
/// context as long as a buffer lives. On a GPU a block that came back may still be read by work under way: it
/// is lent again only for work that comes later on the same stream, so a workspace belongs to one stream.
template <Device D>
class Workspace : public std::enable_shared_from_this<Workspace<D>> {
 public:
  /// Whether blocks that come back stay for reuse or go to the system at once.
  enum class Keep : bool { no, yes };

  static std::shared_ptr<Workspace> make(Keep keep = Keep::yes) requires std::same_as<D, Cpu> {
    return std::shared_ptr<Workspace>(new Workspace(keep, {}));
  }
  /// Memory of one GPU. Without `keep` blocks are exactly as large as asked for.
  static std::shared_ptr<Workspace> make(int device, Keep keep = Keep::yes) requires std::same_as<D, Cuda> {
    return std::shared_ptr<Workspace>(new Workspace(keep, {device}));
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { release(); }

  /// A block of at least `bytes` bytes with unspecified content. Throws DeviceError when memory is out.
  [[nodiscard]] Buffer<D> take(std::size_t bytes) {
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
        return {block, found->first, this->shared_from_this()};
      }
    }
    void* block = source_.allocate(rounded);
    if (block == nullptr) {
      release();
      block = source_.allocate(rounded);
    }
    require<DeviceError>(block != nullptr, "out of ", detail::MemorySource<D>::what, " memory: ", rounded,
                         " bytes wanted", in_use_text());
    const std::lock_guard lock(mutex_);
    note_use(rounded);
    return {block, rounded, this->shared_from_this()};
  }

  /// Returns all kept blocks to the system.
  void release() noexcept {
    const std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : free_)
      for (void* block : blocks) source_.release(block);
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
  friend class Buffer<D>;

  Workspace(Keep keep, detail::MemorySource<D> source) : keep_(keep), source_(source) {}

  [[nodiscard]] std::size_t round_up(std::size_t bytes) const {
    require<DeviceError>(bytes <= (std::size_t{1} << 46), "out of ", detail::MemorySource<D>::what,
                         " memory: ", bytes, " bytes wanted");
    if (std::same_as<D, Cuda> && keep_ == Keep::no) return bytes == 0 ? 1 : bytes;
    if (bytes < 1024) return (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
    const std::size_t step = std::bit_floor(bytes) / 8;
    const std::size_t rounded = (bytes + step - 1) / step * step;
    constexpr std::size_t page = detail::MemorySource<D>::huge_page;
    return rounded >= page ? (rounded + page - 1) / page * page : rounded;
  }
  [[nodiscard]] std::string in_use_text() const { return message(", ", bytes_in_use(), " in use here"); }
  void note_use(std::size_t bytes) noexcept {
    in_use_ += bytes;
    if (in_use_ > peak_) peak_ = in_use_;
  }
  void give_back(void* block, std::size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    in_use_ -= bytes;
    if (keep_ == Keep::no) return source_.release(block);
    try {
      free_[bytes].push_back(block);
    } catch (...) {
      source_.release(block);
    }
  }

  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  Keep keep_;
  detail::MemorySource<D> source_;
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
