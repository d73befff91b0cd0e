#pragma once
/// The rivals: what cuDNN and cuBLAS have for the same job, in both layouts and in the same maths mode:
/// floats by multiply-adds for float32 and 3xtf32 (which neither has), by TF32 for tf32; half and bfloat16 by
/// tensor cores. Each function makes operands of its own. Where a library was not found its functions give no
/// way at all (no_cudnn.cpp, no_cublas.cpp); a call that the library refuses becomes a note when it is timed.
///
/// cuDNN knows neither windows that overhang (ceil rounding) nor padding on four sides: its planes are made
/// as large as the windows need, which costs it a row and a column at most.

#include <string>
#include <utility>

#include "deconv/core/maths.hpp"
#include "deconv/ops/conv2d_params.hpp"
#include "deconv/ops/lrn_params.hpp"
#include "deconv/ops/window2d.hpp"
#include "measure.hpp"

namespace deconv::bench {

/// Our way to do a job before the rivals'.
[[nodiscard]] inline Ways beside(Way ours, Ways peers) {
  peers.insert(peers.begin(), std::move(ours));
  return peers;
}

/// What the libraries are, for the report; empty where there is none.
[[nodiscard]] std::string cudnn_version();
[[nodiscard]] std::string cublas_version();

enum class Pass { forward, reverse };
enum class ConvolutionPass { forward, reverse_data, reverse_weights };

/// For weights only algorithms that cuDNN calls deterministic, as ours are.
[[nodiscard]] Ways convolution_peers(Room& room, DType dtype, Maths maths, ConvolutionPass pass,
                                     const Shape& src, Index maps, const Conv2dParams& params);
/// A convolution, its rectifier and the pool behind it: as three calls, and as cuDNN's convolution with bias
/// and rectifier and a pool. cuDNN records no switches.
[[nodiscard]] Ways pooled_convolution_peers(Room& room, DType dtype, Maths maths, const Shape& src,
                                            Index maps, const Conv2dParams& params, const Window2d& pool);
enum class Pool { maximum, average };
[[nodiscard]] Ways pool_peers(Room& room, DType dtype, Pass pass, Pool pool, const Shape& src,
                              const Window2d& window);
[[nodiscard]] Ways lrn_peers(Room& room, DType dtype, Pass pass, const Shape& src, const LrnParams& params);
[[nodiscard]] Ways softmax_peers(Room& room, DType dtype, Pass pass, bool logarithm, const Shape& src);
/// ReLU and its gradient.
[[nodiscard]] Ways relu_peers(Room& room, DType dtype, Pass pass, const Shape& src);
[[nodiscard]] Ways batch_norm_peers(Room& room, DType dtype, const Shape& src);
[[nodiscard]] Ways add_peers(Room& room, DType dtype, const Shape& src);
[[nodiscard]] Ways dropout_peers(Room& room, DType dtype, Pass pass, const Shape& src, float ratio);
/// From one layout to the other.
[[nodiscard]] Ways layout_peers(Room& room, DType dtype, const Shape& src, Layout from);

enum class ProductPass { forward, reverse_data, reverse_weights };
/// Products of a linear layer: images x features times outputs x features, transposed, and its two reverse
/// passes.
[[nodiscard]] Ways product_peers(Room& room, DType dtype, Maths maths, ProductPass pass, Index images,
                                 Index features, Index outputs);

}  // namespace deconv::bench
