#pragma once
/// Comma-separated values, with quotes as RFC 4180 has them.

#include <string>
#include <vector>

namespace deconv::tool {

/// A text as one field of a table: in quotes where it holds a comma, a quote or the end of a line.
[[nodiscard]] inline std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// The records of a file, the line of names first, all of as many cells. Throws IoError; FormatError for no
/// line of values, lines of other lengths, and a quote without an end.
[[nodiscard]] std::vector<std::vector<std::string>> read_csv(const std::string& path);

}  // namespace deconv::tool
