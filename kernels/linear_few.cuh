#pragma once

#include "common/async_copy.cuh"
#include "common/element.cuh"
#include "common/matrix_units.cuh"
#include "common/reduce.cuh"
#include "common/shared_memory.cuh"
#include "relu.cuh"

// Linear layers of 1 to 8 images: nothing but reading the weights, each of them once and used for all images.
// A block walks over a strip of the weights, a stage of 32 rows x 512 bytes at a time, through a ring in
// shared memory that cp.async fills without holding registers:
//
//   forward: along 32 rows (outputs)               back to the data: down a strip of 512 bytes (features)
//   +-----+-----+-----+-----+-----+                      +-----+
//   | mul | on its way ...  |     |  -->                 | mul |
//   +-----+-----+-----+-----+-----+                      +-----+
//                                                        | ... |  on its way
//                                                        |     v
//
// Bytes: weights once, the images' values once a block (from the cache), results once; where strips are too
// few, they are divided, and ordered_sums.cuh adds the parts. Under way: three stages of 16 KB a block, 48 to
// 96 KB a multiprocessor. Flops: 2 N F O, at most 16 for 4 bytes of float weights: a third of the
// multiply-adds that a multiprocessor could do meanwhile. Forward half and bfloat16 would want more than all
// its instructions and take the matrix units. See docs/kernels/linear.md.
namespace deconv::cuda {

inline constexpr int few_threads = 256, few_warps = 8, few_stages = 4;
/// Of a stage: rows of weights, and pieces of 16 bytes in a row.
inline constexpr int few_rows = 32, few_pieces = 32;
inline constexpr int most_few_images = 8;
/// Rows of a stage that a warp copies, and multiplies where it needs no others.
inline constexpr int few_warp_rows = few_rows / few_warps;

/// Weights `outputs` x `row_pieces` pieces of 16 bytes, walked over in parts; what is read and written beside
/// them is images x features or images x outputs.
template <class T>
struct FewProduct {
  const T* src;
  const T* weights;
  const T* bias;  ///< null, or a value for each output
  T* dst;
  float* parts;  ///< not null: raw sums, each split's laid out like dst
  int images, outputs, row_pieces;
  unsigned tiles, splits;
  bool rectified;
  float negative_slope;

  [[nodiscard]] __device__ Index features() const { return static_cast<Index>(row_pieces) * vector_width<T>; }
  /// Writes a finished sum, or a split's.
  __device__ void store(float sum, int image, Index at, Index width, int split) const {
    const Index place = image * width + at;
    if (parts != nullptr) {
      parts[split * images * width + place] = sum;
      return;
    }
    if (bias != nullptr) sum += to_float(bias[at]);
    dst[place] = from_float<T>(rectified ? RectifyForward{negative_slope}(sum, 0.0f) : sum);
  }
};

/// What a block does: its tile, its split, and of the stages on its way those from `first`.
struct FewShare {
  int tile, split, first, count;
  __device__ FewShare(unsigned tiles, unsigned splits, int steps) {
    tile = static_cast<int>(blockIdx.x % tiles);
    split = static_cast<int>(blockIdx.x / tiles);
    first = static_cast<int>(static_cast<Index>(steps) * split / splits);
    count = static_cast<int>(static_cast<Index>(steps) * (split + 1) / splits) - first;
  }
};

/// Where a piece lies in shared memory: rows change places by halves of 8 pieces, so that 8 lanes that read 4
/// pieces of 2 rows meet all 32 banks.
__device__ inline int piece_at(int row, int piece) { return row * few_pieces + (piece ^ ((row & 1) << 2)); }

/// Starts the copies of one stage: its first row and piece are given, what lies beyond the weights is zero.
/// A warp copies the few_warp_rows rows from few_warp_rows * its number, a lane one piece of each.
template <class T>
__device__ inline void start_weights(const FewProduct<T>& p, uint4* stage, int first_row, int first_piece) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int piece = first_piece + lane;
#pragma unroll
  for (int i = 0; i < few_warp_rows; ++i) {
    const int row = warp * few_warp_rows + i;
    const bool there = first_row + row < p.outputs && piece < p.row_pieces;
    const Index at = there ? static_cast<Index>(first_row + row) * p.row_pieces + piece : 0;
    copy_async_or_zero<16>(stage + piece_at(row, lane), p.weights + at * vector_width<T>, there);
  }
}

/// The ring: start(stage of the way, its place in the ring), later multiply(the same two).
template <class Start, class Multiply>
__device__ inline void walk(int steps, const Start& start, const Multiply& multiply) {
#pragma unroll
  for (int s = 0; s < few_stages - 1; ++s) {
    if (s < steps) start(s, s);
    close_copy_group();
  }
  for (int s = 0; s < steps; ++s) {
    wait_for_copy_groups<few_stages - 2>();
    __syncthreads();  // the stage is there for all, and all are done with the one before it
    const int ahead = s + few_stages - 1;
    if (ahead < steps) start(ahead, ahead % few_stages);
    close_copy_group();
    multiply(s, s % few_stages);
  }
  __syncthreads();  // the ring may be used for other things
}

/// Pieces of a forward stage: weights, then `Images` rows of the images' values.
template <int Images>
inline constexpr int few_forward_pieces = (few_rows + Images) * few_pieces;

/// Starts the copies of the images' values that meet a stage of weights; images that are not there are zero.
template <class T, int Images>
__device__ inline void start_images(const FewProduct<T>& p, uint4* stage, int first_piece) {
  const int image = static_cast<int>(threadIdx.x) / few_pieces,
            piece = static_cast<int>(threadIdx.x) % few_pieces;
  if (image >= Images) return;
  const bool there = image < p.images && first_piece + piece < p.row_pieces;
  const Index at = there ? static_cast<Index>(image) * p.row_pieces + first_piece + piece : 0;
  copy_async_or_zero<16>(stage + few_rows * few_pieces + piece_at(image, piece), p.src + at * vector_width<T>,
                         there);
}

/// Sums over the lanes of `Count` (a power of two up to 32) values each: halves change hands, so that lane l
/// has value l / (32 / Count) after 31 shuffles instead of 5 for each value.
template <int Count>
__device__ inline float sum_over_lanes(float (&values)[Count]) {
#pragma unroll
  for (int apart = 16, kept = Count / 2; apart > 0; apart /= 2, kept /= 2) {
    if (kept == 0) {
      values[0] += __shfl_xor_sync(all_lanes, values[0], apart);
      continue;
    }
    const bool upper = (threadIdx.x & static_cast<unsigned>(apart)) != 0;
#pragma unroll
    for (int i = 0; i < Count / 2; ++i) {
      if (i >= kept) continue;
      const float given = upper ? values[i] : values[i + kept], stays = upper ? values[i + kept] : values[i];
      values[i] = stays + __shfl_xor_sync(all_lanes, given, apart);
    }
  }
  return values[0];
}

/// dst[image][output] = sum over features of src[image][feature] * weights[output][feature], in float: a warp
/// has 4 rows, a lane every 32nd piece of them. Images: 1, 2, 4 or 8, of which p.images are there.
template <int Images>
__global__ void __launch_bounds__(few_threads, 2) linear_few_forward(const FewProduct<float> p) {
  uint4* const ring = dynamic_shared<uint4>();
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const FewShare share(p.tiles, p.splits, (p.row_pieces + few_pieces - 1) / few_pieces);
  const int first_row = share.tile * few_rows;
  float sums[Images * few_warp_rows] = {};
  walk(
      share.count,
      [&](int step, int place) {
        uint4* const stage = ring + place * few_forward_pieces<Images>;
        start_weights(p, stage, first_row, (share.first + step) * few_pieces);
        start_images<float, Images>(p, stage, (share.first + step) * few_pieces);
      },
      [&](int, int place) {
        const auto* const stage =
            reinterpret_cast<const Vector<float, 4>*>(ring + place * few_forward_pieces<Images>);
        Vector<float, 4> weights[few_warp_rows];
#pragma unroll
        for (int row = 0; row < few_warp_rows; ++row)
          weights[row] = stage[piece_at(warp * few_warp_rows + row, lane)];
#pragma unroll
        for (int image = 0; image < Images; ++image) {
          const Vector<float, 4> values = stage[few_rows * few_pieces + piece_at(image, lane)];
#pragma unroll
          for (int row = 0; row < few_warp_rows; ++row)
#pragma unroll
            for (int i = 0; i < 4; ++i)
              sums[image * few_warp_rows + row] += values.at[i] * weights[row].at[i];
        }
      });
  const float sum = sum_over_lanes(sums);
  constexpr int lanes = 32 / (Images * few_warp_rows);  // that have the same sum
  const int image = lane / lanes / few_warp_rows,
            output = first_row + warp * few_warp_rows + lane / lanes % few_warp_rows;
  if (lane % lanes == 0 && image < p.images && output < p.outputs)
    p.store(sum, image, output, p.outputs, share.split);
}

/// The same for half and bfloat16: weights are the 16 x 16 operand of the matrix units, up to 8 images the
/// other. A lane reads 16 bytes of a row at once, 8 neighbouring features where the units have two and two:
/// both operands are permuted alike, so that the sums are the same. A warp has 16 rows and a quarter of each
/// stage's features.
template <class T>
__global__ void __launch_bounds__(few_threads, 2) linear_few_forward_of_halves(const FewProduct<T> p) {
  constexpr int quarters = 4, pieces = few_pieces / quarters;
  uint4* const ring = dynamic_shared<uint4>();
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row = warp % 2 * 16 + lane / 4, quarter = warp / 2, part = quarter * pieces + lane % 4;
  const FewShare share(p.tiles, p.splits, (p.row_pieces + few_pieces - 1) / few_pieces);
  const int first_row = share.tile * few_rows;
  float sums[4] = {};
  walk(
      share.count,
      [&](int step, int place) {
        uint4* const stage = ring + place * few_forward_pieces<most_few_images>;
        start_weights(p, stage, first_row, (share.first + step) * few_pieces);
        start_images<T, most_few_images>(p, stage, (share.first + step) * few_pieces);
      },
      [&](int, int place) {
        const uint4* const stage = ring + place * few_forward_pieces<most_few_images>;
#pragma unroll
        for (int piece = part; piece < part + pieces; piece += 4) {
          const uint4 upper = stage[piece_at(row, piece)], lower = stage[piece_at(row + 8, piece)];
          const uint4 values = stage[few_rows * few_pieces + piece_at(lane / 4, piece)];
          multiply_add<T>(sums, {upper.x, lower.x, upper.y, lower.y}, {values.x, values.y});
          multiply_add<T>(sums, {upper.z, lower.z, upper.w, lower.w}, {values.z, values.w});
        }
      });
  float* const quarter_sums = dynamic_shared<float>();  // quarter, image, row
  const auto at = [&](int image, int of_row) {
    return (quarter * most_few_images + image) * few_rows + of_row;
  };
#pragma unroll
  for (int i = 0; i < 4; ++i) quarter_sums[at(lane % 4 * 2 + i % 2, row + i / 2 * 8)] = sums[i];
  __syncthreads();
  const int image = static_cast<int>(threadIdx.x) / few_rows;
  const int output = first_row + static_cast<int>(threadIdx.x) % few_rows;
  if (image >= p.images || output >= p.outputs) return;
  float sum = 0.0f;
#pragma unroll
  for (int q = 0; q < quarters; ++q) sum += quarter_sums[q * few_threads + static_cast<int>(threadIdx.x)];
  p.store(sum, image, output, p.outputs, share.split);
}

/// dst[image][feature] = sum over outputs of src[image][output] * weights[output][feature]: a lane has the
/// features of one piece, a warp 4 rows of each stage. The 8 warps' sums are added in order at the end.
template <class T, int Images>
__global__ void __launch_bounds__(few_threads, 2) linear_few_reverse(const FewProduct<T> p) {
  constexpr int width = vector_width<T>, stage_pieces = few_rows * few_pieces, columns = few_pieces * width;
  uint4* const ring = dynamic_shared<uint4>();
  // The signals that meet a stage, a row's for all images together; the next ones are a stage ahead.
  alignas(16) __shared__ float signals[2][few_rows * Images];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const FewShare share(p.tiles, p.splits, (p.outputs + few_rows - 1) / few_rows);
  const int first_piece = share.tile * few_pieces;
  const auto signal_of = [&](int step) {
    const int output = (share.first + step) * few_rows + lane;
    return warp < p.images && output < p.outputs
               ? to_float(p.src[static_cast<Index>(warp) * p.outputs + output])
               : 0.0f;
  };
  const auto keep = [&](int step, float signal) {
    if (warp < Images) signals[step % 2][lane * Images + warp] = signal;
  };
  if (share.count > 0) keep(0, signal_of(0));
  float sums[Images][width] = {};
  walk(
      share.count,
      [&](int step, int place) {
        start_weights(p, ring + place * stage_pieces, (share.first + step) * few_rows, first_piece);
      },
      [&](int step, int place) {
        const float next = signal_of(step + 1);
        const auto* const stage = reinterpret_cast<const Vector<T, width>*>(ring + place * stage_pieces);
#pragma unroll
        for (int i = 0; i < few_warp_rows; ++i) {
          const int row = warp * few_warp_rows + i;
          const Vector<T, width> weights = stage[piece_at(row, lane)];
          constexpr int at_once = Images < 4 ? Images : 4;
#pragma unroll
          for (int image = 0; image < Images; image += at_once) {
            const auto some = load_vector<at_once>(&signals[step % 2][row * Images + image]);
#pragma unroll
            for (int j = 0; j < at_once; ++j)
#pragma unroll
              for (int k = 0; k < width; ++k) sums[image + j][k] += some.at[j] * to_float(weights.at[k]);
          }
        }
        keep(step + 1, next);
      });
  float* const warp_sums = dynamic_shared<float>();  // warp, image, column
#pragma unroll
  for (int image = 0; image < Images; ++image)
#pragma unroll
    for (int k = 0; k < width; k += 4)
      store_vector<4>(
          warp_sums + (warp * Images + image) * columns + lane * width + k,
          Vector<float, 4>{{sums[image][k], sums[image][k + 1], sums[image][k + 2], sums[image][k + 3]}});
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < Images * columns; i += few_threads) {
    const int image = i / columns, column = i % columns;
    const Index feature = static_cast<Index>(first_piece) * width + column;
    if (image >= p.images || feature >= p.features()) continue;
    float sum = 0.0f;
#pragma unroll
    for (int w = 0; w < few_warps; ++w) sum += warp_sums[w * Images * columns + i];
    p.store(sum, image, feature, p.features(), share.split);
  }
}

}  // namespace deconv::cuda
