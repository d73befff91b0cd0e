#pragma once
/// The expected values of the test data: four images, what networks of others made of them. See its README.

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "deconv/io/json.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/io/onnx.hpp"
#include "deconv/io/preprocess.hpp"
#include "deconv/nn/network.hpp"
#include "support/test_data.hpp"

namespace deconv::test {

/// One image of the expected values.
struct GoldenImage {
  std::string name;         ///< as golden.json calls it
  std::string file_prefix;  ///< of its arrays
  bool squeezenet = false;  ///< else Tiny VGG
  Index side = 0;
};

inline const std::vector<GoldenImage>& golden_images() {
  static const std::vector<GoldenImage> images{{"chelsea", "chelsea_sq11", true, 224},
                                               {"coffee", "coffee_sq11", true, 224},
                                               {"tiny_val_A", "tiny_val_A", false, 64},
                                               {"tiny_val_B", "tiny_val_B", false, 64}};
  return images;
}

/// Our name of a layer that the expected values know by another. The expected values take units after
/// their rectifiers.
inline std::string golden_layer(const std::string& name) {
  static const std::map<std::string, std::string> names{
      {"conv0", "relu1"},        {"pool0", "pool1"},        {"pool1", "pool3"},
      {"pool2", "pool5"},        {"fire0", "fire2/concat"}, {"fire1", "fire3/concat"},
      {"fire2", "fire4/concat"}, {"fire3", "fire5/concat"}, {"fire4", "fire6/concat"},
      {"fire5", "fire7/concat"}, {"fire6", "fire8/concat"}, {"fire7", "fire9/concat"},
      {"conv25", "relu10"},      {"logits", "logits"},      {"conv_1_1", "relu1_1"},
      {"conv_1_2", "relu1_2"},   {"max_pool_1", "pool1"},   {"conv_2_1", "relu2_1"},
      {"conv_2_2", "relu2_2"},   {"max_pool_2", "pool2"}};
  return names.at(name);
}

/// The expected values and the two networks, read once; nothing where the test data is absent.
class Golden {
 public:
  static const Golden* get() {
    static const std::unique_ptr<Golden> one = [] {
      const auto folder = test_data("golden"), models = test_data("models");
      return folder && models ? std::unique_ptr<Golden>(new Golden(*folder, *models)) : nullptr;
    }();
    return one.get();
  }

  const io::Json& facts(const GoldenImage& image) const { return facts_.at(image.name); }
  const Network<float, Cpu>& network(const GoldenImage& image) const {
    return image.squeezenet ? squeezenet_ : tiny_vgg_;
  }
  std::string score(const GoldenImage& image) const { return image.squeezenet ? "logits" : "fc"; }
  bool has(const std::string& file) const { return std::filesystem::exists(folder_ / file); }
  Tensor<float, Cpu> array(const std::string& file) const { return io::read_npy<float>(folder_ / file); }
  /// The network's input, 1 x 3 x side x side.
  Tensor<float, Cpu> input(const GoldenImage& image) const {
    const auto pixels = io::read_image(folder_ / (image.name + "_" + std::to_string(image.side) + ".png"));
    const auto how = io::built_in_preprocess(image.squeezenet ? "imagenet-torch" : "unit")
                         ->without_resize(image.side, image.side);
    return how.apply(pixels).reshaped({1, 3, image.side, image.side});
  }

 private:
  Golden(const std::filesystem::path& folder, const std::filesystem::path& models)
      : folder_(folder),
        facts_(parsed(folder / "golden.json")),
        squeezenet_(io::read_onnx(models / "squeezenet1.1.onnx")),
        tiny_vgg_(io::read_onnx(models / "tinyvgg.onnx")) {}

  static io::Json parsed(const std::filesystem::path& path) {
    const io::Bytes text = io::read_file(path, std::uint64_t{1} << 24);
    return io::parse_json({reinterpret_cast<const char*>(text.data()), text.size()}, path.string());
  }

  std::filesystem::path folder_;
  io::Json facts_;
  Network<float, Cpu> squeezenet_, tiny_vgg_;
};

}  // namespace deconv::test
