#pragma once

#include <cstdint>

#include "deconv/io/image.hpp"

namespace deconv::io {

/// The bytes of a baseline JPEG file of the picture, for pages and reports that hold many photographs: about
/// a tenth of a PNG's. Transparency is dropped. `quality` from 1 to 100. Throws ArgumentError, IoError.
[[nodiscard]] inline Bytes encode_jpeg(const Image& image, int quality = 85) {
  require<ArgumentError>(!image.empty(), "a picture without pixels cannot be written");
  require<ArgumentError>(quality >= 1 && quality <= 100, "a JPEG's quality is 1 to 100, met ", quality);
  Bytes bytes;
  const auto append = [](void* to, void* data, int size) {
    // Byte by byte: g++ 12 takes the insertion of a range into an empty vector for an overflow.
    const auto* from = static_cast<const std::uint8_t*>(data);
    for (int i = 0; i < size; ++i) static_cast<Bytes*>(to)->push_back(from[i]);
  };
  const int done = stb_encoder::stbi_write_jpg_to_func(
      append, &bytes, static_cast<int>(image.width()), static_cast<int>(image.height()),
      static_cast<int>(image.channels()), image.pixels().data(), quality);
  require<IoError>(done != 0 && !bytes.empty(), "a picture of ", image.width(), "x", image.height(),
                   " pixels cannot be encoded");
  return bytes;
}

}  // namespace deconv::io
