#include "csv.hpp"

#include <cstdint>
#include <utility>

#include "deconv/io/file.hpp"

namespace deconv::tool {

std::vector<std::vector<std::string>> read_csv(const std::string& path) {
  const std::string text = io::read_text(path, std::uint64_t{1} << 24);
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> row(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"')
        row.back() += c;
      else if (i + 1 < text.size() && text[i + 1] == '"')
        row.back() += text[++i];
      else
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      row.emplace_back();
    } else if (c == '\n') {
      rows.push_back(std::exchange(row, std::vector<std::string>(1)));
    } else if (c != '\r') {
      row.back() += c;
    }
  }
  require<FormatError>(!quoted, path, ": a quoted cell has no end");
  if (row.size() > 1 || !row.back().empty()) rows.push_back(std::move(row));
  require<FormatError>(rows.size() > 1, path, ": a line of names and at least one of values wanted, met ",
                       rows.size(), " lines");
  for (std::size_t r = 1; r < rows.size(); ++r)
    require<FormatError>(rows[r].size() == rows[0].size(), path, ": line ", r + 1, ": ", rows[0].size(),
                         " cells wanted, met ", rows[r].size());
  return rows;
}

}  // namespace deconv::tool
