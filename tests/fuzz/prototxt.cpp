// Caffe's text: whatever it says, a network whose shapes and weights can be named, or an Error.
#include <cstdlib>
#include <string_view>

#include "deconv/io/caffe.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  using namespace deconv;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    Model model = io::read_caffe(text, "fuzz.prototxt", nullptr);
    (void)parameter_count(model);
    (void)multiply_adds(model.graph);
    // What was accepted is in order already.
    Graph again = model.graph;
    sort_and_check(again);
    if (again.nodes.size() != model.graph.nodes.size()) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
