#include "conv2d_pool.cuh"

#include "deconv/ops/cuda/conv2d_pool.hpp"
#include "matrix_choice.cuh"
#include "warpgroup_pool.cuh"

namespace deconv::cuda {
namespace {

/// Rows of all the tiles that serve here.
constexpr int patch_rows = 128;
constexpr bool serves(const tuning::MatrixTileShape& tile) {
  return tile.correlation && tile.rows == patch_rows && tile.columns >= 64;
}

/// How a pooled plane is cut: `down` x `across` outputs of a patch, from height x width pixels.
struct Patches {
  int down = 0, across = 0, height = 0, width = 0;
  Index rows = 0, columns = 0;  ///< patches below and beside each other
};

int extent_under(const Axis& axis, int outputs) {
  return (outputs - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
}

/// The fewest patches that fit a tile's rows; of those the ones of the fewest pixels, and then the squarest,
/// under which the convolution reads least. No outputs in them where one window alone does not fit.
Patches choose_patches(const Geometry& g) {
  Patches best;
  for (int down = 1; down <= g.y.outputs; ++down) {
    const Index height = extent_under(g.y, down);
    if (height > patch_rows) break;
    for (int across = 1; across <= g.x.outputs; ++across) {
      const Index width = extent_under(g.x, across);
      if (height * width > patch_rows) break;
      const Index rows = parts_of(g.y.outputs, down), columns = parts_of(g.x.outputs, across);
      const Index count = rows * columns, known = best.rows * best.columns;
      const Index pixels = height * width, known_pixels = Index{1} * best.height * best.width;
      if (best.down == 0 || count < known || (count == known && pixels < known_pixels) ||
          (count == known && pixels == known_pixels && height + width < best.height + best.width))
        best = {down, across, static_cast<int>(height), static_cast<int>(width), rows, columns};
    }
  }
  return best;
}

/// Whether windows reach few enough pixels for a patch; before geometry_of, so that large ones are no error.
bool fits_patch(const Window2d& w) {
  const Index height = (w.kernel_y - 1) * w.dilation_y + 1, width = (w.kernel_x - 1) * w.dilation_x + 1;
  return height <= patch_rows && width <= patch_rows && height * width <= patch_rows;
}

/// The product of `rows` rows that a convolution is.
template <class T>
tuning::MatrixProduct product_of(const Context<Cuda>& context, Index rows, const Shape& weights,
                                 const Shape& plane, const Conv2dParams& params) {
  tuning::MatrixProduct product = product_to<T>(context, plane.count());
  product.rows = rows;
  product.columns = weights[0] / params.groups;
  product.depth = forward_depth<T>(weights, params);
  product.products = params.groups;
  return product;
}

/// The one kernel, as best_estimate and choose_units want it.
template <class Fits>
auto fused_pass(const tuning::MatrixProduct& product, Fits fits) {
  return UnitsPass{
      product.times,
      [product](Units units, TileChoice wanted) {
        const auto cycles = [&](const auto& tile) { return tuning::cycles_of(product, tile, 1); };
        if (units == Units::matrix)
          return tuning::least_whole_estimate(
              tuning::matrix_tiles, units, wanted.tile, [](int, const auto& tile) { return serves(tile); },
              cycles);
        return tuning::least_whole_estimate(
            tuning::warpgroup_tiles, units, wanted.tile,
            [&](int, const auto& tile) { return serves_patches(tile, product.element_bytes); }, cycles);
      },
      fits};
}

constexpr ChoiceWords words{
    "conv2d_pool",
    "one group of channels, single products, strides up to 8 and patches within the limits of tensor copies",
    "128 rows and at least 64 columns", "at least 64 columns, and three stages beside the values of a patch",
    "sums that are pooled at once are not split"};
static_assert(patch_rows == 128);

/// What shapes alone say of map_patches, which knows the operands.
bool warpgroups_may_serve(const Conv2dParams& params, const Patches& patches) {
  const Window2d& w = params.window;
  return params.groups == 1 && w.stride_y <= 8 && w.stride_x <= 8 && patches.height * w.stride_y <= 256 &&
         patches.width * w.stride_x <= 256;
}

template <int Entry, tuning::MatrixTileShape S = tuning::matrix_tiles[Entry]>
using MatrixTileOf = MatrixTile<S.rows, S.columns, S.warp_rows, S.warp_columns, S.stages, S.resident>;

template <class T, int Products, int Entry = 0>
void start(const Context<Cuda>& context, MatrixCorrelation<T> c, const PooledTarget<T>& pool, int tile) {
  if constexpr (Entry < static_cast<int>(tuning::matrix_tiles.size())) {
    if (tile != Entry) return start<T, Products, Entry + 1>(context, c, pool, tile);
    if constexpr (serves(tuning::matrix_tiles[Entry])) {
      using Tile = MatrixTileOf<Entry>;
      c.column_tiles = static_cast<unsigned>(parts_of(c.columns, Tile::columns));
      const dim3 grid =
          blocks_of(c.column_tiles, Index{pool.patches_down} * pool.patches_across, c.groups, c.images, 1);
      launch(context, &correlate_and_pool<T, Tile, Products>, grid, Tile::threads, Tile::shared_bytes, c,
             pool);
    }
  }
}

}  // namespace

template <class T>
bool conv2d_pool_pays(const Context<Cuda>& context, const Shape& src, const Shape& weights,
                      const Conv2dParams& params, const Window2d& window) {
  if (!calls_for_matrix_units<T>(context, Units::by_maths) || !fits_patch(window)) return false;
  if (weights[1] % chunk_of<T> != 0 && params.groups != 1) return false;
  const Shape plane = conv2d_output_shape(src, weights[0], params);
  const Shape pooled{plane[0], plane[1], window.output_height(plane[2], "conv2d_pool"),
                     window.output_width(plane[3], "conv2d_pool")};
  if (pooled.count() == 0) return false;
  const Patches patches = choose_patches(geometry_of(window, plane, pooled));
  const auto apart = product_of<T>(context, plane[0] * plane[2] * plane[3], weights, plane, params);
  const auto fused =
      product_of<T>(context, plane[0] * patches.rows * patches.columns * patch_rows, weights, plane, params);
  const auto fits = [&] { return warpgroups_may_serve(params, patches); };
  // A split product is one whose tiles do not fill the GPU, and adds its sums in another order, as other
  // units do.
  const tuning::Estimate alone = best_estimate(context, plain_pass(apart, fits)),
                         one = best_estimate(context, fused_pass(fused, fits));
  if (alone.choice.splits != 1 || alone.choice.units != one.choice.units) return false;
  // What the pooling alone takes: a kernel's start, the plane read, its outputs and switches written.
  constexpr double bytes_a_cycle = 2000, kernel_start = 6000;
  const double pooling = kernel_start + static_cast<double>(plane.count() * Index{sizeof(T)} +
                                                            pooled.count() * Index{sizeof(T) + 1}) /
                                            bytes_a_cycle;
  return one.cycles <= alone.cycles + pooling;
}

template <class T>
bool conv2d_pool_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                         TensorView<const T, Cuda> weights, const T* bias, const Conv2dParams& params,
                         std::optional<float> negative_slope, const Window2d& window, TensorView<T, Cuda> dst,
                         SwitchesView<std::byte, Cuda> switches, TileChoice choice) {
  if (!calls_for_matrix_units<T>(context, choice.units) || !fits_patch(window)) return false;
  if (dst.count() == 0) return true;
  const Shape plane = conv2d_output_shape(src.shape(), weights[0], params);
  const Geometry g = geometry_of(window, plane, dst.shape());
  const Patches patches = choose_patches(g);
  // The plane has a shape, and no memory.
  const auto made = forward_correlation(context, src, weights, bias, params,
                                        TensorView<T, Cuda>(nullptr, plane, Layout::nhwc), negative_slope);
  if (!made) return false;
  const MatrixCorrelation<T>& c = made->c;
  kernel_count(Index{c.only_y.taps} * c.only_x.taps * c.src.chunks * chunk_of<T>, "a sum");
  PooledTarget<T> pool;
  pool.dst = dst.data();
  pool.switches = reinterpret_cast<std::uint8_t*>(switches.data());
  pool.g = g;
  pool.vectors = in_chunks(dst.data(), c.columns) &&
                 reinterpret_cast<std::uintptr_t>(switches.data()) % vector_width<T> == 0;
  pool.down = patches.down;
  pool.across = patches.across;
  pool.height = patches.height;
  pool.width = patches.width;
  pool.patches_down = static_cast<unsigned>(patches.rows);
  pool.patches_across = static_cast<unsigned>(patches.columns);
  const auto product = product_of<T>(context, plane[0] * patches.rows * patches.columns * patch_rows,
                                     weights.shape(), plane, params);
  WarpgroupPool<T> groups;
  const TileChoice chosen =
      choose_units(context, fused_pass(product, [&] { return map_patches(c, pool, groups); }), choice, words);
  if (chosen.units == Units::warpgroup) {
    start_warpgroup_pool(context, groups, c, pool, chosen.tile);
  } else if (product.times == 3) {
    if constexpr (std::is_same_v<T, float>) start<T, 3>(context, c, pool, chosen.tile);
  } else {
    start<T, 1>(context, c, pool, chosen.tile);
  }
  return true;
}

#define DECONV_INSTANCE(T)                                                                                 \
  template bool conv2d_pool_pays<T>(const Context<Cuda>&, const Shape&, const Shape&, const Conv2dParams&, \
                                    const Window2d&);                                                      \
  template bool conv2d_pool_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>,                    \
                                       TensorView<const T, Cuda>, const T*, const Conv2dParams&,           \
                                       std::optional<float>, const Window2d&, TensorView<T, Cuda>,         \
                                       SwitchesView<std::byte, Cuda>, TileChoice);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
