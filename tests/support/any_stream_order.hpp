#pragma once
/// Tests of work on several streams: on the emulated device in many orders of what streams may do, on a GPU
/// once.

#include <cstdint>

#include "support/catch.hpp"
#if __has_include("simt/stream_order.hpp")
#include "simt/stream_order.hpp"
#define DECONV_EMULATED_STREAMS
#endif

namespace deconv::test {

template <class Run>
void in_any_stream_order([[maybe_unused]] std::uint64_t orders, const Run& run) {
  run();
#if defined(DECONV_EMULATED_STREAMS)
  for (std::uint64_t seed = 1; seed <= orders; ++seed) {
    INFO("streams in order " << seed);
    const simt::ShuffledStreams shuffled(seed);
    run();
  }
#endif
}

}  // namespace deconv::test
