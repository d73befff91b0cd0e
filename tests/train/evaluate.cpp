// Errors and losses over data sets: by hand numbers, by a loop of one picture at a time, on every device.

#include "deconv/train/evaluate.hpp"

#include "deconv/core/dtype.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"
#include "io/damage.hpp"
#include "support/catch.hpp"
#include "support/each_device.hpp"
#include "support/test_data.hpp"
#include "train/made_dataset.hpp"

namespace {

using namespace deconv;
using test::error_of;
using test::MadeDataset;
using test::mentions;
using train::evaluate;
using train::evaluate_ensemble;
using train::EvaluateOptions;
using train::Evaluation;
using train::Scorer;

/// Inputs of one pixel.
io::Preprocess pixel() { return io::Preprocess{}.without_resize(1, 1); }

/// Says the same probabilities of each picture, whatever it sees.
Scorer constant(const std::vector<double>& probabilities) {
  return {pixel(), [probabilities](TensorView<const float, Cpu> inputs) {
            const auto classes = static_cast<Index>(probabilities.size());
            Tensor<float, Cpu> scores({inputs.shape()[0], classes, 1, 1});
            for (Index i = 0; i < scores.count(); ++i)
              scores.data()[i] =
                  static_cast<float>(std::log(probabilities[static_cast<std::size_t>(i % classes)]) + 3);
            return scores;
          }};
}

TEST_CASE("an ensemble by hand numbers", "[train][evaluate]") {
  const MadeDataset set(7, 3, 3);  // classes 0 1 2 0 1 2 0
  EvaluateOptions options;
  options.top = 2;
  options.batch = 3;
  const auto both =
      evaluate_ensemble(set, {constant({0.5, 0.375, 0.125}), constant({0.0625, 0.3125, 0.625})}, options);
  REQUIRE(both.each.size() == 2);
  // The first: class 0 right, class 1 second, class 2 last.
  CHECK((both.each[0].images == 7 && both.each[0].wrong_top1 == 4 && both.each[0].wrong_top5 == 2));
  CHECK(both.each[0].loss_sum ==
        Approx(-3 * std::log(0.5) - 2 * std::log(0.375) - 2 * std::log(0.125)).epsilon(1e-6));
  CHECK((both.each[1].wrong_top1 == 5 && both.each[1].wrong_top5 == 3));
  // Together 0.28125, 0.34375, 0.375.
  CHECK((both.together.images == 7 && both.together.wrong_top1 == 5 && both.together.wrong_top5 == 3));
  CHECK(both.together.loss_sum ==
        Approx(-3 * std::log(0.28125) - 2 * std::log(0.34375) - 2 * std::log(0.375)).epsilon(1e-6));
  CHECK(both.together.top1_error() == Approx(5.0 / 7));
  CHECK(both.together.mean_loss() == Approx(both.together.loss_sum / 7));

  const Evaluation alone = evaluate(set, constant({0.5, 0.375, 0.125}), options);
  CHECK((alone.wrong_top1 == 4 && alone.loss_sum == both.each[0].loss_sum));
  CHECK(std::isnan(Evaluation{}.mean_loss()));
}

TEST_CASE("scores that are no numbers count as wrong, vanished probabilities have a loss",
          "[train][evaluate]") {
  const MadeDataset set(3, 3, 3);
  const Scorer steep{pixel(), [](TensorView<const float, Cpu> inputs) {
                       auto scores = Tensor<float, Cpu>::filled({inputs.shape()[0], 3}, 0.0f);
                       for (Index n = 0; n < inputs.shape()[0]; ++n) scores.data()[3 * n] = 2000.0f;
                       return scores;
                     }};
  const Evaluation far = evaluate(set, steep);
  CHECK(far.wrong_top1 == 2);
  CHECK(far.loss_sum == Approx(4000));
  const Scorer broken{pixel(), [](TensorView<const float, Cpu> inputs) {
                        return Tensor<float, Cpu>::filled({inputs.shape()[0], 3}, std::nanf(""));
                      }};
  const Evaluation none = evaluate(set, broken);
  CHECK(none.wrong_top1 == 3);
  CHECK(std::isnan(none.loss_sum));
}

Model small_network(bool softmax, std::uint64_t seed) {
  GraphBuilder net("data", {1, 3, 6, 5});
  net.add("conv", node::Conv2d{4, {Window2d::square(3)}});
  net.add("relu", node::Relu{});
  net.add("fc", node::Linear{3});
  if (softmax) net.add("prob", node::Softmax{});
  Model model;
  model.name = "small";
  model.graph = std::move(net).finish();
  initialise(model, Initialisation::he, seed);
  return model;
}

io::Preprocess cropped(double scale) {
  io::Preprocess made;
  made.frame = io::Extent{8, 9};
  made.crop = io::Extent{6, 5};
  made.scale = scale;
  made.mean = {127.5 * scale};
  return made;
}

TEST_CASE("a network over a data set, picture by picture", "[train][evaluate]") {
  const MadeDataset set(31, 10, 12);
  test::each_device([&](const auto& context) {
    using D = test::DeviceOf<decltype(context)>;
    const Network<float, D> network(context, small_network(true, 3)),
        logits(context, small_network(false, 3));
    const Network<float, Cpu> oracle(small_network(true, 3));
    for (const Index crops : {1, 10}) {
      Evaluation wanted;
      for (Index i = 0; i < set.size(); ++i) {
        Tensor<float, Cpu> inputs({crops, 3, 6, 5});
        if (crops == 1)
          cropped(1 / 64.0).apply(set.read(i), TensorView<float, Cpu>(inputs.data(), {3, 6, 5}));
        else
          io::ten_crops(cropped(1 / 64.0), set.read(i), inputs);
        const auto prob = oracle.forward(Context<Cpu>(1), inputs).activation("prob");
        double own = 0;
        std::vector<double> mean(3);
        for (Index k = 0; k < crops * 3; ++k)
          mean[static_cast<std::size_t>(k % 3)] +=
              static_cast<double>(prob.data()[k]) / static_cast<double>(crops);
        own = mean[static_cast<std::size_t>(i % 3)];
        ++wanted.images;
        wanted.wrong_top1 += std::max({mean[0], mean[1], mean[2]}) != own;
        wanted.wrong_top5 += std::min({mean[0], mean[1], mean[2]}) == own;
        wanted.loss_sum -= std::log(own);
      }
      REQUIRE((wanted.wrong_top1 > 3 && wanted.wrong_top1 < 28 && wanted.wrong_top5 > 1));
      EvaluateOptions options;
      options.crops = crops;
      options.top = 2;
      std::optional<double> loss;
      for (const int workers : {1, 2, 5})
        for (const Index batch : {1, 7, 64}) {
          options.workers = workers;
          options.batch = batch;
          for (const auto* one : {&network, &logits}) {
            const Evaluation met = evaluate(*one, context, set, cropped(1 / 64.0), options);
            CHECK((met.images == 31 && met.skipped == 0));
            CHECK(met.wrong_top1 == wanted.wrong_top1);
            CHECK(met.wrong_top5 == wanted.wrong_top5);
            CHECK(met.loss_sum == Approx(wanted.loss_sum).epsilon(1e-5));
          }
          // Threads do not change a bit.
          const double again = evaluate(network, context, set, cropped(1 / 64.0), options).loss_sum;
          if (batch == 7) {
            if (!loss) loss = again;
            CHECK(again == *loss);
          }
        }
    }
  });
}

TEST_CASE("networks with preprocessings of their own, and shares of the pictures", "[train][evaluate]") {
  const MadeDataset set(31, 10, 12);
  const Context<Cpu> context(2);
  const Network<float, Cpu> first(small_network(true, 3)), second(small_network(false, 4));
  const std::vector<Scorer> scorers{train::scorer_of(first, context, cropped(1 / 64.0)),
                                    train::scorer_of(second, context, cropped(1 / 32.0)),
                                    train::scorer_of(second, context, cropped(1 / 64.0))};
  for (const Index crops : {1, 10}) {
    EvaluateOptions options;
    options.crops = crops;
    options.top = 2;
    const auto whole = evaluate_ensemble(set, scorers, options);
    for (std::size_t m = 0; m < 3; ++m) {
      const Evaluation alone = evaluate(set, scorers[m], options);
      CHECK(alone.wrong_top1 == whole.each[m].wrong_top1);
      CHECK(alone.wrong_top5 == whole.each[m].wrong_top5);
      CHECK(alone.loss_sum == Approx(whole.each[m].loss_sum).epsilon(1e-6));
    }
    CHECK(whole.each[1].loss_sum != whole.each[2].loss_sum);
    for (const Index ranks : {2, 5, 40}) {
      Evaluation sum;
      options.ranks = ranks;
      for (options.rank = 0; options.rank < ranks; ++options.rank)
        sum += evaluate_ensemble(set, scorers, options).together;
      CHECK(sum.images == 31);
      CHECK(sum.wrong_top1 == whole.together.wrong_top1);
      CHECK(sum.wrong_top5 == whole.together.wrong_top5);
      CHECK(sum.loss_sum == Approx(whole.together.loss_sum).epsilon(1e-6));
    }
  }
}

TEST_CASE("other number types come close to float", "[train][evaluate]") {
  const MadeDataset set(31, 10, 12);
  test::each_device([&](const auto& context) {
    using D = test::DeviceOf<decltype(context)>;
    constexpr bool host = std::same_as<D, Cpu>;  // whose networks compute in float or double
    const Network<std::conditional_t<host, double, bfloat16>, D> network(context, small_network(true, 3));
    const Network<float, D> oracle(context, small_network(true, 3));
    const Evaluation met = evaluate(network, context, set, cropped(1 / 64.0));
    const Evaluation wanted = evaluate(oracle, context, set, cropped(1 / 64.0));
    CHECK(met.images == 31);
    CHECK(std::abs(met.loss_sum / wanted.loss_sum - 1) < (host ? 1e-5 : 0.02));
  });
}

TEST_CASE("broken pictures, and what cannot be evaluated", "[train][evaluate]") {
  const MadeDataset set(20, 3, 3, {0, 1, 13});
  EvaluateOptions options;
  options.batch = 2;
  CHECK(mentions(error_of([&] {
                   return evaluate(set, constant({0.5, 0.25, 0.25}), options);
                 }),
                 "made#0: broken"));
  std::vector<std::string> warnings;
  Index advanced = 0;
  options.skip_broken = true;
  options.warn = [&](const std::string& text) { warnings.push_back(text); };
  options.advance = [&](Index count) { advanced += count; };
  const Evaluation met = evaluate(set, constant({0.5, 0.25, 0.25}), options);
  CHECK((met.images == 17 && met.skipped == 3 && warnings.size() == 3 && advanced == 20));
  options.indices = std::vector<Index>{3, 4, 5, 5};
  CHECK(evaluate(set, constant({0.5, 0.25, 0.25}), options).images == 4);
  CHECK(evaluate(set, constant({0.5, 0.25, 0.25}), options).wrong_top1 == 3);

  const auto problem = [&](const std::vector<Scorer>& scorers, const EvaluateOptions& how) {
    return error_of([&] { return evaluate_ensemble(MadeDataset(4, 3, 3), scorers, how); });
  };
  CHECK(mentions(problem({constant({0.5, 0.5})}, {}), "made#2: class 2 of a network with 2 classes"));
  CHECK(mentions(problem({constant({0.5, 0.25, 0.25}), constant({0.25, 0.25, 0.25, 0.25})}, {}),
                 "one of 3 and one of 4"));
  CHECK(mentions(problem({}, {}), "wants a network"));
  CHECK(mentions(problem({constant({1.0})}, {.crops = 5}), "met 5"));
  CHECK(mentions(problem({constant({1.0})}, {.batch = 0}), "met 0"));
  CHECK(mentions(problem({constant({1.0})}, {.rank = 3, .ranks = 3}), "rank 3 of 3"));
  Scorer uncropped = constant({1.0});
  uncropped.preprocess = {};
  CHECK(mentions(problem({uncropped}, {.crops = 10}), "with a crop"));
  CHECK(mentions(problem({uncropped, uncropped}, {}), "inputs of one size"));
}

}  // namespace
