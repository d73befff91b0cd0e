// The picture reader. A changed PNG fails its check sums before the decoder sees it, so each PNG is also
// tried with its check sums put right.
#include "deconv/io/image.hpp"

#include <cstdlib>

namespace {

void decode(std::span<const std::uint8_t> bytes) {
  using namespace deconv;
  try {
    const io::Image image = io::decode_image(bytes, "fuzz");
    if (image.empty() || image.channels() != 3) std::abort();
  } catch (const Error&) {
  }
}

void put_check_sums_right(deconv::io::Bytes& png) {
  std::size_t at = 8;
  while (png.size() >= at + 12) {
    const std::size_t length = std::size_t{png[at]} << 24 | std::size_t{png[at + 1]} << 16 |
                               std::size_t{png[at + 2]} << 8 | png[at + 3];
    if (length > png.size() - at - 12) return;
    const std::uint32_t sum = deconv::io::detail::crc32(std::span(png).subspan(at + 4, length + 4));
    for (std::size_t i = 0; i < 4; ++i)
      png[at + 8 + length + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    at += length + 12;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Small, because a header may promise a thousand pixels a byte: 4 KiB are 4 million pixels (of a JPEG).
  if (size > 1 << 12) return 0;
  decode({data, size});
  if (size > 8 && data[0] == 0x89) {
    deconv::io::Bytes png(data, data + size);
    put_check_sums_right(png);
    decode(png);
  }
  return 0;
}
