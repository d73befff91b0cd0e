#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "deconv/core/tensor.hpp"
#include "deconv/ops/patch_grid.hpp"

// What an occlusion analysis is asked for and what it answers: occlusion.hpp does the work.
namespace deconv {

struct OcclusionOptions {
  /// Rows and columns of the patch, in pixels of the network's input.
  Index height = 32, width = 32;
  /// Pixels between one place and the next.
  Index stride_y = 16, stride_x = 16;
  /// Adds a last row and column of places, where the image goes on behind the others, with patches that
  /// overhang it. Without it every patch lies inside the image, and pixels at the right and lower border may
  /// stay uncovered.
  bool cover_border = false;
  /// What the patch is filled with, one value a channel of the input as the network takes it (after
  /// normalisation); empty: zeros.
  std::vector<float> fill;
  /// The layer whose maps are summed; empty: last_spatial_layer.
  std::string layer;
  /// Maps of that layer; empty: the one that holds the layer's largest activation of the unoccluded image,
  /// ties to the first.
  std::vector<Index> maps;
  /// Classes whose scores and probabilities are wanted; empty: the most probable one of the unoccluded image.
  std::vector<Index> classes;
  /// Memory for the activations of images that are under way together. One image is always let in.
  std::size_t bytes = std::size_t{384} << 20;
  /// Told after each batch: places done and in all. What it throws ends the work.
  std::function<void(Index done, Index total)> progress;
};

/// What the network made of an image with a patch at every place of a grid.
template <class T>
struct Occlusion {
  PatchGrid grid;                ///< places: grid.rows x grid.columns
  std::string layer;             ///< whose maps were summed
  std::vector<Index> maps;       ///< M of them
  std::vector<Index> classes;    ///< K of them
  Tensor<T, Cpu> activation;     ///< M x rows x columns: the sum over the positions of a map
  Tensor<T, Cpu> score;          ///< K x rows x columns: before softmax
  Tensor<T, Cpu> probability;    ///< K x rows x columns: softmax over all classes
  Tensor<Index, Cpu> top_class;  ///< rows x columns: the most probable class, ties to the first

  // The same of the image without a patch.
  std::vector<T> whole_activation;   ///< M
  std::vector<T> whole_score;        ///< K
  std::vector<T> whole_probability;  ///< K
  Index whole_top_class = 0;
};

/// The places of a patch on a plane of `height` x `width`. Throws ArgumentError when the patch is empty or
/// larger than the plane, or a stride is below 1.
[[nodiscard]] inline PatchGrid occlusion_grid(Index height, Index width, const OcclusionOptions& options) {
  require<ArgumentError>(
      options.height >= 1 && options.width >= 1 && options.height <= height && options.width <= width,
      "a patch of 1x1 to ", height, 'x', width, " pixels (the input's) is wanted, met ", options.height, 'x',
      options.width);
  require<ArgumentError>(options.stride_y >= 1 && options.stride_x >= 1,
                         "a patch's strides of at least 1 are wanted, met ", options.stride_y, 'x',
                         options.stride_x);
  const auto places = [&](Index extent, Index patch, Index stride) {
    const Index room = extent - patch;
    return room / stride + 1 + (options.cover_border && room % stride != 0 ? 1 : 0);
  };
  PatchGrid grid;
  grid.rows = places(height, options.height, options.stride_y);
  grid.columns = places(width, options.width, options.stride_x);
  grid.step_y = options.stride_y;
  grid.step_x = options.stride_x;
  grid.height = options.height;
  grid.width = options.width;
  return grid;
}

}  // namespace deconv
