// The order of pictures: every epoch all of them once, a pure function of seed and epoch, shared out without
// gaps.

#include "deconv/train/sampler.hpp"

#include <set>

#include "support/catch.hpp"

namespace {

using namespace deconv;
using train::Sampler;

std::vector<Index> epoch_of(Sampler& sampler, Index epoch) {
  std::vector<Index> all;
  for (Index step = 0; step < sampler.steps_per_epoch(); ++step) {
    const auto batch = sampler.batch(epoch, step);
    REQUIRE(static_cast<Index>(batch.size()) == sampler.batch_size(step));
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

TEST_CASE("an epoch holds every picture once, in an order of its own", "[train][sampler]") {
  for (const auto& [pictures, batch] :
       {std::pair<Index, Index>{1, 1}, {1, 8}, {2, 1}, {103, 10}, {100, 10}}) {
    Sampler sampler(pictures, batch, 7);
    CHECK(sampler.steps_per_epoch() == (pictures + batch - 1) / batch);
    std::set<std::vector<Index>> orders;
    for (const Index epoch : {0, 1, 2, 1000000}) {
      std::vector<Index> all = epoch_of(sampler, epoch);
      orders.insert(all);
      std::sort(all.begin(), all.end());
      REQUIRE(static_cast<Index>(all.size()) == pictures);
      for (Index i = 0; i < pictures; ++i) REQUIRE(all[static_cast<std::size_t>(i)] == i);
    }
    if (pictures > 99) CHECK(orders.size() == 4);
  }
}

TEST_CASE("the order depends on seed and epoch alone", "[train][sampler]") {
  Sampler forwards(103, 10, 7), anyhow(103, 10, 7), other(103, 10, 8), wider(103, 16, 7);
  const auto zero = epoch_of(forwards, 0), one = epoch_of(forwards, 1);
  CHECK(anyhow.batch(1, 4) == std::vector<Index>(one.begin() + 40, one.begin() + 50));
  CHECK(anyhow.batch(0, 10) == std::vector<Index>(zero.begin() + 100, zero.end()));
  CHECK(anyhow.batch(1, 0) == std::vector<Index>(one.begin(), one.begin() + 10));
  CHECK(epoch_of(wider, 1) == one);  // the batch only cuts it elsewhere
  CHECK(epoch_of(other, 0) != zero);
  const Sampler copy = anyhow;
  CHECK(copy.seed() == 7);
}

TEST_CASE("all orders of few pictures are equally likely", "[train][sampler]") {
  // 6 orders of 3 pictures, 3000 epochs: 500 each; five standard deviations are 102.
  std::vector<Index> count(27);
  Sampler sampler(3, 3, 5);
  for (Index epoch = 0; epoch < 3000; ++epoch) {
    const auto order = sampler.batch(epoch, 0);
    ++count[static_cast<std::size_t>(order[0] * 9 + order[1] * 3 + order[2])];
  }
  Index orders = 0;
  for (const Index n : count) {
    if (n == 0) continue;
    ++orders;
    CHECK(std::abs(static_cast<double>(n - 500)) < 102);
  }
  CHECK(orders == 6);
}

TEST_CASE("the shares of all processes are the whole batch", "[train][sampler]") {
  Sampler sampler(57, 10, 3);
  for (const Index ranks : {1, 2, 3, 7, 12}) {
    const Index step = 5;  // seven pictures
    std::vector<Index> together;
    for (Index rank = 0; rank < ranks; ++rank) {
      const Shard share = shard_of(sampler.batch_size(step), rank, ranks);
      CHECK(share.begin == static_cast<Index>(together.size()));
      CHECK(share.count() >= 7 / ranks);
      CHECK(share.count() <= 7 / ranks + 1);
      const auto part = sampler.batch(2, step, share);
      together.insert(together.end(), part.begin(), part.end());
    }
    CHECK(together == sampler.batch(2, step));
  }
}

TEST_CASE("what a sampler cannot do is said", "[train][sampler]") {
  CHECK_THROWS_AS(Sampler(0, 1, 1), ArgumentError);
  CHECK_THROWS_AS(Sampler(1, 0, 1), ArgumentError);
  Sampler sampler(10, 4, 1);
  CHECK_THROWS_AS(sampler.batch(0, 3), ArgumentError);
  CHECK_THROWS_AS(sampler.batch(0, -1), ArgumentError);
  CHECK_THROWS_AS(sampler.batch(-1, 0), ArgumentError);
  CHECK_THROWS_AS(sampler.batch(0, 2, {0, 3}), ArgumentError);
  CHECK_THROWS_AS(shard_of(4, 2, 2), ArgumentError);
  CHECK_THROWS_AS(shard_of(4, -1, 2), ArgumentError);
}

}  // namespace
