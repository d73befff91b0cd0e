// The IDX reader, plain and gzip: a four-byte length of the images, then the images' file, then the labels'
// file.
#include "deconv/io/dataset_idx.hpp"

#include <cstdlib>
#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4 || size > 1 << 14) return 0;
  using namespace deconv;
  std::uint32_t length = 0;
  std::memcpy(&length, data, 4);
  const std::size_t images = std::min<std::size_t>(length, size - 4);
  constexpr std::uint64_t limit = 1 << 20;
  try {
    const auto records =
        io::parse_idx(io::decompress({data + 4, data + 4 + images}, "images", limit), "images",
                      io::decompress({data + 4 + images, data + size}, "labels", limit), "labels");
    if (static_cast<Index>(records.pixels.size()) != records.count * records.height * records.width)
      std::abort();
    if (!records.labels.empty() && static_cast<Index>(records.labels.size()) != records.count) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
