// Sums over GPUs by NCCL: host code only. NCCL's library is loaded at run time; its communicator is a
// non-blocking one, so that no call waits longer than it may.

#include <cuda_runtime.h>
#include <dlfcn.h>
#include <nccl.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "common/launch.cuh"
#include "deconv/dist/nccl.hpp"

static_assert(NCCL_VERSION_CODE >= NCCL_VERSION(2, 14, 0), "deconv wants NCCL 2.14 or later");

namespace deconv::dist {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// The functions of NCCL that are used.
struct Library {
  decltype(&ncclGetVersion) get_version = nullptr;
  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRankConfig) init = nullptr;
  decltype(&ncclCommGetAsyncError) state = nullptr;
  decltype(&ncclAllReduce) all_reduce = nullptr;
  decltype(&ncclBroadcast) broadcast = nullptr;
  decltype(&ncclCommFinalize) finalise = nullptr;
  decltype(&ncclCommDestroy) destroy = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclGetErrorString) error_string = nullptr;
  decltype(&ncclGetLastError) last_error = nullptr;

  /// Stays loaded: NCCL's own threads may outlive a communicator. Throws DeviceError.
  explicit Library(const std::string& file) {
    void* handle = nullptr;
    std::string problem;
    const char* from = file.c_str();
    if (!file.empty()) {
      handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    } else {
      for (const char* name : {"libnccl.so.2", "libnccl.so", DECONV_NCCL_LIBRARY}) {
        if (*name == '\0') continue;
        handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        from = name;
        if (handle != nullptr) break;
      }
    }
    if (handle == nullptr) {
      const char* words = dlerror();
      raise<DeviceError>("NCCL's library cannot be loaded: ", words == nullptr ? "not found" : words);
    }
    const auto find = [&](auto& function, const char* name) {
      void* symbol = dlsym(handle, name);
      require<DeviceError>(symbol != nullptr, from, " has no ", name, ": NCCL 2.14 or later is wanted");
      static_assert(sizeof function == sizeof symbol);
      std::memcpy(&function, &symbol, sizeof symbol);
    };
    find(get_version, "ncclGetVersion");
    find(get_unique_id, "ncclGetUniqueId");
    find(init, "ncclCommInitRankConfig");
    find(state, "ncclCommGetAsyncError");
    find(all_reduce, "ncclAllReduce");
    find(broadcast, "ncclBroadcast");
    find(finalise, "ncclCommFinalize");
    find(destroy, "ncclCommDestroy");
    find(abort, "ncclCommAbort");
    find(error_string, "ncclGetErrorString");
    find(last_error, "ncclGetLastError");
  }
};

/// A stream of its own and events that are used again and again.
class StreamAndEvents {
 public:
  explicit StreamAndEvents(int device) : device_(device) {
    const cuda::CurrentDevice current(device);
    int least = 0, greatest = 0;
    cuda::check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "asking for priorities of streams");
    // In front of the compute stream: a sum that waits for free multiprocessors holds up every rank.
    cuda::check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest), "making a stream");
  }
  StreamAndEvents(const StreamAndEvents&) = delete;
  StreamAndEvents& operator=(const StreamAndEvents&) = delete;
  ~StreamAndEvents() {
    for (cudaEvent_t event : free_) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }
  [[nodiscard]] cudaStream_t stream() const noexcept { return stream_; }
  [[nodiscard]] int device() const noexcept { return device_; }
  [[nodiscard]] cudaEvent_t take() {
    cudaEvent_t event = nullptr;
    if (free_.empty()) {
      cuda::check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
      free_.reserve(++made_);  // so that giving back cannot fail
    } else {
      event = free_.back();
      free_.pop_back();
    }
    return event;
  }
  void give_back(cudaEvent_t event) noexcept { free_.push_back(event); }
  /// What is put on `after` from here on waits for what is on `before`.
  void order(cudaStream_t before, cudaStream_t after) {
    cudaEvent_t event = take();
    const cudaError_t recorded = cudaEventRecord(event, before);
    const cudaError_t waits = recorded == cudaSuccess ? cudaStreamWaitEvent(after, event, 0) : recorded;
    give_back(event);  // the wait remembers what was recorded
    cuda::check(waits, "ordering streams");
  }

 private:
  int device_;
  cudaStream_t stream_ = nullptr;
  std::vector<cudaEvent_t> free_;
  std::size_t made_ = 0;
};

}  // namespace

/// The communicator proper. Everything but the construction is under the mutex.
class NcclCommunicator::State {
 public:
  State(ProcessGroup& group, int device, NcclOptions options)
      : group_(group), options_(std::move(options)), library_(options_.library), cuda_(device) {
    const cuda::CurrentDevice current(device);
    std::vector<std::byte> bytes(sizeof(ncclUniqueId));
    if (group.rank() == 0) {
      ncclUniqueId id;
      check(library_.get_unique_id(&id), "ncclGetUniqueId");
      std::memcpy(bytes.data(), &id, sizeof id);
    }
    group.broadcast(bytes, 0);
    require<CommunicationError>(bytes.size() == sizeof(ncclUniqueId), "rank 0 has another NCCL");
    ncclUniqueId id;
    std::memcpy(&id, bytes.data(), sizeof id);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    try {
      settle(library_.init(&communicator_, group.size(), id, group.rank(), &config), "ncclCommInitRankConfig",
             options_.to_connect);
    } catch (...) {
      abort_communicator();
      throw;
    }
    watcher_ = std::thread([this] { watch(); });
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    const bool unwinding = std::uncaught_exceptions() > exceptions_;
    {
      std::unique_lock lock(mutex_);
      if (unwinding) fail("ended by an exception");
      // The watcher empties the list, or fails when it takes too long.
      changed_.wait(lock, [&] { return !failure_.empty() || all_finished(); });
      stopping_ = true;
    }
    changed_.notify_all();
    watcher_.join();
    const cuda::CurrentDevice current(cuda_.device());
    if (communicator_ != nullptr) {
      try {
        settle(library_.finalise(communicator_), "ncclCommFinalize", options_.to_connect);
        library_.destroy(communicator_);
      } catch (...) {  // another rank has gone; this one is done
        abort_communicator();
      }
    }
    for (auto& [number, sum] : sums_) cudaEventDestroy(sum.done);
  }

  std::uint64_t begin(const Context<Cuda>& context, float* data, Index count, int root) {
    require<ArgumentError>(context.device() == cuda_.device(), "a context on GPU ", cuda_.device(),
                           " is wanted, met one on GPU ", context.device());
    const std::lock_guard lock(mutex_);
    throw_if_failed();
    const cuda::CurrentDevice current(cuda_.device());
    cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
    cuda::check(cudaStreamIsCapturing(context.stream(), &recording), "looking at a stream");
    require<ArgumentError>(recording == cudaStreamCaptureStatusNone,
                           "a sum over GPUs cannot be recorded into a CUDA graph");
    cuda_.order(context.stream(), cuda_.stream());
    if (count > 0) {
      const auto n = static_cast<std::size_t>(count);
      try {
        if (root < 0)
          settle(library_.all_reduce(data, data, n, ncclFloat, ncclSum, communicator_, cuda_.stream()),
                 "ncclAllReduce", options_.to_finish);
        else
          settle(library_.broadcast(data, data, n, ncclFloat, root, communicator_, cuda_.stream()),
                 "ncclBroadcast", options_.to_finish);
      } catch (const CommunicationError& problem) {
        fail(problem.what());
        throw;
      }
    }
    Sum sum;
    sum.done = cuda_.take();
    sum.begun = Clock::now();
    const cudaError_t recorded = cudaEventRecord(sum.done, cuda_.stream());
    if (recorded != cudaSuccess) cuda_.give_back(sum.done);
    cuda::check(recorded, "marking the end of a sum");
    sums_.emplace(next_, sum);
    changed_.notify_all();
    return next_++;
  }
  void wait(const Context<Cuda>& context, std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    const auto found = sums_.find(number);
    require<ArgumentError>(found != sums_.end() && !found->second.waited, "wait: no such sum is under way");
    found->second.waited = true;
    throw_if_failed();
    const cuda::CurrentDevice current(cuda_.device());
    cuda::check(cudaStreamWaitEvent(context.stream(), found->second.done, 0), "waiting for a sum");
  }
  void check_failure() {
    const std::lock_guard lock(mutex_);
    throw_if_failed();
  }
  [[nodiscard]] bool failed() {
    const std::lock_guard lock(mutex_);
    return !failure_.empty();
  }
  void end(std::string_view reason) {
    const std::lock_guard lock(mutex_);
    fail(std::string(reason));
  }

 private:
  struct Sum {
    cudaEvent_t done = nullptr;
    Clock::time_point begun;
    bool finished = false, waited = false;
  };

  void check(ncclResult_t result, const char* call) const {
    if (result == ncclSuccess || result == ncclInProgress) return;
    const char* last = library_.last_error(communicator_);
    raise<CommunicationError>(call, ": ", library_.error_string(result),
                              last == nullptr || *last == '\0' ? "" : ": ", last == nullptr ? "" : last);
  }
  /// Returns when NCCL has done what was called. Throws when it has failed or takes too long.
  void settle(ncclResult_t result, const char* call, milliseconds limit) {
    check(result, call);
    const auto end = Clock::now() + limit;
    for (int asked = 0;; ++asked) {
      ncclResult_t state = result;
      if (communicator_ != nullptr) check(library_.state(communicator_, &state), call);
      check(state, call);
      if (state == ncclSuccess) return;
      require<CommunicationError>(Clock::now() < end, call, ": not all of ", group_.size(),
                                  " processes came within ", limit.count(), " ms");
      require<CommunicationError>(asked % 64 != 63 || !group_.broken(), call,
                                  ": another process of the run has ended");
      if (asked < 64)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  void abort_communicator() noexcept {
    if (communicator_ != nullptr) library_.abort(std::exchange(communicator_, nullptr));
  }
  void throw_if_failed() const {
    if (!failure_.empty()) throw CommunicationError(failure_);
  }
  void fail(const std::string& failure) {
    if (!failure_.empty()) return;
    failure_ = failure;
    abort_communicator();
    changed_.notify_all();
  }
  [[nodiscard]] bool all_finished() const {
    for (const auto& [number, sum] : sums_)
      if (!sum.finished) return false;
    return true;
  }

  /// Looks at the sums under way until the end.
  void watch() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (failure_.empty()) {
        try {
          look();
        } catch (const Error& problem) {
          fail(problem.what());
        }
      }
      changed_.wait_for(lock, milliseconds(10));
    }
  }
  void look() {
    const cuda::CurrentDevice current(cuda_.device());
    const auto now = Clock::now();
    for (auto at = sums_.begin(); at != sums_.end();) {
      Sum& sum = at->second;
      if (!sum.finished) {
        const cudaError_t met = cudaEventQuery(sum.done);
        if (met != cudaErrorNotReady) cuda::check(met, "looking at a sum");
        sum.finished = met == cudaSuccess;
        if (sum.finished) changed_.notify_all();
        require<CommunicationError>(sum.finished || now - sum.begun < options_.to_finish, "a sum over ",
                                    group_.size(), " GPUs is not done after ", options_.to_finish.count(),
                                    " ms: a process has died or hangs");
      }
      if (sum.finished && sum.waited) {
        cuda_.give_back(sum.done);
        at = sums_.erase(at);
      } else {
        ++at;
      }
    }
    ncclResult_t state = ncclSuccess;
    check(library_.state(communicator_, &state), "ncclCommGetAsyncError");
    check(state, "NCCL");
    require<CommunicationError>(!group_.broken(), "another process of the run has ended");
  }

  ProcessGroup& group_;
  NcclOptions options_;
  Library library_;
  StreamAndEvents cuda_;
  int exceptions_ = std::uncaught_exceptions();
  ncclComm_t communicator_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Sum> sums_;
  std::uint64_t next_ = 0;
  std::string failure_;
  bool stopping_ = false;
  std::thread watcher_;
};

NcclCommunicator::NcclCommunicator(ProcessGroup& group, int device, NcclOptions options) : group_(&group) {
  cuda::check_device(device);
  state_ = std::make_unique<State>(group, device, std::move(options));
}
NcclCommunicator::~NcclCommunicator() = default;

void NcclCommunicator::sum(std::span<double> values) {
  group_->sum(values);
  state_->check_failure();
}
void NcclCommunicator::broadcast(std::vector<std::byte>& bytes, int root) {
  group_->broadcast(bytes, root);
  state_->check_failure();
}
std::vector<std::vector<std::byte>> NcclCommunicator::gather(std::span<const std::byte> bytes) {
  auto all = group_->gather(bytes);
  state_->check_failure();
  return all;
}
void NcclCommunicator::barrier() {
  group_->barrier();
  state_->check_failure();
}
bool NcclCommunicator::broken() const noexcept { return state_->failed() || group_->broken(); }
void NcclCommunicator::abort(std::string_view reason) noexcept {
  try {
    state_->end(reason);
  } catch (...) {  // out of memory; the end comes below
  }
  group_->abort(reason);
}

NcclCommunicator::Ticket NcclCommunicator::begin_sum(const Context<Cuda>& context, float* data, Index count) {
  detail::check_count(count);
  return Ticket{state_->begin(context, data, count, -1)};
}
void NcclCommunicator::wait(const Context<Cuda>& context, Ticket ticket) {
  state_->wait(context, static_cast<std::uint64_t>(ticket));
}
void NcclCommunicator::broadcast(const Context<Cuda>& context, float* data, Index count, int root) {
  detail::check_count(count);
  detail::check_root(root, size());
  state_->wait(context, state_->begin(context, data, count, root));
}

}  // namespace deconv::dist
