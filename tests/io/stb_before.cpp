// An embedding project's own copy of stb in the same file, before the library's: neither disturbs the other.

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#else
#include <stb_image.h>
#include <stb_image_write.h>
#endif

#include "deconv/io/image.hpp"
#include "support/catch.hpp"

TEST_CASE("stb included before the library", "[io][stb]") {
  using namespace deconv;
  const auto path = std::filesystem::path(DECONV_SOURCE_DIR) / "tests/io/pictures/rgb.png";
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> own(
      stbi_load(path.c_str(), &width, &height, &channels, 3), &stbi_image_free);
  REQUIRE(own != nullptr);
  const io::Image image = io::read_image(path);
  REQUIRE(image.width() == width);
  CHECK(std::equal(image.pixels().begin(), image.pixels().end(), own.get()));
}
