// Pictures: what each format gives, what is refused, what is written. The small files are made by
// make_pictures.py.

#include "deconv/io/image.hpp"

#include <cmath>
#include <filesystem>
#include <string>

#include "io/damage.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "support/test_data.hpp"

namespace {

using namespace deconv;
using io::Image;
using test::error_of;
using test::mentions;

std::filesystem::path picture(const std::string& name) {
  return std::filesystem::path(DECONV_SOURCE_DIR) / "tests/io/pictures" / name;
}

// The picture that make_pictures.py draws.
int drawn(Index y, Index x, Index c) { return static_cast<int>(c == 0 ? 10 * x : c == 1 ? 15 * y : 128); }
int drawn_grey(Index y, Index x) {
  return (drawn(y, x, 0) * 19595 + drawn(y, x, 1) * 38470 + drawn(y, x, 2) * 7471 + 0x8000) >> 16;
}

// Largest difference from wanted(y, x, c).
template <class Wanted>
int worst(const Image& image, const Wanted& wanted) {
  int most = 0;
  for (Index y = 0; y < image.height(); ++y)
    for (Index x = 0; x < image.width(); ++x)
      for (Index c = 0; c < 3; ++c) most = std::max(most, std::abs(image(y, x, c) - wanted(y, x, c)));
  return most;
}

std::string decode_error(const io::Bytes& bytes) {
  return error_of([&] { static_cast<void>(io::decode_image(bytes, "test.jpg")); });
}

}  // namespace

TEST_CASE("every format gives three channels of the right values", "[io][image]") {
  struct Case {
    const char* file;
    int tolerance;
  };
  for (const auto& [file, tolerance] :
       {Case{"rgb.png", 0}, Case{"rgb.bmp", 0}, Case{"baseline.jpg", 6}, Case{"progressive.jpg", 6},
        Case{"restarts.jpg", 6}, Case{"cmyk.jpg", 12}, Case{"subsampled.jpg", 16}, Case{"palette.png", 10}}) {
    const Image image = io::read_image(picture(file));
    INFO(file);
    REQUIRE(image.width() == 24);
    REQUIRE(image.height() == 16);
    REQUIRE(image.channels() == 3);
    CHECK(worst(image, drawn) <= tolerance);
  }
  for (const auto& [file, tolerance] :
       {Case{"grey.png", 0}, Case{"grey.bmp", 0}, Case{"grey_16.png", 0}, Case{"grey.jpg", 4}}) {
    INFO(file);
    CHECK(worst(io::read_image(picture(file)), [](Index y, Index x, Index) { return drawn_grey(y, x); }) <=
          tolerance);
  }
  CHECK(worst(io::read_image(picture("one_bit.png")),
              [](Index y, Index x, Index) { return drawn_grey(y, x) > 100 ? 255 : 0; }) == 0);
}

TEST_CASE("transparency is laid over white", "[io][image]") {
  CHECK(worst(io::read_image(picture("rgba.png")),
              [](Index y, Index x, Index c) { return x < 12 ? drawn(y, x, c) : 255; }) == 0);
  CHECK(worst(io::read_image(picture("grey_alpha.png")),
              [](Index y, Index x, Index) { return x < 12 ? drawn_grey(y, x) : 255; }) == 0);
  // Half-way: an own RGBA picture through the writer.
  Image half(1, 1, 4, 100);
  half(0, 0, 3) = 128;
  const Image read = io::decode_image(io::encode_png(half), "half.png");
  CHECK(static_cast<int>(read(0, 0, 0)) == (100 * 128 + 255 * 127 + 127) / 255);
}

TEST_CASE("pictures of one pixel and of 20000 columns", "[io][image]") {
  const Image one = io::read_image(picture("one_pixel.png"));
  CHECK((one.width() == 1 && one.height() == 1 && one(0, 0, 0) == 10 && one(0, 0, 1) == 200 &&
         one(0, 0, 2) == 30));
  CHECK(worst(io::read_image(picture("one_pixel.jpg")), [](Index, Index, Index) { return 120; }) <= 1);
  const Image wide = io::read_image(picture("wide.jpg"));
  CHECK(wide.width() == 20000);
  CHECK(wide.height() == 8);
  CHECK(worst(wide, [](Index, Index, Index) { return 90; }) <= 1);

  Image drawn_wide(20000, 3);
  for (Index x = 0; x < 20000; ++x) drawn_wide(1, x, 2) = static_cast<std::uint8_t>(x % 251);
  CHECK(io::decode_image(io::encode_png(drawn_wide), "wide.png") == drawn_wide);
}

TEST_CASE("what is written is read back", "[io][image]") {
  const test::ScratchFolder folder;
  const Image image = io::read_image(picture("rgb.png"));
  io::write_png(folder / "again.png", image);
  CHECK(io::read_image(folder / "again.png") == image);
  Image grey(5, 2, 1);
  for (Index x = 0; x < 5; ++x) grey(1, x, 0) = static_cast<std::uint8_t>(50 * x);
  io::write_png(folder / "grey.png", grey);
  CHECK(worst(io::read_image(folder / "grey.png"),
              [&](Index y, Index x, Index) { return int{grey(y, x, 0)}; }) == 0);
  CHECK(mentions(error_of([&] { io::write_png(folder / "no" / "such.png", image); }), "such.png"));
  CHECK_THROWS_AS(io::encode_png(Image()), ArgumentError);
}

TEST_CASE("what is no picture is refused by name", "[io][image]") {
  CHECK(mentions(decode_error({}), "test.jpg: a JPEG, PNG or BMP picture wanted, the file is empty"));
  CHECK(mentions(decode_error({'h', 'e', 'l', 'l', 'o'}), "its 5 bytes begin like none of them"));
  CHECK(mentions(error_of([] { static_cast<void>(io::read_image(picture("absent.png"))); }), "absent.png"));
  CHECK_THROWS_AS(io::read_image(picture("absent.png")), IoError);
  CHECK_THROWS_AS(io::read_image(picture("")), IoError);
  // A JPEG's first and last markers with nothing between.
  CHECK(mentions(decode_error({0xff, 0xd8, 0xff, 0xd9}), "damaged"));
}

TEST_CASE("a cut picture is refused wherever it is cut", "[io][image]") {
  for (const char* file : {"baseline.jpg", "progressive.jpg", "grey.jpg", "restarts.jpg", "rgb.png",
                           "palette.png", "rgba.png"}) {
    INFO(file);
    test::require_cuts_refused(io::read_file(picture(file)), [](const io::Bytes& bytes) {
      static_cast<void>(io::decode_image(bytes, "cut"));
    });
  }
  // A BMP's last bytes may be padding that the header does not count; its pixels may not be missing.
  io::Bytes bmp = io::read_file(picture("rgb.bmp"));
  bmp.resize(bmp.size() - 3);
  CHECK(mentions(decode_error(bmp), "cut short"));
}

TEST_CASE("a picture with a changed byte gives a picture or an error", "[io][image]") {
  const auto read = [](const io::Bytes& bytes) {
    const Image image = io::decode_image(bytes, "changed");
    CHECK(!image.empty());
  };
  for (const char* file : {"baseline.jpg", "progressive.jpg", "cmyk.jpg", "rgb.bmp"})
    CHECK(test::count_changes_refused(io::read_file(picture(file)), read) > 0);
  // PNG has check sums: no changed byte goes unseen.
  const io::Bytes png = io::read_file(picture("rgb.png"));
  CHECK(test::count_changes_refused(png, read) == static_cast<int>(png.size()) * 4);
}

TEST_CASE("a header cannot ask for more memory than the file could fill", "[io][image]") {
  io::Bytes jpeg = io::read_file(picture("baseline.jpg"));
  std::size_t frame = 0;
  for (std::size_t i = 0; i + 8 < jpeg.size(); ++i)
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) frame = i;
  REQUIRE(frame > 0);
  for (std::size_t i = 5; i < 9; ++i) jpeg[frame + i] = 0xff;  // 65535 x 65535
  CHECK(mentions(decode_error(jpeg), "65535x65535"));
  jpeg[frame + 5] = 0x20;  // 8447 x 65535, below the limit of pixels
  jpeg[frame + 7] = 0x20;
  CHECK(mentions(decode_error(jpeg), "bytes can hold"));

  io::Bytes png = io::read_file(picture("rgb.png"));
  png[17] = 0x7f;  // width 0x007f0018
  const std::uint32_t sum = io::detail::crc32(std::span(png).subspan(12, 17));
  for (std::size_t i = 0; i < 4; ++i) png[29 + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
  CHECK(mentions(decode_error(png), "bytes can hold"));

  io::Bytes bmp = io::read_file(picture("rgb.bmp"));
  bmp[20] = 0x10;  // width 0x100018
  CHECK(!decode_error(bmp).empty());
  CHECK_THROWS_AS(Image(Index{1} << 20, Index{1} << 20), ShapeError);
}

TEST_CASE("a JPEG whose scan names a table that is not there is refused", "[io][image]") {
  io::Bytes jpeg = io::read_file(picture("baseline.jpg"));
  for (std::size_t i = 0; i + 6 < jpeg.size(); ++i)
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xda) {
      jpeg[i + 6] = 0x33;  // tables 3 and 3 of the first component
      CHECK(mentions(decode_error(jpeg), "Huffman table before the scan"));
      return;
    }
  FAIL("no scan found");
}

TEST_CASE("crop and flip", "[io][image]") {
  const Image image = io::read_image(picture("rgb.png"));
  const Image part = io::crop(image, {3, 2, 5, 4});
  CHECK((part.width() == 5 && part.height() == 4));
  CHECK(worst(part, [](Index y, Index x, Index c) { return drawn(y + 2, x + 3, c); }) == 0);
  CHECK(worst(io::flip_horizontally(image), [](Index y, Index x, Index c) { return drawn(y, 23 - x, c); }) ==
        0);
  CHECK_THROWS_AS(io::crop(image, {20, 0, 5, 4}), ShapeError);
  CHECK_THROWS_AS(io::crop(image, {-1, 0, 5, 4}), ShapeError);
  CHECK_THROWS_AS(io::crop(image, {0, 0, 0, 4}), ShapeError);
}

TEST_CASE("real photographs decode", "[io][image]") {
  DECONV_TEST_DATA_OR_SKIP(photos, "images/photos");
  const Image cat = io::read_image(photos / "cat.jpg");
  CHECK((cat.width() == 480 && cat.height() == 360));
  const Image camera = io::read_image(photos / "camera.png");
  CHECK((camera.width() == 512 && camera.height() == 512));
  bool grey = true;
  for (Index i = 0; i < 512 * 512; ++i)
    grey = grey && camera.row(0)[3 * i] == camera.row(0)[3 * i + 1] &&
           camera.row(0)[3 * i] == camera.row(0)[3 * i + 2];
  CHECK(grey);
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(photos)) {
    CHECK(io::read_image(entry.path()).width() > 100);
    ++count;
  }
  CHECK(count >= 7);
}
