// Animations, read back by the library's own reader, and the palettes that they are drawn with.

#include "deconv/viz/animation.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "deconv/core/random.hpp"
#include "deconv/io/file.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace deconv;
using namespace deconv::viz;

/// Smooth colours all over the cube, more than a palette can hold.
io::Image colourful(Index width, Index height, int shift) {
  io::Image image(width, height);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      image(y, x, 0) = static_cast<std::uint8_t>(255 * x / width);
      image(y, x, 1) = static_cast<std::uint8_t>(255 * y / height);
      image(y, x, 2) = static_cast<std::uint8_t>((x + y + shift) % 256);
    }
  return image;
}

/// The largest and the mean difference of a channel.
std::pair<int, double> difference(const io::Image& a, const io::Image& b) {
  REQUIRE(a.width() == b.width());
  REQUIRE(a.height() == b.height());
  int most = 0;
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels().size(); ++i) {
    const int d = std::abs(int{a.pixels()[i]} - int{b.pixels()[i]});
    most = std::max(most, d);
    sum += d;
  }
  return {most, sum / static_cast<double>(a.pixels().size())};
}

io::Image drawn(const Palette& palette, const io::Image& image, bool dither) {
  const auto indices = palette.indexed(image, dither);
  io::Image result(image.width(), image.height());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const Rgb colour = palette.colours()[indices[i]];
    std::uint8_t* to = result.pixels().data() + i * 3;
    to[0] = colour.red, to[1] = colour.green, to[2] = colour.blue;
  }
  return result;
}

#if defined(DECONV_WITH_GIF)

struct Decoded {
  std::vector<io::Image> frames;
  std::vector<int> delays;  ///< hundredths of a second
  bool endless = false;
};

/// What giflib's reader makes of the bytes.
Decoded decode(const io::Bytes& bytes) {
  struct Source {
    const io::Bytes* bytes;
    std::size_t at = 0;
  } source{&bytes};
  const auto read = [](GifFileType* file, GifByteType* to, int wanted) {
    auto& from = *static_cast<Source*>(file->UserData);
    const std::size_t count = std::min(static_cast<std::size_t>(wanted), from.bytes->size() - from.at);
    std::memcpy(to, from.bytes->data() + from.at, count);
    from.at += count;
    return static_cast<int>(count);
  };
  int error = 0;
  GifFileType* file = DGifOpen(&source, read, &error);
  REQUIRE(file != nullptr);
  REQUIRE(DGifSlurp(file) == GIF_OK);
  CHECK(source.at == bytes.size());
  Decoded decoded;
  for (int i = 0; i < file->ImageCount; ++i) {
    const SavedImage& saved = file->SavedImages[i];
    GraphicsControlBlock control{};
    REQUIRE(DGifSavedExtensionToGCB(file, i, &control) == GIF_OK);
    decoded.delays.push_back(control.DelayTime);
    for (int e = 0; e < saved.ExtensionBlockCount; ++e) {
      const ExtensionBlock& block = saved.ExtensionBlocks[e];
      if (block.ByteCount == 11 && std::memcmp(block.Bytes, "NETSCAPE2.0", 11) == 0) decoded.endless = true;
    }
    io::Image image(saved.ImageDesc.Width, saved.ImageDesc.Height);
    for (std::size_t p = 0; p < image.pixels().size() / 3; ++p) {
      const GifColorType colour = file->SColorMap->Colors[saved.RasterBits[p]];
      std::uint8_t* to = image.pixels().data() + p * 3;
      to[0] = colour.Red, to[1] = colour.Green, to[2] = colour.Blue;
    }
    decoded.frames.push_back(std::move(image));
  }
  DGifCloseFile(file, &error);
  return decoded;
}

#endif

}  // namespace

TEST_CASE("few colours are kept as they are", "[viz][animation]") {
  io::Image image(40, 30, 3, 7);
  for (Index i = 0; i < 200; ++i) image(i / 40, i % 40, 1) = static_cast<std::uint8_t>(i);
  const std::vector<io::Image> frames{image, io::Image(40, 30, 3, 255)};
  const Palette palette(frames);
  CHECK(palette.exact());
  CHECK(palette.colours().size() == 201);
  for (const io::Image& frame : frames)
    for (const bool dither : {false, true}) CHECK(drawn(palette, frame, dither) == frame);
}

TEST_CASE("many colours are drawn with 256 that are near", "[viz][animation]") {
  const std::vector<io::Image> frames{colourful(64, 64, 0), colourful(64, 64, 40)};
  const Palette palette(frames);
  CHECK(!palette.exact());
  CHECK(palette.colours().size() == 256);
  for (const io::Image& frame : frames) {
    const auto [most, mean] = difference(drawn(palette, frame, false), frame);
    CHECK(most <= 64);
    CHECK(mean < 12);
  }
  // An even colour between those of the palette: dithered, the area keeps its mean.
  io::Image even(32, 32);
  for (std::size_t i = 0; i < even.pixels().size(); i += 3) {
    even.pixels()[i] = 100;
    even.pixels()[i + 1] = 203;
    even.pixels()[i + 2] = 96;
  }
  const auto mean_of = [](const io::Image& image, std::size_t c) {
    double sum = 0;
    for (std::size_t i = c; i < image.pixels().size(); i += 3) sum += image.pixels()[i];
    return sum / static_cast<double>(image.pixels().size() / 3);
  };
  const io::Image plain = drawn(palette, even, false), dithered = drawn(palette, even, true);
  CHECK(!(plain == even));
  for (std::size_t c = 0; c < 3; ++c) CHECK(std::abs(mean_of(dithered, c) - mean_of(even, c)) < 4);
  CHECK_THROWS_AS(Palette(std::vector<io::Image>{}), ArgumentError);
  CHECK_THROWS_AS(Palette(std::vector<io::Image>{io::Image(2, 2, 4)}), ArgumentError);
  CHECK_THROWS_AS(palette.indexed(io::Image(2, 2, 1)), ArgumentError);
}

TEST_CASE("an animation cannot be made of what is no row of frames", "[viz][animation]") {
  const std::vector<io::Image> one{io::Image(4, 3)};
  CHECK_THROWS_AS(encode_gif(std::vector<io::Image>{}), ArgumentError);
  CHECK_THROWS_AS(encode_gif(std::vector<io::Image>{io::Image(4, 3), io::Image(3, 4)}), ArgumentError);
  CHECK_THROWS_AS(encode_gif(std::vector<io::Image>{io::Image(4, 3, 4)}), ArgumentError);
  CHECK_THROWS_AS(encode_gif(std::vector<io::Image>{io::Image(65536, 1)}), ArgumentError);
  CHECK_THROWS_AS(encode_gif(one, {.delay_ms = 0}), ArgumentError);
  CHECK_THROWS_AS(encode_gif(one, {.delay_ms = 700000}), ArgumentError);
  CHECK_THROWS_AS(encode_gif(one, {.last_delay_ms = -1}), ArgumentError);
  const test::ScratchFolder folder;
  if (has_animations) {
    CHECK_THROWS_AS(write_gif(folder / "none" / "a.gif", one), IoError);
  } else {
    CHECK_THROWS_AS(write_gif(folder / "a.gif", one), ArgumentError);
    CHECK(!std::filesystem::exists(folder / "a.gif"));
  }
}

#if defined(DECONV_WITH_GIF)

TEST_CASE("an animation's frames are read back in their order", "[viz][animation]") {
  std::vector<io::Image> frames;
  for (int i = 0; i < 4; ++i) frames.push_back(colourful(50, 37, 30 * i));
  const Palette palette(frames);
  const Decoded decoded = decode(encode_gif(frames, {.delay_ms = 84, .last_delay_ms = 1500}));
  REQUIRE(decoded.frames.size() == 4);
  CHECK(decoded.endless);
  CHECK(decoded.delays == std::vector<int>{8, 8, 8, 150});
  for (std::size_t i = 0; i < frames.size(); ++i)
    CHECK(decoded.frames[i] == drawn(palette, frames[i], false));
  CHECK(encode_gif(frames) == encode_gif(frames));

  // One frame of one colour, once.
  const Decoded small = decode(encode_gif(std::vector<io::Image>{io::Image(1, 1, 3, 9)}, {.endless = false}));
  REQUIRE(small.frames.size() == 1);
  CHECK(small.frames[0] == io::Image(1, 1, 3, 9));
  CHECK(!small.endless);
  CHECK(small.delays == std::vector<int>{10});

  // Noise, which compresses least, passes through all of the encoder's tables.
  io::Image noise(300, 200);
  const Random random(3);
  for (std::size_t i = 0; i < noise.pixels().size(); ++i)
    noise.pixels()[i] = static_cast<std::uint8_t>(random.words(i)[0] & 0xe0u);
  std::vector<io::Image> noisy;
  noisy.push_back(std::move(noise));
  const Palette of_noise(noisy);
  CHECK(decode(encode_gif(noisy, {.dither = true})).frames[0] == drawn(of_noise, noisy[0], true));

  const test::ScratchFolder folder;
  write_gif(folder / "a.gif", frames);
  CHECK(io::read_file(folder / "a.gif", 1 << 20) == encode_gif(frames));
}

#endif
