#pragma once
/// What commands print: one JSON document, or text for people.

#include <cstdint>
#include <optional>
#include <string>

#include "deconv/core/shape.hpp"
#include "deconv/io/json.hpp"
#include "options.hpp"
#include "timing.hpp"

namespace deconv {
struct PlaneBox;
}

namespace deconv::tool {

/// Keeps the order in which fields were added, which is the order people read them in.
using Document = nlohmann::ordered_json;

/// A document that begins with the program, the command and the model.
[[nodiscard]] Document make_document(const std::string& command, const CommonOptions& options);

/// A float as the shortest decimal number that reads back to it; null where it is not finite.
[[nodiscard]] Document number(float value);

[[nodiscard]] Document to_document(const Shape& shape);
[[nodiscard]] Document to_document(const PlaneBox& box);

/// Adds median_ms, min_ms and peak_memory_bytes where --repeat was given.
void add_timing(Document& document, const std::optional<Timing>& timing);

/// Text of a document, UTF-8 whatever the names in it hold.
[[nodiscard]] std::string text_of(const Document& document);

/// With --json prints the document, otherwise what `people` prints (and the timing).
void print(const CommonOptions& options, const Document& document, const std::function<void()>& people);

/// 1234567 as "1.23 M", for people.
[[nodiscard]] std::string short_count(Index value);

}  // namespace deconv::tool
