#pragma once

// What the running program's own file says about it: symbols, thread-local variables, lines.

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace simt {

struct ThreadLocalImage {
  const void* start = nullptr;
  std::size_t bytes = 0;
};

/// A thread-local variable: a __shared__ one of some kernel.
struct Variable {
  std::string name;  ///< demangled
  std::size_t offset = 0, bytes = 0;
};

struct Line {
  std::string function, file;
  unsigned number = 0;
};

class Program {
 public:
  static Program& instance();

  /// The calling OS thread's copy of the program's thread-local variables.
  [[nodiscard]] ThreadLocalImage thread_local_image() const;
  static constexpr std::uint32_t no_variable = ~std::uint32_t{0};
  /// The number of the variable in which [offset, offset + bytes) lies, or no_variable.
  [[nodiscard]] std::uint32_t variable_at(std::size_t offset, std::size_t bytes) const noexcept {
    if (offset >= variable_of_.size()) return no_variable;
    const std::uint32_t variable = variable_of_[offset];
    return variable != no_variable &&
                   variables_[variable].value + variables_[variable].bytes >= offset + bytes
               ? variable
               : no_variable;
  }
  /// The offsets where the variable begins and ends.
  [[nodiscard]] std::pair<std::size_t, std::size_t> extent(std::uint32_t variable) const {
    return {variables_[variable].value, variables_[variable].value + variables_[variable].bytes};
  }
  /// Whether code at the return address, in a launch of the kernel, may mean that variable: false for another
  /// kernel's, into which an index beyond the own array's end leads. Slow.
  [[nodiscard]] bool belongs(std::uint32_t variable, const void* kernel, const void* return_address) const;
  /// Remembers that this function is a kernel.
  void launched(const void* kernel);
  /// The variable that covers the offset, else the last before it.
  [[nodiscard]] Variable nearest_thread_local(std::size_t offset) const;

  [[nodiscard]] bool holds(std::uintptr_t address) const noexcept { return address - start_ < bytes_; }
  [[nodiscard]] std::uint32_t offset(const void* address) const noexcept {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(address) - start_);
  }
  [[nodiscard]] const void* address(std::uint32_t offset) const noexcept {
    return reinterpret_cast<const void*>(start_ + offset);
  }

  /// The demangled name of the function that starts there.
  [[nodiscard]] std::string function_name(const void* address) const;
  /// Bytes of the function's own __shared__ variables.
  [[nodiscard]] std::size_t static_shared_bytes(const void* kernel) const;
  /// The line of a return address, then the lines into which it was inlined. Slow: it runs addr2line.
  [[nodiscard]] std::vector<Line> lines(const void* return_address) const;

 private:
  Program();
  struct Symbol {
    std::uintptr_t value = 0;
    std::size_t bytes = 0;
    const char* name = nullptr;
  };
  [[nodiscard]] const Symbol* function(const void* address) const;

  std::string file_;
  std::vector<char> image_;  // keeps the names
  std::uintptr_t load_ = 0;  // added to the file's addresses
  std::uintptr_t start_ = 0;
  std::size_t bytes_ = 0;
  std::size_t thread_local_bytes_ = 0;
  std::vector<Symbol> functions_, variables_;  // sorted by value
  std::vector<std::uint32_t> variable_of_;     // for each byte
  mutable std::mutex mutex_;                   // guards what follows
  std::unordered_set<const void*> kernels_;
  mutable std::unordered_map<std::string_view, const void*> function_names_;
};

}  // namespace simt
