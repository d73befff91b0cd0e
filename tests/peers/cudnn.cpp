// On a card: our kernels and cuDNN's, which share no code, agree. Built where the tests' Cuda device is a GPU
// and cuDNN was found. cuDNN computes in nchw with multiply-adds; ours gets the same nchw tensors.
#include <cudnn.h>

#include <memory>

#include "deconv/ops/average_pool2d.hpp"
#include "deconv/ops/batch_norm.hpp"
#include "deconv/ops/conv2d.hpp"
#include "deconv/ops/lrn.hpp"
#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/softmax.hpp"
#include "deconv/ops/unpool2d.hpp"
#include "support/op_test.hpp"
#include "support/relative_error.hpp"

using namespace deconv;
using namespace deconv::test;

namespace {

void check(cudnnStatus_t status) {
  require<DeviceError>(status == CUDNN_STATUS_SUCCESS, cudnnGetErrorString(status));
}

template <class T>
std::shared_ptr<T> made(cudnnStatus_t (*create)(T**), cudnnStatus_t (*destroy)(T*)) {
  T* object = nullptr;
  check(create(&object));
  return {object, [destroy](T* dying) { destroy(dying); }};
}

using OnCard = Tensor<float, Cuda>;
constexpr float one = 1, zero = 0;

/// The card, a cuDNN on its stream, and tensors there. A test that finds no card fails: this program is only
/// for it.
struct Card {
  const Context<Cuda>& context;
  std::shared_ptr<cudnnContext> handle = made<cudnnContext>(cudnnCreate, cudnnDestroy);

  Card() : context(found()) { check(cudnnSetStream(handle.get(), context.stream())); }
  static const Context<Cuda>& found() {
    REQUIRE(cuda_context());
    return *cuda_context();
  }
  OnCard random(const Shape& shape, std::uint64_t seed) const {
    return to_device(context, make_input<float>({shape}, false, seed).view());
  }
  OnCard positive(const Shape& shape, std::uint64_t seed) const {
    return to_device(context, make_input<float>({shape, Fill::positive}, false, seed).view());
  }
  /// Full of NaN, so that what is not written is seen.
  OnCard poisoned(const Shape& shape) const {
    return to_device(context,
                     Tensor<float, Cpu>::filled(shape, std::numeric_limits<float>::quiet_NaN()).view());
  }
  void compare(const std::string& what, const OnCard& ours, const OnCard& theirs, double allowed) const {
    const auto met = to_host(context, ours.view()), wanted = to_host(context, theirs.view());
    const double error = relative_error(met, wanted);
    INFO(what << ": error " << error << ", allowed " << allowed);
    CHECK_FALSE(!(error <= allowed));
  }
};

std::shared_ptr<cudnnTensorStruct> describe(const Shape& shape) {
  auto tensor = made<cudnnTensorStruct>(cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor);
  const auto extent = [&](std::size_t i) { return i < shape.rank() ? static_cast<int>(shape[i]) : 1; };
  check(cudnnSetTensor4dDescriptor(tensor.get(), CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, extent(0), extent(1),
                                   extent(2), extent(3)));
  return tensor;
}

struct Case {
  Shape src;
  Index maps;
  Conv2dParams params;
};

/// Window2d with everything cuDNN knows: strides, dilation, padding alike on opposite sides, floor rounding.
Window2d window(Index kernel_y, Index kernel_x, Index stride, Index dilation, Index pad_y, Index pad_x) {
  return {kernel_y,       kernel_x, stride, stride, dilation, dilation, {pad_y, pad_x, pad_y, pad_x},
          Rounding::floor};
}

}  // namespace

TEST_CASE("convolutions agree with cuDNN") {
  const Card card;
  const std::vector<Case> cases = {
      {{2, 3, 225, 225}, 96, {window(7, 7, 2, 1, 0, 0), 1}},  // ZFNet's conv1, its plane made whole
      {{2, 96, 27, 27}, 256, {window(5, 5, 2, 1, 0, 0), 1}},
      {{2, 256, 13, 13}, 384, {window(3, 3, 1, 1, 1, 1), 1}},
      {{2, 3, 227, 227}, 96, {window(11, 11, 4, 1, 0, 0), 1}},  // AlexNet's conv1
      {{2, 96, 27, 27}, 256, {window(5, 5, 1, 1, 2, 2), 2}},
      {{1, 64, 56, 56}, 128, {window(3, 3, 1, 1, 1, 1), 1}},
      {{3, 7, 19, 23}, 5, {window(3, 5, 2, 1, 1, 2), 1}},  // nothing is a multiple of anything
      {{2, 12, 17, 17}, 18, {window(3, 3, 1, 2, 2, 2), 6}},
      {{2, 8, 9, 9}, 8, {window(3, 3, 1, 1, 1, 1), 8}},  // a map a group
      {{4, 33, 1, 1}, 17, {window(1, 1, 1, 1, 0, 0), 1}},
  };
  for (const auto& [src, maps, params] : cases) {
    const Window2d& w = params.window;
    const Shape dst = conv2d_output_shape(src, maps, params),
                filters{maps, src[1] / params.groups, w.kernel_y, w.kernel_x};
    const std::string what = message(src, " to ", maps, " maps, ", w, ", ", params.groups, " groups");
    const auto x = card.random(src, 1), f = card.random(filters, 2), dy = card.random(dst, 3);
    const auto of_x = describe(src), of_y = describe(dst);
    auto of_f = made<cudnnFilterStruct>(cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor);
    check(cudnnSetFilter4dDescriptor(of_f.get(), CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW,
                                     static_cast<int>(filters[0]), static_cast<int>(filters[1]),
                                     static_cast<int>(filters[2]), static_cast<int>(filters[3])));
    auto c =
        made<cudnnConvolutionStruct>(cudnnCreateConvolutionDescriptor, cudnnDestroyConvolutionDescriptor);
    check(cudnnSetConvolution2dDescriptor(
        c.get(), static_cast<int>(w.padding.top), static_cast<int>(w.padding.left),
        static_cast<int>(w.stride_y), static_cast<int>(w.stride_x), static_cast<int>(w.dilation_y),
        static_cast<int>(w.dilation_x), CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    check(cudnnSetConvolutionGroupCount(c.get(), static_cast<int>(params.groups)));
    check(cudnnSetConvolutionMathType(c.get(), CUDNN_FMA_MATH));
    auto y = card.poisoned(dst), dx = card.poisoned(src), df = card.poisoned(filters);
    auto peer_y = card.poisoned(dst), peer_dx = card.poisoned(src), peer_df = card.poisoned(filters);

    // The plain algorithms: every geometry, no transforms whose errors are larger.
    std::size_t bytes = 0;
    const auto scratch = [&] { return card.context.make<std::uint8_t>({static_cast<Index>(bytes) + 1}); };
    constexpr auto forward = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM;
    check(cudnnGetConvolutionForwardWorkspaceSize(card.handle.get(), of_x.get(), of_f.get(), c.get(),
                                                  of_y.get(), forward, &bytes));
    auto space = scratch();
    check(cudnnConvolutionForward(card.handle.get(), &one, of_x.get(), x.data(), of_f.get(), f.data(),
                                  c.get(), forward, space.data(), bytes, &zero, of_y.get(), peer_y.data()));
    conv2d_forward<float, Cuda>(card.context, x, f, {}, params, y.view());
    card.compare("forward, " + what, y, peer_y, 2 * tolerance::long_sums.of_float);

    constexpr auto to_data = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
    check(cudnnGetConvolutionBackwardDataWorkspaceSize(card.handle.get(), of_f.get(), of_y.get(), c.get(),
                                                       of_x.get(), to_data, &bytes));
    space = scratch();
    check(cudnnConvolutionBackwardData(card.handle.get(), &one, of_f.get(), f.data(), of_y.get(), dy.data(),
                                       c.get(), to_data, space.data(), bytes, &zero, of_x.get(),
                                       peer_dx.data()));
    conv2d_reverse_data<float, Cuda>(card.context, dy, f, params, dx.view());
    card.compare("reverse to data, " + what, dx, peer_dx, 2 * tolerance::long_sums.of_float);

    constexpr auto to_filters = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;
    check(cudnnGetConvolutionBackwardFilterWorkspaceSize(card.handle.get(), of_x.get(), of_y.get(), c.get(),
                                                         of_f.get(), to_filters, &bytes));
    space = scratch();
    check(cudnnConvolutionBackwardFilter(card.handle.get(), &one, of_x.get(), x.data(), of_y.get(), dy.data(),
                                         c.get(), to_filters, space.data(), bytes, &zero, of_f.get(),
                                         peer_df.data()));
    conv2d_reverse_weights<float, Cuda>(card.context, x, dy, params, df.view(), {});
    // Sums over all pixels of all images, in two orders.
    card.compare("reverse to weights, " + what, df, peer_df, 5 * tolerance::long_sums.of_float);
  }
}

TEST_CASE("pools agree with cuDNN") {
  const Card card;
  for (const Window2d& w : {window(3, 3, 2, 1, 0, 0), window(2, 2, 2, 1, 0, 0), window(3, 3, 2, 1, 1, 1)}) {
    const Shape src{3, 21, 25, 27}, dst = pool2d_output_shape(src, w);
    const auto x = card.random(src, 1), dy = card.random(dst, 2);
    const auto of_x = describe(src), of_y = describe(dst);
    for (const auto mode : {CUDNN_POOLING_MAX, CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING,
                            CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING}) {
      auto pool = made<cudnnPoolingStruct>(cudnnCreatePoolingDescriptor, cudnnDestroyPoolingDescriptor);
      check(cudnnSetPooling2dDescriptor(pool.get(), mode, CUDNN_PROPAGATE_NAN, static_cast<int>(w.kernel_y),
                                        static_cast<int>(w.kernel_x), static_cast<int>(w.padding.top),
                                        static_cast<int>(w.padding.left), static_cast<int>(w.stride_y),
                                        static_cast<int>(w.stride_x)));
      auto y = card.poisoned(dst), peer_y = card.poisoned(dst), dx = card.poisoned(src),
           peer_dx = card.poisoned(src);
      check(cudnnPoolingForward(card.handle.get(), pool.get(), &one, of_x.get(), x.data(), &zero, of_y.get(),
                                peer_y.data()));
      check(cudnnPoolingBackward(card.handle.get(), pool.get(), &one, of_y.get(), peer_y.data(), of_y.get(),
                                 dy.data(), of_x.get(), x.data(), &zero, of_x.get(), peer_dx.data()));
      const bool maximum = mode == CUDNN_POOLING_MAX;
      if (maximum) {
        auto switches = Switches<Cuda>::make(dst, Layout::nchw, w.taps(), card.context.workspace());
        max_pool2d_forward<float, Cuda>(card.context, x, {w}, y.view(), switches.view());
        unpool2d<float, Cuda>(card.context, dy, switches.view(), {w}, OverlapRule::sum, dx.view());
      } else {
        const AveragePool2dParams params{w, mode == CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING};
        average_pool2d_forward<float, Cuda>(card.context, x, params, y.view());
        average_pool2d_reverse<float, Cuda>(card.context, dy, params, dx.view());
      }
      const std::string what = message("mode ", static_cast<int>(mode), ", ", w);
      card.compare("forward, " + what, y, peer_y, maximum ? 0 : tolerance::short_sums.of_float);
      card.compare("reverse, " + what, dx, peer_dx, tolerance::short_sums.of_float);
    }
  }
}

TEST_CASE("contrast normalisation agrees with cuDNN") {
  const Card card;
  const Shape src{2, 96, 13, 11};
  for (const Index size : {Index{5}, Index{4}}) {
    const LrnParams params{LrnRegion::across_channels, AlphaConvention::per_region, size, 0.1f, 0.75f, 2.0f};
    const auto x = card.random(src, 1), dy = card.random(src, 2);
    auto y = card.poisoned(src), peer_y = card.poisoned(src), dx = card.poisoned(src),
         peer_dx = card.poisoned(src);
    const auto of_x = describe(src);
    auto norm = made<cudnnLRNStruct>(cudnnCreateLRNDescriptor, cudnnDestroyLRNDescriptor);
    check(cudnnSetLRNDescriptor(norm.get(), static_cast<unsigned>(size), static_cast<double>(params.alpha),
                                static_cast<double>(params.beta), static_cast<double>(params.k)));
    check(cudnnLRNCrossChannelForward(card.handle.get(), norm.get(), CUDNN_LRN_CROSS_CHANNEL_DIM1, &one,
                                      of_x.get(), x.data(), &zero, of_x.get(), peer_y.data()));
    check(cudnnLRNCrossChannelBackward(card.handle.get(), norm.get(), CUDNN_LRN_CROSS_CHANNEL_DIM1, &one,
                                       of_x.get(), peer_y.data(), of_x.get(), dy.data(), of_x.get(), x.data(),
                                       &zero, of_x.get(), peer_dx.data()));
    lrn_forward<float, Cuda>(card.context, x, params, y.view());
    lrn_reverse<float, Cuda>(card.context, x, dy, params, dx.view());
    // cuDNN takes its powers by approximate exponentials and logarithms.
    card.compare(message("forward, size ", size), y, peer_y, 1e-5);
    card.compare(message("reverse, size ", size), dx, peer_dx, 1e-5);
  }
}

TEST_CASE("softmax and batch normalisation agree with cuDNN") {
  const Card card;
  const Shape rows{37, 1000};
  const auto of_rows = describe(rows);
  const auto x = card.random(rows, 1), dy = card.random(rows, 2);
  for (const bool logarithm : {false, true}) {
    const auto algorithm = logarithm ? CUDNN_SOFTMAX_LOG : CUDNN_SOFTMAX_ACCURATE;
    auto y = card.poisoned(rows), peer_y = card.poisoned(rows), dx = card.poisoned(rows),
         peer_dx = card.poisoned(rows);
    check(cudnnSoftmaxForward(card.handle.get(), algorithm, CUDNN_SOFTMAX_MODE_CHANNEL, &one, of_rows.get(),
                              x.data(), &zero, of_rows.get(), peer_y.data()));
    check(cudnnSoftmaxBackward(card.handle.get(), algorithm, CUDNN_SOFTMAX_MODE_CHANNEL, &one, of_rows.get(),
                               peer_y.data(), of_rows.get(), dy.data(), &zero, of_rows.get(),
                               peer_dx.data()));
    if (logarithm) {
      log_softmax_forward<float, Cuda>(card.context, x, 1, y.view());
      log_softmax_reverse<float, Cuda>(card.context, y, dy, 1, dx.view());
    } else {
      softmax_forward<float, Cuda>(card.context, x, 1, y.view());
      softmax_reverse<float, Cuda>(card.context, y, dy, 1, dx.view());
    }
    const std::string what = logarithm ? "log-softmax" : "softmax";
    card.compare(what + ", forward", y, peer_y, 2 * tolerance::exponentials.of_float);
    card.compare(what + ", reverse", dx, peer_dx, 4 * tolerance::exponentials.of_float);
  }

  const Shape src{3, 17, 9, 10}, channels{17};
  const auto planes = card.random(src, 3), scale = card.random(channels, 4), bias = card.random(channels, 5),
             mean = card.random(channels, 6), variance = card.positive(channels, 7);
  auto y = card.poisoned(src), peer_y = card.poisoned(src);
  const auto of_src = describe(src), of_channels = describe({1, 17, 1, 1});
  check(cudnnBatchNormalizationForwardInference(
      card.handle.get(), CUDNN_BATCHNORM_SPATIAL, &one, &zero, of_src.get(), planes.data(), of_src.get(),
      peer_y.data(), of_channels.get(), scale.data(), bias.data(), mean.data(), variance.data(), 1e-5));
  batch_norm_forward<float, Cuda>(card.context, planes, scale, bias, mean, variance, 1e-5f, y.view());
  card.compare("batch normalisation", y, peer_y, tolerance::differences.of_float);
}
