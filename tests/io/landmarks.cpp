#include "deconv/io/landmarks.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "support/test_data.hpp"

using namespace deconv;
using namespace deconv::io;

namespace {

Landmarks read(const test::ScratchFolder& folder, const std::string& text) {
  write_text(folder / "table.csv", text);
  return read_landmarks(folder / "table.csv");
}

std::string refusal(const std::string& text) {
  const test::ScratchFolder folder;
  try {
    read(folder, text);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("landmarks are read by their columns' names, in any order") {
  const test::ScratchFolder folder;
  const auto table = read(folder,
                          "class_index, nose_y ,file,nose_x,width,height,left_ear_x,left_ear_y\r\n"
                          "162,4.5,a.png,3,10,20,0,19\r\n"
                          "\r\n"
                          "7,1,below/b.png,2,5,5,4.25,4");
  CHECK(table.names == std::vector<std::string>{"nose", "left_ear"});
  REQUIRE(table.pictures.size() == 2);
  CHECK(table.pictures[0].file == folder / "a.png");
  CHECK(table.pictures[0].points == std::vector<PicturePoint>{{3, 4.5}, {0, 19}});
  CHECK(table.pictures[0].class_index == 162);
  CHECK(table.pictures[0].size == Extent{20, 10});
  CHECK(table.pictures[1].file == folder / "below" / "b.png");
  CHECK(table.pictures[1].points[1] == PicturePoint{4.25, 4});
  const auto bare = read(folder, "file,eye_x,eye_y\n/abs.png,1,2\n");
  CHECK(bare.pictures[0].file == "/abs.png");
  CHECK_FALSE(bare.pictures[0].class_index);
  CHECK_FALSE(bare.pictures[0].size);
}

TEST_CASE("broken tables of landmarks are refused by line and column") {
  const auto names = [](const std::string& text, const std::string& part) {
    INFO(text << " -> " << refusal(text));
    CHECK(refusal(text).find(part) != std::string::npos);
  };
  names("", "empty");
  names("\nfile,a_x,a_y\n", "line 1");
  names("file,a_x,a_y\n", "at least one picture");
  names("file,a_x,b\n", "line 1, column 2");
  names("file,a_x,a_y,b\n", "line 1, column 4");
  names("file,a_x\nf,1\n", "\"a_x\" without \"a_y\"");
  names("file\nf\n", "NAME_x");
  names("a_x,a_y\n1,2\n", "\"file\"");
  names("file,a_x,a_y,a_x\n", "twice");
  names("file,a_x,a_y\nf,1\n", "line 2: 3 fields wanted");
  names("file,a_x,a_y\nf,1,2\nf,1,2x\n", "line 3, column a_y");
  names("file,a_x,a_y\nf,nan,2\n", "line 2, column a_x");
  names("file,a_x,a_y\nf,-3,2\n", "line 2, column a_x");
  names("file,a_x,a_y\n,1,2\n", "column file");
  names("file,a_x,a_y,class_index\nf,1,2,1.5\n", "column class_index");
  names("file,a_x,a_y,width\nf,1,2,9\n", "width and height");
  names("file,a_x,a_y,width,height\nf,9,2,9,9\n", "9x9");
}

TEST_CASE("landmarks go through resize and crop to where the network sees them") {
  Preprocess preprocess = *built_in_preprocess("imagenet-torch");
  // 640 x 512 becomes 320 x 256, its middle 224 begins at (48, 16).
  const auto middle = point_in_input(preprocess, 640, 512, {319.5, 255.5});
  CHECK(!(std::abs(middle.x - 111.5) > 1e-9));
  CHECK(!(std::abs(middle.y - 111.5) > 1e-9));
  const auto corner = point_in_input(preprocess, 640, 512, {0, 0});
  CHECK(!(std::abs(corner.x - (0.5 * 0.5 - 0.5 - 48)) > 1e-9));
  CHECK(!(std::abs(corner.y - (0.5 * 0.5 - 0.5 - 16)) > 1e-9));
  preprocess = preprocess.resized_to(100, 200);
  const auto exact = point_in_input(preprocess, 50, 50, {10, 10});
  CHECK(!(std::abs(exact.x - 41.5) > 1e-9));
  CHECK(!(std::abs(exact.y - 20.5) > 1e-9));
}

TEST_CASE("the test data's tables are read") {
  DECONV_TEST_DATA_OR_SKIP(faces, "faces");
  const auto dogs = read_landmarks(faces / "dogs" / "landmarks.csv");
  CHECK(dogs.names == std::vector<std::string>{"left_eye", "right_eye", "nose"});
  CHECK(dogs.pictures.size() == 5);
  CHECK(dogs.pictures[0].class_index == 162);
  const auto cats = read_landmarks(faces / "cats" / "landmarks.csv");
  CHECK(cats.names == std::vector<std::string>{"left_eye", "right_eye", "mouth"});
  CHECK(cats.pictures.size() == 12);
}
