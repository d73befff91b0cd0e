#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/dist/communicator.hpp"

// Training with many GPUs by NCCL, as plain C++: no header of the CUDA Toolkit or of NCCL is included.
// Defined in kernels/nccl_communicator.cpp, in the library deconv::cuda, where DECONV_WITH_NCCL says that it
// is.
namespace deconv::dist {

struct NcclOptions {
  std::chrono::milliseconds to_connect = std::chrono::minutes(2);  ///< until all ranks have met
  /// A sum that is not done by then means that a rank has died or hangs. From its beginning, so it must be
  /// longer than anything that one rank does alone (a checkpoint) and than the work on the stream before it.
  std::chrono::milliseconds to_finish = std::chrono::minutes(10);
  /// The file of NCCL's library; empty: libnccl.so.2 from where the system looks, then from where it was
  /// found when deconv was built.
  std::string library;
};

/// One GPU a process. Arrays of floats go through NCCL on a stream of the communicator's own, which waits for
/// the compute stream and is waited for by it through events, so that sums overlap with the backward pass and
/// the host waits for nothing. Everything else goes through `group`: an MpiCommunicator where the launcher is
/// MPI, else a TcpGroup.
///
/// Order: NCCL's own, a ring or tree that depends on the number of ranks, the machine and NCCL's settings,
/// never on timing: the same bits on every rank and, on the same machines with the same NCCL, in every run;
/// not the bits of LocalGroup or MPI. NCCL_ALGO=Ring in the environment takes the choice from NCCL.
///
/// A thread watches the sums under way. When one is late, or NCCL or `group` know of a failure, it aborts
/// NCCL, which lets the streams run empty; after that every call throws CommunicationError. What was computed
/// in between is worthless, so before results are kept: synchronise the context, then call sum() or
/// barrier(), which throw. NCCL is loaded when the first communicator is made; programs start without it.
class NcclCommunicator final : public Communicator<Cuda> {
 public:
  using ProcessGroup::broadcast;

  /// `group` must live longer; its ranks come with one GPU each. Waits for all of them. Throws
  /// CommunicationError, DeviceError where the GPU or NCCL's library is missing.
  NcclCommunicator(ProcessGroup& group, int device, NcclOptions options = {});
  /// Finishes what was begun; where an exception passes by, aborts it.
  ~NcclCommunicator() override;

  [[nodiscard]] int rank() const noexcept override { return group_->rank(); }
  [[nodiscard]] int size() const noexcept override { return group_->size(); }
  void sum(std::span<double> values) override;
  void broadcast(std::vector<std::byte>& bytes, int root) override;
  [[nodiscard]] std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override;
  void barrier() override;
  [[nodiscard]] bool broken() const noexcept override;
  void abort(std::string_view reason) noexcept override;

  /// The context must be on this communicator's GPU and not record a graph: else ArgumentError, DeviceError.
  [[nodiscard]] Ticket begin_sum(const Context<Cuda>& context, float* data, Index count) override;
  /// Only the context's stream waits.
  void wait(const Context<Cuda>& context, Ticket ticket) override;
  void broadcast(const Context<Cuda>& context, float* data, Index count, int root) override;

 private:
  class State;
  ProcessGroup* group_;
  std::unique_ptr<State> state_;
};

}  // namespace deconv::dist
