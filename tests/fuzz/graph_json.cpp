// Graphs as JSON: whatever the text, a graph that is written and read back the same, or an Error.
#include "deconv/io/graph_json.hpp"

#include <cstdlib>
#include <string_view>

#include "deconv/nn/receptive_field.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  using namespace deconv;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Graph graph = io::parse_graph(text, "fuzz.json");
    const io::Json json = io::graph_to_json(graph);
    if (io::graph_to_json(io::graph_from_json(json, "again.json")) != json) std::abort();
    const auto shapes = infer_shapes(graph, 1);
    (void)weight_shapes(graph);
    (void)multiply_adds(graph);
    for (const std::string& output : graph.outputs)
      for (const auto& [tensor, footprint] : footprints(graph, shapes, output, NormalisationRule::gradient))
        if (footprint.whole == false && footprint.y.divisor < 1) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
