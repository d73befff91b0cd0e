#pragma once

// What is remembered of every byte of a block's shared memory: who wrote it last and who has read it since,
// and when.

#include <cstddef>
#include <cstdint>

namespace simt {

/// Time is the worker's clock, which steps at every barrier and every meeting of a warp, and never goes back:
/// what is older than the block's start was never written, what is older than its last barrier is ordered.
struct Cell {
  std::uint32_t write_time = 0, read_time = 0;
  std::uint32_t readers = 0;                      // lanes, of read_warp
  std::uint32_t write_place = 0, read_place = 0;  // code addresses, from the start of the program
  std::uint16_t writer = 0;                       // thread, or agent, and flags
  std::uint16_t read_warp = 0;

  static constexpr std::uint16_t thread_bits = 1023, split = 1u << 13, pending = 1u << 14, atomic = 1u << 15;
  static constexpr std::uint16_t of_agent = 1u << 12, barrier = 1u << 11;  // an mbarrier's word
  static constexpr std::uint16_t many_warps = 0xffff;
  static constexpr std::uint16_t listed = 0xfffe;  // readers: where its list of Readers begins

  [[nodiscard]] bool has_list(std::uint32_t block_start) const noexcept {
    return read_warp == listed && read_time >= block_start;
  }
};
static_assert(sizeof(Cell) == 24);

/// Cells of one stretch of shared memory: one a 4-byte word, and four more for words that are accessed in
/// parts.
class Shadow {
 public:
  Shadow() = default;
  ~Shadow();
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;
  void map(const void* start, std::size_t bytes);

  [[nodiscard]] bool holds(std::uintptr_t address) const noexcept { return address - start_ < bytes_; }
  [[nodiscard]] std::uintptr_t start() const noexcept { return start_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  Cell& word(std::uintptr_t address) noexcept { return words_[(address - start_) >> 2]; }
  Cell& part(std::uintptr_t address) noexcept { return parts_[address - start_]; }
  /// Forgets everything.
  void clear();

 private:
  std::uintptr_t start_ = 0;
  std::size_t bytes_ = 0;
  Cell* words_ = nullptr;
  Cell* parts_ = nullptr;
};

}  // namespace simt
