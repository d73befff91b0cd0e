#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/quoted.hpp"
#include "deconv/io/file.hpp"
#include "deconv/io/preprocess.hpp"

// Named points of pictures: where eyes and noses are.
namespace deconv::io {

/// A place in a picture, in pixels: the first pixel's middle is (0, 0), as people and most tools count.
struct PicturePoint {
  double x = 0, y = 0;
  friend bool operator==(const PicturePoint&, const PicturePoint&) = default;
};

/// One picture and where its landmarks are, in the order of Landmarks::names.
struct LandmarkedPicture {
  std::filesystem::path file;  ///< beside the table, unless absolute
  std::vector<PicturePoint> points = {};
  std::optional<Index> class_index = std::nullopt;
  std::optional<Extent> size = std::nullopt;  ///< of the picture, as the table says
};

/// A table of landmarks.
struct Landmarks {
  std::vector<std::string> names;  ///< "left_eye", in the order of the table's columns
  std::vector<LandmarkedPicture> pictures;
};

namespace detail {

/// The fields of a line, without blanks around them.
[[nodiscard]] inline std::vector<std::string_view> comma_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t stop = std::min(line.find(',', at), line.size());
    std::string_view field = line.substr(at, stop - at);
    const auto first = field.find_first_not_of(" \t\r");
    field = first == std::string_view::npos
                ? std::string_view()
                : field.substr(first, field.find_last_not_of(" \t\r") + 1 - first);
    fields.push_back(field);
    at = stop + 1;
  }
  return fields;
}

/// What a column of a table of landmarks holds.
struct LandmarkColumn {
  enum class Kind : std::uint8_t { file, class_index, width, height, x, y } kind = Kind::file;
  std::size_t point = 0;  ///< of x and y: which
};

/// The header's columns; the names of the points go to `names`.
[[nodiscard]] inline std::vector<LandmarkColumn> landmark_columns(std::string_view header,
                                                                  const std::string& where,
                                                                  std::vector<std::string>& names) {
  using Kind = LandmarkColumn::Kind;
  constexpr std::pair<std::string_view, Kind> known[] = {{"file", Kind::file},
                                                         {"class_index", Kind::class_index},
                                                         {"width", Kind::width},
                                                         {"height", Kind::height}};
  std::vector<LandmarkColumn> columns;
  const auto fields = comma_fields(header);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string_view field = fields[i];
    require<FormatError>(std::count(fields.begin(), fields.end(), field) == 1, where, ": line 1, column ",
                         i + 1, ": ", quoted(field), " stands there twice");
    const auto* named =
        std::find_if(std::begin(known), std::end(known), [&](const auto& one) { return one.first == field; });
    if (named != std::end(known)) {
      columns.push_back({named->second, 0});
      continue;
    }
    const bool point = field.size() > 2 && (field.ends_with("_x") || field.ends_with("_y"));
    require<FormatError>(point, where, ": line 1, column ", i + 1,
                         ": file, class_index, width, height, NAME_x or NAME_y wanted, met ", quoted(field));
    const std::string name(field.substr(0, field.size() - 2));
    const auto other = name + (field.ends_with("_x") ? "_y" : "_x");
    require<FormatError>(std::find(fields.begin(), fields.end(), other) != fields.end(), where,
                         ": line 1, column ", i + 1, ": ", quoted(field), " without ", quoted(other));
    auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) found = names.insert(found, name);
    columns.push_back(
        {field.ends_with("_x") ? Kind::x : Kind::y, static_cast<std::size_t>(found - names.begin())});
  }
  const bool has_file = std::any_of(columns.begin(), columns.end(),
                                    [](const auto& column) { return column.kind == Kind::file; });
  require<FormatError>(has_file, where, ": line 1: a column \"file\" wanted");
  require<FormatError>(!names.empty(), where, ": line 1: at least one pair of columns NAME_x, NAME_y wanted");
  return columns;
}

}  // namespace detail

/// Reads a table of landmarks: text with commas (no quotes), a header, one picture a line. Columns in any
/// order: `file` (a path relative to the table's folder), a pair `NAME_x`, `NAME_y` for each landmark in
/// pixels of the picture, and where wanted `class_index`, `width` and `height`. Empty lines do not count. A
/// point must lie in the picture where the table says how large that is. Pictures are not opened. Throws
/// FormatError that names the line and column; `where` is what messages call the text, `folder` that of the
/// pictures.
[[nodiscard]] inline Landmarks parse_landmarks(std::string_view text, const std::string& where,
                                               const std::filesystem::path& folder) {
  using Kind = detail::LandmarkColumn::Kind;
  Landmarks result;
  std::vector<detail::LandmarkColumn> columns;
  std::vector<std::string> titles;
  Index number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t stop = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, stop - at);
    at = stop + 1;
    ++number;
    if (number == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto fields = detail::comma_fields(line);
    if (columns.empty()) {
      require<FormatError>(number == 1, where, ": line 1: a header wanted, the line is empty");
      columns = detail::landmark_columns(line, where, result.names);
      titles.assign(fields.begin(), fields.end());
      continue;
    }
    require<FormatError>(fields.size() == columns.size(), where, ": line ", number, ": ", columns.size(),
                         " fields wanted, as the header has, met ", fields.size());
    LandmarkedPicture picture;
    picture.points.resize(result.names.size());
    std::optional<Index> width, height;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::string_view field = fields[i];
      const auto place = [&] { return message(where, ": line ", number, ", column ", titles[i]); };
      if (columns[i].kind == Kind::file) {
        require<FormatError>(!field.empty(), place(), ": a picture's file wanted, the field is empty");
        picture.file = folder / std::string(field);
        continue;
      }
      double value = 0;
      const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
      require<FormatError>(error == std::errc{} && end == field.data() + field.size() &&
                               std::isfinite(value) && std::abs(value) <= 1e9,
                           place(), ": a number wanted, met ", quoted(field));
      if (columns[i].kind == Kind::x) picture.points[columns[i].point].x = value;
      if (columns[i].kind == Kind::y) picture.points[columns[i].point].y = value;
      if (columns[i].kind == Kind::x || columns[i].kind == Kind::y) {
        require<FormatError>(value >= -0.5, place(), ": a place in the picture wanted, met ", quoted(field));
        continue;
      }
      const double least = columns[i].kind == Kind::class_index ? 0 : 1;
      require<FormatError>(value >= least && value == std::floor(value), place(), ": a whole number from ",
                           least, " on wanted, met ", quoted(field));
      (columns[i].kind == Kind::class_index ? picture.class_index
       : columns[i].kind == Kind::width     ? width
                                            : height) = static_cast<Index>(value);
    }
    require<FormatError>(width.has_value() == height.has_value(), where,
                         ": line 1: width and height wanted, met one of them");
    if (width) picture.size = Extent{*height, *width};
    for (std::size_t p = 0; picture.size && p < picture.points.size(); ++p)
      require<FormatError>(picture.points[p].x <= static_cast<double>(*width) - 0.5 &&
                               picture.points[p].y <= static_cast<double>(*height) - 0.5,
                           where, ": line ", number, ", column ", result.names[p], "_x or ", result.names[p],
                           "_y: a place in a picture of ", *width, "x", *height, " wanted, met ",
                           picture.points[p].x, ",", picture.points[p].y);
    result.pictures.push_back(std::move(picture));
  }
  require<FormatError>(!columns.empty(), where, ": a header wanted, the file is empty");
  require<FormatError>(!result.pictures.empty(), where, ": at least one picture wanted");
  return result;
}

/// The table in a file, as parse_landmarks; its pictures lie in its own folder. Throws IoError, FormatError.
[[nodiscard]] inline Landmarks read_landmarks(const std::filesystem::path& path) {
  return parse_landmarks(read_text(path, std::uint64_t{1} << 26), path.string(), path.parent_path());
}

/// Where a point of a width x height picture comes to lie in the network's input, through the preprocessing's
/// resize and crop: pixels, the first one's middle being (0, 0). It may lie outside of the input. Throws
/// ShapeError when the picture is too small for the crop.
[[nodiscard]] inline PicturePoint point_in_input(const Preprocess& preprocess, Index width, Index height,
                                                 const PicturePoint& point) {
  const Extent whole = preprocess.resized_extent(width, height);
  const Box window = preprocess.crop_box(width, height);
  const double across = static_cast<double>(whole.width) / static_cast<double>(width);
  const double down = static_cast<double>(whole.height) / static_cast<double>(height);
  return {(point.x + 0.5) * across - 0.5 - static_cast<double>(window.left),
          (point.y + 0.5) * down - 0.5 - static_cast<double>(window.top)};
}

}  // namespace deconv::io
