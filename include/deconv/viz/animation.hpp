#pragma once

#if defined(DECONV_WITH_GIF)
#include <gif_lib.h>
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "deconv/io/atomic_file.hpp"
#include "deconv/io/image.hpp"
#include "deconv/viz/palette.hpp"

// Pictures that follow one another: animated GIF, written by giflib where deconv was built with it
// (DECONV_WITH_GIF, set by deconv's CMake package). Without it this header still compiles, and its functions
// say what is missing.
//
// Why GIF: giflib is in every distribution, is a few files of C, and every browser, viewer and slide program
// shows the result. Animated PNG would keep all colours, but libpng writes none as released (distributions
// that add the patch are few), and the programs that do (apngasm) are no libraries of a distribution. What
// GIF costs is colours: 256 for the whole animation, chosen for its frames (Palette).
namespace deconv::viz {

/// Whether animations can be written here.
#if defined(DECONV_WITH_GIF)
inline constexpr bool has_animations = true;
#else
inline constexpr bool has_animations = false;
#endif

struct AnimationOptions {
  Index delay_ms =
      100;  ///< each frame's time: 20 to 655350; GIF counts in steps of 10 ms, to which it is rounded
  Index last_delay_ms = 0;  ///< the last frame's, where it is to be looked at for longer; 0: as the others
  bool endless = true;      ///< begin again after the last frame; else stay there
  bool dither = false;      ///< see Palette::indexed: smoother areas, larger files
};

namespace detail {

inline void check_animation(std::span<const io::Image> frames, const AnimationOptions& options) {
  require<ArgumentError>(
      has_animations,
      "this deconv was built without giflib (Debian: libgif-dev), which writes animations; "
      "without it frames are written as pictures of their own");
  require<ArgumentError>(!frames.empty(), "an animation wants at least one frame");
  for (const io::Image& frame : frames)
    require<ArgumentError>(!frame.empty() && frame.channels() == 3 && frame.width() == frames[0].width() &&
                               frame.height() == frames[0].height() && frame.width() <= 65535 &&
                               frame.height() <= 65535,
                           "an animation's frames are of one size with 3 channels and at most 65535 pixels a "
                           "side, met ",
                           frame.width(), "x", frame.height(), " with ", frame.channels(), " beside ",
                           frames[0].width(), "x", frames[0].height());
  const auto delay = [](Index milliseconds) {
    require<ArgumentError>(milliseconds >= 20 && milliseconds <= 655350,
                           "an animation's frames are shown for 20 to 655350 ms, met ", milliseconds);
  };
  delay(options.delay_ms);
  if (options.last_delay_ms != 0) delay(options.last_delay_ms);
}

#if defined(DECONV_WITH_GIF)

/// One GIF file in the making, in memory.
class GifWriter {
 public:
  GifWriter() {
    int error = 0;
    file_ = EGifOpen(&bytes_, &GifWriter::append, &error);
    require<IoError>(file_ != nullptr, "an animation cannot be begun: ", reason(error));
  }
  GifWriter(const GifWriter&) = delete;
  GifWriter& operator=(const GifWriter&) = delete;
  ~GifWriter() {
    int ignored = 0;
    if (file_ != nullptr) EGifCloseFile(file_, &ignored);
  }

  void begin(Index width, Index height, const std::vector<Rgb>& colours, bool endless) {
    int count = 2;
    while (count < static_cast<int>(colours.size())) count *= 2;
    std::vector<GifColorType> table(static_cast<std::size_t>(count), GifColorType{0, 0, 0});
    std::transform(colours.begin(), colours.end(), table.begin(), [](const Rgb& colour) {
      return GifColorType{colour.red, colour.green, colour.blue};
    });
    const std::unique_ptr<ColorMapObject, decltype(&GifFreeMapObject)> map(
        GifMakeMapObject(count, table.data()), &GifFreeMapObject);
    require<DeviceError>(map != nullptr, "out of host memory: no room for a palette");
    EGifSetGifVersion(file_, true);
    check(EGifPutScreenDesc(file_, static_cast<int>(width), static_cast<int>(height), 8, 0, map.get()));
    if (!endless) return;
    // Netscape's extension: begin again, 0 times meaning for ever.
    constexpr std::array<GifByteType, 3> for_ever{1, 0, 0};
    check(EGifPutExtensionLeader(file_, APPLICATION_EXT_FUNC_CODE));
    check(EGifPutExtensionBlock(file_, 11, "NETSCAPE2.0"));
    check(EGifPutExtensionBlock(file_, static_cast<int>(for_ever.size()), for_ever.data()));
    check(EGifPutExtensionTrailer(file_));
  }

  void frame(std::vector<std::uint8_t> indices, Index width, Index height, Index delay_ms) {
    GraphicsControlBlock control{};
    control.DisposalMode = DISPOSE_DO_NOT;
    control.UserInputFlag = false;
    control.DelayTime = static_cast<int>((delay_ms + 5) / 10);
    control.TransparentColor = NO_TRANSPARENT_COLOR;
    std::array<GifByteType, 4> extension{};
    const std::size_t length = EGifGCBToExtension(&control, extension.data());
    check(EGifPutExtension(file_, GRAPHICS_EXT_FUNC_CODE, static_cast<int>(length), extension.data()));
    check(EGifPutImageDesc(file_, 0, 0, static_cast<int>(width), static_cast<int>(height), false, nullptr));
    for (Index y = 0; y < height; ++y)
      check(EGifPutLine(file_, indices.data() + y * width, static_cast<int>(width)));
  }

  [[nodiscard]] io::Bytes finish() {
    int error = 0;
    GifFileType* file = file_;
    file_ = nullptr;
    require<IoError>(EGifCloseFile(file, &error) == GIF_OK, "an animation cannot be ended: ", reason(error));
    return std::move(bytes_);
  }

 private:
  [[nodiscard]] static std::string reason(int error) {
    const char* text = GifErrorString(error);
    return text == nullptr ? "unknown reason" : text;
  }
  void check(int status) const {
    require<IoError>(status == GIF_OK, "an animation cannot be encoded: ", reason(file_->Error));
  }
  static int append(GifFileType* file, const GifByteType* data, int length) {
    // No exception may pass through the library's C code.
    try {
      auto& bytes = *static_cast<io::Bytes*>(file->UserData);
      bytes.insert(bytes.end(), data, data + length);
      return length;
    } catch (...) {
      return 0;
    }
  }

  io::Bytes bytes_;
  GifFileType* file_ = nullptr;
};

#endif

}  // namespace detail

/// The bytes of an animated GIF of the frames, each drawn with the nearest of 256 colours that suit all
/// frames (exactly, where they have no more). Throws ArgumentError when there is no frame, they differ in
/// size or have other than three channels, delays are out of range, and where deconv was built without
/// giflib. Memory beside the frames: the file's own and about 2 MB. The same frames give the same bytes.
[[nodiscard]] inline io::Bytes encode_gif(std::span<const io::Image> frames,
                                          const AnimationOptions& options = {}) {
  detail::check_animation(frames, options);
#if defined(DECONV_WITH_GIF)
  const Palette palette(frames);
  detail::GifWriter writer;
  writer.begin(frames[0].width(), frames[0].height(), palette.colours(), options.endless);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const bool last = i + 1 == frames.size() && options.last_delay_ms != 0;
    writer.frame(palette.indexed(frames[i], options.dither), frames[i].width(), frames[i].height(),
                 last ? options.last_delay_ms : options.delay_ms);
  }
  return writer.finish();
#else
  return {};
#endif
}

/// Writes an animated GIF, whole or not at all. Throws as encode_gif, and IoError.
inline void write_gif(const std::filesystem::path& path, std::span<const io::Image> frames,
                      const AnimationOptions& options = {}) {
  io::write_file(path, encode_gif(frames, options));
}

}  // namespace deconv::viz
