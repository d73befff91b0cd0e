#pragma once

#include <cstddef>
#include <string>

// What the Cuda device needs of CUDA's runtime, as plain C++: no header of the CUDA Toolkit is included, so
// that any compiler may use the device. Defined in kernels/runtime.cu, in the library deconv::cuda.

struct CUstream_st;
struct CUgraphExec_st;
struct CUevent_st;

namespace deconv::cuda {

/// CUDA's own stream handle (cudaStream_t).
using Stream = CUstream_st*;

/// What a GPU is.
struct DeviceProperties {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;
  std::size_t memory = 0;    ///< bytes of global memory
  std::size_t l2_cache = 0;  ///< bytes
};

/// Number of GPUs, at least 1. Throws DeviceError, with the reason, where there is no driver or no card.
[[nodiscard]] int device_count();
/// Throws DeviceError when there is no such device.
[[nodiscard]] DeviceProperties device_properties(int device);
/// Throws DeviceError unless the device is there and the kernels were built for its architecture.
void check_device(int device);

/// Global memory of a device; null when there is not enough. Throws DeviceError for any other reason.
[[nodiscard]] void* allocate(int device, std::size_t bytes);
/// Waits for the work that uses the block.
void release(int device, void* block) noexcept;
/// Host memory that GPUs copy from and to by themselves, while the host goes on. Throws DeviceError.
[[nodiscard]] void* allocate_pinned(std::size_t bytes);
void release_pinned(void* block) noexcept;
/// Bytes of a device's memory that nobody has taken.
[[nodiscard]] std::size_t free_memory(int device);

/// A stream that does not wait for the default stream. Throws DeviceError.
[[nodiscard]] Stream create_stream(int device);
void destroy_stream(int device, Stream stream) noexcept;
/// Waits until all work put on the stream is done. Throws DeviceError for what went wrong in it.
void synchronise(int device, Stream stream);

/// Copies between host and device, or within the device, in the stream's order. From and to ordinary host
/// memory the call returns when the host's part may be changed; from pinned memory at once. Throws
/// DeviceError.
void copy_to_device(int device, Stream stream, void* dst, const void* src, std::size_t bytes);
/// The host may read dst after synchronise().
void copy_to_host(int device, Stream stream, void* dst, const void* src, std::size_t bytes);
void copy_on_device(int device, Stream stream, void* dst, const void* src, std::size_t bytes);
/// Sets every byte, in the stream's order. Throws DeviceError.
void set_bytes(int device, Stream stream, void* dst, unsigned char value, std::size_t bytes);

/// A place in the work of a stream, for others to wait for. Move-only.
class Event {
 public:
  Event() = default;
  /// Throws DeviceError.
  explicit Event(int device);
  Event(Event&& other) noexcept;
  Event& operator=(Event&& other) noexcept;
  ~Event();

  /// Marks what was put on the stream so far, in place of an earlier mark. Throws DeviceError.
  void record(Stream stream) const;
  /// What is put on the stream from here on waits for the marked work; without a mark for nothing. The host
  /// does not wait. Throws DeviceError.
  void hold(Stream stream) const;
  /// The host waits for the marked work. Throws DeviceError.
  void synchronise() const;

 private:
  int device_ = 0;
  CUevent_st* event_ = nullptr;
};

/// Work recorded from a stream, to be put on it again with one call. Move-only.
class Graph {
 public:
  Graph() = default;
  Graph(Graph&& other) noexcept;
  Graph& operator=(Graph&& other) noexcept;
  ~Graph();

  /// From here on what is put on the stream is recorded and not run. Throws DeviceError.
  static void begin(int device, Stream stream);
  /// Ends the recording. Throws DeviceError when something in it cannot be recorded.
  static Graph end(int device, Stream stream);
  /// Ends a recording without making anything of it.
  static void abandon(int device, Stream stream) noexcept;
  /// Puts the recorded work on the stream. Throws DeviceError.
  void launch(Stream stream) const;
  [[nodiscard]] bool empty() const noexcept { return executable_ == nullptr; }

 private:
  int device_ = 0;
  CUgraphExec_st* executable_ = nullptr;
};

}  // namespace deconv::cuda
