// The .npy reader: whatever the bytes, an array or an Error.
#include "deconv/io/npy.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  using namespace deconv;
  const io::MemorySource source({data, size}, "fuzz.npy");
  try {
    const auto array = io::read_npy<float>(source);
    // An accepted array is as large as the file says, so it cannot be larger than four times the file.
    if (array.bytes() > 4 * size) std::abort();
    // Whole numbers are refused for fractions only; both ways end in an array or an Error.
    const auto whole = io::read_npy<std::int64_t>(source);
    if (whole.shape() != array.shape()) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
