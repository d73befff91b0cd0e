#include "unpool_conv2d.cuh"

#include "deconv/ops/cuda/unpool_conv2d.hpp"
#include "matrix_choice.cuh"

namespace deconv::cuda {
namespace {

/// Rows of all the tiles that serve here. The sums of the widest tile and what unpooling needs do not fit a
/// thread's registers together.
constexpr int patch_rows = 128;
constexpr bool serves(const tuning::MatrixTileShape& tile) {
  return tile.correlation && tile.rows == patch_rows && tile.columns < 128;
}

template <int Entry, tuning::MatrixTileShape S = tuning::matrix_tiles[Entry]>
using MatrixTileOf = MatrixTile<S.rows, S.columns, S.warp_rows, S.warp_columns, S.stages, S.resident>;

/// Shared memory that a block may take: what all GPUs from compute capability 8.0 on have.
constexpr Index most_shared_bytes = Index{96} << 10;
/// Lines beside the largest tile's stages of columns.
constexpr Index most_lines = (most_shared_bytes - 3 * patch_rows * line_bytes) / line_bytes;

/// Lines of shared memory are scarcer than columns.
constexpr MergedBlocks blocks = MergedBlocks::smallest;

/// Whether a pixel lies under no more than two windows along an axis, which have no gaps.
bool few_windows(const Window2d& w) {
  return w.dilation_y == 1 && w.dilation_x == 1 && (w.kernel_y - 1) / w.stride_y <= 1 &&
         (w.kernel_x - 1) / w.stride_x <= 1;
}

Index pixels_under(const PhaseAxis& axis, int places) {
  return Index{places - 1} * axis.origin_step + std::abs(Index{axis.taps - 1} * axis.read_step) + 1;
}

/// What the phases of a correlation need at most.
struct Extremes {
  int rows = 0, columns = 0;  ///< places
  Index taps = 0;
};
template <class T>
Extremes extremes_of(const MatrixCorrelation<T>& c) {
  Extremes most;
  for (int phase = 0; phase < static_cast<int>(c.phases); ++phase) {
    const PhaseAxis y = c.phase_y(phase), x = c.phase_x(phase);
    most.rows = std::max(most.rows, y.rows);
    most.columns = std::max(most.columns, x.rows);
    most.taps = std::max(most.taps, Index{1} * y.taps * x.taps);
  }
  return most;
}

/// The patches that take the fewest multiplications and lines, where a line costs as much as four rows of a
/// tap. No lines in them where shared memory holds none.
template <class T>
PlacePatches choose_patches(const MatrixCorrelation<T>& c) {
  const Extremes most = extremes_of(c);
  PlacePatches best;
  Index least = 0;
  for (int across = 8; across <= patch_rows; across *= 2) {
    const int down = patch_rows / across;
    Index lines = 1;
    for (int phase = 0; phase < static_cast<int>(c.phases); ++phase)
      lines = std::max(lines, pixels_under(c.phase_y(phase), down) * pixels_under(c.phase_x(phase), across));
    if (lines > most_lines) continue;
    const Index rows = parts_of(most.rows, down), columns = parts_of(most.columns, across);
    const Index cost = rows * columns * (patch_rows * most.taps + 4 * lines);
    if (best.lines != 0 && cost >= least) continue;
    least = cost;
    best = {down, across, static_cast<unsigned>(rows), static_cast<unsigned>(columns),
            static_cast<int>(lines)};
  }
  return best;
}

/// The product over `rows` places of each phase.
template <class T>
tuning::MatrixProduct product_of(const Context<Cuda>& context, const MatrixCorrelation<T>& c, Index rows,
                                 Index maps) {
  tuning::MatrixProduct product;
  product.rows = rows;
  product.columns = c.columns;
  product.depth = extremes_of(c).taps * maps;
  product.products = c.groups * Index{c.phases};
  product.outputs = c.target.count;
  product.element_bytes = sizeof(T);
  product.times = products_of<T>(context);
  product.most_splits = most_splits(c.target.count);
  return product;
}

/// The serving tile with the least estimate, in one split.
tuning::Estimate choose_tile(const tuning::MatrixProduct& product, TileChoice wanted) {
  tuning::Estimate best{{-1, 1, Units::matrix}, 0};
  for (std::size_t i = 0; i < tuning::matrix_tiles.size(); ++i) {
    const tuning::MatrixTileShape& tile = tuning::matrix_tiles[i];
    if (!serves(tile) || (wanted.tile >= 0 && static_cast<int>(i) != wanted.tile)) continue;
    const double cycles = tuning::cycles_of(product, tile, 1);
    if (best.choice.tile < 0 || cycles < best.cycles)
      best = {{static_cast<int>(i), 1, Units::matrix}, cycles};
  }
  if (best.choice.tile < 0)
    raise<ArgumentError>("unpool_conv2d: tile ", wanted.tile,
                         " of the matrix units' tuning table does not serve: it wants ", patch_rows,
                         " rows and less than 128 columns");
  return best;
}

template <class T, int Products, int Entry = 0>
void start(const Context<Cuda>& context, MatrixCorrelation<T> c, const UnpooledPlane<T>& plane,
           const PlacePatches& cut, int tile) {
  if constexpr (Entry < static_cast<int>(tuning::matrix_tiles.size())) {
    if (tile != Entry) return start<T, Products, Entry + 1>(context, c, plane, cut, tile);
    if constexpr (serves(tuning::matrix_tiles[Entry])) {
      using Tile = MatrixTileOf<Entry>;
      static_assert(Tile::stages * Tile::columns <= 3 * patch_rows);
      c.column_tiles = static_cast<unsigned>(parts_of(c.columns, Tile::columns));
      const dim3 grid = blocks_of(c.column_tiles, Index{cut.patches_down} * cut.patches_across, c.groups,
                                  c.phases, c.images);
      launch(context, &correlate_unpooled<T, Tile, Products>, grid, Tile::threads,
             static_cast<std::size_t>(patch_bytes<Tile>(cut.lines)), c, plane, cut);
    }
  }
}

}  // namespace

template <class T>
bool unpool_conv2d_pays(const Context<Cuda>& context, const Shape& diff_dst, const Window2d& window,
                        const Shape& plane, const Shape& weights, const Conv2dParams& params,
                        const Shape& diff_src) {
  const Index maps = weights[0] / params.groups;
  if (!calls_for_matrix_units<T>(context, Units::by_maths) || maps % chunk_of<T> != 0 ||
      Switches<Cuda>::width_for(window.taps()) != 1 || diff_src.count() == 0 || plane.count() == 0)
    return false;
  const TensorView<T, Cuda> pixels(nullptr, diff_src, Layout::nhwc);
  const auto c = reverse_geometry<T>(plane, nullptr, params, pixels, blocks);
  const PlacePatches cut = choose_patches(c);
  if (cut.lines == 0) return false;
  const auto alone = reverse_geometry<T>(plane, nullptr, params, pixels, MergedBlocks::fastest);
  const Extremes most = extremes_of(alone);
  const auto apart = product_of(context, alone, c.images * most.rows * most.columns, maps);
  const Index patches = c.images * cut.patches_down * cut.patches_across;
  const auto fused = product_of(context, c, patches * patch_rows, maps);
  const tuning::Estimate tile = choose_tile(fused, {});
  // What the separate kernels take besides: two starts, the plane written by the unpooling, read and written
  // by the rectifier and read by the convolution.
  constexpr double bytes_a_cycle = 2000, kernel_start = 6000;
  const double moving =
      2 * kernel_start +
      static_cast<double>((4 * plane.count() + diff_dst.count()) * Index{sizeof(T)} + diff_dst.count()) /
          bytes_a_cycle;
  // What unpooling costs here: some 40 instructions a chunk and five an element and window over it, on 132
  // multiprocessors that issue 128 a cycle; half of it beside other blocks' products.
  const auto& shape = tuning::matrix_tiles[static_cast<std::size_t>(tile.choice.tile)];
  const Index blocks = patches * parts_of<Index>(c.columns, shape.columns) * c.groups * Index{c.phases};
  const double windows =
      static_cast<double>(window.taps()) / static_cast<double>(window.stride_y * window.stride_x);
  const double chunks = static_cast<double>(blocks * cut.lines * (maps / chunk_of<T>));
  const double unpooling = chunks * (40 + 5 * windows * chunk_of<T>) / (132 * 128) / 2;
  const tuning::Estimate product = best_estimate(context, apart, [&] { return params.groups == 1; });
  return tile.cycles + unpooling <= product.cycles + moving;
}

template <class T>
bool unpool_conv2d_reverse_data(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                                SwitchesView<const std::byte, Cuda> switches, const Window2d& window,
                                OverlapRule overlap, std::optional<float> negative_slope, const Shape& plane,
                                TensorView<const T, Cuda> weights, const Conv2dParams& params,
                                TensorView<T, Cuda> diff_src, TileChoice choice) {
  const Index maps = weights[0] / params.groups;
  if (!calls_for_matrix_units<T>(context, choice.units) || !in_chunks(diff_dst.data(), maps) ||
      switches.width() != 1 || reinterpret_cast<std::uintptr_t>(switches.data()) % chunk_of<T> != 0)
    return false;
  if (diff_src.count() == 0) return true;
  // Whether it fits is known by shapes; only then filters are packed.
  if (choose_patches(reverse_geometry<T>(plane, nullptr, params, diff_src, blocks)).lines == 0) return false;
  const auto made = reverse_correlation<T>(context, TensorView<const T, Cuda>(nullptr, plane, Layout::nhwc),
                                           weights, nullptr, params, diff_src, blocks);
  if (!made) return false;
  const MatrixCorrelation<T>& c = made->c;
  const PlacePatches cut = choose_patches(c);
  UnpooledPlane<T> unpooled;
  unpooled.signals = diff_dst.data();
  unpooled.switches = reinterpret_cast<const std::uint8_t*>(switches.data());
  unpooled.g = geometry_of(window, plane, diff_dst.shape());
  unpooled.channels = c.src.pitch;
  unpooled.last = overlap == OverlapRule::last;
  unpooled.few = few_windows(window);
  unpooled.rectified = negative_slope.has_value();
  unpooled.negative_slope = negative_slope.value_or(0.0f);
  const auto product =
      product_of(context, c, c.images * cut.patches_down * cut.patches_across * patch_rows, maps);
  kernel_count(product.depth, "a sum");
  const int tile = choose_tile(product, choice).choice.tile;
  if (product.times == 3) {
    if constexpr (std::is_same_v<T, float>) start<T, 3>(context, c, unpooled, cut, tile);
  } else {
    start<T, 1>(context, c, unpooled, cut, tile);
  }
  return true;
}

#define DECONV_INSTANCE(T)                                                                                   \
  template bool unpool_conv2d_pays<T>(const Context<Cuda>&, const Shape&, const Window2d&, const Shape&,     \
                                      const Shape&, const Conv2dParams&, const Shape&);                      \
  template bool unpool_conv2d_reverse_data<T>(                                                               \
      const Context<Cuda>&, TensorView<const T, Cuda>, SwitchesView<const std::byte, Cuda>, const Window2d&, \
      OverlapRule, std::optional<float>, const Shape&, TensorView<const T, Cuda>, const Conv2dParams&,       \
      TensorView<T, Cuda>, TileChoice);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
