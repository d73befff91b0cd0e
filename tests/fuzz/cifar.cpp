// The CIFAR-10 record reader, plain and gzip.
#include "deconv/io/dataset_cifar.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 15) return 0;
  using namespace deconv;
  try {
    const io::Bytes bytes = io::decompress({data, data + size}, "fuzz.bin", 1 << 20);
    io::check_cifar(bytes, "fuzz.bin");
    for (std::size_t at = 0; at < bytes.size(); at += static_cast<std::size_t>(io::cifar_record_bytes)) {
      const io::Image image = io::cifar_picture(bytes.data() + at);
      if (image.width() != 32 || image(31, 31, 2) != bytes[at + 3072]) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
