// Networks without layers and with other widths, and that they are trained alike.

#include "deconv/analysis/ablation.hpp"

#include "deconv/analysis/ablation_run.hpp"
#include "deconv/dist/local.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "deconv/train/start.hpp"
#include "support/bar_pictures.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

using namespace deconv;
using namespace deconv::test;

namespace {

Graph graph_of(const char* net, Index classes = 10) {
  return models::model_by_name(net, {.classes = classes, .with_weights = false}).graph;
}

bool has_node(const Graph& graph, const std::string& name) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const Node& node) { return node.name == name; });
}

std::string error_of(const char* net, const char* key) {
  try {
    static_cast<void>(ablated(graph_of(net), parse_ablation(key)));
  } catch (const ArgumentError& problem) {
    return problem.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a change is read as it is written") {
  CHECK(parse_ablation("none").removed.empty());
  CHECK(parse_ablation("remove:3,4").removed == std::set<Index>{3, 4});
  const Ablation both = parse_ablation("scale:3:1.5+remove:7");
  CHECK(both.removed == std::set<Index>{7});
  CHECK(both.widths == std::map<Index, double>{{3, 1.5}});
  for (const char* wrong :
       {"", "remove", "remove:", "remove:x", "remove:0", "remove:3:4", "scale:3", "scale:3:0", "scale:3:x",
        "widen:3:2", "none+remove:3", "remove:3+remove:3", "remove:3,,4", "remove:3+"})
    CHECK_THROWS_AS(parse_ablation(wrong), ArgumentError);
}

TEST_CASE("layers are taken out, and what stood above reads what they read") {
  const Graph graph = ablated(graph_of("zfnet", 1000), parse_ablation("remove:3,4"));
  for (const char* gone : {"conv3", "relu3", "conv4", "relu4"}) CHECK_FALSE(has_node(graph, gone));
  const auto shapes = infer_shapes(graph);
  CHECK(shapes.at("conv5") == Shape{1, 256, 13, 13});
  // Fewer numbers to learn: conv5 now reads 256 maps.
  const auto weights = weight_shapes(graph);
  CHECK(weights.at("conv5.weight") == Shape{256, 256, 3, 3});
  CHECK(weights.at("fc6.weight") == Shape{4096, 256 * 6 * 6});

  const Graph headless = ablated(graph_of("zfnet", 1000), parse_ablation("remove:6,7"));
  for (const char* gone : {"fc6", "relu6", "drop6", "fc7", "relu7", "drop7"})
    CHECK_FALSE(has_node(headless, gone));
  CHECK(weight_shapes(headless).at("fc8.weight") == Shape{1000, 256 * 6 * 6});
  const Graph small = ablated(graph_of("zfnet", 1000), parse_ablation("remove:3,4,6,7"));
  CHECK(weight_shapes(small).size() == 8);
  // A layer with a pool above goes without it.
  const Graph without_second = ablated(graph_of("zfnet-64"), parse_ablation("remove:2"));
  CHECK(infer_shapes(without_second).at("norm2") == Shape{1, 48, 8, 8});
}

TEST_CASE("widths become those of the paper's Table 3") {
  const auto weights_of = [](const char* net, std::size_t line) {
    return weight_shapes(ablated(graph_of(net, 1000), table3()[line].ablation));
  };
  REQUIRE(table3().size() == 9);
  CHECK(weights_of("zfnet", 5).at("fc7.weight") == Shape{2048, 2048});
  CHECK(weights_of("zfnet", 6).at("fc7.weight") == Shape{8192, 8192});
  const auto wide = weights_of("zfnet", 7);
  CHECK(wide.at("conv3.weight") == Shape{512, 256, 3, 3});
  CHECK(wide.at("conv4.weight") == Shape{1024, 512, 3, 3});
  CHECK(wide.at("conv5.weight") == Shape{512, 1024, 3, 3});
  CHECK(weights_of("zfnet", 8).at("fc6.weight") == Shape{8192, 512 * 6 * 6});
  // Groups stay whole.
  const auto grouped =
      weight_shapes(ablated(graph_of("alexnet", 1000), parse_ablation("scale:3:0.7513+scale:4:0.5013")));
  CHECK(grouped.at("conv3.weight")[0] % 2 == 0);
  CHECK(grouped.at("conv4.weight")[0] % 2 == 0);
  // Every change of the table fits every network that has the layers.
  for (const char* net : {"zfnet-64", "zfnet-small", "alexnet-64", "alexnet"})
    for (const PaperAblation& line : table3()) {
      INFO(net << ' ' << line.ablation.key);
      CHECK_NOTHROW(infer_shapes(ablated(graph_of(net), line.ablation)));
    }
}

TEST_CASE("a layer that is not there, or makes the scores, is an error that says so") {
  CHECK(error_of("zfnet-64", "remove:9").find("conv9") != std::string::npos);
  CHECK(error_of("zfnet-64", "remove:9").find("fc8") != std::string::npos);
  CHECK(error_of("squeezenet1.1", "remove:3").find("conv3") != std::string::npos);
  CHECK(error_of("zfnet-64", "remove:8").find("scores") != std::string::npos);
  CHECK(error_of("zfnet-64", "scale:8:2").find("scores") != std::string::npos);
  CHECK(error_of("zfnet-64", "scale:3:0.001").find("none left") != std::string::npos);
}

TEST_CASE("layers that two ablations share start from the same numbers") {
  Model base{"zfnet-small", graph_of("zfnet-small"), {}};
  const auto whole = ablated_model(base, parse_ablation("none"), Initialisation::he, 3);
  const auto less = ablated_model(base, parse_ablation("remove:7"), Initialisation::he, 3);
  REQUIRE(less.weights.size() + 2 == whole.weights.size());
  const auto& first = whole.weights.at("conv1.weight");
  CHECK(std::equal(first.begin(), first.end(), less.weights.at("conv1.weight").begin()));
}

TEST_CASE("ablations are trained alike and judged: bars are learnt with and without layers") {
  const ScratchFolder scratch;
  write_bars(scratch.path(), "train", 96);
  write_bars(scratch.path(), "t10k", 24);
  const auto set = io::open_dataset("idx:" + scratch.path().string() + ":train"),
             validation = io::open_dataset("idx:" + scratch.path().string() + ":test");
  train::Recipe recipe;
  recipe.net = "zfnet-small";
  recipe.dropout = 0;
  recipe.initialisation = Initialisation::he;
  recipe.batch = 16;
  recipe.epochs = 6;
  recipe.filter_rms = 0;
  recipe.preprocess.resize = io::ResizeRule::exact;
  recipe.preprocess.size = {28, 28};
  recipe.preprocess.order = io::ChannelOrder::grey;
  recipe.preprocess.scale = 1.0 / 255;
  recipe.mean = recipe.deviation = train::Statistic::per_channel;
  const Context<Cpu> context(2);
  dist::LocalCommunicator<Cpu> alone;
  const io::ModelFile start = train::starting_point(context, recipe, *set);
  const auto run = [&](const char* key, const train::Recipe& how) {
    return run_ablation<float, Cpu>(context, alone, start, parse_ablation(key), how, *set, validation.get());
  };
  const AblationResult whole = run("none", recipe), less = run("remove:3,4,7", recipe);
  CHECK(whole.state.step == 36);
  CHECK(less.parameters < whole.parameters);
  CHECK(less.multiply_adds < whole.multiply_adds);
  for (const AblationResult* one : {&whole, &less}) {
    CHECK(one->val_top1 < 0.4);
    CHECK(one->train_top1 < 0.4);
    CHECK(one->val_top5 <= one->val_top1);
  }
  const AblationResult again = run("none", recipe);
  CHECK(again.val_top1 == whole.val_top1);
  CHECK(again.train_top1 == whole.train_top1);

  train::Recipe wild = recipe;
  wild.schedule.rate = 1e6;
  const AblationResult lost = run("none", wild);
  CHECK_FALSE(lost.diverged.empty());
  CHECK(std::isnan(lost.val_top1));
}
