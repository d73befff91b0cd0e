// cuDNN's calls but for convolutions.
#include "cudnn_descriptors.hpp"

namespace deconv::bench {

std::string cudnn_version() {
  const std::size_t v = cudnnGetVersion();
  const std::size_t major = v < 10000 ? 1000 : 10000;
  return message("cuDNN ", v / major, '.', v % major / 100, '.', v % 100);
}

Ways pool_peers(Room& room, DType dtype, Pass pass, Pool pool, const Shape& src, const Window2d& w) {
  const Shape planes = whole_planes(src, pool2d_output_shape(src, w), w), out = windows_of(planes, src[1], w);
  const auto handle = make_handle(room);
  const auto x = room.random_memory(dtype, planes.count()), y = room.random_memory(dtype, out.count()),
             dx = room.memory(static_cast<std::size_t>(planes.count()) * size_of(dtype));
  return in_both_layouts([&](Layout layout) -> std::function<void()> {
    const auto of_x = describe(dtype, planes, layout), of_y = describe(dtype, out, layout);
    const auto p = describe_pool(w, pool);
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
    const auto relu = describe_rectifier();
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
