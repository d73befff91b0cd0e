#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "deconv/io/json.hpp"

namespace deconv::train {

/// The words that a field may hold, and what each means.
template <class E, std::size_t N>
using Words = std::array<std::pair<const char*, E>, N>;

/// The word for a value; "" where there is none.
template <class E, std::size_t N>
[[nodiscard]] const char* word_of(const Words<E, N>& words, E value) {
  for (const auto& [word, meaning] : words)
    if (meaning == value) return word;
  return "";
}

/// Takes the fields out of a JSON object one by one; finish() says whether some were left. Each function
/// leaves its value as it is when the field is absent or null, and throws FormatError that names the document
/// and the field, what was wanted and what was met.
class JsonFields {
 public:
  /// `name` is what messages call the object.
  JsonFields(const io::Json& object, std::string name) : object_(object), name_(std::move(name)) {
    require<FormatError>(object.is_object(), name_, ": a JSON object wanted, met ", io::json_excerpt(object));
  }

  /// The field's value, or null pointer.
  [[nodiscard]] const io::Json* find(const char* field) {
    known_.emplace_back(field);
    const auto found = object_.find(field);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  /// What messages call the field.
  [[nodiscard]] std::string place(const char* field) const { return name_ + ": " + field; }

  /// A finite number of [low, high], or of (low, high) where `open`.
  void real(const char* field, double& value, double low, double high, bool open = false) {
    const io::Json* json = find(field);
    if (json == nullptr) return;
    const double met = io::json_number(*json, place(field));
    require<FormatError>(open ? met > low && met < high : met >= low && met <= high, place(field),
                         ": a number ", open ? "between " : "from ", low, open ? " and " : " to ", high,
                         " wanted, met ", io::json_excerpt(*json));
    value = met;
  }
  void real(const char* field, std::optional<double>& value, double low, double high) {
    double met = std::numeric_limits<double>::quiet_NaN();
    real(field, met, low, high);
    if (!std::isnan(met)) value = met;
  }
  void integer(const char* field, Index& value, Index low, Index high = std::numeric_limits<Index>::max()) {
    if (const io::Json* json = find(field)) value = io::json_integer(*json, place(field), low, high);
  }
  void integer(const char* field, std::optional<Index>& value, Index low) {
    if (const io::Json* json = find(field)) value = io::json_integer(*json, place(field), low);
  }
  void integers(const char* field, std::vector<Index>& values, Index low) {
    const io::Json* json = find(field);
    if (json == nullptr) return;
    require<FormatError>(json->is_array(), place(field), ": a list of whole numbers wanted, met ",
                         io::json_excerpt(*json));
    values.clear();
    for (const io::Json& value : *json) values.push_back(io::json_integer(value, place(field), low));
  }
  void truth(const char* field, bool& value) {
    const io::Json* json = find(field);
    if (json == nullptr) return;
    require<FormatError>(json->is_boolean(), place(field), ": true or false wanted, met ",
                         io::json_excerpt(*json));
    value = json->get<bool>();
  }
  void text(const char* field, std::string& value) {
    if (const io::Json* json = find(field)) value = io::json_string(*json, place(field));
  }
  template <class E, std::size_t N>
  void choice(const char* field, E& value, const Words<E, N>& words) {
    const io::Json* json = find(field);
    if (json == nullptr) return;
    std::string known;
    for (const auto& [word, meaning] : words) {
      if (*json == word) {
        value = meaning;
        return;
      }
      known += message(known.empty() ? "" : " or ", word);
    }
    raise<FormatError>(place(field), ": ", known, " wanted, met ", io::json_excerpt(*json));
  }

  /// Throws FormatError for the first field that nobody asked for.
  void finish() const {
    for (const auto& entry : object_.items()) {
      bool asked = false;
      std::string known;
      for (const std::string& field : known_) {
        asked = asked || field == entry.key();
        known += (known.empty() ? "" : ", ") + field;
      }
      require<FormatError>(asked, name_, ": unknown field ", quoted(entry.key()), "; known are ", known);
    }
  }

 private:
  const io::Json& object_;
  std::string name_;
  std::vector<std::string> known_;
};

}  // namespace deconv::train
