// The reader of preprocessing JSON: what it accepts it also writes and reads back the same, and can be used.
#include "deconv/io/preprocess_json.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 14) return 0;
  using namespace deconv;
  io::MeanSources sources;
  sources.tensor = [](const std::string&) { return Tensor<float, Cpu>::filled({3, 8, 8}, 1.0f); };
  // No file of this machine is to be read, whatever the text names.
  sources.folder = "/nonexistent";
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find(".npy") != std::string_view::npos) return 0;
  try {
    const io::Preprocess preprocess = io::parse_preprocess(text, "fuzz.json", sources);
    const std::string written = io::preprocess_to_json(preprocess).dump();
    const io::Preprocess again = io::parse_preprocess(written, "again", sources);
    if (io::preprocess_to_json(again).dump() != written) std::abort();
    if (const auto shape = preprocess.output_shape(); shape && shape->count() <= 1 << 18) {
      const auto input = preprocess.apply(io::Image(24, 16));
      if (input.shape() != *shape) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
