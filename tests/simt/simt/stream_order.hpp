#pragma once

#include <cstdint>

namespace simt {

/// Work on streams is done by the call that puts it there, unless this object lives: then it is kept until
/// somebody waits for it, or is done earlier, in any order that streams and events allow, drawn from `seed`.
/// So a missing event shows as a wrong result. Copies from ordinary host memory take their source at once,
/// copies to it wait, and the default stream waits for all others, as CUDA's do.
class ShuffledStreams {
 public:
  explicit ShuffledStreams(std::uint64_t seed);
  ShuffledStreams(const ShuffledStreams&) = delete;
  ShuffledStreams& operator=(const ShuffledStreams&) = delete;
  /// Does what is left.
  ~ShuffledStreams();
};

}  // namespace simt
