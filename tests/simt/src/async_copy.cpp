// cp.async: copies of a thread that are started here and land when they are waited for.

#include "simt/async_copy.hpp"

#include "worker.hpp"

namespace simt {

void Worker::async_copy(void* destination, const void* source, unsigned bytes, unsigned source_bytes,
                        const void* place) {
  const auto to = reinterpret_cast<std::uintptr_t>(destination),
             from = reinterpret_cast<std::uintptr_t>(source);
  if (to % bytes != 0) failing().misaligned(to, bytes, "an asynchronous copy's destination", Place(place));
  if (from % bytes != 0) failing().misaligned(from, bytes, "an asynchronous copy's source", Place(place));
  if (source_bytes > 0 && !DeviceMemory::instance().holds(from, source_bytes)) {
    failing().fail_access(Mistake::out_of_bounds, from, source_bytes, reading | asynchronously, place,
                          "out of bounds");
  }
  if (dynamic_shadow.holds(to)) {
    shared_access(dynamic_shadow, to, bytes, writing | asynchronously, place);
  } else if (static_shadow.holds(to)) {
    shared_access(static_shadow, to, bytes, writing | asynchronously, place);
  } else {
    failing().fail_access(Mistake::out_of_bounds, to, bytes, writing | asynchronously, place,
                          "not shared memory");
  }
  AsyncCopies& mine = copies_[current->number];
  mine.copies.push_back({destination, source, bytes, source_bytes, mine.group, place});
  copies_used_ = true;
}

void Worker::async_commit() { ++copies_[current->number].group; }

void Worker::async_wait(unsigned newest_groups) {
  AsyncCopies& mine = copies_[current->number];
  const unsigned landed =
      mine.group > newest_groups ? mine.group - newest_groups : 0;  // groups before this one
  std::size_t kept = 0;
  for (const AsyncCopy& copy : mine.copies) {
    if (copy.group >= landed) {
      mine.copies[kept++] = copy;
      continue;
    }
    __builtin_memcpy(copy.destination, copy.source, copy.source_bytes);
    __builtin_memset(static_cast<char*>(copy.destination) + copy.source_bytes, 0,
                     copy.bytes - copy.source_bytes);
    const auto to = reinterpret_cast<std::uintptr_t>(copy.destination);
    Shadow& shadow = dynamic_shadow.holds(to) ? dynamic_shadow : static_shadow;
    for (unsigned i = 0; i < copy.bytes; i += 4) {
      Cell& cell = shadow.word(to + i);
      cell.writer &= static_cast<std::uint16_t>(~Cell::pending);
      cell.write_time = clock_;
    }
  }
  mine.copies.resize(kept);
}

void async_copy(void* shared, const void* global, unsigned bytes, unsigned source_bytes) {
  active->async_copy(shared, global, bytes, source_bytes, __builtin_return_address(0));
}
void async_commit() { active->async_commit(); }
void async_wait(unsigned newest) { active->async_wait(newest); }

}  // namespace simt
