#include "deconv/dist/local.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "deconv/core/random.hpp"
#include "deconv/core/transfer.hpp"
#include "support/catch.hpp"
#include "support/each_device.hpp"

namespace {

using namespace deconv;
using namespace deconv::dist;
using deconv::test::Contains;

/// What rank `rank` brings to sum number `sum`: magnitudes so different that the order of additions shows.
std::vector<float> part_of(int rank, int sum, std::size_t count) {
  std::vector<float> values(count);
  const Random random(static_cast<std::uint64_t>(100 * sum + rank));
  for (std::size_t i = 0; i < count; ++i)
    values[i] = random.normal(i) * std::pow(10.0f, static_cast<float>(random.below(i + (1u << 20), 7)));
  return values;
}

/// The sum over ranks [first, first + size): that of the largest power of two of them that leaves some, and
/// that of the others.
std::vector<float> sum_in_pairs(int size, int sum, std::size_t count, int first = 0) {
  if (size == 1) return part_of(first, sum, count);
  int left = 1;
  while (2 * left < size) left *= 2;
  std::vector<float> total = sum_in_pairs(left, sum, count, first);
  const std::vector<float> others = sum_in_pairs(size - left, sum, count, first + left);
  for (std::size_t i = 0; i < count; ++i) total[i] += others[i];
  return total;
}

/// Waits a little, otherwise each time: other ranks come first.
void dawdle(int rank, int step) {
  std::this_thread::sleep_for(std::chrono::milliseconds((rank * 7 + step * 5) % 4));
}

}  // namespace

TEST_CASE("a group adds in pairs of ranks, whatever the timing") {
  for (const int size : {1, 2, 3, 5, 8})
    LocalGroup<Cpu>(size).run([&](Communicator<Cpu>& communicator) {
      const Context<Cpu> context(1);
      std::vector<std::vector<float>> arrays;
      std::vector<Communicator<Cpu>::Ticket> tickets;
      const std::vector<std::size_t> counts{1000, 1, 0, 77, 4096};
      for (int sum = 0; sum < static_cast<int>(counts.size()); ++sum) {
        arrays.push_back(part_of(communicator.rank(), sum, counts[static_cast<std::size_t>(sum)]));
        dawdle(communicator.rank(), sum);
        tickets.push_back(
            communicator.begin_sum(context, arrays.back().data(), static_cast<Index>(arrays.back().size())));
      }
      // In another order than they were begun.
      for (const std::size_t at : {3u, 0u, 4u, 1u, 2u}) communicator.wait(context, tickets[at]);
      for (std::size_t at = 0; at < counts.size(); ++at)
        if (arrays[at] != sum_in_pairs(communicator.size(), static_cast<int>(at), counts[at]))
          throw std::runtime_error(message("sum ", at, " of ", size, " ranks differs"));
    });
}

TEST_CASE("doubles, bytes and barriers of a group") {
  std::atomic<int> came{0};
  LocalGroup<Cpu>(3).run([&](Communicator<Cpu>& communicator) {
    const int rank = communicator.rank();
    std::vector<double> values{1e16, 1.0 + rank, -1e16};
    if (rank == 1) values[0] = 1;
    if (rank == 2) values[0] = -1e16;
    communicator.sum(values);
    // In order: (1e16 + 1) - 1e16 = 0, where any other order gives 1.
    require<Error>(values[0] == 0 && values[1] == 6 && values[2] == -3e16, "doubles");

    std::vector<std::byte> bytes = to_bytes(message("from ", rank));
    communicator.broadcast(bytes, 2);
    require<Error>(to_text(bytes) == "from 2", "broadcast of bytes, met ", to_text(bytes));

    std::vector<float> floats(10, static_cast<float>(rank));
    communicator.broadcast(Context<Cpu>(1), floats.data(), 10, 1);
    require<Error>(floats == std::vector<float>(10, 1.0f), "broadcast of floats");

    const auto all = communicator.gather(to_bytes(std::string(static_cast<std::size_t>(rank), 'x')));
    require<Error>(all.size() == (rank == 0 ? 3u : 0u), "gather");
    if (rank == 0) require<Error>(all[0].empty() && to_text(all[2]) == "xx", "gathered bytes");

    ++came;
    communicator.barrier();
    require<Error>(came == 3, "barrier");
  });
  CHECK(came == 3);
}

TEST_CASE("an exception in one rank ends the others") {
  std::atomic<int> told{0};
  const auto run = [&] {
    LocalGroup<Cpu>(3).run([&](Communicator<Cpu>& communicator) {
      communicator.barrier();
      if (communicator.rank() == 1)
        abort_on_exception(communicator, [] { throw ArgumentError("the disk is full"); });
      try {
        communicator.barrier();
      } catch (const CommunicationError& error) {
        if (std::string(error.what()) == "rank 1: the disk is full") ++told;
        throw ArgumentError("ended by rank 1");
      }
    });
  };
  CHECK_THROWS_AS(run(), ArgumentError);
  CHECK(told == 2);
}

TEST_CASE("ranks that call different things, or stop calling, are told so") {
  const auto differ = [](Communicator<Cpu>& communicator) {
    std::vector<double> value(1);
    if (communicator.rank() == 0)
      communicator.sum(value);
    else
      communicator.barrier();
  };
  CHECK_THROWS_AS(LocalGroup<Cpu>(2).run(differ), CommunicationError);
  const auto counts_differ = [](Communicator<Cpu>& communicator) {
    std::vector<double> values(communicator.rank() == 0 ? 1 : 2);
    communicator.sum(values);
  };
  CHECK_THROWS_AS(LocalGroup<Cpu>(2).run(counts_differ), CommunicationError);
  const auto stops = [](Communicator<Cpu>& communicator) {
    if (communicator.rank() == 0) communicator.barrier();
  };
  CHECK_THROWS_AS(LocalGroup<Cpu>(2).run(stops), CommunicationError);
  CHECK_THROWS_AS(LocalGroup<Cpu>(0), ArgumentError);
}

TEST_CASE("bad arguments of the communicators") {
  const auto bad = [](auto&& communicator) {
    const Context<Cpu> context(1);
    float value = 1;
    std::vector<std::byte> bytes;
    CHECK_THROWS_AS((void)communicator.begin_sum(context, &value, -1), ArgumentError);
    CHECK_THROWS_AS(communicator.broadcast(context, &value, 1, 1), ArgumentError);
    CHECK_THROWS_AS(communicator.broadcast(bytes, -1), ArgumentError);
  };
  bad(LocalCommunicator<Cpu>());
  LocalGroup<Cpu>(1).run([&](Communicator<Cpu>& communicator) {
    bad(communicator);
    CHECK_THROWS_AS(communicator.wait(Context<Cpu>(1), Communicator<Cpu>::Ticket{5}), ArgumentError);
  });
}

TEST_CASE("one process alone changes nothing") {
  test::each_device([](const auto& context) {
    using D = test::DeviceOf<decltype(context)>;
    LocalCommunicator<D> communicator;
    CHECK(communicator.rank() == 0);
    CHECK(communicator.size() == 1);
    CHECK(communicator.leads());
    std::vector<double> values{1, 2};
    communicator.sum(values);
    CHECK(values == std::vector<double>{1, 2});
    CHECK(communicator.gather(to_bytes("abc")).at(0) == to_bytes("abc"));
    communicator.wait(context, communicator.begin_sum(context, nullptr, 0));
    communicator.barrier();
  });
}

TEST_CASE("shards follow one another and differ by one item at most") {
  for (const Index count : {Index{0}, Index{1}, Index{7}, Index{128}, Index{1000}, Index{1} << 61})
    for (const int size : {1, 2, 3, 8, 13}) {
      Index end = 0;
      for (int rank = 0; rank < size; ++rank) {
        const Shard shard = shard_of(count, rank, size);
        CHECK(shard.begin == end);
        CHECK(shard.count() >= count / size);
        CHECK(shard.count() <= count / size + 1);
        if (count < 10000) CHECK(shard == Shard{count * rank / size, count * (rank + 1) / size});
        end = shard.end;
      }
      CHECK(end == count);
    }
  CHECK_THROWS_AS(shard_of(-1, 0, 1), ArgumentError);
  CHECK_THROWS_AS(shard_of(1, 1, 1), ArgumentError);
}
