// Receptive fields: the paper's table, and every interval against brute force.
#include "deconv/nn/receptive_field.hpp"

#include <algorithm>
#include <random>

#include "catch.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/models/zfnet.hpp"

using namespace deconv;

namespace {

/// Along y only: which rows of `to` the row p of `from` depends on, by following single taps. Slow and
/// simple.
class RowTracer {
 public:
  RowTracer(const Graph& graph, NormalisationRule rule)
      : graph_(graph), rule_(rule), shapes_(infer_shapes(graph)) {}

  /// First and last row that are seen, or nothing.
  std::optional<std::pair<Index, Index>> rows(const std::string& from, Index p, const std::string& to) {
    std::map<std::string, std::vector<bool>> seen;
    const auto mark = [&](const std::string& tensor, Index row) {
      auto& rows = seen[tensor];
      const Index height = shapes_.at(tensor)[2];
      rows.resize(static_cast<std::size_t>(height));
      if (row >= 0 && row < height) rows[static_cast<std::size_t>(row)] = true;
    };
    mark(from, p);
    for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) {
      const auto above = seen.find(node->outputs[0]);
      if (above == seen.end()) continue;
      const std::vector<bool> rows = above->second;
      for (std::size_t r = 0; r < rows.size(); ++r) {
        if (!rows[r]) continue;
        for (const std::string& input : node->inputs)
          for (const Index below : seen_by(*node, static_cast<Index>(r), shapes_.at(input)[2]))
            mark(input, below);
      }
    }
    const std::vector<bool>& rows = seen[to];
    const auto first = std::find(rows.begin(), rows.end(), true);
    if (first == rows.end()) return std::nullopt;
    const auto last = std::find(rows.rbegin(), rows.rend(), true);
    return std::pair(first - rows.begin(), static_cast<Index>(rows.size()) - 1 - (last - rows.rbegin()));
  }

 private:
  std::vector<Index> seen_by(const Node& node, Index p, Index height) const {
    std::vector<Index> rows;
    const auto window = [&](const Window2d& w) {
      for (Index r = 0; r < w.kernel_y; ++r)
        rows.push_back(p * w.stride_y - w.padding.top + r * w.dilation_y);
    };
    if (const auto* conv = std::get_if<node::Conv2d>(&node.params))
      window(conv->params.window);
    else if (const auto* pool = std::get_if<node::MaxPool2d>(&node.params))
      window(pool->params.window);
    else if (const auto* average = std::get_if<node::AveragePool2d>(&node.params))
      window(average->params.window);
    else if (const auto* pad = std::get_if<node::Pad2d>(&node.params))
      rows.push_back(p - pad->params.top);
    else if (const auto* up = std::get_if<node::Conv2dTranspose>(&node.params)) {
      const Window2d& w = up->params.window;
      for (Index q = 0; q < height; ++q)
        for (Index r = 0; r < w.kernel_y; ++r)
          if (q * w.stride_y - w.padding.top + r * w.dilation_y == p) rows.push_back(q);
    } else if (const auto* lrn = std::get_if<node::Lrn>(&node.params);
               lrn != nullptr && lrn->params.region == LrnRegion::within_channel &&
               rule_ == NormalisationRule::gradient) {
      for (Index r = -(lrn->params.size - 1) / 2; r <= lrn->params.size / 2; ++r) rows.push_back(p + r);
    } else {
      rows.push_back(p);
    }
    return rows;
  }

  const Graph& graph_;
  NormalisationRule rule_;
  std::map<std::string, Shape> shapes_;
};

/// Every interval holds what brute force sees; where `exact`, its clipped ends are those of brute force.
void check_against_tracer(const Graph& graph, const std::string& from, bool exact,
                          NormalisationRule rule = NormalisationRule::identity) {
  const auto shapes = infer_shapes(graph);
  const auto all = footprints(graph, shapes, from, rule);
  RowTracer tracer(graph, rule);
  REQUIRE(all.contains("data"));
  for (const auto& [tensor, footprint] : all) {
    const Index height = shapes.at(tensor)[2], width = shapes.at(tensor)[3];
    for (Index p = 0; p < shapes.at(from)[2]; ++p) {
      const auto seen = tracer.rows(from, p, tensor);
      const PlaneBox box = footprint.clipped_box(p, 0, height, width);
      INFO(from << " row " << p << " in " << tensor << ": " << box);
      if (seen) {
        CHECK(box.top <= seen->first);
        CHECK(box.bottom > seen->second);
      }
      if (seen && exact) {
        CHECK(box.top == seen->first);
        CHECK(box.bottom == seen->second + 1);
      }
      if (!seen && exact) CHECK(box.bottom <= box.top);
    }
  }
}

}  // namespace

TEST_CASE("the paper's table of receptive fields") {
  const Model model = models::zfnet({.with_weights = false});
  const auto shapes = infer_shapes(model.graph);
  struct Row {
    const char* layer;
    Index size, jump, low;
  };
  for (const Row& row :
       {Row{"conv1", 7, 2, 0}, Row{"relu1", 7, 2, 0}, Row{"pool1", 11, 4, 0}, Row{"norm1", 11, 4, 0},
        Row{"conv2", 27, 8, 0}, Row{"pool2", 43, 16, 0}, Row{"conv3", 75, 16, -16},
        Row{"conv4", 107, 16, -32}, Row{"conv5", 139, 16, -48}, Row{"pool5", 171, 32, -48}}) {
    const Footprint field = receptive_field(model.graph, shapes, row.layer, "data");
    INFO(row.layer);
    REQUIRE_FALSE(field.whole);
    CHECK(field.y.size() == row.size);
    CHECK(field.y.jump == row.jump);
    CHECK(field.y.low == row.low);
    CHECK(field.x == field.y);
  }
  CHECK(receptive_field(model.graph, shapes, "fc6", "data").whole);
  CHECK(receptive_field(model.graph, shapes, "prob", "data").whole);
  // The strongest unit in the middle of conv5, and one at the corner, in pixels.
  const Footprint conv5 = receptive_field(model.graph, shapes, "conv5", "data");
  CHECK(conv5.box(6, 6, 224, 224) == PlaneBox{48, 48, 187, 187});
  CHECK(conv5.box(0, 12, 224, 224) == PlaneBox{-48, 144, 91, 283});
  CHECK(conv5.clipped_box(0, 12, 224, 224) == PlaneBox{0, 144, 91, 224});
}

TEST_CASE("the padded variant has the same sizes on a grid that lies elsewhere") {
  const Model model = models::zfnet({.with_weights = false}, models::ZfnetVariant::pad1);
  CHECK(receptive_field(model.graph, "conv1", "data").y == AxisInterval{2, -1, 5, 1});
  CHECK(receptive_field(model.graph, "conv5", "data").y.size() == 139);
  CHECK(receptive_field(model.graph, "conv5", "data").y.jump == 16);
}

TEST_CASE("every tensor on the way has its footprint") {
  const Model model = models::zfnet({.with_weights = false});
  const auto all = footprints(model.graph, "conv3");
  CHECK(all.size() == 10);  // conv3, norm2, pool2, relu2, conv2, norm1, pool1, relu1, conv1, data
  CHECK(all.at("conv3").y == AxisInterval{1, 0, 0, 1});
  CHECK(all.at("norm2").y == AxisInterval{1, -1, 1, 1});
  CHECK(all.at("relu2").y == AxisInterval{2, -2, 4, 1});
  CHECK_FALSE(all.contains("conv4"));
}

TEST_CASE("chains of windows agree with brute force to the row") {
  std::mt19937 random(11);
  const auto between = [&](Index low, Index high) {
    return std::uniform_int_distribution<Index>(low, high)(random);
  };
  for (int round = 0; round < 40; ++round) {
    GraphBuilder net("data", {1, 2, 40, 33});
    for (int layer = 0; layer < 4; ++layer) {
      Window2d window = Window2d::square(between(1, 3), between(1, 2));
      window.dilation_y = between(1, 2);
      // Kernels at least as large as strides leave no row unseen, so that intervals are exact.
      window.kernel_y = std::max(window.kernel_y, window.stride_y);
      if (window.kernel_y < 2 || window.stride_y > 1) window.dilation_y = 1;
      window.padding = {between(0, 1), between(0, 1), between(0, 1), between(0, 1)};
      window.rounding = between(0, 1) == 1 ? Rounding::ceil : Rounding::floor;
      const std::string name = message("layer", layer);
      switch (between(0, 4)) {
        case 0:
          net.add(name, node::MaxPool2d{{window}, false});
          break;
        case 1:
          net.add(name, node::AveragePool2d{{window, true}});
          break;
        case 2:
          net.add(name, node::Pad2d{{between(0, 2), 0, between(-1, 2), 0, 0.0f}});
          break;
        case 3:
          net.add(name, node::Relu{});
          break;
        default:
          net.add(name, node::Conv2d{2, {window}});
          break;
      }
    }
    const Graph graph = std::move(net).finish();
    // A unit that looks at padding alone sees nothing below it, which an interval cannot say exactly.
    check_against_tracer(graph, "layer3", false);
    const Footprint field = receptive_field(graph, "layer3", "data");
    REQUIRE_FALSE(field.whole);
  }
}

TEST_CASE("the middle of a plane is exact") {
  GraphBuilder net("data", {1, 2, 64, 64});
  net.add("a", node::Conv2d{2, {Window2d::square(5, 2)}});
  net.add("b", node::MaxPool2d{{Window2d::square(3, 2)}, false});
  net.add("c", node::Conv2d{2, {Window2d{2, 2, 1, 1, 3, 3, {}, Rounding::floor}}});
  check_against_tracer(std::move(net).finish(), "c", true);
}

TEST_CASE("transposed convolutions have fractional jumps") {
  for (const Index kernel : {2, 3, 4, 5})
    for (const Index pad : {0, 1}) {
      GraphBuilder net("data", {1, 2, 9, 9});
      net.add("conv", node::Conv2d{2, {Window2d::square(3, 1)}});
      net.add("up", node::Conv2dTranspose{2, {Window2d::square(kernel, 2, pad), 1, 0, 0}});
      net.add("upper", node::Conv2dTranspose{2, {Window2d::square(kernel, 2, pad), 1, 0, 0}});
      const Graph graph = std::move(net).finish();
      check_against_tracer(graph, "up", false);
      check_against_tracer(graph, "upper", false);
      const Footprint one = receptive_field(graph, "up", "conv");
      CHECK(one.y.jump == 1);
      CHECK(one.y.divisor == 2);
      CHECK(receptive_field(graph, "upper", "data").y.divisor == 4);
    }
  // Down by two and up by two: the speeds cancel.
  GraphBuilder net("data", {1, 2, 16, 16});
  net.add("down", node::Conv2d{2, {Window2d::square(2, 2)}});
  net.add("up", node::Conv2dTranspose{2, {Window2d::square(2, 2), 1, 0, 0}});
  const Graph graph = std::move(net).finish();
  check_against_tracer(graph, "up", false);
  CHECK(receptive_field(graph, "up", "data").y.jump == 1);
  CHECK(receptive_field(graph, "up", "data").y.divisor == 1);
}

TEST_CASE("where branches meet the union counts") {
  GraphBuilder net("data", {1, 4, 20, 20});
  const std::string base = net.add("base", node::Conv2d{4, {Window2d::square(3, 2, 1)}});
  const std::string narrow = net.add("narrow", node::Conv2d{4, {Window2d::square(1)}}, {base});
  const std::string wide = net.add("wide", node::Conv2d{4, {Window2d::square(5, 1, 2)}}, {base});
  net.add("concat", node::Concat{1}, {narrow, wide});
  const std::string joined = net.add("mix", node::Conv2d{4, {Window2d::square(1)}});
  net.add("sum", node::Add{}, {joined, base});
  const Graph graph = std::move(net).finish();
  const auto all = footprints(graph, "sum");
  CHECK(all.at("base").y == AxisInterval{1, -2, 2, 1});
  CHECK(all.at("wide").y == AxisInterval{1, 0, 0, 1});
  CHECK(all.at("data").y == AxisInterval{2, -5, 5, 1});
  check_against_tracer(graph, "sum", false);
  CHECK(receptive_field(graph, "narrow", "data").y.size() == 3);
}

TEST_CASE("branches that move at different speeds give the whole plane") {
  GraphBuilder net("data", {1, 4, 4, 4});
  const std::string pooled = net.add("pooled", node::MaxPool2d{{Window2d::square(2, 2)}, false});
  const std::string cropped = net.add("cropped", node::Pad2d{{-1, -1, -1, -1, 0.0f}}, {"data"});
  net.add("sum", node::Add{}, {pooled, cropped});
  const Graph graph = std::move(net).finish();
  CHECK(receptive_field(graph, "sum", "data").whole);
  CHECK_FALSE(receptive_field(graph, "pooled", "data").whole);
}

TEST_CASE("layers that mix positions, and those that do not") {
  const auto whole_behind = [](node::Params params) {
    GraphBuilder net("data", {1, 4, 8, 8});
    net.add("conv", node::Conv2d{4, {Window2d::square(3, 1, 1)}});
    net.add("last", std::move(params));
    return receptive_field(std::move(net).finish(), "last", "data").whole;
  };
  CHECK(whole_behind(node::Linear{3, true}));
  CHECK(whole_behind(node::Flatten{1}));
  CHECK(whole_behind(node::Reshape{{0, 8, 4, 8}}));
  CHECK(whole_behind(node::GlobalAveragePool{}));
  CHECK(whole_behind(node::GlobalMaxPool{}));
  CHECK(whole_behind(node::Softmax{2}));
  CHECK(whole_behind(node::LogSoftmax{-1}));
  CHECK_FALSE(whole_behind(node::Softmax{1}));
  CHECK_FALSE(whole_behind(node::Softmax{-3}));
  CHECK_FALSE(whole_behind(node::Lrn{}));
  CHECK_FALSE(whole_behind(node::BatchNorm{}));
  CHECK_FALSE(whole_behind(node::Dropout{}));
  CHECK_FALSE(whole_behind(node::Identity{}));
}

TEST_CASE("normalisation within a channel counts for gradients alone") {
  GraphBuilder net("data", {1, 4, 30, 30});
  net.add("conv", node::Conv2d{4, {Window2d::square(3, 2)}});
  net.add("norm", node::Lrn{{LrnRegion::within_channel, AlphaConvention::per_region, 3, 1e-4f, 0.75f, 1.0f}});
  const Graph graph = std::move(net).finish();
  CHECK(footprints(graph, "norm").at("data").y == AxisInterval{2, 0, 2, 1});
  CHECK(footprints(graph, "norm", NormalisationRule::gradient).at("data").y == AxisInterval{2, -2, 4, 1});
  check_against_tracer(graph, "norm", false, NormalisationRule::gradient);
}

TEST_CASE("unknown tensors and paths that do not exist are errors; aliases are names") {
  GraphBuilder net("data", {1, 4, 8, 8});
  net.add("conv", node::Conv2d{4, {Window2d::square(3)}});
  net.add("last", node::Relu{});
  Graph graph = std::move(net).finish();
  graph.aliases["other"] = "conv";
  CHECK(receptive_field(graph, "other", "data") == receptive_field(graph, "conv", "data"));
  CHECK(receptive_field(graph, "last", "other").y == AxisInterval{});
  CHECK_THROWS_AS(footprints(graph, "nowhere"), ArgumentError);
  CHECK_THROWS_AS(receptive_field(graph, "conv", "nowhere"), ArgumentError);
  CHECK_THROWS_AS(receptive_field(graph, "conv", "last"), ArgumentError);
}

TEST_CASE("numbers that would wrap end in the whole plane") {
  // Kernel 1 with a huge stride keeps planes at one pixel while the jump explodes.
  GraphBuilder net("data", {1, 1, 4, 4});
  for (int i = 0; i < 5; ++i)
    net.add(message("pool", i), node::MaxPool2d{{Window2d::square(1, Index{1} << 30)}, false});
  const Graph graph = std::move(net).finish();
  CHECK(receptive_field(graph, "pool4", "data").whole);
  CHECK(receptive_field(graph, "pool0", "data").y.jump == Index{1} << 30);
  // Up a hundred times by a large stride with padding that leaves one pixel.
  GraphBuilder up("data", {1, 1, 1, 1});
  for (int i = 0; i < 100; ++i)
    up.add(message("up", i), node::Conv2dTranspose{1, {Window2d::square(3, Index{1} << 20, 1), 1, 0, 0}});
  CHECK(receptive_field(std::move(up).finish(), "up99", "data").whole);
}
