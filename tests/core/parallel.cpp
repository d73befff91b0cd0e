#include "deconv/core/parallel.hpp"

#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "support/catch.hpp"

using namespace deconv;

TEST_CASE("every index is visited once, whatever the number of threads") {
  for (const int threads : {1, 2, 3, 7}) {
    const Context<Cpu> context(threads);
    for (const Index count : {0, 1, 2, 6, 7, 8, 1000}) {
      std::vector<int> visits(static_cast<std::size_t>(count), 0);
      parallel_for(context, count, [&](Index i) { ++visits[static_cast<std::size_t>(i)]; });
      for (const int times : visits) REQUIRE(times == 1);
    }
  }
}

TEST_CASE("parts are no smaller than the grain") {
  const Context<Cpu> context(4);
  std::atomic<int> parts = 0;
  parallel_ranges(context, 100, 40, [&](Index begin, Index end) {
    ++parts;
    if (end - begin < 40) parts = 1000;
  });
  CHECK(parts == 2);
  parallel_ranges(context, -3, 1, [&](Index, Index) { parts = 1000; });
  CHECK(parts == 2);
}

TEST_CASE("the exception of the first part that failed comes out") {
  const Context<Cpu> context(4);
  for (int repeat = 0; repeat < 20; ++repeat)
    CHECK_THROWS_WITH(parallel_ranges(context, 4, 1,
                                      [](Index begin, Index) {
                                        if (begin > 0) raise<ArgumentError>("part ", begin);
                                      }),
                      "part 1");
}

TEST_CASE("a context wants a sensible number of threads") {
  CHECK_THROWS_AS(Context<Cpu>(0), ArgumentError);
  CHECK_THROWS_AS(Context<Cpu>(-1), ArgumentError);
  CHECK_THROWS_AS(Context<Cpu>(1025), ArgumentError);
  CHECK(Context<Cpu>(3).threads() == 3);
}

TEST_CASE("a hostile name stays one readable line") {
  CHECK(quoted("conv1") == "\"conv1\"");
  CHECK(quoted("a\nb\x1b[2J") == "\"a?b?[2J\"");
  CHECK(quoted(std::string(1000, 'x')).size() == 2 + 80 + 3);
}
