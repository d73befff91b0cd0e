// The project's model file: whatever the bytes, a whole model or an Error.
#include "deconv/io/model_file.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  using namespace deconv;
  try {
    const io::ModelFile file = io::read_model_file(io::SafetensorsReader(
        std::make_shared<io::MemorySource>(std::span<const std::uint8_t>(data, size), "fuzz.safetensors")));
    // What is accepted is complete: every weight is there and came out of the file's bytes.
    check_weights(file.model);
    std::size_t bytes = 0;
    for (const auto& entry : file.model.weights) bytes += entry.second.bytes();
    if (bytes > 2 * size) std::abort();  // half precision doubles
  } catch (const Error&) {
  }
  return 0;
}
