#pragma once
/// The room in which kernels are measured: memory full of random numbers, caches emptied before every run,
/// times by CUDA events, and the card's own roofs, measured in the same run.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/dtype.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/ops/window2d.hpp"

namespace deconv::bench {

/// Times of one way to do a job. A note in place of times where the way cannot do it.
struct Figure {
  std::string way;
  double median_ms = 0, min_ms = 0;
  int runs = 0;
  std::string note;
};

/// One way to do a job: puts its work on the room's stream.
struct Way {
  std::string name;
  std::function<void()> run;
};
using Ways = std::vector<Way>;

class Room;

/// What a job works on, for rivals outside this program.
struct Geometry {
  Shape src;
  Index maps = 0, groups = 1;  ///< outputs of a convolution or a linear layer
  std::optional<Window2d> window = {};
};

/// One op on one layer. `bytes` and `flops` are what the op's doc comment counts, the same for every way to
/// do it.
struct Job {
  std::string op;     ///< conv2d_forward, unpool2d_sum, ...
  std::string layer;  ///< zfnet/conv1, ...
  Index batch = 1;
  DType dtype = DType::float32;
  double bytes = 0, flops = 0;
  Geometry geometry;
  /// Makes operands and ways, ours first and then the peers'; called only where the job is measured.
  std::function<Ways(Room&)> prepare;
  /// How floats are multiplied, of the ops that multiply matrices in float.
  std::optional<Maths> maths = {};
};

/// The most flops a second that one kind of multiplication reaches.
struct FlopRoof {
  double per_s = 0;  ///< 0: not known
  std::string from;  ///< whether measured by cuBLAS, or nominal: clock times units
};

/// What bounds the card's kernels: bytes a second read and written by the better of two copies (CUDA's own
/// and a kernel with 16-byte accesses), and matrix products in float32 multiply-adds, in TF32 and in half.
struct Roofs {
  double copy_bytes_per_s = 0;
  FlopRoof multiply_adds, tf32, half;

  /// What bounds a job: 3xTF32 takes three products for one.
  [[nodiscard]] double flops_per_s(const Job& job) const noexcept {
    if (job.dtype != DType::float32) return half.per_s;
    if (job.maths == Maths::tf32) return tf32.per_s;
    return job.maths == Maths::tf32x3 ? tf32.per_s / 3 : multiply_adds.per_s;
  }
};

/// A tensor that the ways of a job share.
template <class T>
using Held = std::shared_ptr<Tensor<T, Cuda>>;

class Room {
 public:
  /// Throws DeviceError where there is no card. `tiny` measures nothing well: one run a way, caches left
  /// alone.
  explicit Room(bool tiny);
  ~Room();

  [[nodiscard]] const Context<Cuda>& context() const noexcept { return context_; }
  [[nodiscard]] const cuda::DeviceProperties& card() const noexcept { return card_; }
  [[nodiscard]] bool tiny() const noexcept { return tiny_; }

  /// Memory with unspecified content, and with normally distributed numbers of `dtype` (or random bytes); a
  /// pattern that repeats every few million elements. It lives until the last way that holds it is gone.
  [[nodiscard]] std::shared_ptr<void> memory(std::size_t bytes);
  [[nodiscard]] std::shared_ptr<void> random_memory(DType dtype, Index count);
  void fill_random(DType dtype, void* dst, std::size_t bytes);

  /// A tensor of random numbers, and one with unspecified content.
  template <class T>
  [[nodiscard]] Held<T> random(const Shape& shape, Layout layout = Layout::nchw) {
    auto tensor = result<T>(shape, layout);
    fill_random(dtype_of<T>, tensor->data(), tensor->bytes());
    return tensor;
  }
  template <class T>
  [[nodiscard]] Held<T> result(const Shape& shape, Layout layout = Layout::nchw) {
    return std::make_shared<Tensor<T, Cuda>>(context_.template make<T>(shape, layout));
  }

  /// What is expensive to make and serves several jobs, under a name; `make` returns a std::shared_ptr<T>.
  template <class T, class Make>
  [[nodiscard]] std::shared_ptr<T> kept(const std::string& name, const Make& make) {
    std::shared_ptr<void>& place = kept_[name];
    if (!place) place = make();
    return std::static_pointer_cast<T>(place);
  }

  /// Median and least time of a run from emptied caches, after warm-up. Where the way throws, its words as a
  /// note.
  [[nodiscard]] Figure time(const Way& way);
  /// A copy that reads and writes `bytes` bytes in all, likewise; in milliseconds.
  [[nodiscard]] double copy_ms(double bytes);
  /// Measures the roofs.
  [[nodiscard]] Roofs roofs();
  /// Hands unused memory back to the card.
  void tidy();

 private:
  void empty_caches();
  [[nodiscard]] double nominal_flops(DType dtype, Maths maths) const;
  [[nodiscard]] FlopRoof flop_roof(DType dtype, Maths maths);

  struct Events;
  Context<Cuda> context_;
  cuda::DeviceProperties card_;
  bool tiny_;
  std::unique_ptr<Events> events_;
  Tensor<float, Cuda> flush_, sums_;
  std::vector<std::pair<DType, Tensor<std::uint8_t, Cuda>>> patterns_;
  std::map<std::string, std::shared_ptr<void>> kept_;
};

// Kernels of the room itself, in roof.cu: every word read once and summed, block by block; 16-byte copies.
void read_all(const Context<Cuda>& context, const float* src, Index count, float* sums);
void copy_all(const Context<Cuda>& context, const float* src, float* dst, Index count);
/// How many sums read_all writes.
inline constexpr Index read_all_sums = 132 * 8;

/// The jobs of a run. A family of ops adds what it is asked for.
class Jobs {
 public:
  std::vector<Index> batches{1, 16, 128};
  std::vector<DType> dtypes{DType::float32};
  std::vector<Maths> maths{Maths::float32};
  bool tiny = false;  ///< small layers, for trying whether everything runs
  std::vector<Job> all;

  /// Calls add.template operator()<T>(batch) for every element type and batch asked for.
  template <class Add>
  void each(const Add& add) const {
    for (const DType dtype : dtypes)
      for (const Index batch : batches) {
        if (dtype == DType::float32) add.template operator()<float>(batch);
        if (dtype == DType::float16) add.template operator()<half>(batch);
        if (dtype == DType::bfloat16) add.template operator()<bfloat16>(batch);
      }
  }

  /// The same for ops that multiply matrices: add.template operator()<T>(batch, maths), for float in every
  /// maths mode asked for; half and bfloat16 take tensor cores in each of them, and come once without one.
  template <class Add>
  void each_maths(const Add& add) const {
    each([&]<class T>(Index batch) {
      if constexpr (std::same_as<T, float>)
        for (const Maths one : maths) add.template operator()<T>(batch, std::optional(one));
      else
        add.template operator()<T>(batch, std::optional<Maths>());
    });
  }
};

/// A file's ops, known to the program by a static object of this type.
struct Family {
  explicit Family(void (*add)(Jobs&));
  [[nodiscard]] static std::vector<void (*)(Jobs&)>& all();
};

/// Bytes of `count` elements of T, as a double.
template <class T>
[[nodiscard]] double bytes_of(Index count) {
  return static_cast<double>(sizeof(T)) * static_cast<double>(count);
}

}  // namespace deconv::bench
