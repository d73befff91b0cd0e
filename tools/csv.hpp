#pragma once

#include <string>

namespace deconv::tool {

/// A text as one field of a table: in quotes where it holds a comma, a quote or the end of a line.
[[nodiscard]] inline std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace deconv::tool
