#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/io/dataset.hpp"
#include "deconv/io/preprocess.hpp"

namespace deconv::train {

/// How the statistics of a data set are taken.
struct StatisticsOptions {
  /// Also the mean of each pixel; wants a preprocessing that gives pictures of one size.
  bool per_pixel = true;
  bool skip_broken = false;  ///< Leave broken pictures out, and count them, instead of throwing.
  /// Which pictures; all of them where absent.
  std::optional<std::vector<Index>> indices = std::nullopt;
  /// Called by the calling thread with the message of each picture left out, in order.
  std::function<void(const std::string&)> warn = nullptr;
  /// Called by the calling thread with the number of pictures done since the last call; may throw to stop.
  std::function<void(Index)> advance = nullptr;
};

/// Means and deviations of a data set's pixels, after scaling, in the preprocessing's channel order.
struct PixelStatistics {
  Index images = 0, skipped = 0;
  /// [C, H, W]: the mean of each pixel of the frame; null without per_pixel. Goes into
  /// Preprocess::mean_image.
  std::shared_ptr<const Tensor<float, Cpu>> mean_image;
  std::vector<double> mean;  ///< One a channel.
  std::vector<double>
      deviation;  ///< One a channel: the standard deviation over all pixels (of the set itself).
};

namespace detail {

/// Sums over bytes in whole numbers: exact, so that neither order nor threads can change them.
struct ByteSums {
  io::Extent extent;
  std::vector<std::uint64_t> pixel;  ///< C x H x W; empty where not asked for.
  std::array<std::uint64_t, 3> sum{}, square{};
  std::uint64_t pixels = 0;  ///< A channel.
  Index images = 0;

  void add(const io::Image& frame, io::ChannelOrder order, bool per_pixel) {
    const Index plane = frame.width() * frame.height();
    const Index channels = order == io::ChannelOrder::grey ? 1 : 3;
    if (per_pixel && pixel.empty()) {
      extent = {frame.height(), frame.width()};
      pixel.assign(static_cast<std::size_t>(channels * plane), 0);
    }
    const std::uint8_t* bytes = frame.pixels().data();
    for (Index c = 0; c < channels; ++c) {
      std::uint64_t total = 0, squares = 0;
      std::uint64_t* out = per_pixel ? pixel.data() + c * plane : nullptr;
      const std::uint8_t* src = bytes + io::detail::channel_of(order, c);
      for (Index i = 0; i < plane; ++i) {
        const std::uint64_t value =
            order == io::ChannelOrder::grey ? io::detail::luma(bytes + 3 * i) : src[3 * i];
        total += value;
        squares += value * value;
        if (out != nullptr) out[i] += value;
      }
      sum[static_cast<std::size_t>(c)] += total;
      square[static_cast<std::size_t>(c)] += squares;
    }
    pixels += static_cast<std::uint64_t>(plane);
    ++images;
  }

  void add(const ByteSums& other) {
    if (other.images == 0) return;
    if (pixel.empty()) {
      pixel = other.pixel;
      extent = other.extent;
    } else {
      for (std::size_t i = 0; i < pixel.size(); ++i) pixel[i] += other.pixel[i];
    }
    for (std::size_t c = 0; c < 3; ++c) sum[c] += other.sum[c], square[c] += other.square[c];
    pixels += other.pixels;
    images += other.images;
  }
};

}  // namespace detail

/// Mean image, channel means and deviations of a data set's pictures as the preprocessing's frame shows them
/// (the crop where there is no frame), after scaling; the preprocessing's own means and deviations play no
/// part. The sums are exact, so that the result is the same for any number of threads. Throws what reading
/// the first broken picture threw, unless broken ones are skipped; FormatError when no picture is left, or
/// the mean of each pixel is wanted of pictures whose size is not known beforehand; ArgumentError for a
/// picture that the set does not have. Cost: reads every picture once, the context's threads side by side; 8
/// bytes a pixel and thread.
[[nodiscard]] inline PixelStatistics pixel_statistics(const Context<Cpu>& context, const io::Dataset& set,
                                                      io::Preprocess preprocess,
                                                      const StatisticsOptions& options = {}) {
  preprocess.mean = {0.0};
  preprocess.std = {1.0};
  preprocess.mean_image.reset();
  if (!preprocess.frame) preprocess.frame = std::exchange(preprocess.crop, std::nullopt);
  preprocess.crop.reset();
  preprocess.check();
  require<FormatError>(!options.per_pixel || preprocess.output_shape().has_value(),
                       "a mean image wants pictures of one size: a preprocessing with a frame, a crop or an "
                       "exact size");
  const Index total = options.indices ? static_cast<Index>(options.indices->size()) : set.size();
  // A group is what the threads share before the calling thread reports.
  const Index threads = context.threads(), group = 64 * threads;
  std::vector<detail::ByteSums> sums(static_cast<std::size_t>(threads));
  PixelStatistics result;
  for (Index first = 0; first < total; first += group) {
    const Index count = std::min(group, total - first);
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(count));
    parallel_for(context, threads, [&](Index part) {
      for (Index i = count * part / threads; i < count * (part + 1) / threads; ++i) try {
          const Index index =
              options.indices ? (*options.indices)[static_cast<std::size_t>(first + i)] : first + i;
          const io::Image image = set.read(index);
          try {
            sums[static_cast<std::size_t>(part)].add(preprocess.frame_view(image), preprocess.order,
                                                     options.per_pixel);
          } catch (const ShapeError& problem) {
            raise<ShapeError>(set.name(index), ": ", problem.what());
          }
        } catch (...) {
          failures[static_cast<std::size_t>(i)] = std::current_exception();
        }
    });
    for (const std::exception_ptr& failure : failures) {
      if (!failure) continue;
      if (!options.skip_broken) std::rethrow_exception(failure);
      try {
        std::rethrow_exception(failure);
      } catch (const ArgumentError&) {
        throw;  // no fault of the picture
      } catch (const Error& problem) {
        ++result.skipped;
        if (options.warn) options.warn(problem.what());
      }
    }
    if (options.advance) options.advance(count);
  }
  for (std::size_t t = 1; t < sums.size(); ++t) sums[0].add(sums[t]);
  const detail::ByteSums& all = sums[0];
  require<FormatError>(all.images > 0, "a mean wants a picture that can be read, met none");
  result.images = all.images;
  const Index channels = preprocess.channels();
  const double scale = preprocess.scale, pixels = static_cast<double>(all.pixels);
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
    const double mean = static_cast<double>(all.sum[c]) / pixels;
    const double variance = static_cast<double>(all.square[c]) / pixels - mean * mean;
    result.mean.push_back(mean * scale);
    result.deviation.push_back(std::sqrt(std::max(variance, 0.0)) * std::abs(scale));
  }
  if (options.per_pixel) {
    Tensor<float, Cpu> mean({channels, all.extent.height, all.extent.width});
    for (Index i = 0; i < mean.count(); ++i)
      mean.data()[i] = static_cast<float>(static_cast<double>(all.pixel[static_cast<std::size_t>(i)]) /
                                          static_cast<double>(all.images) * scale);
    result.mean_image = std::make_shared<const Tensor<float, Cpu>>(std::move(mean));
  }
  return result;
}

}  // namespace deconv::train
