// cp.async.bulk.tensor. A load's bytes are put into their place when it starts, but nobody may look until the
// barrier has said so; a store's are taken when it is waited for.

#include "bulk_copy.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "simt/bulk_copy.hpp"
#include "simt/matrix_units.hpp"

namespace simt {
namespace {

constexpr std::size_t chunk = 16;          // that swizzles move as one
constexpr std::size_t most_row = 256 * 8;  // bytes

Worker& running() {
  if (!active) {
    std::fputs("simt: a function of the device was called outside a kernel\n", stderr);
    std::abort();
  }
  return *active;
}

EncodedMap decoded(Worker& worker, const void* map, EncodedMap::Mode mode, unsigned rank,
                   const std::source_location& where) {
  const auto address = reinterpret_cast<std::uintptr_t>(map);
  if (address % 64 != 0) worker.failing().misaligned(address, 64, "a tensor map", Place(where));
  EncodedMap encoded;
  std::memcpy(&encoded, map, sizeof encoded);
  if (encoded.mark == EncodedMap::made_here && encoded.mode == mode && encoded.rank == rank) return encoded;
  worker.failing();
  const char* const kinds[] = {"a tiled", "an im2col"};
  std::string what = std::string("copies in bulk by ") + kinds[static_cast<unsigned>(mode)] +
                     " map of rank " + std::to_string(rank) + ", and was given ";
  what += encoded.mark != EncodedMap::made_here ? "128 bytes that are no map"
                                                : std::string(kinds[static_cast<unsigned>(encoded.mode)]) +
                                                      " one of rank " + std::to_string(encoded.rank);
  worker.fail(Mistake::unfit_map, *worker.current, what, Place(where));
}

// Which of a row's bytes lie inside the tensor: [first, end).
struct Part {
  std::size_t first = 0, end = 0;
};
Part inside(const EncodedMap& map, std::int64_t coordinate) {
  const std::int64_t first = std::clamp<std::int64_t>(-coordinate, 0, map.box[0]);
  const std::int64_t end = std::clamp<std::int64_t>(map.extent(0) - coordinate, first, map.box[0]);
  return {static_cast<std::size_t>(first) * map.element_bytes(),
          static_cast<std::size_t>(end) * map.element_bytes()};
}

// The row's bytes that lie inside the tensor, where it has any: where they lie on the device.
char* on_device(const EncodedMap& map, const BoxRows& row, std::int64_t coordinate, const Part& part) {
  const std::uintptr_t start = row.start();
  if (start == 0 || part.first == part.end) return nullptr;
  return reinterpret_cast<char*>(start + static_cast<std::uint64_t>(coordinate) * map.element_bytes() +
                                 part.first);
}

void require_memory(Worker& worker, const char* bytes, std::size_t count, unsigned access, const void* code,
                    const std::source_location& where) {
  if (DeviceMemory::instance().holds(reinterpret_cast<std::uintptr_t>(bytes), count)) return;
  worker.failing().fail_bulk(reinterpret_cast<std::uintptr_t>(bytes), count, access, Place(where), code);
}

}  // namespace

void BulkCopies::clear() { stores_.clear(); }

void BulkCopies::load(Worker& worker, void* shared, const void* map_bytes, std::uint64_t* barrier_word,
                      const int* coordinates, unsigned rank, const std::uint16_t* offsets,
                      const std::source_location& where, const void* code) {
  const auto mode = offsets ? EncodedMap::Mode::im2col : EncodedMap::Mode::tiled;
  const EncodedMap map = decoded(worker, map_bytes, mode, rank, where);
  const auto to = reinterpret_cast<std::uintptr_t>(shared);
  if (to % 128 != 0) worker.failing().misaligned(to, 128, "a bulk copy's destination", Place(where));
  BoxRows row(map, coordinates, offsets);
  if (offsets) {
    const unsigned offset_end = rank == 3 ? 1u << 16 : rank == 4 ? 1u << 8 : 1u << 5;
    for (unsigned i = 0; i + 2 < rank; ++i) {
      if (offsets[i] < offset_end) continue;
      worker.failing().fail(Mistake::unfit_map, *worker.current,
                            "loads pixels at an offset of " + std::to_string(offsets[i]) + ": of rank " +
                                std::to_string(rank) + " they are below " + std::to_string(offset_end),
                            Place(where));
    }
    if (!row.begins_in_box()) {
      worker.failing().fail(Mistake::unfit_map, *worker.current,
                            "loads pixels from (" + std::to_string(coordinates[1]) + ", " +
                                std::to_string(coordinates[2]) +
                                ") on, counted (w, h), which does not lie in its map's box",
                            Place(where));
    }
  }
  PhaseBarrier& barrier =
      worker.phase_barriers().for_load(worker, reinterpret_cast<std::uintptr_t>(barrier_word), where);
  worker.write_shared_async(barrier.agent, to, map.bytes(), Place(where), code);

  const Part part = inside(map, coordinates[0]);
  const std::size_t row_bytes = map.row_bytes();
  char bytes[most_row];
  for (unsigned r = 0; r < map.rows(); ++r, row.next()) {
    std::memset(bytes, 0, row_bytes);
    if (const char* from = on_device(map, row, coordinates[0], part)) {
      require_memory(worker, from, part.end - part.first, reading, code, where);
      std::memcpy(bytes + part.first, from, part.end - part.first);
    }
    if (map.type == CU_TENSOR_MAP_DATA_TYPE_TFLOAT32 || map.type == CU_TENSOR_MAP_DATA_TYPE_TFLOAT32_FTZ) {
      for (std::size_t i = 0; i < row_bytes; i += 4) {
        float value;
        std::memcpy(&value, bytes + i, 4);
        const std::uint32_t rounded = rounded_to_tf32(value);
        std::memcpy(bytes + i, &rounded, 4);
      }
    }
    for (std::size_t i = 0; i < row_bytes; i += chunk) {
      std::memcpy(reinterpret_cast<void*>(map.swizzled(to + r * row_bytes + i)), bytes + i, chunk);
    }
  }
  worker.phase_barriers().bring(worker, barrier, map.bytes(), where);
}

BulkCopies::Stores& BulkCopies::of_running(Worker& worker) {
  const unsigned self = worker.current->number;
  const auto found = std::find_if(stores_.begin(), stores_.end(),
                                  [&](const Stores& stores) { return stores.thread == self; });
  if (found != stores_.end()) return *found;
  Stores& stores = stores_.emplace_back();
  stores.thread = self;
  stores.agent = worker.take_agent("bulk store");
  return stores;
}

void BulkCopies::store(Worker& worker, const void* map_bytes, const void* shared, const int* coordinates,
                       unsigned rank, const std::source_location& where, const void* code) {
  Store store{decoded(worker, map_bytes, EncodedMap::Mode::tiled, rank, where),
              static_cast<const char*>(shared),
              {},
              0,
              worker.tick(),
              where};
  const auto from = reinterpret_cast<std::uintptr_t>(shared);
  if (from % 128 != 0) worker.failing().misaligned(from, 128, "a bulk copy's source", Place(where));
  std::copy_n(coordinates, rank, store.coordinates);
  Stores& mine = of_running(worker);
  store.group = mine.group;
  worker.read_shared_async(mine.agent, from, store.map.bytes(), Place(where), code);

  const Part part = inside(store.map, coordinates[0]);
  BoxRows row(store.map, coordinates, nullptr);
  for (unsigned r = 0; r < store.map.rows(); ++r, row.next()) {
    if (const char* to = on_device(store.map, row, coordinates[0], part))
      require_memory(worker, to, part.end - part.first, writing, code, where);
  }
  mine.all.push_back(store);
}

void BulkCopies::land(const Store& store) {
  const Part part = inside(store.map, store.coordinates[0]);
  const std::size_t row_bytes = store.map.row_bytes();
  const auto from = reinterpret_cast<std::uintptr_t>(store.shared);
  BoxRows row(store.map, store.coordinates, nullptr);
  char bytes[most_row];
  for (unsigned r = 0; r < store.map.rows(); ++r, row.next()) {
    char* const to = on_device(store.map, row, store.coordinates[0], part);
    if (!to) continue;
    for (std::size_t i = 0; i < row_bytes; i += chunk) {
      std::memcpy(bytes + i, reinterpret_cast<const void*>(store.map.swizzled(from + r * row_bytes + i)),
                  chunk);
    }
    std::memcpy(to, bytes + part.first, part.end - part.first);
  }
}

void BulkCopies::close(Worker& worker) { ++of_running(worker).group; }

void BulkCopies::wait(Worker& worker, unsigned newest) {
  Stores& mine = of_running(worker);
  const unsigned landed = mine.group > newest ? mine.group - newest : 0;  // groups before this one
  const auto rest = std::find_if(mine.all.begin(), mine.all.end(),
                                 [&](const Store& store) { return store.group >= landed; });
  for (auto store = mine.all.begin(); store != rest; ++store) land(*store);
  mine.all.erase(mine.all.begin(), rest);
  worker.learn_of_agent(worker.current->number, mine.agent,
                        mine.all.empty() ? worker.tick() : mine.all.front().time);
}

void BulkCopies::finish(Worker& worker) {
  for (const Stores& stores : stores_) {
    if (stores.thread != worker.current->number || stores.all.empty()) continue;
    worker.failing().fail(Mistake::unfinished_copy, *worker.current,
                          "ends without having waited for its bulk stores", Place(stores.all.front().where));
  }
}

BulkCopies& Worker::bulk_copies() {
  if (!bulk_copies_) bulk_copies_ = std::make_unique<BulkCopies>();
  return *bulk_copies_;
}

void bulk_load(void* shared, const void* map, std::uint64_t* barrier, const int* coordinates, unsigned rank,
               const std::source_location& where) {
  Worker& worker = running();
  worker.bulk_copies().load(worker, shared, map, barrier, coordinates, rank, nullptr, where,
                            __builtin_return_address(0));
}

void bulk_load_im2col(void* shared, const void* map, std::uint64_t* barrier, const int* coordinates,
                      const std::uint16_t* offsets, const std::source_location& where) {
  Worker& worker = running();
  worker.bulk_copies().load(worker, shared, map, barrier, coordinates, 4, offsets, where,
                            __builtin_return_address(0));
}

void bulk_store(const void* map, const void* shared, const int* coordinates, unsigned rank,
                const std::source_location& where) {
  Worker& worker = running();
  worker.bulk_copies().store(worker, map, shared, coordinates, rank, where, __builtin_return_address(0));
}

void close_bulk_stores() {
  Worker& worker = running();
  worker.bulk_copies().close(worker);
}

void wait_for_bulk_stores(unsigned newest) {
  Worker& worker = running();
  worker.bulk_copies().wait(worker, newest);
}

}  // namespace simt
