// An embedding project's own copy of stb in the same file, after the library's: it gets every format and the
// stdio functions, which the library's copy leaves out.

#include "deconv/io/image.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

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

TEST_CASE("stb included after the library", "[io][stb]") {
  using namespace deconv;
  const test::ScratchFolder folder;
  const unsigned char pixel[] = {10, 20, 30};
  // A format that the library does not read.
  REQUIRE(stbi_write_tga((folder / "a.tga").c_str(), 1, 1, 3, pixel) != 0);
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> own(
      stbi_load((folder / "a.tga").c_str(), &width, &height, &channels, 3), &stbi_image_free);
  REQUIRE(own != nullptr);
  CHECK((own.get()[0] == 10 && own.get()[2] == 30));
  REQUIRE(stbi_write_bmp((folder / "a.bmp").c_str(), 1, 1, 3, pixel) != 0);
  CHECK(io::read_image(folder / "a.bmp")(0, 0, 1) == 20);
}
