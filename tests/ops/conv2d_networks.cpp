#include "support/convolutions.hpp"

namespace deconv::test {
namespace {

/// Every shape of layer in ZFNet, AlexNet, VGG16 and SqueezeNet: kernel, stride, padding, rounding and groups
/// are theirs; maps are divided by about sixteen and planes are as small as the geometry allows.
std::vector<Convolution> layers_of_networks() {
  const auto square = [](Index kernel, Index stride = 1, Index pad = 0, Index groups = 1,
                         Rounding rounding = Rounding::floor) {
    return Conv2dParams{Window2d::square(kernel, stride, pad, rounding), groups};
  };
  return {
      {{2, 3, 18, 18}, 12, square(7, 2, 0, 1, Rounding::ceil)},   // ZFNet conv1 as in the paper
      {{2, 3, 18, 18}, 12, square(7, 2, 1)},                      // and padded
      {{1, 12, 12, 12}, 16, square(5, 2, 0, 1, Rounding::ceil)},  // conv2
      {{2, 16, 6, 6}, 24, square(3, 1, 1)},                       // conv3
      {{1, 24, 6, 6}, 24, square(3, 1, 1)},                       // conv4
      {{1, 24, 6, 6}, 16, square(3, 1, 1)},                       // conv5
      {{1, 3, 23, 23}, 12, square(11, 4)},                        // AlexNet conv1
      {{1, 12, 7, 7}, 16, square(5, 1, 2, 2)},                    // conv2
      {{1, 24, 6, 6}, 24, square(3, 1, 1, 2)},                    // conv4
      {{1, 3, 10, 10}, 8, square(3, 1, 1)},                       // VGG16 conv1_1
      {{1, 8, 9, 9}, 8, square(3, 1, 1)},                         // conv1_2
      {{1, 8, 8, 8}, 16, square(3, 1, 1)},                        // conv2_1
      {{1, 32, 3, 3}, 32, square(3, 1, 1)},                       // conv5
      {{1, 3, 19, 19}, 12, square(7, 2)},                         // SqueezeNet 1.0 conv1
      {{2, 3, 11, 11}, 8, square(3, 2)},                          // SqueezeNet 1.1 conv1
      {{1, 12, 7, 7}, 4, square(1)},                              // squeeze
      {{1, 4, 7, 7}, 16, square(1)},                              // expand
      {{1, 4, 7, 7}, 16, square(3, 1, 1)},
      {{1, 32, 3, 3}, 62, square(1, 1, 1)},  // conv10
  };
}

TEST_CASE("convolutions of known networks agree with the naive reference, forward") {
  for (const Convolution& c : layers_of_networks()) check_convolution(c, true, Weights::as_backend, 0.0f);
}
TEST_CASE("convolutions of known networks agree with the naive reference, back to the data") {
  for (const Convolution& c : layers_of_networks()) check_reverse_data(c, Weights::as_backend);
}
TEST_CASE("convolutions of known networks agree with the naive reference, back to the weights") {
  for (const Convolution& c : layers_of_networks()) check_reverse_weights(c, Weights::as_backend);
}

}  // namespace
}  // namespace deconv::test
