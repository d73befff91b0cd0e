#include "shadow.hpp"

#include <sys/mman.h>

#include <new>

namespace simt {
namespace {

// Pages that are never touched cost nothing.
Cell* reserve_cells(std::size_t count) {
  void* memory = mmap(nullptr, (count + 1) * sizeof(Cell), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<Cell*>(memory);
}

}  // namespace

void Shadow::map(const void* start, std::size_t bytes) {
  start_ = reinterpret_cast<std::uintptr_t>(start) & ~std::uintptr_t{3};
  bytes_ = (bytes + 7) & ~std::size_t{3};
  words_ = reserve_cells(bytes_ / 4 + 1);
  parts_ = reserve_cells(bytes_ + 4);
}

Shadow::~Shadow() {
  if (!words_) return;
  munmap(words_, (bytes_ / 4 + 2) * sizeof(Cell));
  munmap(parts_, (bytes_ + 5) * sizeof(Cell));
}

void Shadow::clear() {
  if (!words_) return;
  madvise(words_, (bytes_ / 4 + 2) * sizeof(Cell), MADV_DONTNEED);
  madvise(parts_, (bytes_ + 5) * sizeof(Cell), MADV_DONTNEED);
}

}  // namespace simt
