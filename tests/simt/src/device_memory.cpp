#include "device_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <stdexcept>
#include <vector>

namespace simt {
namespace {

constexpr std::size_t page = 4096;

void* reserve(std::size_t bytes, int protection) {
  void* memory = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

std::size_t rounded_up(std::size_t value, std::size_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

struct DeviceMemory::State {
  std::mutex mutex;  // guards all of this, and is held while the memory is open
  std::map<std::uintptr_t, std::size_t> live, freed;
  std::uintptr_t next = 0;  // where the search for room begins: freed addresses come back late
  std::size_t used = 0;
  std::size_t limit = std::size_t{16} << 30;
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> pages;  // of live allocations, merged
  bool pages_valid = false;
};

DeviceMemory& DeviceMemory::instance() {
  // Never destroyed: tensors of static storage may outlive any order of destruction.
  static DeviceMemory* memory = new DeviceMemory;
  return *memory;
}

DeviceMemory::DeviceMemory() : state_(new State) {
  base_ = reinterpret_cast<std::uintptr_t>(reserve(reserved, PROT_NONE));
  valid_ = static_cast<std::uint16_t*>(
      reserve(reserved / granule * sizeof(std::uint16_t), PROT_READ | PROT_WRITE));
  state_->next = base_ + page;
  if (const char* limit = std::getenv("DECONV_SIMT_MEMORY"))
    state_->limit = std::strtoull(limit, nullptr, 10);
}

void* DeviceMemory::allocate(std::size_t bytes) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  const std::size_t span =
      rounded_up(bytes, granule) + granule;  // one granule that belongs to nobody follows
  if (bytes > s.limit || s.used > s.limit - bytes) return nullptr;

  std::uintptr_t start = s.next;
  if (start + span > base_ + reserved) start = base_ + page;
  for (;;) {  // the first room from there on; the range is so large that the end is hardly ever met
    auto after = s.live.lower_bound(start);
    if (after != s.live.begin()) {
      const auto before = std::prev(after);
      const std::uintptr_t end = before->first + rounded_up(before->second, granule) + granule;
      if (end > start) {
        start = end;
        continue;
      }
    }
    if (after != s.live.end() && after->first < start + span) {
      start = after->first + rounded_up(after->second, granule) + granule;
      continue;
    }
    break;
  }
  if (start + span > base_ + reserved) return nullptr;

  const std::uintptr_t first_page = start / page * page, last_page = rounded_up(start + bytes, page);
  if (mprotect(reinterpret_cast<void*>(first_page), last_page - first_page, PROT_READ | PROT_WRITE) != 0) {
    return nullptr;
  }
  std::memset(reinterpret_cast<void*>(start), 0xff, bytes);
  mprotect(reinterpret_cast<void*>(first_page), last_page - first_page, PROT_NONE);

  s.freed.erase(s.freed.lower_bound(start), s.freed.lower_bound(start + span));
  s.live.emplace(start, bytes);
  s.next = start + span;
  s.used += bytes;
  s.pages_valid = false;
  std::uint16_t* valid = valid_ + (start - base_) / granule;
  std::size_t left = bytes;
  for (; left >= granule; left -= granule) *valid++ = granule;
  *valid = static_cast<std::uint16_t>(left);
  return reinterpret_cast<void*>(start);
}

bool DeviceMemory::release(void* pointer) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  const auto found = s.live.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == s.live.end()) return false;
  const auto [start, bytes] = *found;
  s.live.erase(found);
  s.freed.emplace(start, bytes);
  s.used -= bytes;
  s.pages_valid = false;
  std::memset(valid_ + (start - base_) / granule, 0, (bytes / granule + 1) * sizeof(std::uint16_t));
  const std::uintptr_t first_page = rounded_up(start, page), last_page = (start + bytes) / page * page;
  if (last_page > first_page)
    madvise(reinterpret_cast<void*>(first_page), last_page - first_page, MADV_DONTNEED);
  return true;
}

bool DeviceMemory::holds_over_granules(std::uintptr_t address, std::size_t bytes) const noexcept {
  if (bytes > reserved - (address - base_)) return false;
  while (bytes > 0) {
    const std::size_t inside = (address - base_) % granule;
    const std::size_t valid = valid_[(address - base_) / granule];
    const std::size_t here = std::min(bytes, granule - inside);
    if (inside + here > valid) return false;
    address += here;
    bytes -= here;
  }
  return true;
}

DeviceMemory::Block DeviceMemory::nearest(std::uintptr_t address) const {
  Block block;
  for (const auto* blocks : {&state_->freed, &state_->live}) {
    auto after = blocks->upper_bound(address);
    if (after == blocks->begin()) continue;
    --after;
    if (after->first >= block.start) block = {after->first, after->second, blocks == &state_->freed};
  }
  return block;
}

std::size_t DeviceMemory::used() const {
  const std::lock_guard lock(state_->mutex);
  return state_->used;
}
std::size_t DeviceMemory::count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->live.size();
}
std::size_t DeviceMemory::limit() const {
  const std::lock_guard lock(state_->mutex);
  return state_->limit;
}
void DeviceMemory::set_limit(std::size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->limit = bytes;
}

void DeviceMemory::protect(bool open) {
  State& s = *state_;
  if (!s.pages_valid) {
    s.pages.clear();
    for (const auto& [start, bytes] : s.live) {
      const std::uintptr_t first = start / page * page, last = rounded_up(start + bytes, page);
      if (!s.pages.empty() && first <= s.pages.back().second) {
        s.pages.back().second = std::max(s.pages.back().second, last);
      } else {
        s.pages.emplace_back(first, last);
      }
    }
    s.pages_valid = true;
  }
  for (const auto& [first, last] : s.pages) {
    mprotect(reinterpret_cast<void*>(first), last - first, open ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
}

DeviceMemory::Open::Open() {
  instance().state_->mutex.lock();
  instance().protect(true);
}
DeviceMemory::Open::~Open() {
  instance().protect(false);
  instance().state_->mutex.unlock();
}

}  // namespace simt
