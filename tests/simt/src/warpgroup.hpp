#pragma once

// The warpgroups of a block: products that all 128 threads have issued, the accumulators that they write, and
// the registers that each thread keeps.

#include <cstdint>
#include <deque>
#include <memory>
#include <source_location>
#include <vector>

#include "simt/warpgroup.hpp"
#include "worker.hpp"

namespace simt {

/// An operand as its descriptor says.
struct Operand {
  std::uintptr_t start = 0;
  std::size_t leading = 0, stride = 0;
  unsigned span = 16;  // bytes; 16: no swizzle
  unsigned rows = 0;   // or columns
  bool across = false;

  /// The address of the 16 bytes that hold, along k, piece (0, 1) of a row: of 8 k, of 4 in tf32; across, 8
  /// rows from 8 piece on, of one k.
  [[nodiscard]] std::uintptr_t along(unsigned row, unsigned piece) const noexcept;
  [[nodiscard]] std::uintptr_t over(unsigned k, unsigned piece) const noexcept;
  [[nodiscard]] unsigned pieces() const noexcept { return across ? rows / 8 * 16 : rows * 2; }
  /// Each of them, by number.
  [[nodiscard]] std::uintptr_t piece(unsigned number) const noexcept {
    return across ? over(number % 16, number / 16) : along(number / 2, number % 2);
  }
};

struct Product {
  MatrixType type{};
  unsigned columns = 0;
  std::uint64_t a_bits = 0, b_bits = 0;
  Operand a, b;
  std::source_location where;
  const void* code = nullptr;
  unsigned accumulator = 0, group = 0;
  unsigned first = 0;      // the thread that issued it first
  unsigned issued = 0;     // threads that have
  std::uint32_t time = 0;  // when all had
};

/// d of a product and of those that follow on the same registers, in one piece from the first of them to the
/// wait.
struct Accumulator {
  float* d[128] = {};
  bool taken[128] = {};       // from the thread, which finds NaN in its place
  unsigned begins[128] = {};  // of the thread, when it got its d back
  unsigned columns = 0;
  unsigned group = 0;  // of the last product
  float sums[64 * 256];
};

/// tile += a b: sums in double, rounded once.
void multiply(const Product& product, float* sums);
Operand decoded(std::uint64_t bits, unsigned rows, bool across);

class Warpgroup {
 public:
  /// The running thread's, which must have all its threads.
  static Warpgroup& mine(const char* operation, const std::source_location& where);
  void clear();
  void begin();
  void issue(MatrixType type, unsigned columns, bool rows_across, bool columns_across, float* d,
             std::uint64_t a, std::uint64_t b, const std::source_location& where, const void* code);
  void close();
  void wait(unsigned newest, const std::source_location& where);
  void set_registers(unsigned count, bool more, const std::source_location& where);
  /// The running thread ends.
  void finish();

  unsigned registers = 0;  // a thread's, 0 where not set

 private:
  struct Member {
    unsigned issued = 0, closed = 0, begun = 0;
  };
  unsigned place_of(unsigned self, float* d, unsigned columns, const std::source_location& where);
  void take(Accumulator& accumulator, unsigned self, float* d, unsigned columns,
            const std::source_location& where);
  void carry_out(Product& product);
  void land(unsigned groups, const std::source_location& where);
  /// Waits for the group's 128 threads; true for the last to come.
  bool meet(const char* operation, unsigned value, const std::source_location& where);
  void part();
  static Explanation explain(Worker& worker, const Thread& thread);

  Member members_[128];
  std::deque<Product> products_;  // issued by some and not waited for
  unsigned waited_ = 0;           // products before these
  static constexpr unsigned no_agent = ~0u;
  unsigned agent_ = no_agent;  // that reads the operands
  std::vector<std::unique_ptr<Accumulator>> accumulators_;
  unsigned met_ = 0, value_ = 0, first_met_ = 0;
};

/// A block's.
struct Warpgroups {
  Warpgroup groups[8];
  bool used = false;

  void clear() {
    if (!used) return;
    for (Warpgroup& group : groups) group.clear();
    used = false;
  }
};

}  // namespace simt
