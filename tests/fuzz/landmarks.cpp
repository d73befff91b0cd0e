// The reader of landmarks.
#include "deconv/io/landmarks.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 14) return 0;
  using namespace deconv;
  try {
    const io::Landmarks table =
        io::parse_landmarks({reinterpret_cast<const char*>(data), size}, "fuzz.csv", "/");
    for (const auto& picture : table.pictures)
      if (picture.points.size() != table.names.size() || picture.file.empty()) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
