#pragma once
/// nlohmann-json behind one door: bounded depth, no repeated names, errors of the library's own family.

#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#else
#error "deconv/io/json.hpp needs nlohmann-json (Debian: nlohmann-json3-dev)"
#endif

#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"

namespace deconv::io {

using Json = nlohmann::json;

/// Parses a document. Throws FormatError, naming `name`, for anything that is not JSON, for a name that
/// occurs twice in one object, and for more than 64 levels of nesting.
[[nodiscard]] inline Json parse_json(std::string_view text, const std::string& name) {
  constexpr int deepest = 64;
  std::vector<std::set<std::string>> seen;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    require<FormatError>(depth <= deepest, name, ": JSON nested deeper than ", deepest, " levels");
    if (event == Json::parse_event_t::object_start) seen.emplace_back();
    if (event == Json::parse_event_t::object_end) seen.pop_back();
    if (event == Json::parse_event_t::key)
      require<FormatError>(seen.back().insert(value.get<std::string>()).second, name, ": the JSON name ",
                           value.dump(), " occurs twice");
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check);
  } catch (const nlohmann::json::exception& problem) {
    std::string what = problem.what();
    // "[json.exception.parse_error.101] parse error at ...": the bracket says nothing to the reader.
    if (const auto bracket = what.find("] "); bracket != std::string::npos) what.erase(0, bracket + 2);
    raise<FormatError>(name, ": not valid JSON: ", what);
  }
}

/// A short rendering of a value for messages.
[[nodiscard]] inline std::string json_excerpt(const Json& value) {
  if (value.is_structured() && value.size() > 16)
    return message("a JSON ", value.type_name(), " of ", value.size());
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

/// `value` as a finite number. `what` names the field in the FormatError.
[[nodiscard]] inline double json_number(const Json& value, const std::string& what) {
  require<FormatError>(value.is_number(), what, ": a number wanted, met ", json_excerpt(value));
  const double number = value.get<double>();
  require<FormatError>(std::isfinite(number), what, ": a finite number wanted");
  return number;
}

/// `value` as a whole number of [low, high].
[[nodiscard]] inline Index json_integer(const Json& value, const std::string& what, Index low = 0,
                                        Index high = std::numeric_limits<Index>::max()) {
  const bool whole =
      value.is_number_integer() &&
      (!value.is_number_unsigned() ||
       value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<Index>::max()));
  require<FormatError>(whole && value.get<Index>() >= low && value.get<Index>() <= high, what,
                       ": a whole number from ", low, " to ", high, " wanted, met ", json_excerpt(value));
  return value.get<Index>();
}

/// `value` as a string.
[[nodiscard]] inline std::string json_string(const Json& value, const std::string& what) {
  require<FormatError>(value.is_string(), what, ": a string wanted, met ", json_excerpt(value));
  return value.get<std::string>();
}

}  // namespace deconv::io
