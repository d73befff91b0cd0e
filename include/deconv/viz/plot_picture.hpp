#pragma once

#if defined(DECONV_WITH_RSVG)
#include <librsvg/rsvg.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "deconv/io/atomic_file.hpp"
#include "deconv/io/image.hpp"
#include "deconv/viz/plot.hpp"

// Plots as pictures, drawn from their SVG by librsvg where deconv was built with it (DECONV_WITH_RSVG, set by
// deconv's CMake package). Without it this header still compiles, and its functions say what is missing.
namespace deconv::viz {

/// Whether plots can be drawn as pictures here.
#if defined(DECONV_WITH_RSVG)
inline constexpr bool has_plot_pictures = true;
#else
inline constexpr bool has_plot_pictures = false;
#endif

namespace detail {

inline void need_rsvg() {
  require<ArgumentError>(has_plot_pictures,
                         "this deconv was built without librsvg (Debian: librsvg2-dev), which draws plots as "
                         "pictures; without it they are written as .svg");
}

#if defined(DECONV_WITH_RSVG)

struct ReleaseObject {
  void operator()(RsvgHandle* handle) const noexcept { g_object_unref(handle); }
  void operator()(GError* error) const noexcept { g_error_free(error); }
  void operator()(cairo_surface_t* surface) const noexcept { cairo_surface_destroy(surface); }
  void operator()(cairo_t* drawing) const noexcept { cairo_destroy(drawing); }
};
template <class T>
using Owned = std::unique_ptr<T, ReleaseObject>;

[[nodiscard]] inline std::string reason_of(GError* error) {
  const Owned<GError> owned(error);
  return owned ? owned->message : "unknown reason";
}

[[nodiscard]] inline io::Image render(std::string_view svg, double scale) {
  GError* error = nullptr;
  const Owned<RsvgHandle> handle(
      rsvg_handle_new_from_data(reinterpret_cast<const guint8*>(svg.data()), svg.size(), &error));
  if (!handle) raise<FormatError>("an SVG document cannot be read: ", reason_of(error));
  double width = 0, height = 0;
  require<FormatError>(rsvg_handle_get_intrinsic_size_in_pixels(handle.get(), &width, &height) != FALSE,
                       "an SVG document without a width and a height in pixels cannot be drawn");
  // What the drawing library can hold.
  constexpr double most = 32767;
  const double pixels_x = std::ceil(width * scale), pixels_y = std::ceil(height * scale);
  require<ShapeError>(pixels_x >= 1 && pixels_y >= 1 && pixels_x <= most && pixels_y <= most,
                      "a plot is drawn 1 to ", most, " pixels wide and high, met ", pixels_x, "x", pixels_y);
  io::Image image(static_cast<Index>(pixels_x), static_cast<Index>(pixels_y));

  const Owned<cairo_surface_t> surface(cairo_image_surface_create(
      CAIRO_FORMAT_RGB24, static_cast<int>(image.width()), static_cast<int>(image.height())));
  const Owned<cairo_t> drawing(cairo_create(surface.get()));
  cairo_set_source_rgb(drawing.get(), 1, 1, 1);
  cairo_paint(drawing.get());
  const RsvgRectangle place{0, 0, width * scale, height * scale};
  if (rsvg_handle_render_document(handle.get(), drawing.get(), &place, &error) == FALSE)
    raise<FormatError>("an SVG document cannot be drawn: ", reason_of(error));
  cairo_surface_flush(surface.get());
  const cairo_status_t status = cairo_status(drawing.get());
  require<DeviceError>(status == CAIRO_STATUS_SUCCESS, "a plot of ", image.width(), "x", image.height(),
                       " pixels cannot be drawn: ", cairo_status_to_string(status));
  const unsigned char* from = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (Index y = 0; y < image.height(); ++y) {
    std::uint8_t* to = image.row(y);
    for (Index x = 0; x < image.width(); ++x) {
      std::uint32_t pixel = 0;  // a number in the machine's own order of bytes: x, red, green, blue
      std::memcpy(&pixel, from + y * stride + x * 4, 4);
      *to++ = static_cast<std::uint8_t>(pixel >> 16);
      *to++ = static_cast<std::uint8_t>(pixel >> 8);
      *to++ = static_cast<std::uint8_t>(pixel);
    }
  }
  return image;
}

#endif

}  // namespace detail

/// An SVG document as a picture, `scale` pixels a unit of it, on white. Letters are those of the machine's
/// fonts, so that two machines' pictures may differ. Throws FormatError for what is no SVG, ArgumentError
/// unless 0 < scale <= 16 and where deconv was built without librsvg, ShapeError above 32767 pixels a side.
/// Memory: 7 bytes a pixel.
[[nodiscard]] inline io::Image draw_svg([[maybe_unused]] std::string_view svg, double scale = 2) {
  require<ArgumentError>(scale > 0 && scale <= 16, "a plot's scale must be above 0 and at most 16, met ",
                         scale);
  detail::need_rsvg();
#if defined(DECONV_WITH_RSVG)
  return detail::render(svg, scale);
#else
  return {};
#endif
}

/// The plots one below the other as a picture; see to_svg and draw_svg.
[[nodiscard]] inline io::Image draw_plots(std::span<const Plot> plots, double scale = 2) {
  return draw_svg(to_svg(plots), scale);
}

/// Writes plots one below the other as .svg or .png, whole or not at all. Throws ArgumentError for another
/// extension, and for .png where deconv was built without librsvg; IoError.
inline void write_plots(const std::filesystem::path& path, std::span<const Plot> plots, double scale = 2) {
  const std::string extension = path.extension().string();
  require<ArgumentError>(extension == ".svg" || extension == ".png", path.string(),
                         ": plots are written as .svg or .png");
  if (extension == ".svg")
    io::write_text(path, to_svg(plots));
  else
    io::write_png(path, draw_plots(plots, scale));
}

}  // namespace deconv::viz
