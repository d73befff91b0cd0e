#pragma once

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"

namespace deconv {

/// Part `rank` of `size` of [0, count): items [count rank / size, count (rank + 1) / size).
struct Shard {
  Index begin = 0, end = 0;
  [[nodiscard]] Index count() const noexcept { return end - begin; }
  friend bool operator==(const Shard&, const Shard&) = default;
};

/// Which items of `count` are this rank's. Parts follow one another and differ by one item at most. Throws
/// ArgumentError for a negative count or no such rank.
[[nodiscard]] inline Shard shard_of(Index count, Index rank, Index size) {
  require<ArgumentError>(count >= 0, "a number of items must be 0 or more, met ", count);
  require<ArgumentError>(size >= 1 && rank >= 0 && rank < size, "rank ", rank, " of ", size, " processes");
  // As quotient and remainder, so that nothing overflows.
  const Index whole = count / size, rest = count % size;
  return {whole * rank + rest * rank / size, whole * (rank + 1) + rest * (rank + 1) / size};
}

}  // namespace deconv
