#pragma once
/// Protobuf's text format, as a tree that knows no schema: what Caffe's .prototxt files are written in.
/// Source: the language specification at protobuf.dev (Text Format Language Specification).

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/quoted.hpp"
#include "deconv/core/shape.hpp"

namespace deconv::io {

struct TextField;

/// Fields in the file's order. Reading accessors take the last field of a name, as protobuf does for fields
/// that are not repeated, and throw FormatError naming file and line.
class TextMessage {
 public:
  std::vector<TextField> fields;
  std::string name;  ///< what messages call it: file and line

  [[nodiscard]] const TextField* find(std::string_view field) const;
  [[nodiscard]] bool has(std::string_view field) const { return find(field) != nullptr; }
  /// A word, number or string as it stands in the file.
  [[nodiscard]] std::string text(std::string_view field, std::string_view otherwise) const;
  [[nodiscard]] std::vector<std::string> texts(std::string_view field) const;
  [[nodiscard]] Index integer(std::string_view field, Index otherwise, Index low, Index high) const;
  [[nodiscard]] std::vector<Index> integers(std::string_view field, Index low, Index high) const;
  [[nodiscard]] float real(std::string_view field, float otherwise) const;
  [[nodiscard]] std::vector<float> reals(std::string_view field) const;
  [[nodiscard]] bool truth(std::string_view field, bool otherwise) const;
  /// The message of that name, or an empty one.
  [[nodiscard]] const TextMessage& message(std::string_view field) const;
  [[nodiscard]] std::vector<const TextMessage*> messages(std::string_view field) const;
  /// Throws unless every field is one of these.
  void allow(std::initializer_list<std::string_view> known) const;
};

/// `name: value`, or `name { ... }` when `nested` is not empty.
struct TextField {
  std::string name;
  std::string value;
  std::vector<TextMessage> nested;  ///< one message, or none for a value
  std::size_t line = 0;
};

namespace detail {

/// Recursive descent with bounds on depth and on the number of fields.
class TextFormatParser {
 public:
  TextFormatParser(std::string_view text, std::string document)
      : text_(text), document_(std::move(document)) {}

  [[nodiscard]] TextMessage parse() {
    TextMessage root = body('\0', 0);
    return root;
  }

 private:
  static constexpr int deepest = 32;
  static constexpr std::size_t most_fields = 1'000'000;

  [[noreturn]] void fail(const auto&... parts) const {
    raise<FormatError>(document_, ':', line_, ": ", parts...);
  }

  void skip_blanks() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') ++line_;
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f') {
        ++at_;
      } else {
        break;
      }
    }
  }
  /// The next character that is not blank, or 0 at the end.
  [[nodiscard]] char peek() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char wanted) {
    if (peek() != wanted || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] std::string met() {
    skip_blanks();
    return at_ < text_.size() ? quoted(text_.substr(at_, 1)) : std::string("the end");
  }

  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  [[nodiscard]] std::string identifier() {
    if (!is_letter(peek())) fail("a field name wanted, met ", met());
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  /// The fields up to `closing`, or to the end of the text for '\0'.
  [[nodiscard]] TextMessage body(char closing, int depth) {
    if (depth > deepest) fail("messages nested deeper than ", deepest);
    TextMessage result;
    result.name = message(document_, ':', line_);
    while (true) {
      const char c = peek();
      if (at_ >= text_.size()) {
        if (closing != '\0') fail("'", closing, "' wanted, met the end");
        return result;
      }
      if (closing != '\0' && c == closing) {
        ++at_;
        return result;
      }
      field(result, depth);
      if (!take(',')) take(';');
    }
  }

  void field(TextMessage& parent, int depth) {
    const std::string name = identifier();
    const std::size_t line = line_;
    const bool colon = take(':');
    if (colon && take('[')) {
      if (take(']')) return;
      do {
        element(parent, name, line, depth, true);
      } while (take(','));
      if (!take(']')) fail("',' or ']' wanted, met ", met());
      return;
    }
    element(parent, name, line, depth, colon);
  }

  void element(TextMessage& parent, const std::string& name, std::size_t line, int depth,
               bool value_allowed) {
    if (++fields_ > most_fields) fail("more than ", most_fields, " fields");
    TextField result{name, {}, {}, line};
    if (take('{')) {
      result.nested.push_back(body('}', depth + 1));
    } else if (take('<')) {
      result.nested.push_back(body('>', depth + 1));
    } else if (!value_allowed) {
      fail("':' or '{' wanted behind ", quoted(name), ", met ", met());
    } else {
      result.value = scalar();
    }
    parent.fields.push_back(std::move(result));
  }

  [[nodiscard]] std::string scalar() {
    const char first = peek();
    if (first == '"' || first == '\'') {
      std::string result = string();
      while (peek() == '"' || peek() == '\'') result += string();
      return result;
    }
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '.' ||
                                  text_[at_] == '+' || text_[at_] == '-'))
      ++at_;
    if (at_ == begin) fail("a value wanted, met ", met());
    return std::string(text_.substr(begin, at_ - begin));
  }

  [[nodiscard]] std::string string() {
    const char quote = text_[at_++];
    std::string result;
    while (true) {
      if (at_ >= text_.size() || text_[at_] == '\n') fail("a string without its closing quote");
      const char c = text_[at_++];
      if (c == quote) return result;
      result += c == '\\' ? escaped() : c;
    }
  }

  [[nodiscard]] char escaped() {
    if (at_ >= text_.size()) fail("a string without its closing quote");
    const char c = text_[at_++];
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case '\\':
      case '\'':
      case '"':
      case '?':
        return c;
      default:
        break;
    }
    const int base = c == 'x' || c == 'X' ? 16 : 8;
    const std::size_t begin = base == 16 ? at_ : at_ - 1;
    const std::string_view digits = text_.substr(begin, base == 16 ? 2 : 3);
    unsigned value = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (read.ec != std::errc() || value > 255) fail("unknown escape in a string");
    at_ = begin + static_cast<std::size_t>(read.ptr - digits.data());
    return static_cast<char>(static_cast<unsigned char>(value));
  }

  std::string_view text_;
  std::string document_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t fields_ = 0;
};

[[noreturn]] inline void fail_field(const TextMessage& message, const TextField& field,
                                    const auto&... parts) {
  // The message's name is "file:line" of its beginning; the field's own line helps more.
  const std::string document = message.name.substr(0, message.name.rfind(':'));
  raise<FormatError>(document, ':', field.line, ": ", field.name, ": ", parts...);
}

inline void want_value(const TextMessage& message, const TextField& field) {
  if (!field.nested.empty()) fail_field(message, field, "a value wanted, met a message");
}

[[nodiscard]] inline Index integer_of(const TextMessage& message, const TextField& field, Index low,
                                      Index high) {
  want_value(message, field);
  Index value = 0;
  const char* end = field.value.data() + field.value.size();
  const auto read = std::from_chars(field.value.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || value < low || value > high)
    fail_field(message, field, "a whole number from ", low, " to ", high, " wanted, met ",
               quoted(field.value));
  return value;
}

[[nodiscard]] inline float real_of(const TextMessage& message, const TextField& field) {
  want_value(message, field);
  std::string_view digits = field.value;
  if (digits.ends_with('f') || digits.ends_with('F')) digits.remove_suffix(1);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const float result = static_cast<float>(value);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || !std::isfinite(result))
    fail_field(message, field, "a finite number wanted, met ", quoted(field.value));
  return result;
}

}  // namespace detail

/// Parses a document; `name` is what messages call it. Throws FormatError, naming the line, for anything that
/// is not text format, for more than 32 levels of nesting or a million fields. Memory: about a hundred bytes
/// a field.
[[nodiscard]] inline TextMessage parse_text_format(std::string_view text, const std::string& name) {
  return detail::TextFormatParser(text, name).parse();
}

inline const TextField* TextMessage::find(std::string_view field) const {
  for (auto it = fields.rbegin(); it != fields.rend(); ++it)
    if (it->name == field) return &*it;
  return nullptr;
}

inline std::string TextMessage::text(std::string_view field, std::string_view otherwise) const {
  const TextField* found = find(field);
  if (found == nullptr) return std::string(otherwise);
  detail::want_value(*this, *found);
  return found->value;
}

inline std::vector<std::string> TextMessage::texts(std::string_view field) const {
  std::vector<std::string> result;
  for (const TextField& each : fields) {
    if (each.name != field) continue;
    detail::want_value(*this, each);
    result.push_back(each.value);
  }
  return result;
}

inline Index TextMessage::integer(std::string_view field, Index otherwise, Index low, Index high) const {
  const TextField* found = find(field);
  return found == nullptr ? otherwise : detail::integer_of(*this, *found, low, high);
}

inline std::vector<Index> TextMessage::integers(std::string_view field, Index low, Index high) const {
  std::vector<Index> result;
  for (const TextField& each : fields)
    if (each.name == field) result.push_back(detail::integer_of(*this, each, low, high));
  return result;
}

inline float TextMessage::real(std::string_view field, float otherwise) const {
  const TextField* found = find(field);
  return found == nullptr ? otherwise : detail::real_of(*this, *found);
}

inline std::vector<float> TextMessage::reals(std::string_view field) const {
  std::vector<float> result;
  for (const TextField& each : fields)
    if (each.name == field) result.push_back(detail::real_of(*this, each));
  return result;
}

inline bool TextMessage::truth(std::string_view field, bool otherwise) const {
  const TextField* found = find(field);
  if (found == nullptr) return otherwise;
  detail::want_value(*this, *found);
  if (found->value == "true" || found->value == "True" || found->value == "t" || found->value == "1")
    return true;
  if (found->value == "false" || found->value == "False" || found->value == "f" || found->value == "0")
    return false;
  detail::fail_field(*this, *found, "true or false wanted, met ", quoted(found->value));
}

inline std::vector<const TextMessage*> TextMessage::messages(std::string_view field) const {
  std::vector<const TextMessage*> result;
  for (const TextField& each : fields) {
    if (each.name != field) continue;
    if (each.nested.empty())
      detail::fail_field(*this, each, "a message in braces wanted, met ", quoted(each.value));
    result.push_back(&each.nested.front());
  }
  return result;
}

inline const TextMessage& TextMessage::message(std::string_view field) const {
  static const TextMessage none;
  const auto found = messages(field);
  return found.empty() ? none : *found.back();
}

inline void TextMessage::allow(std::initializer_list<std::string_view> known) const {
  for (const TextField& field : fields) {
    bool found = false;
    for (const std::string_view each : known) found = found || each == field.name;
    if (!found) detail::fail_field(*this, field, "unknown field");
  }
}

}  // namespace deconv::io
