// A launch: its blocks over the machine's cores.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "program.hpp"
#include "worker.hpp"

namespace simt {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* value = std::getenv(variable);
  return value && *value ? std::strtoull(value, nullptr, 10) : otherwise;
}

struct Order {
  std::mutex mutex;
  std::uint64_t seed = number_from("DECONV_SIMT_SEED", 1);
  std::uint64_t ordinal = 0, serial = 0;
};
Order& order() {
  static Order instance;
  return instance;
}

/// OS threads that wait for launches. The caller of a launch is one more.
class Pool {
 public:
  static Pool& instance() {
    static Pool pool;
    return pool;
  }
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  std::optional<Failure> run(const Job& job) {
    next_ = 0;
    failed_ = false;
    failure_.reset();
    // A few chunks a core: blocks may differ in length.
    chunk_ = std::max<std::uint64_t>(1, job.blocks / (8 * (threads_.size() + 1)));
    const bool alone = job.blocks == 1 || threads_.empty();
    if (!alone) {
      {
        const std::lock_guard lock(mutex_);
        job_ = &job;
        ++generation_;
        busy_ = threads_.size();
      }
      wake_.notify_all();
    }
    std::exception_ptr error;
    try {
      work(job);
    } catch (...) {
      error = std::current_exception();
      failed_ = true;
    }
    if (!alone) {
      std::unique_lock lock(mutex_);
      done_.wait(lock, [this] { return busy_ == 0; });
    }
    if (error) std::rethrow_exception(error);
    return std::move(failure_);
  }

 private:
  Pool() {
    const std::uint64_t cores = std::clamp<std::uint64_t>(std::thread::hardware_concurrency(), 1, 16);
    const std::uint64_t count = std::clamp<std::uint64_t>(number_from("DECONV_SIMT_THREADS", cores), 1, 64);
    for (std::uint64_t i = 1; i < count; ++i) threads_.emplace_back([this] { serve(); });
  }

  void serve() {
    std::uint64_t seen = 0;
    for (;;) {
      const Job* job;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
        if (stop_) return;
        seen = generation_;
        job = job_;
      }
      work(*job);
      const std::lock_guard lock(mutex_);
      if (--busy_ == 0) done_.notify_all();
    }
  }

  void work(const Job& job) {
    Worker& worker = Worker::mine();
    while (!failed_) {
      const std::uint64_t first = next_.fetch_add(chunk_);
      if (first >= job.blocks) return;
      const std::uint64_t end = std::min(job.blocks, first + chunk_);
      for (std::uint64_t block = first; block < end && !failed_; ++block) {
        if (worker.run_block(job, block)) continue;
        failed_ = true;
        const std::lock_guard lock(failure_mutex_);
        if (!failure_ || worker.failure.block_number < failure_->block_number) failure_ = worker.failure;
        return;
      }
    }
  }

  std::mutex mutex_, failure_mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> threads_;
  const Job* job_ = nullptr;
  std::uint64_t generation_ = 0, chunk_ = 1;
  std::size_t busy_ = 0;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> failed_{false};
  bool stop_ = false;
  std::optional<Failure> failure_;
};

}  // namespace

void run_launch(const Launch& launch) {
  std::optional<Failure> failure;
  Job job;
  {
    const DeviceMemory::Open open;  // also keeps other launches out
    job.launch = &launch;
    job.blocks = std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
    {
      const std::lock_guard lock(order().mutex);
      job.seed = order().seed;
      job.ordinal = order().ordinal++;
      job.serial = ++order().serial;
    }
    Program::instance().launched(launch.kernel);
    failure = Pool::instance().run(job);
    if (failure) {
      Violation violation = make_violation(*failure, launch, job.seed);
      throw violation;
    }
  }
}

void set_seed(std::uint64_t seed) {
  const std::lock_guard lock(order().mutex);
  order().seed = seed;
  order().ordinal = 0;
}
std::uint64_t seed() {
  const std::lock_guard lock(order().mutex);
  return order().seed;
}
std::uint64_t launches() {
  const std::lock_guard lock(order().mutex);
  return order().serial;
}

}  // namespace simt
