// Feature maps through training: a detector planted at the second epoch is found with its image, place and
// projection.

#include "deconv/analysis/evolution.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "deconv/io/atomic_file.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/train/kept_epochs.hpp"
#include "deconv/viz/evolution.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace deconv;

constexpr Index side = 12, images = 5;
/// A cross of its own in image 3, its middle at (7, 4).
constexpr Index crossed = 3, cross_y = 7, cross_x = 4;
constexpr std::array<float, 9> cross{-1, 1, -1, 1, 1, 1, -1, 1, -1};

Graph graph(Index kernel = 3) {
  GraphBuilder net("data", {1, 1, side, side});
  net.add("conv1", node::Conv2d{2, {Window2d::square(kernel)}});
  net.add("relu1", node::Relu{});
  return std::move(net).finish();
}

/// A network whose map 0 sees a bright pixel and whose map 1 sees what the filter says.
Network<float, Cpu> network(const std::array<float, 9>& filter) {
  Model model{"planted", graph(), {}};
  auto weights = Tensor<float, Cpu>::filled({2, 1, 3, 3}, 0.0f);
  weights.data()[4] = 1;
  std::copy(filter.begin(), filter.end(), weights.data() + 9);
  model.weights.emplace("conv1.weight", std::move(weights));
  model.weights.emplace("conv1.bias", Tensor<float, Cpu>::filled({2}, 0.0f));
  return Network<float, Cpu>(std::move(model));
}

/// Dark images with a pixel of n + 1 in image n, and the cross.
Tensor<float, Cpu> pictures() {
  auto all = Tensor<float, Cpu>::filled({images, 1, side, side}, 0.0f);
  for (Index n = 0; n < images; ++n) all.data()[(n * side + 2) * side + 9] = static_cast<float>(n + 1);
  for (Index y = 0; y < 3; ++y)
    for (Index x = 0; x < 3; ++x)
      all.data()[(crossed * side + cross_y - 1 + y) * side + cross_x - 1 + x] =
          2 * cross[static_cast<std::size_t>(y * 3 + x)];
  return all;
}

/// The pictures two at a time.
class Stream {
 public:
  Stream() : all_(pictures()) {
    stream.next = [this]() -> const ImageBatch<float>* {
      if (at_ == images) return nullptr;
      const Index count = std::min<Index>(2, images - at_);
      batch_.images = std::as_const(all_).view().slice(at_, count);
      batch_.numbers.clear();
      for (Index n = 0; n < count; ++n) batch_.numbers.push_back(at_ + n);
      at_ += count;
      return &batch_;
    };
    stream.again = [this](std::int64_t number) {
      Tensor<float, Cpu> one({1, 1, side, side});
      std::copy_n(all_.data() + number * side * side, side * side, one.data());
      return one;
    };
  }
  ImageStream<float> stream;

 private:
  Tensor<float, Cpu> all_;
  Index at_ = 0;
  ImageBatch<float> batch_;
};

void add(Evolution<float>& evolution, const std::string& label, const Network<float, Cpu>& state) {
  Stream source;
  evolution.add<Cpu>(label, state, Context<Cpu>(1), source.stream);
}

}  // namespace

TEST_CASE("a detector that appears at the second epoch is seen there", "[analysis][evolution]") {
  Evolution<float> evolution({{"relu1", {1, 0}}});
  // At first map 1 answers to a single pixel, weakly; then to the cross; then to the cross more strongly.
  std::array<float, 9> early{}, late = cross;
  early[4] = 0.5f;
  for (float& weight : late) weight *= 3;
  add(evolution, "1", network(early));
  add(evolution, "2", network(cross));
  add(evolution, "5", network(late));
  CHECK(evolution.labels() == std::vector<std::string>{"1", "2", "5"});
  REQUIRE(evolution.rows().size() == 2);

  const auto& row = evolution.rows()[0];
  CHECK(row.layer == "relu1");
  CHECK(row.map == 1);
  REQUIRE(row.cells.size() == 3);
  CHECK(row.image_changes() == 1);
  CHECK(row.cells[0].hit.image == images - 1);
  CHECK(row.cells[0].hit.activation == 2.5f);
  for (const std::size_t epoch : {std::size_t{1}, std::size_t{2}}) {
    const auto& cell = row.cells[epoch];
    const float strength = epoch == 1 ? 18.0f : 54.0f;
    CHECK(cell.hit.image == crossed);
    CHECK(cell.hit.y == cross_y - 1);
    CHECK(cell.hit.x == cross_x - 1);
    CHECK(cell.hit.activation == strength);
    CHECK(cell.projection.box == PlaneBox{cross_y - 1, cross_x - 1, cross_y + 2, cross_x + 2});
    // The deconvnet sends the activation down through the filter.
    REQUIRE(cell.projection.pixels.shape() == Shape{1, 3, 3});
    const auto& filter = epoch == 1 ? cross : late;
    for (std::size_t i = 0; i < 9; ++i) CHECK(cell.projection.pixels.data()[i] == strength * filter[i]);
  }

  // Map 0 never changes.
  const auto& steady = evolution.rows()[1];
  CHECK(steady.map == 0);
  CHECK(steady.image_changes() == 0);
  for (const auto& cell : steady.cells) {
    CHECK(cell.hit.image == images - 1);
    CHECK(cell.hit.activation == 5);
  }
}

TEST_CASE("another network is refused, and what was there stays", "[analysis][evolution]") {
  Evolution<float> evolution({MapSelection{"relu1", {0}}});
  add(evolution, "1", network(cross));
  Model other{"other", graph(5), {}};
  other.weights.emplace("conv1.weight", Tensor<float, Cpu>::filled({2, 1, 5, 5}, 1.0f));
  other.weights.emplace("conv1.bias", Tensor<float, Cpu>::filled({2}, 0.0f));
  CHECK_THROWS_AS(add(evolution, "2", Network<float, Cpu>(std::move(other))), ShapeError);
  ImageStream<float> nothing;
  nothing.next = []() -> const ImageBatch<float>* { return nullptr; };
  CHECK_THROWS_AS(evolution.add<Cpu>("3", network(cross), Context<Cpu>(1), nothing), ArgumentError);
  CHECK(evolution.labels().size() == 1);
  CHECK(evolution.rows()[0].cells.size() == 1);
  Evolution<float> lacking({MapSelection{"relu1", {2}}});
  CHECK_THROWS_AS(add(lacking, "1", network(cross)), ArgumentError);
}

TEST_CASE("the montage has a row a map and a column a state", "[analysis][evolution]") {
  Evolution<float> evolution({{"relu1", {1, 0}}});
  std::array<float, 9> flat{};
  flat.fill(1);
  add(evolution, "1", network(flat));
  add(evolution, "20", network(cross));
  viz::EvolutionMontageOptions options;
  options.tile = 30;
  options.gap = 3;
  options.percentile = 100;
  const io::Image whole = viz::evolution_montage(evolution, io::ChannelOrder::rgb, options);
  const Index left = options.gap + viz::text_width("0") + 4, top = viz::glyph_height + 6;
  REQUIRE(whole.width() == left + 2 * 33);
  REQUIRE(whole.height() == top + 2 * 33);
  const auto grey = [&](Index row, Index column, Index y, Index x) {
    return static_cast<int>(whole(top + row * 33 + y * 10 + 5, left + column * 33 + x * 10 + 5, 0));
  };
  // Each cell is stretched by itself: a flat filter is white all over, the cross white on black.
  for (Index y = 0; y < 3; ++y)
    for (Index x = 0; x < 3; ++x) {
      CHECK(grey(0, 0, y, x) == 255);
      CHECK(grey(0, 1, y, x) == (cross[static_cast<std::size_t>(y * 3 + x)] > 0 ? 255 : 0));
      CHECK(grey(1, 1, y, x) == (y == 1 && x == 1 ? 255 : 128));
    }
  // Gaps and labels.
  CHECK(whole(top + 31, left + 31, 0) == 255);
  const auto dark = [&](Index y0, Index y1, Index x0, Index x1) {
    int found = 0;
    for (Index y = y0; y < y1; ++y)
      for (Index x = x0; x < x1; ++x) found += whole(y, x, 1) == 0 ? 1 : 0;
    return found;
  };
  CHECK(dark(0, top, left, left + 30) > 5);
  CHECK(dark(0, top, left + 33, left + 63) > dark(0, top, left, left + 30));
  CHECK(dark(top, top + 30, 0, left) > 5);
  CHECK_THROWS_AS(viz::evolution_montage(Evolution<float>({MapSelection{"relu1", {0}}})), ArgumentError);
}

TEST_CASE("a run's kept epochs are listed in order", "[analysis][evolution]") {
  const test::ScratchFolder folder;
  for (const char* name :
       {"epoch-0010.safetensors", "epoch-0002.safetensors", "epoch-12345.safetensors", "last.safetensors",
        "best.safetensors", "epoch-.safetensors", "epoch-x1.safetensors", "epoch-0003.safetensors.partial",
        ".epoch-0004.safetensors.partial", "log.jsonl"})
    io::write_text(folder / name, "");
  std::vector<Index> epochs;
  for (const auto& kept : train::kept_epochs(folder.path())) epochs.push_back(kept.epoch);
  CHECK(epochs == std::vector<Index>{2, 10, 12345});
  CHECK_THROWS_AS(train::kept_epochs(folder / "none"), IoError);
}
