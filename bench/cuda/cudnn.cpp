// cuDNN's calls. Every way exists for nhwc, the layout in which our networks compute on a card, and for nchw,
// so that cuDNN can be taken at its best.
#include <cudnn.h>

#include <array>
#include <cstring>
#include <tuple>

#include "deconv/ops/max_pool2d.hpp"
#include "peers.hpp"

namespace deconv::bench {
namespace {

void check(cudnnStatus_t status, const char* what) {
  require<DeviceError>(status == CUDNN_STATUS_SUCCESS, what, ": ", cudnnGetErrorString(status));
}

/// A cuDNN object that dies with its last way.
template <class T>
std::shared_ptr<T> made(cudnnStatus_t (*create)(T**), cudnnStatus_t (*destroy)(T*)) {
  T* object = nullptr;
  check(create(&object), "making a cuDNN object");
  return {object, [destroy](T* dying) { destroy(dying); }};
}

cudnnDataType_t type_of(DType dtype) {
  return dtype == DType::float16    ? CUDNN_DATA_HALF
         : dtype == DType::bfloat16 ? CUDNN_DATA_BFLOAT16
                                    : CUDNN_DATA_FLOAT;
}
cudnnTensorFormat_t format_of(Layout layout) {
  return layout == Layout::nhwc ? CUDNN_TENSOR_NHWC : CUDNN_TENSOR_NCHW;
}
std::string way_name(Layout layout) { return message("cuDNN ", name_of(layout)); }

using Handle = std::shared_ptr<cudnnContext>;
using TensorDescriptor = std::shared_ptr<cudnnTensorStruct>;

Handle make_handle(const Room& room) {
  auto handle = made<cudnnContext>(cudnnCreate, cudnnDestroy);
  check(cudnnSetStream(handle.get(), reinterpret_cast<cudaStream_t>(room.context().stream())),
        "choosing a stream");
  return handle;
}

TensorDescriptor describe(DType dtype, const Shape& shape, Layout layout) {
  auto tensor = made<cudnnTensorStruct>(cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor);
  const auto extent = [&](std::size_t i) { return i < shape.rank() ? static_cast<int>(shape[i]) : 1; };
  check(cudnnSetTensor4dDescriptor(tensor.get(), format_of(layout), type_of(dtype), extent(0), extent(1),
                                   extent(2), extent(3)),
        "describing a tensor");
  return tensor;
}

/// The ways of both layouts; what cannot be set up becomes a way that says why.
template <class Make>
Ways in_both_layouts(const Make& make) {
  Ways ways;
  for (const Layout layout : {Layout::nhwc, Layout::nchw}) {
    try {
      ways.push_back({way_name(layout), make(layout)});
    } catch (const std::exception& error) {
      ways.push_back({way_name(layout), [words = std::string(error.what())] { raise<DeviceError>(words); }});
    }
  }
  return ways;
}

/// The plane that `outputs` windows need when none may overhang.
Index whole_extent(Index extent, Index outputs, Index stride, Index reach, Index padding) {
  return std::max(extent, (outputs - 1) * stride + reach - 2 * padding);
}
Shape whole_planes(const Shape& src, const Shape& dst, const Window2d& w) {
  return {src[0], src[1], whole_extent(src[2], dst[2], w.stride_y, w.reach_y(), w.padding.top),
          whole_extent(src[3], dst[3], w.stride_x, w.reach_x(), w.padding.left)};
}
/// What cuDNN makes of such planes: a stride may leave room for one window more.
Shape windows_of(const Shape& src, Index maps, const Window2d& w) {
  const auto count = [](Index extent, Index stride, Index reach, Index padding) {
    return (extent + 2 * padding - reach) / stride + 1;
  };
  return {src[0], maps, count(src[2], w.stride_y, w.reach_y(), w.padding.top),
          count(src[3], w.stride_x, w.reach_x(), w.padding.left)};
}

const float one = 1, zero = 0;

}  // namespace

std::string cudnn_version() {
  const std::size_t v = cudnnGetVersion();
  const std::size_t major = v < 10000 ? 1000 : 10000;
  return message("cuDNN ", v / major, '.', v % major / 100, '.', v % 100);
}

Ways convolution_peers(Room& room, DType dtype, ConvolutionPass pass, const Shape& src, Index maps,
                       const Conv2dParams& params) {
  const Window2d& w = params.window;
  const Shape planes = whole_planes(src, conv2d_output_shape(src, maps, params), w);
  const Shape out = windows_of(planes, maps, w),
              filters{maps, src[1] / params.groups, w.kernel_y, w.kernel_x};
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, planes.count()), y = room.random_memory(dtype, out.count()),
             f = room.random_memory(dtype, filters.count());
  return in_both_layouts([&, dtype, pass](Layout layout) -> std::function<void()> {
    const auto of_x = describe(dtype, planes, layout), of_y = describe(dtype, out, layout);
    auto of_f = made<cudnnFilterStruct>(cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor);
    check(cudnnSetFilter4dDescriptor(of_f.get(), type_of(dtype), format_of(layout),
                                     static_cast<int>(filters[0]), static_cast<int>(filters[1]),
                                     static_cast<int>(filters[2]), static_cast<int>(filters[3])),
          "describing filters");
    auto c =
        made<cudnnConvolutionStruct>(cudnnCreateConvolutionDescriptor, cudnnDestroyConvolutionDescriptor);
    check(cudnnSetConvolution2dDescriptor(
              c.get(), static_cast<int>(w.padding.top), static_cast<int>(w.padding.left),
              static_cast<int>(w.stride_y), static_cast<int>(w.stride_x), static_cast<int>(w.dilation_y),
              static_cast<int>(w.dilation_x), CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
          "describing a convolution");
    check(cudnnSetConvolutionGroupCount(c.get(), static_cast<int>(params.groups)), "choosing groups");
    check(cudnnSetConvolutionMathType(c.get(), CUDNN_FMA_MATH), "choosing the maths mode");

    // cuDNN times its own algorithms, for as much memory as they like within 4 GiB.
    const std::size_t most = room.tiny() ? std::size_t{1} << 22 : std::size_t{4} << 30;
    const auto search_memory = room.memory(most);
    constexpr int asked = 16;
    int met = 0;
    // The search may name another maths mode beside an algorithm; what runs is the descriptor's.
    const auto best = [&](const auto& results) {
      for (const bool only_asked : {true, false})
        for (int i = 0; i < met; ++i) {
          const auto& r = results[static_cast<std::size_t>(i)];
          const bool asked_for = r.mathType == CUDNN_FMA_MATH;
          if (r.status == CUDNN_STATUS_SUCCESS && (asked_for || !only_asked)) return r;
        }
      raise<DeviceError>("cuDNN has no algorithm for this");
    };
    if (pass == ConvolutionPass::forward) {
      std::array<cudnnConvolutionFwdAlgoPerf_t, asked> results{};
      check(cudnnFindConvolutionForwardAlgorithmEx(handle.get(), of_x.get(), x.get(), of_f.get(), f.get(),
                                                   c.get(), of_y.get(), y.get(), asked, &met, results.data(),
                                                   search_memory.get(), most),
            "looking for an algorithm");
      const auto algorithm = best(results).algo;
      std::size_t bytes = 0;
      check(cudnnGetConvolutionForwardWorkspaceSize(handle.get(), of_x.get(), of_f.get(), c.get(), of_y.get(),
                                                    algorithm, &bytes),
            "asking for a workspace's size");
      const auto scratch = room.memory(bytes);
      return [=] {
        check(cudnnConvolutionForward(handle.get(), &one, of_x.get(), x.get(), of_f.get(), f.get(), c.get(),
                                      algorithm, scratch.get(), bytes, &zero, of_y.get(), y.get()),
              "cudnnConvolutionForward");
      };
    }
    if (pass == ConvolutionPass::reverse_data) {
      std::array<cudnnConvolutionBwdDataAlgoPerf_t, asked> results{};
      check(cudnnFindConvolutionBackwardDataAlgorithmEx(handle.get(), of_f.get(), f.get(), of_y.get(),
                                                        y.get(), c.get(), of_x.get(), x.get(), asked, &met,
                                                        results.data(), search_memory.get(), most),
            "looking for an algorithm");
      const auto algorithm = best(results).algo;
      std::size_t bytes = 0;
      check(cudnnGetConvolutionBackwardDataWorkspaceSize(handle.get(), of_f.get(), of_y.get(), c.get(),
                                                         of_x.get(), algorithm, &bytes),
            "asking for a workspace's size");
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
    const auto algorithm = best(results).algo;
    std::size_t bytes = 0;
    check(cudnnGetConvolutionBackwardFilterWorkspaceSize(handle.get(), of_x.get(), of_y.get(), c.get(),
                                                         of_f.get(), algorithm, &bytes),
          "asking for a workspace's size");
    const auto scratch = room.memory(bytes);
    return [=] {
      check(cudnnConvolutionBackwardFilter(handle.get(), &one, of_x.get(), x.get(), of_y.get(), y.get(),
                                           c.get(), algorithm, scratch.get(), bytes, &zero, of_f.get(),
                                           f.get()),
            "cudnnConvolutionBackwardFilter");
    };
  });
}

Ways pool_peers(Room& room, DType dtype, Pass pass, Pool pool, const Shape& src, const Window2d& w) {
  const Shape planes = whole_planes(src, pool2d_output_shape(src, w), w), out = windows_of(planes, src[1], w);
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, planes.count()), y = room.random_memory(dtype, out.count()),
             dx = room.memory(static_cast<std::size_t>(planes.count()) * size_of(dtype));
  return in_both_layouts([&](Layout layout) -> std::function<void()> {
    const auto of_x = describe(dtype, planes, layout), of_y = describe(dtype, out, layout);
    auto p = made<cudnnPoolingStruct>(cudnnCreatePoolingDescriptor, cudnnDestroyPoolingDescriptor);
    check(
        cudnnSetPooling2dDescriptor(
            p.get(), pool == Pool::maximum ? CUDNN_POOLING_MAX : CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING,
            CUDNN_PROPAGATE_NAN, static_cast<int>(w.kernel_y), static_cast<int>(w.kernel_x),
            static_cast<int>(w.padding.top), static_cast<int>(w.padding.left), static_cast<int>(w.stride_y),
            static_cast<int>(w.stride_x)),
        "describing a pool");
    const auto forward = [=] {
      check(cudnnPoolingForward(handle.get(), p.get(), &one, of_x.get(), x.get(), &zero, of_y.get(), y.get()),
            "cudnnPoolingForward");
    };
    if (pass == Pass::forward) return forward;
    forward();  // for maxima that are among x
    return [=] {
      check(cudnnPoolingBackward(handle.get(), p.get(), &one, of_y.get(), y.get(), of_y.get(), y.get(),
                                 of_x.get(), x.get(), &zero, of_x.get(), dx.get()),
            "cudnnPoolingBackward");
    };
  });
}

Ways lrn_peers(Room& room, DType dtype, Pass pass, const Shape& src, const LrnParams& params) {
  if (params.region != LrnRegion::across_channels) return {};
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, src.count()), y = room.random_memory(dtype, src.count()),
             dy = room.random_memory(dtype, src.count()), dx = room.random_memory(dtype, src.count());
  return in_both_layouts([&](Layout layout) -> std::function<void()> {
    const auto of_x = describe(dtype, src, layout);
    auto norm = made<cudnnLRNStruct>(cudnnCreateLRNDescriptor, cudnnDestroyLRNDescriptor);
    check(cudnnSetLRNDescriptor(norm.get(), static_cast<unsigned>(params.size),
                                static_cast<double>(params.alpha), static_cast<double>(params.beta),
                                static_cast<double>(params.k)),
          "describing a normalisation");
    const auto forward = [=] {
      check(cudnnLRNCrossChannelForward(handle.get(), norm.get(), CUDNN_LRN_CROSS_CHANNEL_DIM1, &one,
                                        of_x.get(), x.get(), &zero, of_x.get(), y.get()),
            "cudnnLRNCrossChannelForward");
    };
    if (pass == Pass::forward) return forward;
    forward();  // for the y that belongs to x
    return [=] {
      check(cudnnLRNCrossChannelBackward(handle.get(), norm.get(), CUDNN_LRN_CROSS_CHANNEL_DIM1, &one,
                                         of_x.get(), y.get(), of_x.get(), dy.get(), of_x.get(), x.get(),
                                         &zero, of_x.get(), dx.get()),
            "cudnnLRNCrossChannelBackward");
    };
  });
}

Ways softmax_peers(Room& room, DType dtype, Pass pass, bool logarithm, const Shape& src) {
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, src.count()), y = room.random_memory(dtype, src.count()),
             dy = room.random_memory(dtype, src.count());
  const auto algorithm = logarithm ? CUDNN_SOFTMAX_LOG : CUDNN_SOFTMAX_ACCURATE;
  return in_both_layouts([&](Layout layout) -> std::function<void()> {
    const auto of_x = describe(dtype, src, layout);
    if (pass == Pass::forward)
      return [=] {
        check(cudnnSoftmaxForward(handle.get(), algorithm, CUDNN_SOFTMAX_MODE_CHANNEL, &one, of_x.get(),
                                  x.get(), &zero, of_x.get(), y.get()),
              "cudnnSoftmaxForward");
      };
    return [=] {
      check(cudnnSoftmaxBackward(handle.get(), algorithm, CUDNN_SOFTMAX_MODE_CHANNEL, &one, of_x.get(),
                                 y.get(), of_x.get(), dy.get(), &zero, of_x.get(), x.get()),
            "cudnnSoftmaxBackward");
    };
  });
}

Ways relu_peers(Room& room, DType dtype, Pass pass, const Shape& src) {
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, src.count()), y = room.random_memory(dtype, src.count()),
             dy = room.random_memory(dtype, src.count()), dx = room.random_memory(dtype, src.count());
  return in_both_layouts([&](Layout layout) -> std::function<void()> {
    const auto of_x = describe(dtype, src, layout);
    auto relu =
        made<cudnnActivationStruct>(cudnnCreateActivationDescriptor, cudnnDestroyActivationDescriptor);
    check(cudnnSetActivationDescriptor(relu.get(), CUDNN_ACTIVATION_RELU, CUDNN_PROPAGATE_NAN, 0),
          "describing a rectifier");
    if (pass == Pass::forward)
      return [=] {
        check(cudnnActivationForward(handle.get(), relu.get(), &one, of_x.get(), x.get(), &zero, of_x.get(),
                                     y.get()),
              "cudnnActivationForward");
      };
    return [=] {
      check(cudnnActivationBackward(handle.get(), relu.get(), &one, of_x.get(), y.get(), of_x.get(), dy.get(),
                                    of_x.get(), x.get(), &zero, of_x.get(), dx.get()),
            "cudnnActivationBackward");
    };
  });
}

Ways batch_norm_peers(Room& room, DType dtype, const Shape& src) {
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, src.count()), y = room.random_memory(dtype, src.count()),
             values = room.random_memory(DType::float32, src[1]);
  return in_both_layouts([&](Layout layout) -> std::function<void()> {
    const auto of_x = describe(dtype, src, layout),
               of_values = describe(DType::float32, {1, src[1], 1, 1}, layout);
    return [=] {
      check(cudnnBatchNormalizationForwardInference(
                handle.get(), CUDNN_BATCHNORM_SPATIAL, &one, &zero, of_x.get(), x.get(), of_x.get(), y.get(),
                of_values.get(), values.get(), values.get(), values.get(), values.get(), 1e-5),
            "cudnnBatchNormalizationForwardInference");
    };
  });
}

Ways add_peers(Room& room, DType dtype, const Shape& src) {
  const auto handle = make_handle(room);
  const auto a = room.random_memory(dtype, src.count()), b = room.random_memory(dtype, src.count()),
             c = room.memory(static_cast<std::size_t>(src.count()) * size_of(dtype));
  return in_both_layouts([&](Layout layout) -> std::function<void()> {
    const auto of_x = describe(dtype, src, layout);
    auto add = made<cudnnOpTensorStruct>(cudnnCreateOpTensorDescriptor, cudnnDestroyOpTensorDescriptor);
    check(cudnnSetOpTensorDescriptor(add.get(), CUDNN_OP_TENSOR_ADD, CUDNN_DATA_FLOAT, CUDNN_PROPAGATE_NAN),
          "describing a sum");
    return [=] {
      check(cudnnOpTensor(handle.get(), add.get(), &one, of_x.get(), a.get(), &one, of_x.get(), b.get(),
                          &zero, of_x.get(), c.get()),
            "cudnnOpTensor");
    };
  });
}

Ways dropout_peers(Room& room, DType dtype, Pass pass, const Shape& src, float ratio) {
  const auto handle = make_handle(room);
  std::size_t state_bytes = 0, mask_bytes = 0;
  const auto of_x = describe(dtype, src, Layout::nchw);
  check(cudnnDropoutGetStatesSize(handle.get(), &state_bytes), "asking for sizes");
  check(cudnnDropoutGetReserveSpaceSize(of_x.get(), &mask_bytes), "asking for sizes");
  const auto states = room.memory(state_bytes), mask = room.memory(mask_bytes);
  const auto x = room.random_memory(dtype, src.count()), y = room.random_memory(dtype, src.count());
  auto dropout = made<cudnnDropoutStruct>(cudnnCreateDropoutDescriptor, cudnnDestroyDropoutDescriptor);
  check(cudnnSetDropoutDescriptor(dropout.get(), handle.get(), ratio, states.get(), state_bytes, 1),
        "describing a dropout");
  const auto forward = [=] {
    check(cudnnDropoutForward(handle.get(), dropout.get(), of_x.get(), x.get(), of_x.get(), y.get(),
                              mask.get(), mask_bytes),
          "cudnnDropoutForward");
    (void)states;
  };
  if (pass == Pass::forward) return {{"cuDNN", forward}};
  forward();  // for a mask
  return {{"cuDNN", [=] {
             check(cudnnDropoutBackward(handle.get(), dropout.get(), of_x.get(), y.get(), of_x.get(), x.get(),
                                        mask.get(), mask_bytes),
                   "cudnnDropoutBackward");
             (void)states;
           }}};
}

Ways layout_peers(Room& room, DType dtype, const Shape& src, Layout from) {
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, src.count()), y = room.random_memory(dtype, src.count());
  const auto of_x = describe(dtype, src, from),
             of_y = describe(dtype, src, from == Layout::nhwc ? Layout::nchw : Layout::nhwc);
  return {{"cuDNN", [=] {
             check(cudnnTransformTensor(handle.get(), &one, of_x.get(), x.get(), &zero, of_y.get(), y.get()),
                   "cudnnTransformTensor");
           }}};
}

}  // namespace deconv::bench
