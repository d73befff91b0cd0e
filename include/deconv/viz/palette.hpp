#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "deconv/io/image.hpp"
#include "deconv/viz/colour_map.hpp"

// Few colours for many: pictures for formats with a palette.
namespace deconv::viz {

/// At most 256 colours that stand for all colours of some pictures. Where the pictures have no more colours
/// than that the palette holds exactly these; otherwise it is made by median cut: the box of colours with the
/// longest side is divided at the median of its pixels until there are 256 boxes, and a box's colour is the
/// mean of its pixels. Source: Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982.
class Palette {
 public:
  /// Throws ArgumentError for no picture, and for pictures of other than three channels. Cost: linear in the
  /// pixels. Memory: about 1.5 MB, whatever the pictures.
  explicit Palette(std::span<const io::Image> pictures) {
    require<ArgumentError>(!pictures.empty(), "a palette wants at least one picture");
    for (const io::Image& picture : pictures)
      require<ArgumentError>(!picture.empty() && picture.channels() == 3,
                             "a palette is made of pictures with 3 channels, met ", picture.channels());
    if (!take_all(pictures)) cut(pictures);
  }

  [[nodiscard]] const std::vector<Rgb>& colours() const noexcept { return colours_; }
  /// Whether every colour of the pictures is in the palette.
  [[nodiscard]] bool exact() const noexcept { return exact_; }

  /// Number of the palette's colour for a colour: itself where the palette holds it exactly, else the nearest
  /// to the colour with its last three bits unknown.
  [[nodiscard]] std::uint8_t index_of(Rgb colour) const {
    if (exact_) {
      const auto at = std::lower_bound(colours_.begin(), colours_.end(), colour, before);
      if (at != colours_.end() && *at == colour) return static_cast<std::uint8_t>(at - colours_.begin());
    }
    return nearest_[cell_of(colour)];
  }

  /// A picture as numbers of colours, row by row. With `dither` each pixel's error is passed on to its
  /// neighbours, so that areas keep their mean colour. Source: Floyd and Steinberg, "An adaptive algorithm
  /// for spatial greyscale", Proc. SID 17(2), 1976. Throws ArgumentError for other than three channels.
  [[nodiscard]] std::vector<std::uint8_t> indexed(const io::Image& picture, bool dither = false) const {
    require<ArgumentError>(!picture.empty() && picture.channels() == 3,
                           "a picture with 3 channels wanted, met ", picture.channels());
    const Index width = picture.width();
    std::vector<std::uint8_t> result;
    result.reserve(static_cast<std::size_t>(width * picture.height()));
    // Sixteenths of the errors of this row and the next, with a pixel to spare on both sides.
    const auto length = static_cast<std::size_t>(width + 2) * 3;
    std::vector<int> here(length, 0), below(length, 0);
    for (Index y = 0; y < picture.height(); ++y) {
      for (Index x = 0; x < width; ++x) {
        const std::uint8_t* pixel = picture.row(y) + x * 3;
        const std::size_t at = static_cast<std::size_t>(x + 1) * 3;
        std::array<int, 3> wanted{};
        for (std::size_t c = 0; c < 3; ++c)
          wanted[c] = std::clamp(pixel[c] + (dither ? (here[at + c] + 8) >> 4 : 0), 0, 255);
        const std::uint8_t number =
            index_of({static_cast<std::uint8_t>(wanted[0]), static_cast<std::uint8_t>(wanted[1]),
                      static_cast<std::uint8_t>(wanted[2])});
        result.push_back(number);
        const Rgb& met = colours_[number];
        const std::array<int, 3> drawn{met.red, met.green, met.blue};
        for (std::size_t c = 0; dither && c < 3; ++c) {
          const int error = wanted[c] - drawn[c];
          here[at + 3 + c] += 7 * error;
          below[at - 3 + c] += 3 * error;
          below[at + c] += 5 * error;
          below[at + 3 + c] += error;
        }
      }
      std::swap(here, below);
      std::fill(below.begin(), below.end(), 0);
    }
    return result;
  }

 private:
  static constexpr std::size_t most = 256, cells = std::size_t{1} << 15;

  [[nodiscard]] static bool before(const Rgb& a, const Rgb& b) noexcept {
    return std::pair(a.red, std::pair(a.green, a.blue)) < std::pair(b.red, std::pair(b.green, b.blue));
  }
  /// Of 32 x 32 x 32 cells of colours the one that holds it.
  [[nodiscard]] static std::size_t cell_of(Rgb colour) noexcept {
    return static_cast<std::size_t>(colour.red >> 3) << 10 |
           static_cast<std::size_t>(colour.green >> 3) << 5 | static_cast<std::size_t>(colour.blue >> 3);
  }
  template <class Take>
  static bool each_pixel(std::span<const io::Image> pictures, const Take& take) {
    for (const io::Image& picture : pictures) {
      const auto pixels = picture.pixels();
      for (std::size_t i = 0; i < pixels.size(); i += 3)
        if (!take(Rgb{pixels[i], pixels[i + 1], pixels[i + 2]})) return false;
    }
    return true;
  }

  bool take_all(std::span<const io::Image> pictures) {
    const auto less = [](const Rgb& a, const Rgb& b) { return before(a, b); };
    std::set<Rgb, decltype(less)> all(less);
    Rgb last =
        pictures.front().pixels().size() >= 3
            ? Rgb{pictures.front().pixels()[0], pictures.front().pixels()[1], pictures.front().pixels()[2]}
            : Rgb{};
    all.insert(last);
    exact_ = each_pixel(pictures, [&](Rgb colour) {
      if (colour == last) return true;
      last = colour;
      all.insert(colour);
      return all.size() <= most;
    });
    if (!exact_) return false;
    colours_.assign(all.begin(), all.end());
    find_nearest();
    return true;
  }

  struct Count {
    std::uint64_t pixels = 0;
    std::array<std::uint64_t, 3> sum{};
    std::array<std::uint8_t, 3> place{};  ///< of the cell, 0 to 31 each way
  };
  struct ColourBox {
    std::size_t begin, end;  ///< of the cells
    std::size_t axis = 0;    ///< of the longest side
    int length = 0;          ///< 0: a single cell
    std::uint64_t pixels = 0;
  };

  void cut(std::span<const io::Image> pictures) {
    std::vector<Count> counts(cells);
    each_pixel(pictures, [&](Rgb colour) {
      Count& count = counts[cell_of(colour)];
      ++count.pixels;
      count.sum[0] += colour.red, count.sum[1] += colour.green, count.sum[2] += colour.blue;
      return true;
    });
    std::vector<Count> used;
    for (std::size_t i = 0; i < cells; ++i)
      if (counts[i].pixels > 0) {
        counts[i].place = {static_cast<std::uint8_t>(i >> 10), static_cast<std::uint8_t>(i >> 5 & 31),
                           static_cast<std::uint8_t>(i & 31)};
        used.push_back(counts[i]);
      }
    const auto measured = [&](std::size_t begin, std::size_t end) {
      ColourBox box{begin, end};
      for (std::size_t i = begin; i < end; ++i) box.pixels += used[i].pixels;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        int low = 32, high = -1;
        for (std::size_t i = begin; i < end; ++i) {
          low = std::min<int>(low, used[i].place[axis]);
          high = std::max<int>(high, used[i].place[axis]);
        }
        if (high - low > box.length) box.axis = axis, box.length = high - low;
      }
      return box;
    };
    std::vector<ColourBox> boxes{measured(0, used.size())};
    while (boxes.size() < most) {
      const auto longest =
          std::max_element(boxes.begin(), boxes.end(), [](const ColourBox& a, const ColourBox& b) {
            return std::pair(a.length, a.pixels) < std::pair(b.length, b.pixels);
          });
      if (longest->length == 0) break;
      const ColourBox box = *longest;
      const auto from = used.begin() + static_cast<std::ptrdiff_t>(box.begin);
      const auto to = used.begin() + static_cast<std::ptrdiff_t>(box.end);
      std::stable_sort(from, to,
                       [&](const Count& a, const Count& b) { return a.place[box.axis] < b.place[box.axis]; });
      std::uint64_t left = 0;
      std::size_t middle = box.begin;
      while (middle < box.end && left * 2 < box.pixels) left += used[middle++].pixels;
      middle = std::clamp(middle, box.begin + 1, box.end - 1);
      *longest = measured(box.begin, middle);
      boxes.push_back(measured(middle, box.end));
    }
    for (const ColourBox& box : boxes) {
      std::array<std::uint64_t, 3> sum{};
      for (std::size_t i = box.begin; i < box.end; ++i)
        for (std::size_t c = 0; c < 3; ++c) sum[c] += used[i].sum[c];
      const auto mean = [&](std::size_t c) {
        return static_cast<std::uint8_t>((sum[c] + box.pixels / 2) / box.pixels);
      };
      colours_.push_back({mean(0), mean(1), mean(2)});
    }
    find_nearest();
  }

  void find_nearest() {
    nearest_.resize(cells);
    for (std::size_t i = 0; i < cells; ++i) {
      const std::array<int, 3> centre{static_cast<int>(i >> 10) * 8 + 4,
                                      static_cast<int>(i >> 5 & 31) * 8 + 4,
                                      static_cast<int>(i & 31) * 8 + 4};
      int least = std::numeric_limits<int>::max();
      for (std::size_t k = 0; k < colours_.size(); ++k) {
        const int r = colours_[k].red - centre[0], g = colours_[k].green - centre[1],
                  b = colours_[k].blue - centre[2];
        const int distance = r * r + g * g + b * b;
        if (distance < least) least = distance, nearest_[i] = static_cast<std::uint8_t>(k);
      }
    }
  }

  std::vector<Rgb> colours_;
  std::vector<std::uint8_t> nearest_;  ///< for each cell
  bool exact_ = false;
};

}  // namespace deconv::viz
