#include "deconv/ops/linear.hpp"
#include "deconv/ops/reference/linear.hpp"
#include "deconv/ops/reference/relu.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

// Linear layers of 1 to 8 images, which have kernels of their own on the Cuda device.
namespace deconv::test {
namespace {

template <class T>
using ElementOf = typename std::decay_t<T>::value_type;

TEST_CASE("linear layers of few images agree with the naive reference") {
  struct Product {
    Index images, features, outputs;
  };
  // Whole and cut stages, a single piece of 16 bytes, features that half types or none may read in pieces.
  for (const auto& [images, features, outputs] : {Product{1, 512, 40},
                                                  {2, 8, 3},
                                                  {3, 520, 70},
                                                  {4, 136, 33},
                                                  {5, 260, 100},
                                                  {6, 24, 300},
                                                  {7, 265, 9},
                                                  {8, 520, 64},
                                                  {9, 64, 16}}) {
    const Operand src{{images, features}}, weights{{outputs, features}}, bias{{outputs}},
        dst{{images, outputs}};
    const auto name = [&](const char* pass) {
      return message("linear ", pass, " ", images, " x ", features, " to ", outputs);
    };
    check_op(declare_op(
                 name("rectified"), {src, weights, bias}, {dst}, tolerance::long_sums, OnIntegers::exact,
                 [](const auto& in, const auto& out) {
                   reference::linear_forward(in[0], in[1], in[2], out[0]);
                   reference::relu_forward<ElementOf<decltype(out[0])>>(out[0], 0.25f, out[0]);
                 },
                 [](const auto& context, const auto& in, const auto& out) {
                   linear_forward<ElementOf<decltype(out[0])>>(context, in[0], in[1], in[2], out[0], 0.25f);
                 }),
             0.2);
    check_op(declare_op(
        name("reverse to data"), {dst, weights}, {src}, tolerance::long_sums, OnIntegers::exact,
        [](const auto& in, const auto& out) { reference::linear_reverse_data(in[0], in[1], out[0]); },
        [](const auto& context, const auto& in, const auto& out) {
          linear_reverse_data<ElementOf<decltype(out[0])>>(context, in[0], in[1], out[0]);
        }));
  }
}

#if defined(DECONV_TEST_CUDA)

/// Both passes of a product of small integers with `splits` parts, from memory `shift` elements off.
template <class T>
struct FewRun {
  bool forward_taken = false, reverse_taken = false;
  Tensor<T, Cpu> dst, diff_src;

  FewRun(Index images, Index features, Index outputs, int splits, Index shift = 0, bool integers = true) {
    const Context<Cuda>& context = *cuda_context();
    // The same values for an image, however many there are.
    const auto src_host = make_input<T>({{images, features}}, integers, 1);
    const auto weights_host = make_input<T>({{outputs, features}}, integers, 2);
    const auto bias_host = make_input<T>({{outputs}}, integers, 3);
    const auto signal_host = make_input<T>({{images, outputs}}, integers, 4);
    ShiftedTensor<T, Cuda> src(context, src_host, shift), weights(context, weights_host, shift),
        bias(context, bias_host, shift), signal(context, signal_host, shift);
    const auto nothing_at = [&](const Shape& shape) {
      return Tensor<T, Cpu>::filled(shape, static_cast<T>(77.0f));
    };
    ShiftedTensor<T, Cuda> to(context, nothing_at({images, outputs}), shift),
        back(context, nothing_at({images, features}), shift);
    forward_taken = cuda::linear_few_forward<T>(context, src.view(), weights.view(), bias.view().data(),
                                                to.view(), 0.0f, splits);
    reverse_taken =
        cuda::linear_few_reverse_data<T>(context, signal.view(), weights.view(), back.view(), splits);
    dst = to_host(context, to.view());
    diff_src = to_host(context, back.view());
  }
};

template <class T>
bool same(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Index elements) {
  return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(elements) * sizeof(T)) == 0;
}

template <class T>
void check_few() {
  const Index features = 1112, outputs = 109;
  const FewRun<T> whole(3, features, outputs, 1);
  CHECK(whole.forward_taken);
  CHECK(whole.reverse_taken);
  // Integers: sums are exact, so that parts must not show.
  for (const int splits : {2, 3, 100}) {
    const FewRun<T> split(3, features, outputs, splits);
    CHECK(same(split.dst, whole.dst, split.dst.count()));
    CHECK(same(split.diff_src, whole.diff_src, split.diff_src.count()));
  }
  // An image's results do not depend on how many others there are, to the last bit.
  const FewRun<T> most(8, features, outputs, 0, 0, false);
  for (const Index images : {1, 2, 3, 5}) {
    const FewRun<T> fewer(images, features, outputs, 0, 0, false);
    CHECK(same(fewer.dst, most.dst, fewer.dst.count()));
    CHECK(same(fewer.diff_src, most.diff_src, fewer.diff_src.count()));
  }
  // Nothing is done where pieces of 16 bytes do not fit.
  for (const FewRun<T>& run :
       {FewRun<T>(2, features, 20, 1, 1), FewRun<T>(9, features, 20, 1), FewRun<T>(2, features + 2, 20, 1)}) {
    CHECK_FALSE(run.forward_taken);
    CHECK_FALSE(run.reverse_taken);
    for (const T value : run.dst.span()) REQUIRE(number(value) == 77);
    for (const T value : run.diff_src.span()) REQUIRE(number(value) == 77);
  }
}

TEST_CASE("products of few images, divided or not, give one result, and say what they do not take") {
  if (!cuda_context()) return;
  check_few<float>();
  check_few<half>();
  check_few<bfloat16>();
}

TEST_CASE("linear takes views that begin inside a piece of 16 bytes") {
  each_device([](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    const auto x = make_input<float>({{2, 64}}, true, 1), w = make_input<float>({{12, 64}}, true, 2),
               y = make_input<float>({{2, 12}}, true, 3);
    Tensor<float, Cpu> wanted({2, 12}), wanted_back({2, 64});
    reference::linear_forward<float>(x, w, {}, wanted.view());
    reference::linear_reverse_data<float>(y, w, wanted_back.view());
    for (const Index source_shift : {0, 1})
      for (const Index weights_shift : {0, 3}) {
        ShiftedTensor<float, D> src(context, x, source_shift), weights(context, w, weights_shift),
            signal(context, y, 1), dst(context, y, 1), back(context, x, 1);
        linear_forward<float>(context, src.view(), weights.view(), {}, dst.view());
        linear_reverse_data<float>(context, signal.view(), weights.view(), back.view());
        const auto met = to_host(context, dst.view()), met_back = to_host(context, back.view());
        CHECK(std::equal(met.begin(), met.end(), wanted.begin()));
        CHECK(std::equal(met_back.begin(), met_back.end(), wanted_back.begin()));
      }
  });
}

#endif

}  // namespace
}  // namespace deconv::test
