#pragma once

// Copies of boxes between global and shared memory.

#include <cstdint>
#include <source_location>
#include <vector>

#include "phase_barrier.hpp"
#include "tensor_map.hpp"
#include "worker.hpp"

namespace simt {

class BulkCopies {
 public:
  void clear();
  void load(Worker& worker, void* shared, const void* map, std::uint64_t* barrier, const int* coordinates,
            unsigned rank, const std::uint16_t* offsets, const std::source_location& where, const void* code);
  void store(Worker& worker, const void* map, const void* shared, const int* coordinates, unsigned rank,
             const std::source_location& where, const void* code);
  /// Closes the running thread's group.
  void close(Worker& worker);
  /// Lands all of the running thread's groups but the newest.
  void wait(Worker& worker, unsigned newest);
  /// The running thread ends: has it waited for its stores?
  void finish(Worker& worker);

 private:
  struct Store {
    EncodedMap map;
    const char* shared;
    int coordinates[5];
    unsigned group;
    std::uint32_t time;
    std::source_location where;
  };
  struct Stores {
    unsigned thread = 0, agent = 0, group = 0;
    std::vector<Store> all;
  };
  Stores& of_running(Worker& worker);
  static void land(const Store& store);

  std::vector<Stores> stores_;  // of threads that have any
};

}  // namespace simt
