#include "document.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "deconv/nn/receptive_field.hpp"

namespace deconv::tool {

Document make_document(const std::string& command, const CommonOptions& options) {
  Document document;
  document["deconv"] = DECONV_VERSION;
  document["command"] = command;
  document["model"] = options.model.string();
  return document;
}

Document number(float value) {
  if (!std::isfinite(value)) return nullptr;
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof text - 1, value);
  if (error != std::errc{}) return static_cast<double>(value);
  *end = '\0';
  return std::strtod(text, nullptr);
}

Document to_document(const Shape& shape) {
  Document list = Document::array();
  for (const Index extent : shape.extents()) list.push_back(extent);
  return list;
}

Document to_document(const PlaneBox& box) {
  return {{"top", box.top}, {"left", box.left}, {"bottom", box.bottom}, {"right", box.right}};
}

void add_timing(Document& document, const std::optional<Timing>& timing) {
  if (!timing) return;
  document["repeat"] = timing->repeats;
  document["median_ms"] = timing->median_ms;
  document["min_ms"] = timing->min_ms;
  document["peak_memory_bytes"] = timing->peak_memory_bytes;
}

std::string text_of(const Document& document) {
  return document.dump(2, ' ', false, Document::error_handler_t::replace) + "\n";
}

void print(const CommonOptions& options, const Document& document, const std::function<void()>& people) {
  if (options.json) {
    std::cout << text_of(document);
    return;
  }
  people();
  if (document.contains("median_ms"))
    std::cout << "median " << document["median_ms"].get<double>() << " ms, least "
              << document["min_ms"].get<double>() << " ms of " << document["repeat"].get<int>()
              << " repetitions; peak memory "
              << document["peak_memory_bytes"].get<std::uint64_t>() / (std::uint64_t{1} << 20) << " MiB\n";
}

std::string short_count(Index value) {
  std::ostringstream text;
  const double x = static_cast<double>(value);
  text << std::setprecision(3);
  if (value < 10'000)
    text << value;
  else if (value < 1'000'000)
    text << x / 1e3 << " k";
  else if (value < 1'000'000'000)
    text << x / 1e6 << " M";
  else
    text << x / 1e9 << " G";
  return std::move(text).str();
}

}  // namespace deconv::tool
