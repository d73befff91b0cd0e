#pragma once

// Device memory: one reserved range of addresses, readable only while a kernel or a copy runs, so that a host
// that follows a device pointer crashes as it would beside a real card.

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace simt {

class DeviceMemory {
 public:
  static constexpr std::size_t reserved = std::size_t{1} << 38;
  static constexpr std::size_t granule = 256;

  static DeviceMemory& instance();

  /// Null where the limit would be passed. The memory is filled with 0xff: NaN in every float type.
  void* allocate(std::size_t bytes);
  /// False for what is not the start of an allocation.
  bool release(void* pointer);
  /// Whether [address, address + bytes) lies in one allocation.
  [[nodiscard]] bool holds(std::uintptr_t address, std::size_t bytes) const noexcept {
    const std::uintptr_t offset = address - base_;
    if (offset >= reserved) return false;
    return offset % granule + bytes <= valid_[offset / granule] || holds_over_granules(address, bytes);
  }
  [[nodiscard]] bool in_range(std::uintptr_t address) const noexcept { return address - base_ < reserved; }

  struct Block {
    std::uintptr_t start = 0;
    std::size_t bytes = 0;
    bool freed = false;
  };
  /// The allocation, live or freed, that lies nearest below the address; bytes 0 if there is none.
  [[nodiscard]] Block nearest(std::uintptr_t address) const;

  [[nodiscard]] std::size_t used() const;
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::size_t limit() const;
  void set_limit(std::size_t bytes);

  /// While one lives, this process may access the device's memory. One at a time: whoever holds it runs
  /// alone.
  class Open {
   public:
    Open();
    ~Open();
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
  };

 private:
  DeviceMemory();
  struct State;
  void protect(bool open);
  [[nodiscard]] bool holds_over_granules(std::uintptr_t address, std::size_t bytes) const noexcept;

  std::uintptr_t base_ = 0;
  // For each granule how many of its bytes, from its start on, belong to an allocation: 0 to 256.
  std::uint16_t* valid_ = nullptr;
  State* state_ = nullptr;
};

}  // namespace simt
