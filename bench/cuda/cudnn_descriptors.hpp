#pragma once
/// What the calls of cuDNN share: checks, descriptors that die with their last way, and the planes that cuDNN
/// needs in place of windows that overhang. Every way exists for nhwc, the layout in which our networks
/// compute on a card, and for nchw, so that cuDNN can be taken at its best.

#include <cudnn.h>

#include <memory>
#include <string>

#include "deconv/ops/max_pool2d.hpp"
#include "peers.hpp"

namespace deconv::bench {

inline void check(cudnnStatus_t status, const char* what) {
  require<DeviceError>(status == CUDNN_STATUS_SUCCESS, what, ": ", cudnnGetErrorString(status));
}

/// A cuDNN object that dies with its last way.
template <class T>
std::shared_ptr<T> made(cudnnStatus_t (*create)(T**), cudnnStatus_t (*destroy)(T*)) {
  T* object = nullptr;
  check(create(&object), "making a cuDNN object");
  return {object, [destroy](T* dying) { destroy(dying); }};
}

inline cudnnDataType_t type_of(DType dtype) {
  return dtype == DType::float16    ? CUDNN_DATA_HALF
         : dtype == DType::bfloat16 ? CUDNN_DATA_BFLOAT16
                                    : CUDNN_DATA_FLOAT;
}
inline cudnnTensorFormat_t format_of(Layout layout) {
  return layout == Layout::nhwc ? CUDNN_TENSOR_NHWC : CUDNN_TENSOR_NCHW;
}
inline std::string way_name(Layout layout) { return message("cuDNN ", name_of(layout)); }

using Handle = std::shared_ptr<cudnnContext>;
using TensorDescriptor = std::shared_ptr<cudnnTensorStruct>;

inline Handle make_handle(const Room& room) {
  auto handle = made<cudnnContext>(cudnnCreate, cudnnDestroy);
  check(cudnnSetStream(handle.get(), reinterpret_cast<cudaStream_t>(room.context().stream())),
        "choosing a stream");
  return handle;
}

inline TensorDescriptor describe(DType dtype, const Shape& shape, Layout layout) {
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
inline Index whole_extent(Index extent, Index outputs, Index stride, Index reach, Index padding) {
  return std::max(extent, (outputs - 1) * stride + reach - 2 * padding);
}
inline Shape whole_planes(const Shape& src, const Shape& dst, const Window2d& w) {
  return {src[0], src[1], whole_extent(src[2], dst[2], w.stride_y, w.reach_y(), w.padding.top),
          whole_extent(src[3], dst[3], w.stride_x, w.reach_x(), w.padding.left)};
}
/// What cuDNN makes of such planes: a stride may leave room for one window more.
inline Shape windows_of(const Shape& src, Index maps, const Window2d& w) {
  const auto count = [](Index extent, Index stride, Index reach, Index padding) {
    return (extent + 2 * padding - reach) / stride + 1;
  };
  return {src[0], maps, count(src[2], w.stride_y, w.reach_y(), w.padding.top),
          count(src[3], w.stride_x, w.reach_x(), w.padding.left)};
}

inline constexpr float one = 1, zero = 0;

inline std::shared_ptr<cudnnActivationStruct> describe_rectifier() {
  auto relu = made<cudnnActivationStruct>(cudnnCreateActivationDescriptor, cudnnDestroyActivationDescriptor);
  check(cudnnSetActivationDescriptor(relu.get(), CUDNN_ACTIVATION_RELU, CUDNN_PROPAGATE_NAN, 0),
        "describing a rectifier");
  return relu;
}

inline std::shared_ptr<cudnnPoolingStruct> describe_pool(const Window2d& w, Pool pool) {
  auto p = made<cudnnPoolingStruct>(cudnnCreatePoolingDescriptor, cudnnDestroyPoolingDescriptor);
  check(cudnnSetPooling2dDescriptor(
            p.get(), pool == Pool::maximum ? CUDNN_POOLING_MAX : CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING,
            CUDNN_PROPAGATE_NAN, static_cast<int>(w.kernel_y), static_cast<int>(w.kernel_x),
            static_cast<int>(w.padding.top), static_cast<int>(w.padding.left), static_cast<int>(w.stride_y),
            static_cast<int>(w.stride_x)),
        "describing a pool");
  return p;
}

}  // namespace deconv::bench
