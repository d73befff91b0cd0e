/// The NCCL communicator. On the emulated device with a stand-in for NCCL's library, so that what is tested
/// is how it is called, and what happens when a rank is lost; on a GPU with NCCL itself, alone.

#include "deconv/dist/nccl.hpp"

#include <iostream>
#include <thread>

#include "deconv/core/transfer.hpp"
#include "deconv/dist/gradient_buckets.hpp"
#include "deconv/dist/local.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"

namespace {

#if defined(DECONV_TEST_NCCL)

using namespace deconv;
using namespace deconv::dist;
using deconv::test::Contains;
using namespace std::chrono_literals;

#if defined(DECONV_FAKE_NCCL)
const NcclOptions options{20s, 20s, DECONV_FAKE_NCCL};
const std::vector<int> sizes{1, 2, 3};
#else
const NcclOptions options{20s, 20s, ""};
const std::vector<int> sizes{1};
#endif

/// Each rank on a thread with its own context. False where there is no device.
template <class Body>
bool ranks(int size, const Body& body) {
  if (!test::cuda_context()) return false;
  LocalGroup<Cpu>(size).run([&](Communicator<Cpu>& group) {
    const Context<Cuda> context(test::cuda_context()->device());
    body(group, context);
  });
  return true;
}

Tensor<float, Cpu> filled(Index count, float value) { return Tensor<float, Cpu>::filled({count}, value); }

void check_all(const Context<Cuda>& context, TensorView<const float, Cuda> met, float wanted) {
  const auto host = to_host(context, met);
  for (const float value : host.span()) require<Error>(value == wanted, wanted, " is wanted, met ", value);
}

TEST_CASE("sums and broadcasts over GPUs") {
  for (const int size : sizes)
    ranks(size, [&](ProcessGroup& group, const Context<Cuda>& context) {
      NcclCommunicator communicator(group, context.device(), options);
      require<Error>(communicator.rank() == group.rank() && communicator.size() == size, "rank and size");
      const auto mine = static_cast<float>(group.rank() + 1);
      const auto total = static_cast<float>(size * (size + 1) / 2);
      std::vector<Tensor<float, Cuda>> arrays;
      std::vector<NcclCommunicator::Ticket> tickets;
      for (const Index count : {1, 1000, 0, 77}) {
        arrays.push_back(to_device(context, filled(count, mine).view()));
        tickets.push_back(communicator.begin_sum(context, arrays.back().data(), count));
      }
      for (std::size_t at : {2u, 0u, 3u, 1u}) {
        communicator.wait(context, tickets[at]);
        check_all(context, arrays[at].view(), total);
      }
      bool refused = false;
      try {
        communicator.wait(context, tickets[0]);
      } catch (const ArgumentError&) {
        refused = true;
      }
      require<Error>(refused, "a ticket is waited for twice");
      for (int root = 0; root < size; ++root) {
        auto array = to_device(context, filled(100, mine).view());
        communicator.broadcast(context, array.data(), 100, root);
        check_all(context, array.view(), static_cast<float>(root + 1));
      }
      std::vector<double> values{0.5};
      communicator.sum(values);
      require<Error>(values[0] == 0.5 * size, "sum of doubles");
      communicator.barrier();
      require<Error>(!communicator.broken(), "it is broken");
    });
}

TEST_CASE("gradients in buckets over GPUs") {
  for (const int size : sizes)
    ranks(size, [&](ProcessGroup& group, const Context<Cuda>& context) {
      NcclCommunicator communicator(group, context.device(), options);
      const std::vector<GradientShape> shapes{{{300}}, {{10, 7}}, {{5}}};
      GradientBuckets<Cuda> gradients(context, communicator, shapes, 1024);
      for (int step = 0; step < 3; ++step) {
        for (std::size_t i : {1u, 2u, 0u}) {
          const auto host =
              Tensor<float, Cpu>::filled(shapes[i].shape, static_cast<float>(group.rank() + step) + 0.5f);
          transfer<float>(context, host.view(), gradients.gradient(i));
          gradients.ready(i);
        }
        gradients.wait();
        for (std::size_t i = 0; i < gradients.size(); ++i)
          check_all(context, gradients.gradient(i),
                    static_cast<float>(size * (size - 1) / 2) +
                        static_cast<float>(size) * (static_cast<float>(step) + 0.5f));
      }
    });
}

TEST_CASE("a library that is not there, and graphs") {
  ranks(1, [](ProcessGroup& group, const Context<Cuda>& context) {
    NcclOptions absent = options;
    absent.library = "/nowhere/libnccl.so.2";
    std::string said;
    try {
      NcclCommunicator communicator(group, context.device(), absent);
    } catch (const DeviceError& error) {
      said = error.what();
    }
    require<Error>(said.find("NCCL's library cannot be loaded: /nowhere/") == 0, "met ", said);
    NcclCommunicator communicator(group, context.device(), options);
    auto array = to_device(context, filled(5, 1).view());
    cuda::Graph::begin(context.device(), context.stream());
    bool refused = false;
    try {
      (void)communicator.begin_sum(context, array.data(), 5);
    } catch (const ArgumentError&) {
      refused = true;
    }
    cuda::Graph::abandon(context.device(), context.stream());
    require<Error>(refused, "a sum was recorded");
    communicator.wait(context, communicator.begin_sum(context, array.data(), 5));
  });
}

#if defined(DECONV_FAKE_NCCL)

TEST_CASE("ranks that do not come are not waited for without end") {
  const auto never_begins = [] {
    return ranks(2, [](ProcessGroup& group, const Context<Cuda>& context) {
      NcclOptions impatient = options;
      impatient.to_finish = 200ms;
      NcclCommunicator communicator(group, context.device(), impatient);
      auto array = to_device(context, filled(8, 1).view());
      if (group.rank() == 1) {
        std::this_thread::sleep_for(1s);
        return;
      }
      (void)communicator.begin_sum(context, array.data(), 8);
    });
  };
  if (test::cuda_context())
    CHECK_THROWS_WITH(never_begins(), "ncclAllReduce: not all of 2 processes came within 200 ms");
}

TEST_CASE("a rank that fails ends the sums of the others") {
  const auto begin = std::chrono::steady_clock::now();
  std::atomic<int> told{0};
  const auto fails = [&] {
    return ranks(3, [&](ProcessGroup& group, const Context<Cuda>& context) {
      NcclCommunicator communicator(group, context.device(), options);
      auto array = to_device(context, filled(8, 1).view());
      if (group.rank() == 1) abort_on_exception(communicator, [] { throw IoError("the disk is full"); });
      try {
        (void)communicator.begin_sum(context, array.data(), 8);
      } catch (const CommunicationError&) {
        ++told;
        throw;
      }
    });
  };
  if (!test::cuda_context()) return;
  CHECK_THROWS_AS(fails(), Error);
  CHECK(told == 2);
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
}

TEST_CASE("what NCCL says of itself ends all later calls") {
  const auto lost = [] {
    return ranks(1, [](ProcessGroup& group, const Context<Cuda>& context) {
      NcclCommunicator communicator(group, context.device(), options);
      auto array = to_device(context, filled(13, 1).view());
      try {
        (void)communicator.begin_sum(context, array.data(), 13);
      } catch (const CommunicationError&) {
        require<Error>(communicator.broken(), "it is not broken");
        communicator.barrier();
      }
    });
  };
  if (test::cuda_context()) CHECK_THROWS_WITH(lost(), "ncclAllReduce: remote error: the cable is out");
}

#endif

#else

TEST_CASE("sums over GPUs") {
  std::cerr << "NCCL's communicator is not tested: this build has no NCCL (DECONV_NCCL) or no Cuda device\n";
}

#endif

}  // namespace
