/// One process of a run under mpirun, started and judged by tests/dist/mpi_run.cpp.
///
/// usage: mpi_ranks SCENARIO [ARGUMENT...]    prints "ok" where all went well in this process

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "deconv/core/random.hpp"
#include "deconv/dist/environment.hpp"
#include "deconv/dist/gradient_buckets.hpp"
#include "deconv/dist/mpi.hpp"
#include "training.hpp"

namespace {

using namespace deconv;
using namespace deconv::dist;

/// What a rank brings to a sum: magnitudes so different that the order of additions shows.
std::vector<float> part_of(int rank, int sum, Index count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  const Random random(static_cast<std::uint64_t>(100 * sum + rank));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = random.normal(i) * std::pow(10.0f, static_cast<float>(i % 7));
  return values;
}

void dawdle(int rank, int step) {
  std::this_thread::sleep_for(std::chrono::milliseconds((rank * 7 + step * 5) % 12));
}

/// Many sums in flight, of all sizes, one of several pieces; ranks come at different times.
void sums(Communicator<Cpu>& communicator) {
  const Context<Cpu> context(1);
  const std::vector<Index> counts{1 << 20, 0, 1, 2, 5, 4097, 300001, (1 << 22) + 3};
  for (int round = 0; round < 3; ++round) {
    std::vector<std::vector<float>> arrays;
    std::vector<Communicator<Cpu>::Ticket> tickets;
    for (int sum = 0; sum < static_cast<int>(counts.size()); ++sum)
      arrays.push_back(part_of(communicator.rank(), sum, counts[static_cast<std::size_t>(sum)]));
    for (int sum = 0; sum < static_cast<int>(counts.size()); ++sum) {
      auto& array = arrays[static_cast<std::size_t>(sum)];
      dawdle(communicator.rank(), sum + round);
      tickets.push_back(communicator.begin_sum(context, array.data(), static_cast<Index>(array.size())));
    }
    for (std::size_t at = tickets.size(); at-- > 0;) communicator.wait(context, tickets[at]);
    for (int sum = 0; sum < static_cast<int>(counts.size()); ++sum) {
      const auto at = static_cast<std::size_t>(sum);
      std::vector<float> wanted = part_of(0, sum, counts[at]);
      for (int rank = 1; rank < communicator.size(); ++rank) {
        const auto part = part_of(rank, sum, counts[at]);
        for (std::size_t i = 0; i < part.size(); ++i) wanted[i] += part[i];
      }
      require<Error>(arrays[at] == wanted, "sum ", sum, " of round ", round,
                     " differs from the sum in order");
    }
  }
}

/// Doubles, broadcasts, gathers, barriers.
void host(Communicator<Cpu>& communicator) {
  const int rank = communicator.rank(), size = communicator.size();
  const Environment environment = read_environment();
  require<Error>(environment.rank == rank && environment.size == size, "the environment says rank ",
                 environment.rank, " of ", environment.size);
  std::vector<double> values{rank == 0 ? 1e16 : rank == 1 ? 1.0 : -1e16, 0.5 + rank};
  communicator.sum(values);
  double first = 1e16, second = 0;
  for (int r = 0; r < size; ++r) {
    if (r > 0) first += r == 1 ? 1.0 : -1e16;
    second += 0.5 + r;
  }
  require<Error>(values[0] == first && values[1] == second, "sum of doubles: met ", values[0], ", ",
                 values[1]);
  for (int root = 0; root < size; ++root) {
    std::vector<std::byte> bytes =
        to_bytes(std::string(static_cast<std::size_t>(1000 * rank), static_cast<char>('a' + rank)));
    communicator.broadcast(bytes, root);
    require<Error>(
        to_text(bytes) == std::string(static_cast<std::size_t>(1000 * root), static_cast<char>('a' + root)),
        "broadcast of bytes from ", root);
    std::vector<float> floats(100003, static_cast<float>(rank));
    communicator.broadcast(Context<Cpu>(1), floats.data(), static_cast<Index>(floats.size()), root);
    require<Error>(floats == std::vector<float>(100003, static_cast<float>(root)),
                   "broadcast of floats from ", root);
  }
  const auto all = communicator.gather(to_bytes(std::string(static_cast<std::size_t>(rank), 'x')));
  require<Error>(all.size() == (rank == 0 ? static_cast<std::size_t>(size) : 0), "gather");
  for (std::size_t r = 0; r < all.size(); ++r)
    require<Error>(to_text(all[r]) == std::string(r, 'x'), "gathered bytes of ", r);
  for (int i = 0; i < 20; ++i) communicator.barrier();
  bool refused = false;
  try {
    communicator.wait(Context<Cpu>(1), Communicator<Cpu>::Ticket{1000000});
  } catch (const ArgumentError&) {
    refused = true;
  }
  require<Error>(refused, "a ticket that was never given is waited for");
}

/// Gradients in buckets, against the sum in order.
void buckets(Communicator<Cpu>& communicator) {
  const Context<Cpu> context(1);
  const std::vector<GradientShape> shapes{
      {{10}}, {{10, 256}}, {{256, 1024}, Layout::nchw}, {{3000001}}, {{32, 3, 5, 5}, Layout::nhwc}, {{32}}};
  GradientBuckets<Cpu> gradients(context, communicator, shapes);
  require<Error>(gradients.bucket_count() == 3, "three buckets are wanted, met ", gradients.bucket_count());
  for (int step = 0; step < 5; ++step) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const auto mine =
          part_of(communicator.rank(), step * 10 + static_cast<int>(i), shapes[i].shape.count());
      std::copy(mine.begin(), mine.end(), gradients.gradient(i).begin());
      gradients.ready(i);
    }
    gradients.wait();
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      auto wanted = part_of(0, step * 10 + static_cast<int>(i), shapes[i].shape.count());
      for (int rank = 1; rank < communicator.size(); ++rank) {
        const auto part = part_of(rank, step * 10 + static_cast<int>(i), shapes[i].shape.count());
        for (std::size_t at = 0; at < part.size(); ++at) wanted[at] += part[at];
      }
      require<Error>(std::equal(wanted.begin(), wanted.end(), gradients.gradient(i).begin()), "gradient ", i,
                     " of step ", step);
    }
  }
}

/// Rank 1 fails in the midst of a step, while the others wait for its gradients.
void exception(Communicator<Cpu>& communicator) {
  const Context<Cpu> context(1);
  const std::vector<GradientShape> shapes{{{100000}}, {{2000000}}, {{50}}};
  GradientBuckets<Cpu> gradients(context, communicator, shapes);
  for (int step = 0;; ++step) {
    gradients.ready(0);
    gradients.ready(1);
    if (communicator.rank() == 1 && step == 3) throw IoError("the disk\nis full");
    gradients.ready(2);
    gradients.wait();
  }
}

/// Rank 1 is gone from one moment to the other.
void killed(Communicator<Cpu>& communicator) {
  communicator.barrier();
  if (communicator.rank() == 1) kill(getpid(), SIGKILL);
  communicator.barrier();
}

/// Ranks do different things.
void differing(Communicator<Cpu>& communicator) {
  std::vector<float> array(8, 1.0f);
  const Context<Cpu> context(1);
  if (communicator.rank() == 0)
    communicator.wait(context, communicator.begin_sum(context, array.data(), 8));
  else
    communicator.wait(context, communicator.begin_sum(context, array.data(), 7));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string scenario = argc > 1 ? argv[1] : "";
  try {
    MpiSession session;
    MpiCommunicator communicator(session);
    if (scenario == "unwinding") {
      // No abort_on_exception(): the session sees the exception pass by.
      if (communicator.rank() == 1) throw Error("nobody prints this");
      communicator.barrier();
    }
    abort_on_exception(communicator, [&] {
      if (scenario == "sums") return sums(communicator);
      if (scenario == "host") return host(communicator);
      if (scenario == "buckets") return buckets(communicator);
      if (scenario == "exception") return exception(communicator);
      if (scenario == "killed") return killed(communicator);
      if (scenario == "differing") return differing(communicator);
      if (scenario == "train" && argc == 6)
        return test::train_some_steps(communicator, argv[2], argv[3], argv[4], std::stoi(argv[5]));
      raise<ArgumentError>("no scenario \"", scenario, "\"");
    });
    std::cout << "ok\n" << std::flush;
  } catch (const std::exception& problem) {
    std::cerr << "main met: " << problem.what() << '\n';
    return 3;
  }
}
