// cuDNN's convolutions, by the quickest algorithm that its own search finds.
#include <array>

#include "cudnn_descriptors.hpp"

namespace deconv::bench {
namespace {

/// Whether floats may not be rounded before they are multiplied.
bool exact(DType dtype, Maths maths) { return dtype == DType::float32 && maths != Maths::tf32; }

using ConvolutionDescriptor = std::shared_ptr<cudnnConvolutionStruct>;
using FilterDescriptor = std::shared_ptr<cudnnFilterStruct>;

FilterDescriptor describe_filters(DType dtype, const Shape& filters, Layout layout) {
  auto of_f = made<cudnnFilterStruct>(cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor);
  check(cudnnSetFilter4dDescriptor(of_f.get(), type_of(dtype), format_of(layout),
                                   static_cast<int>(filters[0]), static_cast<int>(filters[1]),
                                   static_cast<int>(filters[2]), static_cast<int>(filters[3])),
        "describing filters");
  return of_f;
}

ConvolutionDescriptor describe_convolution(const Conv2dParams& params, bool multiply_adds) {
  const Window2d& w = params.window;
  auto c = made<cudnnConvolutionStruct>(cudnnCreateConvolutionDescriptor, cudnnDestroyConvolutionDescriptor);
  check(cudnnSetConvolution2dDescriptor(
            c.get(), static_cast<int>(w.padding.top), static_cast<int>(w.padding.left),
            static_cast<int>(w.stride_y), static_cast<int>(w.stride_x), static_cast<int>(w.dilation_y),
            static_cast<int>(w.dilation_x), CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
        "describing a convolution");
  check(cudnnSetConvolutionGroupCount(c.get(), static_cast<int>(params.groups)), "choosing groups");
  check(cudnnSetConvolutionMathType(c.get(), multiply_adds ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH),
        "choosing the maths mode");
  return c;
}

/// The quickest of what cuDNN's search found: one that keeps to the maths mode before others, since the
/// search may name another one beside an algorithm. What runs is the descriptor's mode, which follows where
/// tensor cores are allowed.
template <class Results>
auto best_of(const Results& results, int met, bool multiply_adds, bool deterministic,
             const ConvolutionDescriptor& c) {
  for (const bool only_asked : {true, false})
    for (int i = 0; i < met; ++i) {
      const auto& r = results[static_cast<std::size_t>(i)];
      if (r.status != CUDNN_STATUS_SUCCESS || (deterministic && r.determinism != CUDNN_DETERMINISTIC))
        continue;
      const bool asked_for = (r.mathType == CUDNN_FMA_MATH) == multiply_adds;
      if (!asked_for && only_asked) continue;
      if (!multiply_adds) check(cudnnSetConvolutionMathType(c.get(), r.mathType), "choosing the maths mode");
      return r.algo;
    }
  raise<DeviceError>("cuDNN has no ", deterministic ? "deterministic " : "", "algorithm for this");
}

/// What a convolution's search may take.
std::size_t most_scratch(const Room& room) {
  return room.tiny() ? std::size_t{1} << 22 : std::size_t{4} << 30;
}
constexpr int asked = 16;

/// The forward pass with cuDNN's own choice of algorithm, and its scratch memory.
struct ForwardChoice {
  cudnnConvolutionFwdAlgo_t algorithm;
  std::size_t bytes = 0;
  std::shared_ptr<void> scratch;
};

ForwardChoice choose_forward(Room& room, const Handle& handle, const TensorDescriptor& of_x, const void* x,
                             const FilterDescriptor& of_f, const void* f, const ConvolutionDescriptor& c,
                             const TensorDescriptor& of_y, void* y, bool multiply_adds) {
  // cuDNN times its own algorithms, for as much memory as they like within 4 GiB.
  const auto search_memory = room.memory(most_scratch(room));
  std::array<cudnnConvolutionFwdAlgoPerf_t, asked> results{};
  int met = 0;
  check(cudnnFindConvolutionForwardAlgorithmEx(handle.get(), of_x.get(), x, of_f.get(), f, c.get(),
                                               of_y.get(), y, asked, &met, results.data(),
                                               search_memory.get(), most_scratch(room)),
        "looking for an algorithm");
  ForwardChoice choice{best_of(results, met, multiply_adds, false, c), 0, {}};
  check(cudnnGetConvolutionForwardWorkspaceSize(handle.get(), of_x.get(), of_f.get(), c.get(), of_y.get(),
                                                choice.algorithm, &choice.bytes),
        "asking for a workspace's size");
  choice.scratch = room.memory(choice.bytes);
  return choice;
}

}  // namespace

Ways convolution_peers(Room& room, DType dtype, Maths maths, ConvolutionPass pass, const Shape& src,
                       Index maps, const Conv2dParams& params) {
  const Window2d& w = params.window;
  const Shape planes = whole_planes(src, conv2d_output_shape(src, maps, params), w);
  const Shape out = windows_of(planes, maps, w),
              filters{maps, src[1] / params.groups, w.kernel_y, w.kernel_x};
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, planes.count()), y = room.random_memory(dtype, out.count()),
             f = room.random_memory(dtype, filters.count());
  const bool multiply_adds = exact(dtype, maths);
  return in_both_layouts([&, dtype, pass, multiply_adds](Layout layout) -> std::function<void()> {
    const auto of_x = describe(dtype, planes, layout), of_y = describe(dtype, out, layout);
    const auto of_f = describe_filters(dtype, filters, layout);
    const auto c = describe_convolution(params, multiply_adds);
    if (pass == ConvolutionPass::forward) {
      const auto choice =
          choose_forward(room, handle, of_x, x.get(), of_f, f.get(), c, of_y, y.get(), multiply_adds);
      return [=] {
        check(cudnnConvolutionForward(handle.get(), &one, of_x.get(), x.get(), of_f.get(), f.get(), c.get(),
                                      choice.algorithm, choice.scratch.get(), choice.bytes, &zero, of_y.get(),
                                      y.get()),
              "cudnnConvolutionForward");
      };
    }
    const std::size_t most = most_scratch(room);
    auto search_memory = room.memory(most);
    int met = 0;
    std::size_t bytes = 0;
    if (pass == ConvolutionPass::reverse_data) {
      std::array<cudnnConvolutionBwdDataAlgoPerf_t, asked> results{};
      check(cudnnFindConvolutionBackwardDataAlgorithmEx(handle.get(), of_f.get(), f.get(), of_y.get(),
                                                        y.get(), c.get(), of_x.get(), x.get(), asked, &met,
                                                        results.data(), search_memory.get(), most),
            "looking for an algorithm");
      const auto algorithm = best_of(results, met, multiply_adds, false, c);
      check(cudnnGetConvolutionBackwardDataWorkspaceSize(handle.get(), of_f.get(), of_y.get(), c.get(),
                                                         of_x.get(), algorithm, &bytes),
            "asking for a workspace's size");
      search_memory.reset();
      const auto scratch = room.memory(bytes);
      return [=] {
        check(cudnnConvolutionBackwardData(handle.get(), &one, of_f.get(), f.get(), of_y.get(), y.get(),
                                           c.get(), algorithm, scratch.get(), bytes, &zero, of_x.get(),
                                           x.get()),
              "cudnnConvolutionBackwardData");
      };
    }
    std::array<cudnnConvolutionBwdFilterAlgoPerf_t, asked> results{};
    check(cudnnFindConvolutionBackwardFilterAlgorithmEx(handle.get(), of_x.get(), x.get(), of_y.get(),
                                                        y.get(), c.get(), of_f.get(), f.get(), asked, &met,
                                                        results.data(), search_memory.get(), most),
          "looking for an algorithm");
    const auto algorithm = best_of(results, met, multiply_adds, true, c);
    check(cudnnGetConvolutionBackwardFilterWorkspaceSize(handle.get(), of_x.get(), of_y.get(), c.get(),
                                                         of_f.get(), algorithm, &bytes),
          "asking for a workspace's size");
    search_memory.reset();
    const auto scratch = room.memory(bytes);
    return [=] {
      check(cudnnConvolutionBackwardFilter(handle.get(), &one, of_x.get(), x.get(), of_y.get(), y.get(),
                                           c.get(), algorithm, scratch.get(), bytes, &zero, of_f.get(),
                                           f.get()),
            "cudnnConvolutionBackwardFilter");
    };
  });
}

Ways pooled_convolution_peers(Room& room, DType dtype, Maths maths, const Shape& src, Index maps,
                              const Conv2dParams& params, const Window2d& pool) {
  const Window2d& w = params.window;
  const Shape planes = whole_planes(src, conv2d_output_shape(src, maps, params), w);
  const Shape between = windows_of(planes, maps, w);
  // The pool's windows may overhang what the convolution gives: a row and a column more hold anything.
  const Shape pooled_planes = whole_planes(between, pool2d_output_shape(between, pool), pool);
  const Shape out = windows_of(pooled_planes, maps, pool),
              filters{maps, src[1] / params.groups, w.kernel_y, w.kernel_x};
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, planes.count()), f = room.random_memory(dtype, filters.count()),
             bias = room.random_memory(dtype, maps), y = room.random_memory(dtype, pooled_planes.count()),
             z = room.random_memory(dtype, out.count());
  const bool multiply_adds = exact(dtype, maths);
  Ways ways;
  for (const bool merged : {false, true}) {
    auto here = in_both_layouts([&](Layout layout) -> std::function<void()> {
      const auto of_x = describe(dtype, planes, layout), of_y = describe(dtype, between, layout),
                 of_planes = describe(dtype, pooled_planes, layout), of_z = describe(dtype, out, layout),
                 of_bias = describe(dtype, {1, maps, 1, 1}, layout);
      const auto of_f = describe_filters(dtype, filters, layout);
      const auto c = describe_convolution(params, multiply_adds);
      const auto choice =
          choose_forward(room, handle, of_x, x.get(), of_f, f.get(), c, of_y, y.get(), multiply_adds);
      const auto relu = describe_rectifier();
      const auto p = describe_pool(pool, Pool::maximum);
      const auto pooled = [=] {
        check(cudnnPoolingForward(handle.get(), p.get(), &one, of_planes.get(), y.get(), &zero, of_z.get(),
                                  z.get()),
              "cudnnPoolingForward");
      };
      if (merged)
        return [=] {
          check(cudnnConvolutionBiasActivationForward(
                    handle.get(), &one, of_x.get(), x.get(), of_f.get(), f.get(), c.get(), choice.algorithm,
                    choice.scratch.get(), choice.bytes, &zero, of_y.get(), y.get(), of_bias.get(), bias.get(),
                    relu.get(), of_y.get(), y.get()),
                "cudnnConvolutionBiasActivationForward");
          pooled();
        };
      return [=] {
        check(cudnnConvolutionForward(handle.get(), &one, of_x.get(), x.get(), of_f.get(), f.get(), c.get(),
                                      choice.algorithm, choice.scratch.get(), choice.bytes, &zero, of_y.get(),
                                      y.get()),
              "cudnnConvolutionForward");
        check(cudnnActivationForward(handle.get(), relu.get(), &one, of_y.get(), y.get(), &zero, of_y.get(),
                                     y.get()),
              "cudnnActivationForward");
        pooled();
      };
    });
    for (Way& way : here) {
      way.name += merged ? ", bias and rectifier in the convolution, and a pool" : ", three calls";
      ways.push_back(std::move(way));
    }
  }
  return ways;
}

}  // namespace deconv::bench
