#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>

#include "deconv/core/context.hpp"
#include "deconv/core/error.hpp"
#include "deconv/core/tensor.hpp"

namespace deconv {

/// Host tensors on their way to a GPU while it works on earlier ones: two places in pinned host memory and
/// two on the device, and a stream of its own for the copies. In turns: start() the next tensor's copy,
/// take() the oldest one where the work wants it, finish() when all work that reads it was put on the
/// context's stream. At most two are under way. The context's stream waits for what it reads, copies wait for
/// the work that still reads their place, and the host waits only for a place in pinned memory.
/// Bytes: twice the largest tensor on the host and twice on the device.
template <class T>
class UploadQueue {
 public:
  /// Throws DeviceError.
  explicit UploadQueue(const Context<Cuda>& context)
      : work_(context.device(), context.stream()),
        copies_(context.device()),
        slots_{Slot(context.device()), Slot(context.device())} {}
  UploadQueue(const UploadQueue&) = delete;
  UploadQueue& operator=(const UploadQueue&) = delete;
  /// Waits for copies and for the work that reads them.
  ~UploadQueue() {
    try {
      copies_.synchronise();
      work_.synchronise();
    } catch (...) {  // whoever waits next for this GPU is told
    }
  }

  /// Begins to copy `src`, which may be changed on return. Throws ArgumentError when two are under way,
  /// DeviceError. Bytes: src once through the host's memory.
  void start(TensorView<const T, Cpu> src) {
    require<ArgumentError>(started_ - finished_ < slots_.size(), "an upload queue holds ", slots_.size(),
                           " tensors, met one more");
    Slot& slot = slots_[started_ % slots_.size()];
    slot.copied.synchronise();
    slot.make_room(copies_, src.bytes());
    slot.view = {static_cast<T*>(slot.there.data()), src.shape(), src.layout()};
    if (src.bytes() > 0) {
      std::memcpy(slot.pinned.get(), src.data(), src.bytes());
      slot.read.hold(copies_.stream());
      cuda::copy_to_device(copies_.device(), copies_.stream(), slot.there.data(), slot.pinned.get(),
                           src.bytes());
    }
    slot.copied.record(copies_.stream());
    ++started_;
  }

  /// The oldest tensor that was started and not yet finished, on the device once the context's stream comes
  /// to what is put on it from here on. Throws ArgumentError when there is none.
  [[nodiscard]] TensorView<const T, Cuda> take() {
    require<ArgumentError>(finished_ < started_, "an upload queue without a tensor was asked for one");
    const Slot& slot = slots_[finished_ % slots_.size()];
    slot.copied.hold(work_.stream());
    return slot.view;
  }

  /// All work that reads the tensor of take() stands on the context's stream.
  void finish() {
    require<ArgumentError>(finished_ < started_, "an upload queue without a tensor was told of one's end");
    slots_[finished_ % slots_.size()].read.record(work_.stream());
    ++finished_;
  }

  /// Tensors under way.
  [[nodiscard]] std::size_t size() const noexcept { return started_ - finished_; }

 private:
  struct Pinned {
    void operator()(void* block) const noexcept { cuda::release_pinned(block); }
  };
  struct Slot {
    explicit Slot(int device) : copied(device), read(device) {}

    void make_room(const Context<Cuda>& context, std::size_t bytes) {
      if (bytes <= room) return;
      // Work may still read the block on the device, and another stream's work must not be lent it.
      read.synchronise();
      pinned.reset();
      there = {};
      context.workspace()->release();
      pinned.reset(cuda::allocate_pinned(bytes));
      there = context.workspace()->take(bytes);
      room = bytes;
    }

    cuda::Event copied, read;
    std::unique_ptr<void, Pinned> pinned;
    Buffer<Cuda> there;
    std::size_t room = 0;
    TensorView<T, Cuda> view;
  };

  Context<Cuda> work_;    ///< the context's stream, for its work
  Context<Cuda> copies_;  ///< a stream and a workspace of its own
  std::array<Slot, 2> slots_;
  std::size_t started_ = 0, finished_ = 0;
};

}  // namespace deconv
