// Preprocessing: the rules, the values, the JSON form and its errors.

#include "deconv/io/preprocess.hpp"

#include <cmath>
#include <string>

#include "deconv/io/preprocess_json.hpp"
#include "io/damage.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "support/test_data.hpp"

namespace {

using namespace deconv;
using io::Image;
using io::Preprocess;
using test::error_of;
using test::mentions;

Image patterned(Index width, Index height) {
  Image image(width, height);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x)
      for (Index c = 0; c < 3; ++c)
        image(y, x, c) = static_cast<std::uint8_t>((x * 7 + y * 13 + c * 50) % 256);
  return image;
}

Preprocess parsed(const std::string& text) { return io::parse_preprocess(text, "p.json"); }
std::string json_error(const std::string& text) {
  return error_of([&] { static_cast<void>(parsed(text)); });
}
float at(const Tensor<float, Cpu>& t, Index c, Index y, Index x) {
  return t.data()[(c * t[1] + y) * t[2] + x];
}

}  // namespace

TEST_CASE("the three built-in preprocessings", "[io][preprocess]") {
  const Image image = patterned(256, 256);
  const auto torch = io::built_in_preprocess("imagenet-torch")->apply(image);
  REQUIRE(torch.shape() == Shape{3, 224, 224});
  const auto caffe = io::built_in_preprocess("imagenet-caffe")->apply(image);
  REQUIRE(caffe.shape() == Shape{3, 224, 224});
  const auto unit = io::built_in_preprocess("unit")->apply(image);
  REQUIRE(unit.shape() == Shape{3, 256, 256});
  const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225}, bgr[] = {104, 117, 123};
  for (Index c = 0; c < 3; ++c)
    for (const Index y : {0, 100, 223})
      for (const Index x : {0, 57, 223}) {
        const double pixel = image(y + 16, x + 16, c);
        CHECK(at(torch, c, y, x) == Approx((pixel / 255 - mean[c]) / deviation[c]).margin(1e-6));
        CHECK(at(caffe, 2 - c, y, x) == static_cast<float>(pixel - bgr[2 - c]));
        CHECK(at(unit, c, y, x) == Approx(image(y, x, c) / 255.0));
      }
  CHECK(!io::built_in_preprocess("imagenet"));
}

TEST_CASE("the resize rules", "[io][preprocess]") {
  Preprocess p;
  p.resize = io::ResizeRule::shorter_side;
  p.size = {256, 256};
  CHECK(p.resized_extent(500, 375) == io::Extent{256, 341});
  CHECK(p.resized_extent(375, 500) == io::Extent{341, 256});
  CHECK(!p.output_shape());
  p.crop = io::Extent{224, 200};
  CHECK(*p.output_shape() == Shape{3, 224, 200});
  CHECK(p.view(patterned(50, 37)).width() == 200);
  // One pixel and one row of pixels are pictures too.
  CHECK(p.apply(Image(1, 1)).shape() == Shape{3, 224, 200});
  CHECK(p.apply(Image(20000, 1)).shape() == Shape{3, 224, 200});
  p = Preprocess{};
  p.resize = io::ResizeRule::exact;
  p.size = {30, 20};
  CHECK(*p.output_shape() == Shape{3, 30, 20});
  CHECK(p.view(patterned(50, 37)) == io::resize(patterned(50, 37), 20, 30));
}

TEST_CASE("a picture near the input's size is cropped without resizing", "[io][preprocess]") {
  const Image image = patterned(227, 227);
  const Preprocess p = io::built_in_preprocess("imagenet-torch")->without_resize(224, 224);
  CHECK(p.view(image) == io::centre_crop(image, 224, 224));
  CHECK(p.mean == io::built_in_preprocess("imagenet-torch")->mean);
  CHECK(mentions(error_of([&] { static_cast<void>(p.view(patterned(200, 300))); }), "224x224"));
}

TEST_CASE("a preprocessing fits a network of another size", "[io][preprocess]") {
  const auto torch = *io::built_in_preprocess("imagenet-torch");
  CHECK(*torch.for_input(227, 227).output_shape() == Shape{3, 227, 227});
  CHECK(torch.for_input(227, 227).size.height == 256);
  CHECK(torch.for_input(299, 299).size.height == 342);
  CHECK(torch.for_input(299, 299).apply(patterned(60, 50)).shape() == Shape{3, 299, 299});
  const auto unit = io::built_in_preprocess("unit")->for_input(64, 64);
  CHECK(unit.view(patterned(64, 64)) == patterned(64, 64));
  CHECK(unit.apply(patterned(100, 80)).shape() == Shape{3, 64, 64});
}

TEST_CASE("channel orders and the place in a batch", "[io][preprocess]") {
  Image image(2, 1);
  const std::uint8_t values[] = {10, 20, 30, 200, 100, 50};
  std::copy(std::begin(values), std::end(values), image.pixels().begin());
  auto batch = Tensor<float, Cpu>::filled({2, 3, 1, 2}, -1.0f);
  Preprocess p;
  p.order = io::ChannelOrder::bgr;
  p.apply(image, batch.view().slice(1, 1).reshaped({3, 1, 2}));
  CHECK(std::vector<float>(batch.begin() + 6, batch.end()) == std::vector<float>{30, 50, 20, 100, 10, 200});
  CHECK(std::vector<float>(batch.begin(), batch.begin() + 6) == std::vector<float>(6, -1.0f));
  p.order = io::ChannelOrder::grey;
  const auto grey = p.apply(image);
  REQUIRE(grey.shape() == Shape{1, 1, 2});
  CHECK(grey.data()[0] == std::round(0.299f * 10 + 0.587f * 20 + 0.114f * 30));
  CHECK_THROWS_AS(p.apply(image, batch.view()), ShapeError);
  CHECK_THROWS_AS(p.apply(Image(), batch.view()), ShapeError);
}

TEST_CASE("a mean image is subtracted where it belongs", "[io][preprocess]") {
  Tensor<float, Cpu> mean({3, 6, 6});
  for (Index i = 0; i < mean.count(); ++i) mean.data()[i] = static_cast<float>(i);
  Preprocess p;
  p.mean_image = std::make_shared<const Tensor<float, Cpu>>(mean.clone());
  p.crop = io::Extent{4, 4};
  p.scale = 2.0;
  p.std = {4.0};
  const Image image = patterned(6, 6);
  const auto input = p.apply(image);
  for (Index c = 0; c < 3; ++c)
    for (Index y = 0; y < 4; ++y)
      for (Index x = 0; x < 4; ++x) {
        const double wanted =
            (2.0 * image(y + 1, x + 1, c) - static_cast<double>((c * 6 + y + 1) * 6 + x + 1)) / 4.0;
        REQUIRE(at(input, c, y, x) == Approx(wanted).margin(1e-5));
      }
  p.crop = io::Extent{7, 7};
  CHECK(mentions(error_of([&] { p.check(); }), "mean: an image at least as large"));
}

TEST_CASE("boxes of the input map back to the source", "[io][preprocess]") {
  Preprocess p;
  p.resize = io::ResizeRule::shorter_side;
  p.size = {100, 100};
  p.crop = io::Extent{80, 80};
  // 400x200 becomes 200x100; the crop begins at (60, 10).
  const io::RealBox box = p.source_box(400, 200, {5, 6, 10, 20});
  CHECK(box.left == Approx(130));
  CHECK(box.top == Approx(32));
  CHECK(box.right == Approx(150));
  CHECK(box.bottom == Approx(72));
}

TEST_CASE("a frame bounds what crops are taken from", "[io][preprocess]") {
  const Preprocess p =
      parsed(R"({"resize": "shorter_side", "size": 20, "frame": [18, 16], "crop": [9, 10]})");
  REQUIRE(p.frame == io::Extent{18, 16});
  // 60 x 40 becomes 30 x 20; the frame lies at (7, 1), the crop at (3, 4) of it.
  CHECK(p.frame_box(60, 40) == io::Box{7, 1, 16, 18});
  CHECK(p.crop_box(60, 40) == io::Box{10, 5, 10, 9});
  Image picture(60, 40);
  for (std::size_t i = 0; i < picture.pixels().size(); ++i)
    picture.pixels()[i] = static_cast<std::uint8_t>(i * i / 7);
  CHECK(p.view(picture) == io::crop(p.frame_view(picture), {3, 4, 10, 9}));
  CHECK(p.output_shape() == Shape{3, 9, 10});
  CHECK(parsed(R"({"frame": 12})").output_shape() == Shape{3, 12, 12});
  const Preprocess again = parsed(io::preprocess_to_json(p).dump());
  CHECK((again.frame == p.frame && again.crop == p.crop));
  CHECK(!p.without_resize(4, 4).frame);
  CHECK(!p.resized_to(4, 4).frame);
  // A network of another size: what cannot hold it grows in proportion.
  const Preprocess larger = p.for_input(224, 224);
  CHECK((larger.frame == io::Extent{256, 256} && larger.crop == io::Extent{224, 224}));
}

TEST_CASE("a mean image is subtracted where the crop lies", "[io][preprocess]") {
  Preprocess p;
  p.frame = io::Extent{6, 6};
  p.crop = io::Extent{2, 2};
  auto mean = Tensor<float, Cpu>::filled({3, 6, 6}, 0.0f);
  for (Index i = 0; i < mean.count(); ++i) mean.data()[i] = static_cast<float>(i);
  p.mean_image = std::make_shared<const Tensor<float, Cpu>>(std::move(mean));
  Tensor<float, Cpu> input({3, 2, 2});
  const auto first = [&](io::Offset from_middle) {
    p.normalise(Image(2, 2), input, from_middle);
    return -input.data()[0];
  };
  CHECK(first({}) == 2 * 6 + 2);
  CHECK(first({-2, -1}) == 1 * 6 + 0);
  CHECK(first({2, 2}) == 4 * 6 + 4);
  CHECK(first({9, -9}) == 4);  // no further than the mean reaches
}

TEST_CASE("JSON there and back", "[io][preprocess]") {
  for (const char* name : {"imagenet-torch", "imagenet-caffe", "unit"}) {
    const Preprocess made = *io::built_in_preprocess(name);
    const Preprocess again = parsed(io::preprocess_to_json(made).dump());
    CHECK(again.resize == made.resize);
    CHECK(again.crop == made.crop);
    CHECK(again.order == made.order);
    CHECK(again.scale == made.scale);
    CHECK(again.mean == made.mean);
    CHECK(again.std == made.std);
    CHECK(io::preprocess_to_json(again) == io::preprocess_to_json(made));
  }
  const Preprocess made = parsed(
      R"({"size": [20, 30], "crop": 8, "channel_order": "grey", "mean": 3.5, "scale": 0.5, "std": [2]})");
  CHECK(made.resize == io::ResizeRule::exact);
  CHECK(made.size == io::Extent{20, 30});
  CHECK(*made.output_shape() == Shape{1, 8, 8});
  CHECK(made.apply(Image(9, 9, 3, 11)).data()[0] == (11 * 0.5f - 3.5f) / 2);
}

TEST_CASE("a mean image in a file and in a model", "[io][preprocess]") {
  const test::ScratchFolder folder;
  const auto mean = Tensor<float, Cpu>::filled({1, 3, 4, 4}, 7.0f);
  io::write_npy(folder / "mean.npy", mean);
  io::write_text(folder / "p.json", R"({"mean": "mean.npy", "crop": 4})");
  const Preprocess p = io::load_preprocess((folder / "p.json").string());
  REQUIRE(p.mean_image != nullptr);
  CHECK(p.mean_image->shape() == Shape{3, 4, 4});
  CHECK(p.apply(Image(5, 5, 3, 9)).data()[0] == 2.0f);

  io::MeanSources model;
  model.tensor = [&](const std::string& name) {
    CHECK(name == "stored.mean");
    return p.mean_image->clone();
  };
  const Preprocess again = io::preprocess_from_json(io::preprocess_to_json(p, "stored.mean"), "model", model);
  REQUIRE(again.mean_image != nullptr);
  CHECK(again.mean_image->data()[5] == 7.0f);

  io::MeanSources proto;
  proto.binaryproto = [&](const std::filesystem::path& path) {
    CHECK(path.filename() == "m.binaryproto");
    return mean.clone();
  };
  CHECK(io::parse_preprocess(R"({"mean": "m.binaryproto"})", "p", proto).mean_image->shape() ==
        Shape{3, 4, 4});
  io::write_npy(folder / "values.npy", Tensor<float, Cpu>::from({3, 1, 1}, std::vector<float>{1, 2, 3}));
  io::write_text(folder / "v.json", R"({"mean": "values.npy"})");
  CHECK(io::load_preprocess((folder / "v.json").string()).mean == std::vector<double>{1, 2, 3});
}

TEST_CASE("errors name the field, what was wanted and what was met", "[io][preprocess]") {
  struct Case {
    const char* text;
    const char* field;
    const char* met;
  };
  for (const auto& [text, field, met] :
       {Case{R"([1])", "p.json", "[1]"},
        Case{R"({"sise": 3})", "sise", "unknown"},
        Case{R"({"size": 0})", "size", "met 0"},
        Case{R"({"size": [1,2,3]})", "size", "[1,2,3]"},
        Case{R"({"size": 1e9})", "size", "1000000000.0"},
        Case{R"({"resize": "big"})", "resize", "\"big\""},
        Case{R"({"resize": "exact"})", "resize", "wants a size"},
        Case{R"({"resize": "none", "size": 3})", "size", "did you mean crop"},
        Case{R"({"resize": "shorter_side", "size": [3, 4]})", "size", "3x4"},
        Case{R"({"crop": -1})", "crop", "-1"},
        Case{R"({"crop": 30, "size": 20})", "crop", "30x30"},
        Case{R"({"frame": 30, "size": 20})", "frame", "30x30"},
        Case{R"({"frame": 20, "crop": 30})", "crop", "30x30"},
        Case{R"({"channel_order": "xyz"})", "channel_order", "xyz"},
        Case{R"({"scale": "1"})", "scale", "\"1\""},
        Case{R"({"mean": [1, 2]})", "mean", "met 2"},
        Case{R"({"mean": [1, "a", 2]})", "mean", "\"a\""},
        Case{R"({"mean": "mean.txt"})", "mean", "mean.txt"},
        Case{R"({"mean": "m.binaryproto"})", "mean", "no reader"},
        Case{R"({"mean": {"tensor": "a"}})", "mean", "only a model file"},
        Case{R"({"std": 0})", "std", "other than 0"},
        Case{R"({"std": [1, 2, 3], "channel_order": "grey"})", "std", "met 3"},
        Case{R"({"std": 1e999})", "p.json", "not valid JSON"},
        Case{R"({"size": 3, "size": 4})", "size", "twice"},
        Case{R"({"size": )", "p.json", "not valid JSON"},
        Case{"", "p.json", "not valid JSON"}}) {
    const std::string problem = json_error(text);
    INFO(text << " gave: " << problem);
    CHECK(mentions(problem, field));
    CHECK(mentions(problem, met));
    CHECK(problem.find('\n') == std::string::npos);
  }
  CHECK(mentions(json_error(std::string(100000, '[')), "nested deeper"));
  CHECK(mentions(error_of([] { static_cast<void>(io::load_preprocess("imagenet-tensorflow")); }),
                 "imagenet-torch"));
}

TEST_CASE("a real mean image fits its pictures", "[io][preprocess]") {
  DECONV_TEST_DATA_OR_SKIP(mean, "cifar10/train_mean_chw_rgb.npy");
  const Preprocess p = parsed(R"({"mean": ")" + mean.string() + R"("})");
  REQUIRE(p.mean_image != nullptr);
  const auto input = p.apply(Image(32, 32, 3, 100));
  CHECK(input.data()[0] == Approx(100.0f - 130.68307f));
}
