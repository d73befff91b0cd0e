// The ONNX importer: whatever the bytes, a model that holds together or an Error of one line.
#include "deconv/io/onnx.hpp"

#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  using namespace deconv;
  io::OnnxOptions options;
  options.most_made_elements = 1 << 18;
  try {
    const Model model = io::read_onnx(std::span(data, size), options, "fuzz");
    // What the importer lets through must suit a network: shapes for any batch, and the weights that they
    // want.
    std::size_t bytes = 0;
    for (const auto& entry : model.weights) bytes += entry.second.bytes();
    if (bytes > 8 * size + 4 * static_cast<std::size_t>(options.most_made_elements)) std::abort();
    Graph graph = model.graph;
    sort_and_check(graph);
    check_weights(model);
    static_cast<void>(infer_shapes(graph));
  } catch (const Error& failure) {
    if (std::string_view(failure.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
