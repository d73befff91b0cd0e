#pragma once
/// Shapes that pools are tested on: the common ones and the odd ones.

#include <utility>
#include <vector>

#include "deconv/ops/window2d.hpp"

namespace deconv::test {

inline std::vector<std::pair<Shape, Window2d>> pool_shapes() {
  return {
      {{2, 3, 7, 9}, Window2d::square(3, 2)},
      {{2, 3, 7, 9}, Window2d::square(2, 2)},
      {{1, 70, 8, 8}, Window2d::square(3, 2, 1)},                  // more channels than a block
      {{2, 16, 6, 5}, Window2d::square(3, 2, 0, Rounding::ceil)},  // overhanging last window
      {{3, 5, 1, 1}, Window2d::square(1)},                         // one pixel
      {{1, 4, 1, 1}, Window2d::square(3, 2, 1)},                   // kernel over the image, with padding
      {{1, 4, 9, 9}, Window2d::square(2, 3)},  // stride over kernel: pixels that no window sees
      {{2, 3, 8, 6}, {3, 2, 2, 1, 1, 1, {1, 0, 2, 1}, Rounding::floor}},   // oblong, asymmetric padding
      {{1, 6, 11, 10}, {3, 3, 2, 1, 2, 3, {0, 1, 0, 1}, Rounding::ceil}},  // dilated
      {{2, 3, 17, 18}, {17, 18, 1, 1, 1, 1, {}, Rounding::floor}},         // two-byte switches, a global pool
      {{1, 16, 17, 18}, {17, 18, 1, 1, 1, 1, {}, Rounding::floor}},  // the same, whole vectors of channels
      {{1, 2, 5, 5}, Window2d::square(5, 1, 2)},                     // nine and more windows cover a pixel
      {{4, 48, 31, 29}, Window2d::square(3, 2)},                     // enough for several threads
      {{4, 48, 31, 29}, {2, 3, 1, 2, 1, 1, {0, 1, 1, 0}, Rounding::floor}},
      // Layers of known networks with fewer images and channels.
      {{1, 24, 27, 27}, Window2d::square(3, 2)},                     // AlexNet, pool 2
      {{1, 16, 26, 26}, Window2d::square(3, 2, 1)},                  // ZFNet, pool 2
      {{1, 16, 14, 14}, Window2d::square(2, 2)},                     // VGG16, pool 5
      {{1, 40, 14, 14}, Window2d::square(3, 2, 0, Rounding::ceil)},  // SqueezeNet, pool 5
      {{1, 16, 9, 8}, Window2d::square(3, 1, 1)},                    // an inception block's
      {{2, 16, 7, 6}, {3, 3, 2, 2, 1, 1, {2, 0, 0, 1}, Rounding::floor}},
      {{2, 8, 5, 7}, {2, 2, 2, 2, 1, 1, {1, 1, 1, 0}, Rounding::ceil}},
  };
}

}  // namespace deconv::test
