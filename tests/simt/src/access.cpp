// Checks of the running thread's accesses: bounds, alignment, and on shared memory what was never written and
// races.

#include <algorithm>
#include <string>

#include "program.hpp"
#include "worker.hpp"

namespace simt {
namespace {

std::string bytes_text(std::size_t bytes) {
  return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
}

const char* verb(unsigned access) {
  if (access & by_agent) return access & writing ? "writes in bulk" : "reads in bulk";
  if (access & asynchronously) return "copies asynchronously";
  if (access & atomically) return "updates atomically";
  return access & writing ? "writes" : "reads";
}

std::string hexadecimal(std::uintptr_t value) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "0x%llx", static_cast<unsigned long long>(value));
  return digits;
}

Place place_of(std::uint32_t offset) { return Place(Program::instance().address(offset)); }

}  // namespace

bool Worker::ordered(unsigned other, std::uint32_t time) const {
  const unsigned self = current->number;
  if ((other ^ self) >> 5 == 0) {
    const Warp& warp = warps_[self >> 5];
    if (warp.met > time || (warp.partly && warp.known[self & 31][other & 31] > time)) return true;
  }
  return knowing_ && relations_->known[self].of_thread(other) > time;
}

std::string Worker::describe(std::uintptr_t address) const {
  if (dynamic_shadow.holds(address)) {
    const auto offset = static_cast<std::intptr_t>(address) - reinterpret_cast<std::intptr_t>(dynamic_memory);
    return "offset " + std::to_string(offset) + " of the block's " + bytes_text(dynamic_bytes) +
           " of dynamic shared memory";
  }
  if (static_shadow.holds(address)) {
    const Variable variable = Program::instance().nearest_thread_local(address - static_shadow.start());
    if (variable.name.empty()) return "shared memory";
    return "offset " + std::to_string(address - static_shadow.start() - variable.offset) + " of " +
           variable.name + ", which has " + bytes_text(variable.bytes);
  }
  const DeviceMemory& device = DeviceMemory::instance();
  if (device.in_range(address)) {
    const DeviceMemory::Block block = device.nearest(address);
    if (block.bytes == 0) return "the device address " + hexadecimal(address) + ", near no allocation";
    return "offset " + std::to_string(address - block.start) + " of " +
           (block.freed ? "freed memory that had " : "an allocation of ") + bytes_text(block.bytes);
  }
  if (address < 65536) return "the null pointer's page, address " + hexadecimal(address);
  return "memory of the host, address " + hexadecimal(address);
}

void Worker::fail_access(Mistake mistake, std::uintptr_t address, std::size_t bytes, unsigned access,
                         const void* place, const std::string& why, const std::string& other,
                         Place other_place) {
  fail(mistake, *current,
       std::string(verb(access)) + " " + bytes_text(bytes) + " at " + describe(address) + ": " + why,
       access & (by_agent | placed) ? acting_place_ : Place(place), other, other_place);
}

void Worker::fail_bulk(std::uintptr_t address, std::size_t bytes, unsigned access, Place place,
                       const void* code) {
  acting_place_ = place;
  fail_access(Mistake::out_of_bounds, address, bytes, access | by_agent, code, "out of bounds");
}

// Words that are not simply some thread's.
void Worker::check_flags(const Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access,
                         const void* place) {
  const unsigned writer = cell.writer & Cell::thread_bits;
  if (cell.writer & Cell::barrier) {
    failing().fail_access(Mistake::misused_barrier, address, bytes, access, place,
                          "a barrier lies there, which only the functions of barriers may touch",
                          "thread " + text(threads_[writer].index) + " has set it up",
                          place_of(cell.write_place));
  }
  if (cell.writer & Cell::pending) {
    failing().fail_access(
        Mistake::race, address, bytes, access, place, "an asynchronous copy to it has not been waited for",
        "thread " + text(threads_[writer].index) + " started the copy", place_of(cell.write_place));
  }
  if ((cell.writer & Cell::of_agent) && !agent_is_over(writer, cell.write_time)) {
    failing();
    const std::string deed = relations_->agents[writer].deed;
    fail_access(Mistake::race, address, bytes, access, place, "a " + deed + " to it has not been waited for",
                "the " + deed + " was started", place_of(cell.write_place));
  }
}

// What a thread has written must be shown to the agents before they touch it.
void Worker::check_published(const Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access,
                             const void* place) {
  const unsigned writer = cell.writer & Cell::thread_bits;
  if ((cell.writer & Cell::of_agent) || is_published(writer, cell.write_time)) return;
  failing().fail_access(
      Mistake::unpublished, address, bytes, access, place,
      "what was written there has not been shown to copies and products by publish_to_bulk()",
      "thread " + text(threads_[writer].index) + " wrote it", place_of(cell.write_place));
}

void Worker::read_cell(Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access,
                       const void* place) {
  const unsigned self = current->number;
  if (cell.write_time < block_start_) {
    failing().fail_access(Mistake::unwritten_shared, address, bytes, access, place,
                          "nothing of this block has written it");
  }
  const unsigned writer = cell.writer & Cell::thread_bits;
  if (cell.writer & (Cell::pending | Cell::of_agent | Cell::barrier)) {
    check_flags(cell, address, bytes, access, place);
  } else if (cell.write_time >= barrier_time_ && writer != self && !ordered(writer, cell.write_time)) {
    failing().fail_access(Mistake::race, address, bytes, access, place, "a race, no barrier stands between",
                          "thread " + text(threads_[writer].index) + " wrote it", place_of(cell.write_place));
  }
  const auto warp = static_cast<std::uint16_t>(self >> 5);
  const std::uint32_t lane = 1u << (self & 31);
  if (access & by_agent) {
    check_published(cell, address, bytes, access, place);
    return note_readers(cell, {clock_, 1, offset(place), Readers::none,
                               static_cast<std::uint16_t>(Readers::agent_bit | acting_agent_)});
  }
  if (knowing_) return note_readers(cell, {clock_, lane, offset(place), Readers::none, warp});
  if (cell.read_time < barrier_time_) {
    cell.read_warp = warp;
    cell.readers = lane;
  } else if (cell.read_warp == warp) {
    cell.readers = warps_[warp].met > cell.read_time ? lane : cell.readers | lane;
  } else {
    cell.read_warp = Cell::many_warps;
    cell.readers = lane;
  }
  cell.read_time = clock_;
  cell.read_place = offset(place);
}

void Worker::write_cell(Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access,
                        const void* place) {
  const unsigned self = current->number;
  const unsigned writer = cell.writer & Cell::thread_bits;
  if (cell.write_time >= block_start_ && (cell.writer & (Cell::pending | Cell::of_agent | Cell::barrier))) {
    check_flags(cell, address, bytes, access, place);
  } else if (cell.write_time >= barrier_time_ && writer != self &&
             !((access & atomically) && (cell.writer & Cell::atomic)) && !ordered(writer, cell.write_time)) {
    failing().fail_access(Mistake::race, address, bytes, access, place, "a race, no barrier stands between",
                          "thread " + text(threads_[writer].index) + " wrote it", place_of(cell.write_place));
  }
  if ((access & by_agent) && cell.write_time >= block_start_)
    check_published(cell, address, bytes, access, place);
  if (cell.has_list(block_start_)) {
    check_readers(cell, address, bytes, access, place);
    relations_->lists.drop_list(cell.readers);
    cell.read_warp = 0;
    cell.read_time = 0;
  } else if (cell.read_time >= barrier_time_) {
    int reader = -1;  // one that is not ordered before this write
    if (cell.read_warp == Cell::many_warps) {
      reader = knowing_ ? -1 : -2;  // from before this block needed to know who they are
    } else {
      for (unsigned others = cell.readers; others; others &= others - 1) {
        const unsigned number = cell.read_warp * 32u + static_cast<unsigned>(__builtin_ctz(others));
        if (number == self || ordered(number, cell.read_time)) continue;
        reader = static_cast<int>(number);
        break;
      }
    }
    if (reader != -1) {
      const std::string who = reader < 0 ? "threads of several warps"
                                         : "thread " + text(threads_[static_cast<unsigned>(reader)].index);
      failing().fail_access(Mistake::race, address, bytes, access, place, "a race, no barrier stands between",
                            who + " read it", place_of(cell.read_place));
    }
    cell.read_time = 0;
  }
  cell.writer = static_cast<std::uint16_t>((access & by_agent ? acting_agent_ | Cell::of_agent : self) |
                                           ((access & atomically) ? Cell::atomic : 0u) |
                                           ((access & asynchronously) ? Cell::pending : 0u));
  cell.write_time = clock_;
  cell.write_place = offset(place);
}

// Before a write to a word whose readers are listed.
void Worker::check_readers(const Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access,
                           const void* place) {
  unsigned number = 0;
  const Readers* const readers = unordered_reader(cell, &number);
  if (!readers) return;
  const Place other = place_of(readers->place);
  if (readers->is_agent()) {
    failing();
    const std::string deed = relations_->agents[readers->agent()].deed;
    fail_access(Mistake::race, address, bytes, access, place,
                "a " + deed + " that reads it has not been waited for", "the " + deed + " was started",
                other);
  }
  failing().fail_access(Mistake::race, address, bytes, access, place, "a race, no barrier stands between",
                        "thread " + text(threads_[number].index) + " read it", other);
}

void Worker::split(Shadow& shadow, std::uintptr_t address, Cell& word) {
  for (std::uintptr_t i = 0; i < 4; ++i) {
    Cell& part = shadow.part((address & ~std::uintptr_t{3}) + i);
    part = word;
    if (i > 0 && word.has_list(block_start_)) part.readers = relations_->lists.copy_of(word.readers);
  }
  word.writer |= Cell::split;
}

// Whether an access to the static shared memory stays in one variable, and one of the running kernel's own.
bool Worker::in_own_variable(std::uintptr_t address, std::size_t bytes, const void* place) {
  const Program& program = Program::instance();
  const std::size_t first = address - static_shadow.start();
  const std::uint32_t variable = program.variable_at(first, bytes);
  if (variable == Program::no_variable) return false;
  active = nullptr;  // see failing()
  const bool own = program.belongs(variable, job->launch->kernel, place);
  if (own) {
    const auto [start, end] = program.extent(variable);
    for (std::size_t b = start; b < end; ++b) {
      room_[b] = static_cast<unsigned char>(std::min<std::size_t>(255, end - b));
    }
  }
  active = this;
  return own;
}

void Worker::shared_access(Shadow& shadow, std::uintptr_t address, std::size_t bytes, unsigned access,
                           const void* place) {
  if (&shadow == &dynamic_shadow) {
    const std::uintptr_t offset = address - reinterpret_cast<std::uintptr_t>(dynamic_memory);
    if (offset >= dynamic_bytes || bytes > dynamic_bytes - offset) {
      failing().fail_access(Mistake::out_of_bounds, address, bytes, access, place, "out of bounds");
    }
  } else if (room_[address - shadow.start()] < bytes && !in_own_variable(address, bytes, place)) {
    failing().fail_access(Mistake::out_of_bounds, address, bytes, access, place, "out of bounds");
  }
  const std::uintptr_t end = address + bytes;
  for (std::uintptr_t a = address; a < end;) {
    Cell& word = shadow.word(a);
    if (!(access & (writing | by_agent)) && (a & 3) == 0 && end - a >= 4 && nothing_new(word)) {
      a += 4;
      continue;
    }
    if ((a & 3) == 0 && end - a >= 4) {
      if (word.writer & Cell::split) {
        for (std::uintptr_t i = 0; i < 4; ++i) {
          access& writing ? write_cell(shadow.part(a + i), address, bytes, access, place)
                          : read_cell(shadow.part(a + i), address, bytes, access, place);
        }
        if (access & writing) word = shadow.part(a);  // all four alike again
      } else {
        access& writing ? write_cell(word, address, bytes, access, place)
                        : read_cell(word, address, bytes, access, place);
      }
      a += 4;
    } else {
      if (!(word.writer & Cell::split)) split(shadow, a, word);
      access& writing ? write_cell(shadow.part(a), address, bytes, access, place)
                      : read_cell(shadow.part(a), address, bytes, access, place);
      ++a;
    }
  }
}

// What is neither in bounds on the device nor on the running thread's stack.
void Worker::slow_access(std::uintptr_t address, std::size_t bytes, unsigned access, const void* place) {
  if (dynamic_shadow.holds(address)) return shared_access(dynamic_shadow, address, bytes, access, place);
  if (static_shadow.holds(address)) return shared_access(static_shadow, address, bytes, access, place);
  if (DeviceMemory::instance().holds(address, bytes)) return;
  if (address - stack < stack_bytes) return;
  const auto arguments = reinterpret_cast<std::uintptr_t>(job->launch->arguments.get());
  if (address - arguments < job->launch->argument_bytes && !(access & writing)) return;
  if (Program::instance().holds(address)) return;  // constants, and variables of the device
  active = nullptr;                                // is_pinned looks into a std::map, see failing()
  const bool pinned = is_pinned(address, bytes);
  active = this;
  if (pinned) return;
  failing().fail_access(Mistake::out_of_bounds, address, bytes, access, place, "out of bounds");
}

void Worker::read_shared(std::uintptr_t address, std::size_t bytes, Place place, const void* code) {
  if (dynamic_shadow.holds(address)) return shared_access(dynamic_shadow, address, bytes, reading, code);
  if (static_shadow.holds(address)) return shared_access(static_shadow, address, bytes, reading, code);
  failing().fail_not_shared(address, "reads ", place);
}

void Worker::fail_not_shared(std::uintptr_t address, const char* verb, Place place) {
  fail(Mistake::out_of_bounds, *current, verb + describe(address) + ", which is not shared memory", place);
}

void Worker::misaligned(std::uintptr_t address, std::size_t alignment, const char* type, Place place) {
  failing().fail(
      Mistake::misaligned, *current,
      "accesses " + describe(address) + " as " + type + ": it is not aligned to " + bytes_text(alignment),
      place);
}

}  // namespace simt
