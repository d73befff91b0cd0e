// Frozen features, the drawing of trials, and that deeper layers of a real network serve another set better.

#include "deconv/analysis/transfer.hpp"

#include <set>

#include "deconv/analysis/transfer_scratch.hpp"
#include "deconv/dist/local.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "support/bar_pictures.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "support/test_data.hpp"

using namespace deconv;
using namespace deconv::test;

namespace {

Network<float, Cpu> small_network() {
  GraphBuilder net("data", {1, 1, 28, 28});
  net.add("conv1", node::Conv2d{4, {Window2d::square(3)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(2, 2)}});
  net.add("fc", node::Linear{6});
  Model model{"small", std::move(net).finish(), {}};
  initialise(model, Initialisation::he, 3);
  return Network<float, Cpu>(std::move(model));
}

io::Preprocess grey() {
  io::Preprocess made;
  made.order = io::ChannelOrder::grey;
  made.scale = 1.0 / 255;
  return made.resized_to(28, 28);
}

}  // namespace

TEST_CASE("features are the layers' values, or each map's mean, whatever the batch") {
  const ScratchFolder scratch;
  write_bars(scratch.path(), "train", 20);
  const auto set = io::open_dataset("idx:" + scratch.path().string() + ":train");
  const auto network = small_network();
  const Context<Cpu> context(1);
  const std::vector<std::string> layers{"fc", "pool1"};
  const std::vector<Index> pictures{3, 17, 0, 5, 9};
  FrozenFeatureOptions options;
  options.batch = 2;
  Index advanced = 0;
  options.advance = [&](Index count) { advanced += count; };
  const auto flat = frozen_features(network, context, grey(), *set, pictures, layers, options);
  CHECK(advanced == 5);
  REQUIRE(flat.pictures == pictures);
  REQUIRE(flat.rows[0].shape() == Shape{5, 6});
  REQUIRE(flat.rows[1].shape() == Shape{5, 4 * 13 * 13});
  CHECK(frozen_feature_bytes(network, layers, {1, 28, 28}, FeaturePooling::flatten, 5) == 4 * 5 * (6 + 676));
  options.pooling = FeaturePooling::mean;
  options.batch = 5;
  const auto mean = frozen_features(network, context, grey(), *set, pictures, layers, options);
  REQUIRE(mean.rows[1].shape() == Shape{5, 4});
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto input = grey().apply(set->read(pictures[i]));
    const auto trace = network.forward(context, input.view().reshaped({1, 1, 28, 28}));
    const auto fc = trace.activation("fc"), pool = trace.activation("pool1");
    const auto row = static_cast<Index>(i);
    for (Index d = 0; d < 6; ++d)
      CHECK(flat.rows[0].data()[row * 6 + d] == Approx(fc.data()[d]).epsilon(1e-5).margin(1e-6));
    double largest = 0;
    for (Index k = 0; k < 4; ++k) {
      double sum = 0;
      for (Index p = 0; p < 169; ++p) {
        const double value = pool.data()[k * 169 + p];
        CHECK(flat.rows[1].data()[row * 676 + k * 169 + p] == Approx(value).epsilon(1e-5).margin(1e-6));
        sum += value;
      }
      CHECK(mean.rows[1].data()[row * 4 + k] == Approx(sum / 169).epsilon(1e-4).margin(1e-6));
      largest = std::max(largest, sum);
    }
    CHECK(largest > 0);
  }
  CHECK_THROWS_AS(frozen_features(network, context, grey(), *set, pictures, {"nothing"}), ArgumentError);
  CHECK_THROWS_AS(frozen_features(network, context, grey(), *set, {99}, layers), ArgumentError);
}

TEST_CASE("trials draw as many of each class as were asked for, and test on others") {
  const ScratchFolder scratch;
  write_bars(scratch.path(), "train", 120);
  write_bars(scratch.path(), "t10k", 60);
  const auto set = io::open_dataset("idx:" + scratch.path().string() + ":train"),
             tests = io::open_dataset("idx:" + scratch.path().string() + ":test");
  const auto check = [&](const io::Dataset* other, Index wanted_tests) {
    const auto folds = transfer_folds(*set, other, {5, 4, 3, 9});
    REQUIRE(folds.size() == 3);
    for (const TransferFold& fold : folds) {
      std::vector<Index> trained(10, 0), tested(10, 0);
      for (const Index i : fold.train) ++trained[static_cast<std::size_t>(*set->label(i))];
      for (const Index i : fold.test)
        ++tested[static_cast<std::size_t>(*(other != nullptr ? *other : *set).label(i))];
      CHECK(trained == std::vector<Index>(10, 5));
      CHECK(tested == std::vector<Index>(10, wanted_tests));
      std::set<Index> all(fold.train.begin(), fold.train.end());
      CHECK(all.size() == 50);
      if (other == nullptr)
        for (const Index i : fold.test) CHECK_FALSE(all.contains(i));
    }
    CHECK(folds[0].train != folds[1].train);
    CHECK(transfer_folds(*set, other, {5, 4, 3, 9})[2].train == folds[2].train);
    CHECK(transfer_folds(*set, other, {5, 4, 3, 8})[2].train != folds[2].train);
    // Fewer pictures are among the more, and judged by the same.
    const auto fewer = transfer_folds(*set, other, {2, 4, 3, 9});
    for (const Index i : fewer[1].train)
      CHECK(std::count(folds[1].train.begin(), folds[1].train.end(), i) == 1);
    CHECK(fewer[1].test == folds[1].test);
  };
  check(nullptr, 4);
  check(tests.get(), 4);
  CHECK_THROWS_AS(transfer_folds(*set, nullptr, {12, 4, 3, 9}), ArgumentError);
  CHECK_NOTHROW(transfer_folds(*set, tests.get(), {12, 4, 3, 9}));
  CHECK_THROWS_AS(transfer_folds(*set, tests.get(), {13, 4, 3, 9}), ArgumentError);
}

TEST_CASE("mean and deviation of trials are a sample's") {
  const TransferScore score{{0.5, 0.7, 0.9}, {}};
  CHECK(score.mean() == Approx(0.7));
  CHECK(score.deviation() == Approx(0.2));
  CHECK(TransferScore{{0.5}, {}}.deviation() == 0);
}

TEST_CASE("bars are told apart by features of a network that learnt nothing, and c can be chosen") {
  const ScratchFolder scratch;
  write_bars(scratch.path(), "train", 160);
  const auto set = io::open_dataset("idx:" + scratch.path().string() + ":train");
  const auto network = small_network();
  const auto folds = transfer_folds(*set, nullptr, {8, 6, 2, 1});
  std::vector<Index> all(160);
  std::iota(all.begin(), all.end(), Index{0});
  const auto features = frozen_features(network, Context<Cpu>(2), grey(), *set, all, {"pool1"});
  const FeatureTable table(features, *set);
  for (const LinearLoss loss : {LinearLoss::softmax, LinearLoss::squared_hinge}) {
    const auto score = transfer_accuracy(table, table, 0, folds, 10, {loss, 10});
    CHECK(score.folds.size() == 2);
    CHECK(score.mean() > 0.9);
    CHECK(score.c == std::vector<double>{10, 10});
  }
}

TEST_CASE("c is chosen by what it gets right, the smaller of equals") {
  // So small a c leaves the frequencies of the classes alone: everything is taken for the larger one.
  Tensor<float, Cpu> rows({16, 1});
  std::vector<Index> labels;
  for (Index i = 0; i < 16; ++i) {
    labels.push_back(i < 12 ? 0 : 1);
    rows.data()[i] = i < 12 ? -1.0f : 1.0f;
  }
  for (const LinearLoss loss : {LinearLoss::softmax, LinearLoss::squared_hinge}) {
    CHECK(chosen_c(rows, labels, 2, {loss, 1}, {20, 1e-7, 10}) == 10);
    CHECK(chosen_c(rows, labels, 2, {loss, 3}, {}) == 3);
  }
  CHECK_THROWS_AS(chosen_c(rows, std::vector<Index>{0}, 2, {}, {1, 2}), ArgumentError);
}

TEST_CASE("marks of pictures with several classes, and a list that has difficult ones") {
  const io::ListDataset list(std::string_view("a.png 0,2\nb.png 1,2?\nc.png 0?\n"), "list");
  REQUIRE(list.multi_label());
  CHECK(list.labels(1) == std::vector<Index>{1});
  CHECK(list.difficult_labels(1) == std::vector<Index>{2});
  CHECK(list.labels(2).empty());
  CHECK_FALSE(list.label(2).has_value());
  CHECK(multi_label_targets(list, {0, 1, 2}, 3) == std::vector<std::int8_t>{1, -1, 1, -1, 1, 0, 0, -1, -1});
  CHECK_THROWS_AS(multi_label_targets(list, {0}, 2), ArgumentError);
  CHECK_THROWS_AS(io::ListDataset(std::string_view("a.png 0,0?\n"), "list"), FormatError);
  CHECK_THROWS_AS(io::ListDataset(std::string_view("a.png 0?\nb.png\n"), "list"), FormatError);
  Tensor<double, Cpu> scores({3, 3});
  const std::vector<double> values{3, 0, 1, 2, 5, 0, 9, 1, 2};
  std::copy(values.begin(), values.end(), scores.data());
  const auto each = average_precisions(scores.view(), multi_label_targets(list, {0, 1, 2}, 3));
  CHECK(each[0] == Approx(1));  // 3 before 2; the difficult 9 does not count
  CHECK(each[1] == Approx(1));
  CHECK(each[2] == Approx(0.5));  // 2 of no class before 1
}

TEST_CASE("on tiny ImageNet deeper layers serve better, and a pretrained network better than a fresh one",
          "[data]") {
  DECONV_TEST_DATA_OR_SKIP(path, "models/squeezenet1.1.onnx");
  DECONV_TEST_DATA_OR_SKIP(root, "tiny_imagenet_10/train");
  io::ModelFile file = io::read_model(path);
  const auto preprocess = io::built_in_preprocess("imagenet-torch")->resized_to(64, 64);
  const Network<float, Cpu> network(std::move(file.model));
  const auto set = io::open_dataset(root.string());
  const auto folds = transfer_folds(*set, nullptr, {10, 12, 2, 1});
  std::set<Index> used;
  for (const TransferFold& fold : folds)
    for (const auto* part : {&fold.train, &fold.test}) used.insert(part->begin(), part->end());
  const std::vector<std::string> layers{"relu1", "fire3/concat", "fire6/concat", "fire9/concat"};
  const Context<Cpu> context(2);
  const auto features =
      frozen_features(network, context, preprocess, *set, {used.begin(), used.end()}, layers);
  const FeatureTable table(features, *set);
  std::vector<double> accuracy;
  for (std::size_t l = 0; l < layers.size(); ++l)
    accuracy.push_back(transfer_accuracy(table, table, l, folds, 10, {LinearLoss::softmax, 1}).mean());
  CAPTURE(accuracy);
  CHECK(accuracy[0] < accuracy[2]);
  CHECK(accuracy[1] < accuracy[3]);
  CHECK(accuracy[3] > accuracy[0] + 0.15);

  train::Recipe recipe;
  recipe.net = "zfnet-64";
  recipe.initialisation = Initialisation::he;
  recipe.batch = 20;
  recipe.epochs = 4;
  recipe.filter_rms = 0;
  recipe.preprocess = io::built_in_preprocess("unit")->resized_to(32, 32);
  recipe.mean = recipe.deviation = train::Statistic::per_channel;
  dist::LocalCommunicator<Cpu> alone;
  const double scratch = accuracy_from_scratch<float, Cpu>(context, alone, recipe, *set, nullptr, folds[0]);
  CHECK(accuracy[3] > scratch + 0.2);
}
