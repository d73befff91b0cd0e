#pragma once

#include <algorithm>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/core/tensor.hpp"

namespace deconv::cpu {

/// Images whose contributions to a gradient are added by the product itself; beyond them sums are pairwise.
inline constexpr Index image_sum_leaf = 8;

namespace image_sums {

/// Where a batch of more than a leaf's images is divided: whole leaves, a power of two of them, before the
/// middle or at it. Two halves of 8, 16, 32, ... images thus add up as they would in batches of their own.
[[nodiscard]] inline Index middle(Index images) noexcept {
  Index first = image_sum_leaf;
  while (2 * first < images) first *= 2;
  return first;
}

/// The tree's nodes below which one thread works: as many as `wanted`, where there are so many leaves.
struct Node {
  Index first = 0, images = 0;
};
[[nodiscard]] inline std::vector<Node> nodes(Index images, Index wanted) {
  std::vector<Node> all{{0, images}};
  while (static_cast<Index>(all.size()) < wanted) {
    // The first of the largest, which keeps them alike.
    const auto largest = std::max_element(all.begin(), all.end(),
                                          [](const Node& a, const Node& b) { return a.images < b.images; });
    if (largest->images <= image_sum_leaf) break;
    const Node left{largest->first, middle(largest->images)};
    const Node right{left.first + left.images, largest->images - left.images};
    *largest = left;
    all.insert(largest + 1, right);
  }
  return all;
}

template <class T>
void add(const T* from, T* to, Index count) {
#pragma omp simd
  for (Index i = 0; i < count; ++i) to[i] += from[i];
}

/// One node, on the calling thread.
template <class T, class Compute>
void node_sum(const Context<Cpu>& context, const Node& node, Index count, T* sum, const Compute& compute) {
  if (node.images <= image_sum_leaf) return compute(node.first, node.images, sum);
  const Index left = middle(node.images);
  node_sum(context, {node.first, left}, count, sum, compute);
  auto right = context.make<T>({count});
  node_sum(context, {node.first + left, node.images - left}, count, right.data(), compute);
  add(right.data(), sum, count);
}

}  // namespace image_sums

/// sum = what all images contribute, `count` numbers. compute(first, images, to) writes the contribution of
/// some images to `to`; it is called from many threads, for at most image_sum_leaf images at a time. The
/// order of the additions follows from the number of images alone: neither the number of threads nor, for
/// halves of 8, 16, 32, ... images, the division of a batch among processes changes a bit. Memory: `count`
/// numbers a thread and level.
template <class T, class Compute>
void sum_over_images(const Context<Cpu>& context, Index images, Index count, T* sum, const Compute& compute) {
  const auto nodes = image_sums::nodes(images, context.threads() > 1 ? 2 * context.threads() : 1);
  if (nodes.size() == 1) return image_sums::node_sum(context, nodes.front(), count, sum, compute);
  auto sums = context.make<T>({static_cast<Index>(nodes.size()), count});
  parallel_for(context, static_cast<Index>(nodes.size()), [&](Index i) {
    image_sums::node_sum(context, nodes[static_cast<std::size_t>(i)], count, sums.data() + i * count,
                         compute);
  });
  // The upper part of the tree, a stretch of the numbers at a time: into the leftmost node's place.
  parallel_ranges(context, count, 4096, [&](Index begin, Index end) {
    const auto add_up = [&](const auto& self, std::size_t low, std::size_t high) -> void {
      if (high - low == 1) return;
      Index all = 0;
      for (std::size_t i = low; i < high; ++i) all += nodes[i].images;
      std::size_t split = low;
      for (Index left = 0; left < image_sums::middle(all); ++split) left += nodes[split].images;
      self(self, low, split);
      self(self, split, high);
      image_sums::add(sums.data() + static_cast<Index>(split) * count + begin,
                      sums.data() + static_cast<Index>(low) * count + begin, end - begin);
    };
    add_up(add_up, 0, nodes.size());
    std::copy(sums.data() + begin, sums.data() + end, sum + begin);
  });
}

}  // namespace deconv::cpu
