#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace deconv {

/// Root of everything the library throws on purpose. `what()` is one line that names the layer, file or
/// option, what was wanted and what was met.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Extents, strides, axes or layouts that do not fit together.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A file's or document's content is not what its format allows, or asks for something unknown.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// A device is missing, out of memory, or failed.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// The operating system refused to read or write.
class IoError : public Error {
 public:
  using Error::Error;
};

/// An argument outside its range, or a name that is not known.
class ArgumentError : public Error {
 public:
  using Error::Error;
};

/// Joins anything printable into one message.
template <class... Parts>
[[nodiscard]] std::string message(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return std::move(text).str();
}

/// Throws `E` with the joined parts as its message.
template <class E, class... Parts>
[[noreturn]] void raise(const Parts&... parts) {
  throw E(message(parts...));
}

/// Throws `E` unless `condition` holds. The parts are formatted only on failure.
template <class E, class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    raise<E>(parts...);
}

}  // namespace deconv
