// The project's own model file: all of it there and back, and files that are cut, changed or made up.
#include "deconv/io/model_file.hpp"

#include <algorithm>
#include <random>

#include "catch.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"
#include "scratch_folder.hpp"
#include "test_data.hpp"

using namespace deconv;
using deconv::test::Contains;
using deconv::test::ScratchFolder;

namespace {

io::ModelFile small_file() {
  GraphBuilder net("data", {1, 1, 6, 6});
  net.add("conv", node::Conv2d{2, {Window2d::square(3)}});
  net.add("norm", node::BatchNorm{});
  net.add("fc", node::Linear{2, false});
  io::ModelFile file{{"small", std::move(net).finish(), {}}, io::Preprocess{}, {"cat", "dog \"quoted\""}};
  file.model.graph.aliases["features"] = "norm";
  initialise(file.model, Initialisation::he, 9);
  file.preprocess->order = io::ChannelOrder::grey;
  file.preprocess->scale = 1.0 / 256;
  file.preprocess->mean_image =
      std::make_shared<const Tensor<float, Cpu>>(Tensor<float, Cpu>::filled({1, 6, 6}, 0.5f));
  return file;
}

io::Bytes bytes_of(const io::ModelFile& file) {
  const ScratchFolder folder;
  io::write_model_file(folder / "model.safetensors", file);
  return io::read_file(folder / "model.safetensors");
}

io::ModelFile read(const io::Bytes& bytes) {
  return io::read_model_file(
      io::SafetensorsReader(std::make_shared<io::MemorySource>(bytes, "model.safetensors")));
}

std::string error_of(const io::SafetensorsWriter& writer) {
  const ScratchFolder folder;
  writer.write(folder / "m.safetensors");
  try {
    (void)read(io::read_file(folder / "m.safetensors"));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a model file keeps everything") {
  const io::ModelFile file = small_file();
  const io::ModelFile again = read(bytes_of(file));
  CHECK(again.model.name == "small");
  CHECK(io::graph_to_json(again.model.graph) == io::graph_to_json(file.model.graph));
  REQUIRE(again.model.weights.size() == file.model.weights.size());
  for (const auto& [name, weight] : file.model.weights) {
    CHECK(again.model.weights.at(name).shape() == weight.shape());
    CHECK(std::ranges::equal(again.model.weights.at(name).span(), weight.span()));
  }
  CHECK(again.class_names == file.class_names);
  REQUIRE(again.preprocess);
  CHECK(again.preprocess->order == io::ChannelOrder::grey);
  CHECK(again.preprocess->scale == 1.0 / 256);
  REQUIRE(again.preprocess->mean_image);
  CHECK(again.preprocess->mean_image->shape() == Shape{1, 6, 6});
  CHECK(again.preprocess->mean_image->data()[35] == 0.5f);
}

TEST_CASE("what is unknown is left out") {
  io::ModelFile file = small_file();
  file.preprocess.reset();
  file.class_names.clear();
  const io::ModelFile again = read(bytes_of(file));
  CHECK_FALSE(again.preprocess);
  CHECK(again.class_names.empty());
}

TEST_CASE("any safetensors reader finds the weights, and tensors of others are passed over") {
  const io::ModelFile file = small_file();
  io::SafetensorsWriter writer;
  io::add_model(writer, file);
  writer.add("state/momentum.conv.weight", Tensor<float, Cpu>::filled({2, 1, 3, 3}, 1.0f));
  writer.set_metadata("step", "12");
  CHECK(error_of(writer) == "no error");
  const ScratchFolder folder;
  writer.write(folder / "m.safetensors");
  const io::SafetensorsReader reader(folder / "m.safetensors");
  CHECK(reader.entry("conv.weight").shape == Shape{2, 1, 3, 3});
  CHECK(reader.metadata().at("deconv_format") == "1");
}

TEST_CASE("half-precision weights are read as floats, whole numbers are refused") {
  const io::ModelFile file = small_file();
  const auto with_fc = [&](auto tensor) {
    io::SafetensorsWriter writer;
    io::ModelFile bare = small_file();
    bare.preprocess.reset();
    for (const auto& [name, weight] : file.model.weights)
      if (name != "fc.weight") writer.add(name, weight);
    writer.add("fc.weight", std::move(tensor));
    writer.set_metadata("deconv_format", "1");
    writer.set_metadata("graph", io::graph_to_json(file.model.graph).dump());
    return error_of(writer);
  };
  CHECK(with_fc(Tensor<half, Cpu>::filled({2, 32}, half(0.5f))) == "no error");
  CHECK(with_fc(Tensor<double, Cpu>::filled({2, 32}, 0.5)) == "no error");
  CHECK_THAT(with_fc(Tensor<std::int32_t, Cpu>::filled({2, 32}, 1)),
             Contains("wants real numbers, met int32"));
  CHECK(with_fc(Tensor<float, Cpu>::filled({32, 2}, 0.5f)) ==
        "model.safetensors: weight \"fc.weight\": wants shape [2,32], met [32,2]");
}

TEST_CASE("metadata that does not fit is named") {
  const io::ModelFile file = small_file();
  const auto with = [&](const std::string& key, const std::string& value) {
    io::SafetensorsWriter writer;
    io::add_model(writer, file);
    writer.set_metadata(key, value);
    return error_of(writer);
  };
  CHECK(with("deconv_format", "1") == "no error");
  CHECK(with("deconv_format", "2") == "model.safetensors: deconv_format 1 wanted, met \"2\"");
  CHECK_THAT(with("graph", "{"), Contains("model.safetensors: graph: not valid JSON"));
  CHECK_THAT(with("graph", R"({"inputs": [{"name": "x", "shape": [1, 2]}], "nodes": [], "outputs": ["x"]})"),
             Contains("belongs to no node"));
  CHECK_THAT(with("preprocess", R"({"mean": "/etc/mean.npy"})"), Contains("preprocess: mean"));
  CHECK_THAT(with("preprocess", R"({"mean": {"tensor": "absent"}})"), Contains("absent"));
  CHECK_THAT(with("preprocess", "[]"), Contains("preprocess"));
  CHECK_THAT(with("class_names", "{}"), Contains("a list of names wanted"));
  CHECK_THAT(with("class_names", "[1]"), Contains("a string wanted"));

  io::SafetensorsWriter plain;
  plain.add("weight", Tensor<float, Cpu>::filled({2}, 1.0f));
  CHECK(error_of(plain) ==
        "model.safetensors: no deconv_format in its metadata; a file that deconv wrote is wanted");
}

TEST_CASE("a model whose weights do not fit is not written") {
  const ScratchFolder folder;
  io::ModelFile file = small_file();
  file.model.weights.erase("fc.weight");
  CHECK_THROWS_AS(io::write_model_file(folder / "m.safetensors", file), FormatError);
  file = small_file();
  file.class_names = {"\xff\xfe"};
  CHECK_THROWS_AS(io::write_model_file(folder / "m.safetensors", file), FormatError);
  CHECK_THROWS_AS(io::write_model_file(folder / "absent" / "m.safetensors", small_file()), IoError);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a model file cut anywhere is an Error; with any byte changed an Error or a model") {
  const io::Bytes whole = bytes_of(small_file());
  for (std::size_t size = 0; size < whole.size(); size += size < 64 ? 1 : 7)
    REQUIRE_THROWS_AS(read({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), Error);
  std::mt19937 random(2);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    io::Bytes changed = whole;
    changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1u << (random() % 8)));
    try {
      const io::ModelFile file = read(changed);
      check_weights(file.model);
    } catch (const Error& error) {
      REQUIRE(std::string(error.what()).find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("read_model goes by the extension") {
  const ScratchFolder folder;
  io::write_model_file(folder / "m.SafeTensors", small_file());
  CHECK(io::read_model(folder / "m.SafeTensors").model.name == "small");
  CHECK_THROWS_WITH(io::read_model(folder / "model.bin"), Contains("met .bin"));
  CHECK_THROWS_AS(io::read_model(folder / "absent.onnx"), IoError);
  CHECK_THROWS_AS(io::read_model(folder / "absent.safetensors"), IoError);
  io::ReadModelOptions options;
  options.prototxt = folder / "net.prototxt";
  CHECK_THROWS_AS(io::read_model(folder / "m.SafeTensors", options), ArgumentError);
}

TEST_CASE("the prototxt beside a caffemodel is found by name, or because it is the only one") {
  const ScratchFolder folder;
  const auto touch = [&](const std::string& name) { io::write_text(folder / name, "name: 'n'"); };
  CHECK_THROWS_WITH(io::find_prototxt(folder / "net_iter_100.caffemodel"), Contains("met none"));
  touch("only.prototxt");
  CHECK(io::find_prototxt(folder / "net_iter_100.caffemodel") == folder / "only.prototxt");
  touch("another.prototxt");
  CHECK_THROWS_WITH(io::find_prototxt(folder / "net_iter_100.caffemodel"), Contains("several others"));
  touch("deploy.prototxt");
  CHECK(io::find_prototxt(folder / "net_iter_100.caffemodel") == folder / "deploy.prototxt");
  touch("net.prototxt");
  CHECK(io::find_prototxt(folder / "net_iter_100.caffemodel") == folder / "net.prototxt");
  touch("net_iter_100.prototxt");
  CHECK(io::find_prototxt(folder / "net_iter_100.caffemodel") == folder / "net_iter_100.prototxt");
}

TEST_CASE("real networks become model files and stay the same") {
  DECONV_TEST_DATA_OR_SKIP(models, "models");
  const ScratchFolder folder;
  for (const char* name : {"squeezenet1.1.onnx", "caffe/cifar10_full_iter_10000.caffemodel",
                           "caffe/lenet_iter_10000.caffemodel"}) {
    INFO(name);
    const io::ModelFile file = io::read_model(models / name);
    io::write_model_file(folder / "m.safetensors", file);
    const io::ModelFile again = io::read_model(folder / "m.safetensors");
    CHECK(io::graph_to_json(again.model.graph) == io::graph_to_json(file.model.graph));
    REQUIRE(again.model.weights.size() == file.model.weights.size());
    for (const auto& [weight, values] : file.model.weights)
      CHECK(std::ranges::equal(again.model.weights.at(weight).span(), values.span()));
  }
}
