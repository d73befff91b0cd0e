#include "deconv/dist/gradient_buckets.hpp"

#include <algorithm>
#include <numeric>

#include "deconv/core/random.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/dist/local.hpp"
#include "support/catch.hpp"
#include "support/each_device.hpp"

namespace {

using namespace deconv;
using namespace deconv::dist;
using deconv::test::Contains;

/// Counts what is begun, and can fail.
class CountingCommunicator final : public Communicator<Cpu> {
 public:
  explicit CountingCommunicator(int size) : size_(size) {}
  using ProcessGroup::broadcast;
  int rank() const noexcept override { return 0; }
  int size() const noexcept override { return size_; }
  void sum(std::span<double>) override {}
  void broadcast(std::vector<std::byte>&, int) override {}
  std::vector<std::vector<std::byte>> gather(std::span<const std::byte>) override { return {}; }
  void barrier() override {}
  void abort(std::string_view) noexcept override {}
  Ticket begin_sum(const Context<Cpu>&, float* data, Index count) override {
    begun.emplace_back(data, count);
    return Ticket{begun.size() - 1};
  }
  void wait(const Context<Cpu>&, Ticket ticket) override {
    waited.push_back(static_cast<std::size_t>(ticket));
    if (waited.size() == fails_at) throw CommunicationError("rank 1 has gone");
    const auto [data, count] = begun.at(static_cast<std::size_t>(ticket));
    for (Index i = 0; i < count; ++i) data[i] *= static_cast<float>(size_);
  }
  void broadcast(const Context<Cpu>&, float*, Index, int) override {}

  std::vector<std::pair<float*, Index>> begun;
  std::vector<std::size_t> waited;
  std::size_t fails_at = 0;

 private:
  int size_;
};

/// Sizes that are no multiples of anything, one larger than a bucket of 1 KiB, a scalar, one without
/// elements.
const std::vector<GradientShape>& shapes() {
  static const std::vector<GradientShape> all{{{10}, Layout::nchw},         {{10, 7}, Layout::nchw},
                                              {{1}, Layout::nchw},          {{33, 3, 5, 5}, Layout::nhwc},
                                              {{5, 3, 3, 3}, Layout::nhwc}, {{0}, Layout::nchw},
                                              {{64}, Layout::nchw},         {{63}, Layout::nchw}};
  return all;
}

}  // namespace

TEST_CASE("gradients are views into buckets of about the wanted size") {
  const Context<Cpu> context(1);
  CountingCommunicator communicator(2);
  GradientBuckets<Cpu> buckets(context, communicator, shapes(), 1024);
  REQUIRE(buckets.size() == shapes().size());
  const std::vector<std::size_t> wanted{0, 0, 0, 1, 2, 2, 2, 3};
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    CHECK(buckets.bucket_of(i) == wanted[i]);
    const auto gradient = buckets.gradient(i);
    CHECK(gradient.shape() == shapes()[i].shape);
    CHECK(gradient.layout() == shapes()[i].layout);
    CHECK(reinterpret_cast<std::uintptr_t>(gradient.data()) % 64 == 0);
    CHECK(std::all_of(gradient.begin(), gradient.end(), [](float value) { return value == 0; }));
    if (i > 0) CHECK(gradient.data() >= buckets.gradients()[i - 1].end());
  }
  CHECK(buckets.bucket_count() == 4);
  CHECK_THROWS_AS(buckets.gradient(8), ArgumentError);
  CHECK_THROWS_AS((GradientBuckets<Cpu>(context, communicator, shapes(), 0)), ArgumentError);
  GradientBuckets<Cpu> none(context, communicator, {});
  none.wait();
  CHECK(communicator.begun.empty());
}

TEST_CASE("a bucket's sum begins with its last gradient, buckets in order") {
  const Context<Cpu> context(1);
  CountingCommunicator communicator(2);
  GradientBuckets<Cpu> buckets(context, communicator, shapes(), 1024);
  for (int step = 0; step < 2; ++step) {
    communicator.begun.clear();
    communicator.waited.clear();
    for (const std::size_t i : {3u, 0u, 2u}) buckets.ready(i);
    CHECK(communicator.begun.empty());  // bucket 1 is full, but its turn is after bucket 0
    buckets.ready(1);
    REQUIRE(communicator.begun.size() == 2);
    CHECK(communicator.begun[0].first == buckets.gradient(0).data());
    CHECK(communicator.begun[1].first == buckets.gradient(3).data());
    CHECK_THROWS_WITH(buckets.ready(1), "gradient 1 is ready for the second time in a step");
    CHECK_THROWS_WITH(buckets.wait(), "wait: all 8 gradients are wanted, met 4; gradient 4 is not ready");
    for (const std::size_t i : {7u, 6u, 5u, 4u}) buckets.ready(i);
    CHECK(communicator.begun.size() == 4);
    CHECK(communicator.waited.empty());
    buckets.wait();
    CHECK(communicator.waited == std::vector<std::size_t>{0, 1, 2, 3});
  }
}

TEST_CASE("one rank alone begins nothing") {
  const Context<Cpu> context(1);
  CountingCommunicator communicator(1);
  GradientBuckets<Cpu> buckets(context, communicator, shapes(), 1024);
  for (std::size_t i = 0; i < buckets.size(); ++i) buckets.ready(i);
  buckets.wait();
  CHECK(communicator.begun.empty());
  CHECK(communicator.waited.empty());
}

TEST_CASE("whoever leaves a step early has waited for the sums that write to the memory") {
  const Context<Cpu> context(1);
  CountingCommunicator communicator(2);
  {
    GradientBuckets<Cpu> buckets(context, communicator, shapes(), 1024);
    for (const std::size_t i : {0u, 1u, 2u, 3u}) buckets.ready(i);
    buckets.abandon();
    CHECK(communicator.waited.size() == 2);
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets.ready(i);
    communicator.fails_at = 4;
    CHECK_THROWS_AS(buckets.wait(), CommunicationError);
    CHECK(communicator.waited.size() == 4);
  }
  CHECK(communicator.waited.size() == 6);
}

TEST_CASE("every rank has the sum over ranks, whatever the order of ready") {
  test::each_device([](const auto& outer) {
    using D = test::DeviceOf<decltype(outer)>;
    constexpr int size = 3;
    LocalGroup<D>(size).run([&](Communicator<D>& communicator) {
      const Context<D> context = [&] {
        if constexpr (std::same_as<D, Cpu>)
          return Context<Cpu>(1);
        else
          return Context<D>(outer.device());
      }();
      GradientBuckets<D> buckets(context, communicator, shapes(), 1024);
      const auto value = [](int rank, int step, std::size_t parameter, Index at) {
        return static_cast<float>((rank + 1) * 1000 + step * 100) + 0.25f * static_cast<float>(parameter) +
               static_cast<float>(at % 50);
      };
      for (int step = 0; step < 4; ++step) {
        std::vector<std::size_t> order(buckets.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        // Another order each step and rank.
        const Random random(static_cast<std::uint64_t>(10 * step + communicator.rank()));
        for (std::size_t i = order.size(); i > 1; --i)
          std::swap(order[i - 1], order[random.below(i, static_cast<std::uint32_t>(i))]);
        for (const std::size_t i : order) {
          Tensor<float, Cpu> mine(shapes()[i].shape, shapes()[i].layout);
          for (Index at = 0; at < mine.count(); ++at)
            mine.data()[at] = value(communicator.rank(), step, i, at);
          if constexpr (std::same_as<D, Cpu>)
            std::copy(mine.begin(), mine.end(), buckets.gradient(i).begin());
          else
            transfer<float>(context, mine.view(), buckets.gradient(i));
          buckets.ready(i);
        }
        buckets.wait();
        for (std::size_t i = 0; i < buckets.size(); ++i) {
          Tensor<float, Cpu> met(shapes()[i].shape, shapes()[i].layout);
          if constexpr (std::same_as<D, Cpu>) {
            std::copy(buckets.gradient(i).begin(), buckets.gradient(i).end(), met.begin());
          } else {
            transfer<float>(context, buckets.gradient(i), met.view());
            context.synchronise();
          }
          for (Index at = 0; at < met.count(); ++at) {
            float wanted = value(0, step, i, at);
            for (int rank = 1; rank < size; ++rank) wanted += value(rank, step, i, at);
            require<Error>(met.data()[at] == wanted, "step ", step, ", gradient ", i, ", element ", at, ": ",
                           wanted, " is wanted, met ", met.data()[at]);
          }
        }
      }
    });
  });
}
