#include "unpool_conv2d.cuh"

#include "deconv/ops/cuda/unpool_conv2d.hpp"
#include "matrix_choice.cuh"
#include "unpool_patches.cuh"
#include "warpgroup_unpool.cuh"

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

/// The patches that take the fewest multiplications and lines, where a line costs as much as four rows of a
/// tap. No lines in them where shared memory holds none.
template <class T>
PlacePatches choose_patches(const MatrixCorrelation<T>& c) {
  const Extremes most = extremes_of(c);
  PlacePatches best;
  Index least = 0;
  for (int across = 8; across <= patch_rows; across *= 2) {
    const int down = patch_rows / across;
    const Index lines = lines_under(c, down, across);
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
  tuning::MatrixProduct product = product_to<T>(context, c.target.count);
  product.rows = rows;
  product.columns = c.columns;
  product.depth = extremes_of(c).taps * maps;
  product.products = c.groups * Index{c.phases};
  return product;
}

/// A pass back to the data that unpools what it reads, on either kind of units.
template <class T>
struct FusedPass {
  const MatrixCorrelation<T>& c;
  PlacePatches warps, groups;  ///< of mma.sync's tiles, of the warpgroups'
  tuning::MatrixProduct on_warps, on_groups;
  double instructions = 0;  ///< to unpool 16 bytes of a pixel
  Index windows = 1;        ///< over a pixel that are waited for one after the other

  FusedPass(const Context<Cuda>& context, const MatrixCorrelation<T>& correlation, const Window2d& window,
            Index maps)
      : c(correlation),
        warps(choose_patches(c)),
        groups(warpgroup_patches(c)),
        on_warps(product_of(context, c, patches(warps) * patch_rows, maps)),
        on_groups(product_of(context, c, patches(groups) * patch_rows, maps)) {
    const double covering =
        static_cast<double>(window.taps()) / static_cast<double>(window.stride_y * window.stride_x);
    instructions = 40 + 5 * covering * chunk_of<T>;
    // A part is multiplied whole, however few maps it has.
    on_warps.depth = extremes_of(c).taps * parts_of(c.src.chunks, line_chunks) * line_chunks * chunk_of<T>;
    on_groups.depth = on_warps.depth;
    if (!few_windows(window)) windows = std::max<Index>(1, static_cast<Index>(covering));
  }

  [[nodiscard]] Index patches(const PlacePatches& cut) const {
    return c.images * cut.patches_down * cut.patches_across;
  }
  [[nodiscard]] Index tiles(const PlacePatches& cut, int columns) const {
    return patches(cut) * parts_of<Index>(c.columns, columns) * c.groups * Index{c.phases};
  }

  /// The product, and what unpooling costs besides: its instructions on 132 multiprocessors that issue 128 a
  /// cycle; half of it beside other blocks' products.
  [[nodiscard]] double cycles_of(const tuning::MatrixTileShape& tile) const {
    const Index chunks = tiles(warps, tile.columns) * warps.lines * c.src.chunks;
    return tuning::cycles_of(on_warps, tile, 1) +
           static_cast<double>(chunks) * instructions / (132 * 128) / 2;
  }
  /// The product or the unpooling, which goes on beside it, whichever takes longer, and the first part, for
  /// which nothing is multiplied yet. 224 threads unpool a chunk each at a time: seven warps on four
  /// schedulers, where a warp issues every other cycle at best, and at least the way to the second cache and
  /// back.
  [[nodiscard]] double cycles_of(const tuning::WarpgroupTileShape& tile) const {
    constexpr Index processors = 132, threads = 224;
    constexpr double second_cache = 600;
    const double round = std::max(2 * instructions, second_cache * static_cast<double>(windows));
    const auto rounds = [&](Index chunks) { return static_cast<double>(parts_of(chunks, threads)) * round; };
    const Index fullest = parts_of(tiles(groups, tile.columns), processors);
    const double unpooling = rounds(fullest * groups.lines * c.src.chunks);
    return std::max(tuning::cycles_of(on_groups, tile, 1), unpooling) +
           rounds(Index{groups.lines} * std::min(c.src.chunks, line_chunks));
  }
};

/// The one kernel, as best_estimate and choose_units want it.
template <class T, class Fits>
auto units_pass(const FusedPass<T>& pass, Fits fits) {
  return UnitsPass{pass.on_warps.times,
                   [&pass](Units units, TileChoice wanted) {
                     const auto cycles = [&](const auto& tile) { return pass.cycles_of(tile); };
                     if (units == Units::matrix)
                       return tuning::least_whole_estimate(
                           tuning::matrix_tiles, units, wanted.tile,
                           [](int, const auto& tile) { return serves(tile); }, cycles);
                     return tuning::least_whole_estimate(
                         tuning::warpgroup_tiles, units, wanted.tile,
                         [&](int i, const auto&) { return fits_unpooling(i, pass.groups.lines); }, cycles);
                   },
                   fits};
}

constexpr ChoiceWords words{
    "unpool_conv2d",
    "one group of channels, single products, places that are neighbours in the plane, taps that some pixel "
    "lies under and reach no further than shared memory, and filters within the limits of tensor copies",
    "128 rows and less than 128 columns", "at most 128 columns, and room for two patches beside its stages",
    "what is unpooled is multiplied at once"};
static_assert(patch_rows == 128);

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
  const FusedPass<T> fused(context, c, window, maps);
  if (fused.warps.lines == 0) return false;
  const auto alone = reverse_geometry<T>(plane, nullptr, params, pixels, MergedBlocks::fastest);
  const Extremes most = extremes_of(alone);
  const auto apart = product_of(context, alone, c.images * most.rows * most.columns, maps);
  // What the separate kernels take besides: two starts, the plane written by the unpooling, read and written
  // by the rectifier and read by the convolution.
  constexpr double bytes_a_cycle = 2000, kernel_start = 6000;
  const double moving =
      2 * kernel_start +
      static_cast<double>((4 * plane.count() + diff_dst.count()) * Index{sizeof(T)} + diff_dst.count()) /
          bytes_a_cycle;
  const tuning::Estimate product =
      best_estimate(context, plain_pass(apart, [&] { return params.groups == 1; }));
  return best_estimate(context, units_pass(fused, [] { return true; })).cycles <= product.cycles + moving;
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
  UnpooledPlane<T> unpooled;
  unpooled.signals = diff_dst.data();
  unpooled.switches = reinterpret_cast<const std::uint8_t*>(switches.data());
  unpooled.g = geometry_of(window, plane, diff_dst.shape());
  unpooled.channels = c.src.pitch;
  unpooled.last = overlap == OverlapRule::last;
  unpooled.few = few_windows(window);
  unpooled.rectified = negative_slope.has_value();
  unpooled.negative_slope = negative_slope.value_or(0.0f);
  const FusedPass<T> pass(context, c, window, maps);
  kernel_count(pass.on_warps.depth, "a sum");
  const TileChoice chosen = choose_units(
      context, units_pass(pass, [&] { return pass.groups.lines > 0 && copies_filters(c); }), choice, words);
  if (chosen.units == Units::warpgroup) {
    start_warpgroup_unpool(context, c, unpooled, pass.groups, chosen.tile);
  } else if (pass.on_warps.times == 3) {
    if constexpr (std::is_same_v<T, float>) start<T, 3>(context, c, unpooled, pass.warps, chosen.tile);
  } else {
    start<T, 1>(context, c, unpooled, pass.warps, chosen.tile);
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
