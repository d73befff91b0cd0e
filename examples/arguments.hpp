#pragma once
/// The command lines of the examples: --name value, and what stands alone.

#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/quoted.hpp"
#include "deconv/core/shape.hpp"

namespace example {

class Arguments {
 public:
  /// An option and its default value.
  using Options = std::map<std::string, std::string>;

  /// Prints `usage` and ends the program for --help. Throws ArgumentError for an option that is not known or
  /// has no value.
  Arguments(int argc, char** argv, const std::string& usage, Options options) : options_(std::move(options)) {
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word == "--help" || word == "-h") {
        std::cout << usage;
        std::exit(0);
      }
      if (!word.starts_with("--")) {
        others_.push_back(word);
        continue;
      }
      const auto option = options_.find(word.substr(2));
      deconv::require<deconv::ArgumentError>(option != options_.end() && i + 1 < argc, word,
                                             ": unknown or without a value; see --help");
      option->second = argv[++i];
    }
  }

  [[nodiscard]] const std::string& text(const std::string& name) const { return options_.at(name); }
  [[nodiscard]] double number(const std::string& name) const {
    const std::string& text = options_.at(name);
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    deconv::require<deconv::ArgumentError>(!text.empty() && *end == '\0', "--", name,
                                           ": a number wanted, met ", deconv::quoted(text));
    return value;
  }
  /// A whole number of at least `low`.
  [[nodiscard]] deconv::Index whole(const std::string& name, deconv::Index low) const {
    const double value = number(name);
    const auto result = value >= -1e15 && value <= 1e15 ? static_cast<deconv::Index>(value) : low - 1;
    deconv::require<deconv::ArgumentError>(result >= low && static_cast<double>(result) == value, "--", name,
                                           ": a whole number from ", low, " on wanted, met ", value);
    return result;
  }
  /// The words that stand alone.
  [[nodiscard]] const std::vector<std::string>& others() const noexcept { return others_; }

 private:
  Options options_;
  std::vector<std::string> others_;
};

}  // namespace example
