// Stands in for cudnn.cpp where cuDNN was not found.
#include "peers.hpp"

namespace deconv::bench {

std::string cudnn_version() { return {}; }
Ways convolution_peers(Room&, DType, Maths, ConvolutionPass, const Shape&, Index, const Conv2dParams&) {
  return {};
}
Ways pooled_convolution_peers(Room&, DType, Maths, const Shape&, Index, const Conv2dParams&,
                              const Window2d&) {
  return {};
}
Ways pool_peers(Room&, DType, Pass, Pool, const Shape&, const Window2d&) { return {}; }
Ways lrn_peers(Room&, DType, Pass, const Shape&, const LrnParams&) { return {}; }
Ways softmax_peers(Room&, DType, Pass, bool, const Shape&) { return {}; }
Ways relu_peers(Room&, DType, Pass, const Shape&) { return {}; }
Ways batch_norm_peers(Room&, DType, const Shape&) { return {}; }
Ways add_peers(Room&, DType, const Shape&) { return {}; }
Ways dropout_peers(Room&, DType, Pass, const Shape&, float) { return {}; }
Ways layout_peers(Room&, DType, const Shape&, Layout) { return {}; }

}  // namespace deconv::bench
