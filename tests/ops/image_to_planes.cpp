#include "deconv/ops/image_to_planes.hpp"

#include "deconv/io/preprocess.hpp"
#include "deconv/ops/reference/image_to_planes.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

Tensor<std::uint8_t, Cpu> pictures(const Shape& shape, std::uint64_t seed) {
  Tensor<std::uint8_t, Cpu> bytes(shape, Layout::nhwc);
  const Random random(seed);
  for (Index i = 0; i < bytes.count(); ++i)
    bytes.data()[i] = static_cast<std::uint8_t>(random.below(static_cast<std::uint64_t>(i), 256));
  return bytes;
}

const std::vector<Shape> shapes{{2, 3, 20, 24}, {1, 3, 1, 1},   {3, 3, 7, 5}, {1, 1, 33, 31},
                                {2, 1, 16, 16}, {1, 3, 40, 57}, {0, 3, 4, 4}, {2, 3, 32, 32}};

PixelParams imagenet(PixelOrder order) {
  PixelParams params;
  params.order = order;
  params.scale = 1 / 255.0;
  params.mean = {0.485, 0.456, 0.406};
  params.deviation = {0.229, 0.224, 0.225};
  return params;
}

template <class T, Device D>
Tensor<T, Cpu> run(const Context<D>& context, const Tensor<std::uint8_t, Cpu>& src, const PixelParams& params,
                   const Tensor<float, Cpu>* mean_image, const Shape& shape, Layout layout, Index shift) {
  ShiftedTensor<std::uint8_t, D> there(context, src, shift);
  Tensor<float, D> mean;
  if (mean_image != nullptr) mean = to_device(context, mean_image->view());
  Tensor<T, Cpu> poison(shape, layout);
  std::fill(poison.begin(), poison.end(), static_cast<T>(std::nanf("")));
  ShiftedTensor<T, D> dst(context, poison, shift % 4);
  image_to_planes(context, there.view(), params, mean.view(), dst.view());
  return to_host(context, dst.view());
}

template <class T>
void check_against_reference(const Shape& shape, const PixelParams& params, const Tensor<float, Cpu>* mean) {
  const auto src = pictures(shape, 3);
  const Shape wanted_shape = shape.with(1, params.order == PixelOrder::luma ? 1 : shape[1]);
  Tensor<double, Cpu> wanted(wanted_shape);
  reference::image_to_planes<double>(
      src, params, mean == nullptr ? TensorView<const float, Cpu>{} : mean->view(), wanted.view());
  std::vector<Tensor<T, Cpu>> first;
  each_device([&](const auto& context) {
    std::size_t seen = 0;
    for (const Layout layout : {Layout::nchw, Layout::nhwc})
      for (const Index shift : {0, 1}) {
        const auto met = run<T>(context, src, params, mean, wanted_shape, layout, shift);
        const auto planes = in_layout<T>(met, Layout::nchw);
        INFO(DeviceOf<decltype(context)>::name << ' ' << name_of(dtype_of<T>) << ' ' << shape << " to "
                                               << name_of(layout) << ", order "
                                               << static_cast<int>(params.order) << ", shift " << shift);
        const double error = error_against<T>(planes, wanted), allowed = tolerance::few_roundings.of<T>();
        CHECK_FALSE(!(error <= allowed));
        // One set of bits for every device, layout and place.
        if (first.size() == seen) first.push_back(planes.clone());
        CHECK((planes.bytes() == 0 || std::memcmp(planes.data(), first[0].data(), planes.bytes()) == 0));
        ++seen;
      }
  });
}

TEST_CASE("pictures become planes as the formula says, with the same bits everywhere") {
  for (const Shape& shape : shapes)
    for (const PixelOrder order : {PixelOrder::same, PixelOrder::reversed, PixelOrder::luma}) {
      if (shape[1] == 1 && order != PixelOrder::same) continue;
      check_against_reference<float>(shape, imagenet(order), nullptr);
      check_against_reference<half>(shape, imagenet(order), nullptr);
      check_against_reference<bfloat16>(shape, imagenet(order), nullptr);
    }
}

TEST_CASE("a mean image is taken off in its window") {
  for (const Shape& shape : shapes)
    for (const double deviation : {1.0, 57.3}) {
      PixelParams params;
      params.order = shape[1] == 3 ? PixelOrder::reversed : PixelOrder::same;
      params.deviation = {deviation, deviation, 2 * deviation};
      params.mean_top = 2;
      params.mean_left = 3;
      Tensor<float, Cpu> mean({shape[1], shape[2] + 4, shape[3] + 3});
      const Random random(9);
      for (Index i = 0; i < mean.count(); ++i)
        mean.data()[i] = 100 + 20 * random.uniform(static_cast<std::uint64_t>(i));
      check_against_reference<float>(shape, params, &mean);
      check_against_reference<half>(shape, params, &mean);
    }
}

TEST_CASE("the bits are those of io::Preprocess") {
  const auto src = pictures({1, 3, 21, 18}, 8);
  io::Image image(18, 21, 3);
  std::copy(src.begin(), src.end(), image.pixels().begin());
  for (const io::ChannelOrder order : {io::ChannelOrder::rgb, io::ChannelOrder::bgr, io::ChannelOrder::grey})
    for (const bool with_image : {false, true}) {
      io::Preprocess preprocess;
      preprocess.order = order;
      preprocess.scale = with_image ? 1.0 : 1.0 / 255.0;
      preprocess.mean = {0.45};
      preprocess.std = {0.226};
      const Shape planes{1, preprocess.channels(), 21, 18};
      if (with_image) {
        auto mean = std::make_shared<Tensor<float, Cpu>>(Shape{planes[1], 24, 20});
        fill_uniform(mean->view(), Random(4), 90, 130);
        preprocess.mean_image = mean;
      }
      const auto wanted = preprocess.apply(image);
      PixelParams params;
      params.order = order == io::ChannelOrder::rgb   ? PixelOrder::same
                     : order == io::ChannelOrder::bgr ? PixelOrder::reversed
                                                      : PixelOrder::luma;
      params.scale = preprocess.scale;
      params.mean.fill(0.45);
      params.deviation.fill(0.226);
      const io::Box window = io::centre_box(20, 24, 18, 21);
      if (with_image) params.mean_top = window.top, params.mean_left = window.left;
      each_device([&](const auto& context) {
        const auto met =
            run<float>(context, src, params, preprocess.mean_image.get(), planes, Layout::nchw, 0);
        CHECK(std::memcmp(met.data(), wanted.data(), wanted.bytes()) == 0);
      });
    }
}

TEST_CASE("image_to_planes names what does not fit") {
  const Context<Cpu> context(1);
  const auto src = pictures({1, 3, 4, 5}, 1);
  Tensor<float, Cpu> dst({1, 3, 4, 5}), grey({1, 1, 4, 5}), mean({3, 4, 6});
  Tensor<std::uint8_t, Cpu> planes({1, 3, 4, 5}), pairs({1, 2, 4, 5}, Layout::nhwc);
  PixelParams params;
  const auto convert = [&](const auto& from, const auto& average, auto& to) {
    image_to_planes<float, Cpu>(context, from, params, average, to.view());
  };
  const TensorView<const float, Cpu> none;
  CHECK_NOTHROW(convert(src, mean, dst));
  CHECK_THROWS_AS(convert(planes, none, dst), ShapeError);
  CHECK_THROWS_AS(convert(pairs, none, dst), ShapeError);
  CHECK_THROWS_AS(convert(src, none, grey), ShapeError);
  params.mean_left = 2;
  CHECK_THROWS_AS(convert(src, mean, dst), ShapeError);
  params.deviation[1] = 0;
  CHECK_THROWS_AS(convert(src, none, dst), ArgumentError);
}

}  // namespace
}  // namespace deconv::test
