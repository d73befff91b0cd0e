// The safetensors reader: whatever the bytes, tensors or an Error.
#include "deconv/io/safetensors.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  using namespace deconv;
  try {
    const io::SafetensorsReader reader(
        std::make_shared<io::MemorySource>(std::span<const std::uint8_t>(data, size), "fuzz.safetensors"));
    std::uint64_t bytes = 0;
    for (const auto& entry : reader.entries()) {
      const auto tensor = reader.read<float>(entry.name);
      if (tensor.shape() != entry.shape) std::abort();
      bytes += static_cast<std::uint64_t>(tensor.count()) * size_of(entry.dtype);
    }
    // The ranges cover the file and do not overlap.
    if (bytes > size) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
