// The warpgroup's products. Nobody waits to issue one: a thread leaves its accumulators, finds NaN in their
// place, and goes on; the last of the 128 to issue it carries it out; who waits gets the sums back.

#include "warpgroup.hpp"

#include <bit>
#include <cstring>
#include <string>

namespace simt {
namespace {

constexpr std::uint32_t absent = 0x7fedeadfu;  // in the place of accumulators: a NaN that no product makes

// Where in the 64 rows thread `self` keeps its number i.
std::size_t position(unsigned self, unsigned i, unsigned columns) {
  const unsigned row = self / 32 * 16 + self % 32 / 4 + (i / 2 % 2 == 1 ? 8u : 0u);
  const unsigned column = i / 4 * 8 + self % 4 * 2 + i % 2;
  return std::size_t{row} * columns + column;
}

bool all_absent(const float* d, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    if (std::bit_cast<std::uint32_t>(d[i]) != absent) return false;
  }
  return true;
}

unsigned running_member() { return active->current->number % 128u; }

std::string counted(unsigned count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

void Warpgroup::clear() {
  for (Member& member : members_) member = {};
  products_.clear();
  waited_ = 0;
  agent_ = no_agent;
  accumulators_.clear();
  met_ = 0;
  registers = 0;
}

void Warpgroup::begin() { ++members_[running_member()].begun; }
void Warpgroup::close() { ++members_[running_member()].closed; }

// The accumulators that the running thread keeps in d, by number.
unsigned Warpgroup::place_of(unsigned self, float* d, unsigned columns, const std::source_location& where) {
  unsigned place = static_cast<unsigned>(accumulators_.size());
  for (unsigned i = 0; i < accumulators_.size(); ++i) {
    if (accumulators_[i]->d[self] == d) place = i;
  }
  if (place == accumulators_.size()) accumulators_.push_back(std::make_unique<Accumulator>());
  Accumulator& accumulator = *accumulators_[place];
  if (accumulator.columns != columns) {
    if (accumulator.taken[self]) {
      Worker& worker = *active;
      worker.failing().fail(Mistake::accumulators, *worker.current,
                            "multiplies into " + counted(columns, "column") + " of accumulators of which " +
                                std::to_string(accumulator.columns) + " are under way",
                            Place(where));
    }
    for (float*& other : accumulator.d) other = nullptr;  // an array that lay here before
    accumulator.columns = columns;
  }
  return place;
}

void Warpgroup::take(Accumulator& accumulator, unsigned self, float* d, unsigned columns,
                     const std::source_location& where) {
  const unsigned count = columns / 2;
  if (accumulator.taken[self]) {
    Worker& worker = *active;
    if (accumulator.d[self] != d) {
      worker.failing().fail(Mistake::accumulators, *worker.current,
                            "multiplies into other accumulators than the rest of its warpgroup",
                            Place(where));
    }
    if (!all_absent(d, count)) {
      worker.failing().fail(Mistake::accumulators, *worker.current,
                            "has written to accumulators of a product that it has not waited for",
                            Place(where));
    }
    return;
  }
  const unsigned begun = members_[self].begun;
  bool untouched = accumulator.d[self] == d && begun > 0;
  if (untouched && begun == accumulator.begins[self]) {
    for (unsigned i = 0; i < count && untouched; ++i) {
      untouched = std::memcmp(d + i, accumulator.sums + position(self, i, columns), 4) == 0;
    }
  } else {
    untouched = begun > 0;
  }
  if (!untouched) {
    Worker& worker = *active;
    worker.failing().fail(Mistake::accumulators, *worker.current,
                          begun == 0
                              ? "multiplies without begin_products()"
                              : "multiplies into accumulators that it has written to since begin_products()",
                          Place(where));
  }
  for (const auto& other : accumulators_) {
    if (other.get() == &accumulator || other->d[self] != d) continue;
    if (other->taken[self]) {
      Worker& worker = *active;
      worker.failing().fail(Mistake::accumulators, *worker.current,
                            "multiplies into other accumulators than the rest of its warpgroup",
                            Place(where));
    }
    other->d[self] = nullptr;  // an array that lay here before
  }
  accumulator.d[self] = d;
  accumulator.taken[self] = true;
  for (unsigned i = 0; i < count; ++i) {
    accumulator.sums[position(self, i, columns)] = d[i];
    d[i] = std::bit_cast<float>(absent);
  }
}

void Warpgroup::issue(MatrixType type, unsigned columns, bool rows_across, bool columns_across, float* d,
                      std::uint64_t a, std::uint64_t b, const std::source_location& where, const void* code) {
  const unsigned self = running_member();
  Member& member = members_[self];
  const unsigned number = member.issued++ - waited_;
  if (number == products_.size()) {
    Product product;
    product.type = type;
    product.columns = columns;
    product.a_bits = a;
    product.b_bits = b;
    product.a = decoded(a, 64, rows_across);
    product.b = decoded(b, columns, columns_across);
    product.where = where;
    product.code = code;
    product.group = member.closed;
    product.accumulator = place_of(self, d, columns, where);
    product.first = active->current->number;
    products_.push_back(product);
  }
  Product& product = products_[number];
  const char* difference = nullptr;
  if (!same_line(product.where, where) || product.type != type || product.columns != columns) {
    difference = "issues another product than the rest of its warpgroup";
  } else if (product.a_bits != a || product.b_bits != b) {
    difference = "describes other operands than the rest of its warpgroup";
  } else if (product.group != member.closed) {
    difference = "has closed another number of groups of products than the rest of its warpgroup";
  }
  if (difference) {
    Worker& worker = *active;
    worker.failing().fail(Mistake::missing_lanes, *worker.current, difference, Place(where),
                          "thread " + text(worker.thread(product.first).index) + " issued it first",
                          Place(product.where));
  }
  Accumulator& accumulator = *accumulators_[product.accumulator];
  take(accumulator, self, d, columns, where);
  accumulator.group = product.group;
  if (++product.issued == 128) carry_out(product);
}

void Warpgroup::carry_out(Product& product) {
  Worker& worker = *active;
  product.time = worker.tick();
  if (agent_ == no_agent) agent_ = worker.take_agent("product");
  for (const Operand* operand : {&product.a, &product.b}) {
    worker.read_operand(*operand, agent_, product.where, product.code);
  }
  multiply(product, accumulators_[product.accumulator]->sums);
}

void Warpgroup::wait(unsigned newest, const std::source_location& where) {
  if (!meet("wait_for_products", newest, where)) return;
  Worker& worker = *active;
  const Member& self = members_[running_member()];
  for (unsigned i = 0; i < 128; ++i) {
    const Member& other = members_[i];
    if (other.issued == self.issued && other.closed == self.closed) continue;
    worker.failing().fail(
        Mistake::missing_lanes, *worker.current,
        "comes to a wait having issued " + counted(self.issued, "product") + " and closed " +
            counted(self.closed, "group") + ", where another thread of its warpgroup has issued " +
            std::to_string(other.issued) + " and closed " + std::to_string(other.closed),
        Place(where),
        "thread " + text(worker.thread(worker.current->number / 128u * 128u + i).index) + " waits",
        Place(worker.thread(worker.current->number / 128u * 128u + i).where));
  }
  if (self.closed > newest) land(self.closed - newest, where);
  part();
}

// Ends the products of the groups before this one.
void Warpgroup::land(unsigned groups, const std::source_location& where) {
  Worker& worker = *active;
  while (!products_.empty() && products_.front().group < groups) {
    products_.pop_front();
    ++waited_;
  }
  const unsigned first = worker.current->number / 128u * 128u;
  if (agent_ != no_agent) {
    const std::uint32_t over = products_.empty() ? worker.tick() : products_.front().time;
    for (unsigned i = 0; i < 128; ++i) worker.learn_of_agent(first + i, agent_, over);
  }
  for (const auto& accumulator : accumulators_) {
    if (!accumulator->taken[0] || accumulator->group >= groups) continue;
    const unsigned count = accumulator->columns / 2;
    for (unsigned thread = 0; thread < 128; ++thread) {
      float* const d = accumulator->d[thread];
      if (!all_absent(d, count)) {
        worker.failing().fail(Mistake::accumulators, worker.thread(first + thread),
                              "has written to accumulators of a product before this wait for it",
                              Place(where));
      }
      for (unsigned i = 0; i < count; ++i)
        d[i] = accumulator->sums[position(thread, i, accumulator->columns)];
      accumulator->taken[thread] = false;
      accumulator->begins[thread] = members_[thread].begun;
    }
  }
}

void Warpgroup::finish() {
  const unsigned self = running_member();
  for (const auto& accumulator : accumulators_) {
    if (!accumulator->taken[self]) continue;
    Worker& worker = *active;
    const Product& product = products_.back();
    worker.failing().fail(Mistake::accumulators, *worker.current,
                          "ends without having waited for its products", Place(product.where));
  }
}

void begin_products(const std::source_location& where) { Warpgroup::mine("begin_products", where).begin(); }
void close_products(const std::source_location& where) { Warpgroup::mine("close_products", where).close(); }
void wait_for_products(unsigned newest, const std::source_location& where) {
  Warpgroup::mine("wait_for_products", where).wait(newest, where);
}
void multiply_add_group(MatrixType type, unsigned columns, bool rows_across, bool columns_across, float* d,
                        std::uint64_t a, std::uint64_t b, const std::source_location& where) {
  Warpgroup::mine("multiply_add_group", where)
      .issue(type, columns, rows_across, columns_across, d, a, b, where, __builtin_return_address(0));
}

}  // namespace simt
