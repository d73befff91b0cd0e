// Tensors of ONNX files: element types, shapes against bytes, external data that stays in the model's folder.

#include "deconv/io/onnx_tensor.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "io/onnx_builder.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace deconv;
using io::onnx::ElementType;
using test::OnnxTensorBytes;
namespace fs = std::filesystem;

io::OnnxTensor decode(const OnnxTensorBytes& tensor, const fs::path& folder = {}) {
  const std::vector<std::uint8_t> bytes(tensor.bytes.begin(), tensor.bytes.end());
  return io::onnx::decode(io::onnx::read_tensor_proto(bytes), folder);
}

template <class T>
std::vector<float> floats_of(ElementType type, const std::vector<T>& raw) {
  OnnxTensorBytes tensor("t", {static_cast<std::int64_t>(raw.size())}, type);
  const auto values = decode(tensor.raw(raw));
  return {values.floats().begin(), values.floats().end()};
}
template <class T>
std::vector<std::int64_t> integers_of(ElementType type, const std::vector<T>& raw) {
  OnnxTensorBytes tensor("t", {static_cast<std::int64_t>(raw.size())}, type);
  const auto values = decode(tensor.raw(raw));
  return {values.integers().begin(), values.integers().end()};
}

template <class Write>
OnnxTensorBytes typed(ElementType type, std::int64_t count, const Write& write) {
  OnnxTensorBytes tensor("t", {count}, type);
  protozero::pbf_writer writer(tensor.bytes);
  write(writer);
  return tensor;
}

void write_file(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

TEST_CASE("raw data of every element type is read") {
  using Floats = std::vector<float>;
  using Integers = std::vector<std::int64_t>;
  CHECK(floats_of<float>(ElementType::float32, {1.5f, -2.0f}) == Floats{1.5f, -2.0f});
  CHECK(floats_of<double>(ElementType::float64, {1.5, -2.0}) == Floats{1.5f, -2.0f});
  CHECK(floats_of<std::uint16_t>(ElementType::float16, {0x3e00, 0xc000}) == Floats{1.5f, -2.0f});
  CHECK(floats_of<std::uint16_t>(ElementType::bfloat16, {0x3fc0, 0xc000}) == Floats{1.5f, -2.0f});
  CHECK(integers_of<std::int64_t>(ElementType::int64, {-3, 1LL << 40}) == Integers{-3, 1LL << 40});
  CHECK(integers_of<std::int32_t>(ElementType::int32, {-3, 7}) == Integers{-3, 7});
  CHECK(integers_of<std::uint32_t>(ElementType::uint32, {0xffffffffu}) == Integers{0xffffffffLL});
  CHECK(integers_of<std::int16_t>(ElementType::int16, {-3}) == Integers{-3});
  CHECK(integers_of<std::uint16_t>(ElementType::uint16, {65535}) == Integers{65535});
  CHECK(integers_of<std::int8_t>(ElementType::int8, {-3}) == Integers{-3});
  CHECK(integers_of<std::uint8_t>(ElementType::uint8, {200}) == Integers{200});
  CHECK(integers_of<std::uint8_t>(ElementType::boolean, {1, 0}) == Integers{1, 0});
}

TEST_CASE("typed fields are read, packed or one by one") {
  const std::vector<float> reals{0.25f, -8.0f};
  const auto packed =
      typed(ElementType::float32, 2, [&](auto& w) { w.add_packed_float(4, reals.begin(), reals.end()); });
  CHECK(decode(packed).floats().data()[1] == -8.0f);
  const auto single = typed(ElementType::float32, 2, [&](auto& w) {
    w.add_float(4, 0.25f);
    w.add_float(4, -8.0f);
  });
  CHECK(decode(single).floats().data()[1] == -8.0f);
  const std::vector<double> doubles{0.5};
  CHECK(decode(typed(ElementType::float64, 1,
                     [&](auto& w) { w.add_packed_double(10, doubles.begin(), doubles.end()); }))
            .floats()
            .data()[0] == 0.5f);
  const std::vector<std::int32_t> bits{0x3e00};
  CHECK(decode(
            typed(ElementType::float16, 1, [&](auto& w) { w.add_packed_int32(5, bits.begin(), bits.end()); }))
            .floats()
            .data()[0] == 1.5f);
  const std::vector<std::int64_t> wide{-5, 6};
  CHECK(
      decode(typed(ElementType::int64, 2, [&](auto& w) { w.add_packed_int64(7, wide.begin(), wide.end()); }))
          .integers()
          .data()[0] == -5);
}

TEST_CASE("a tensor's shape must match its elements") {
  CHECK_THROWS_AS(decode(OnnxTensorBytes::floats("t", {3}, {1, 2})), FormatError);
  CHECK_THROWS_AS(decode(OnnxTensorBytes::floats("t", {1}, {1, 2})), FormatError);
  CHECK_THROWS_AS(decode(OnnxTensorBytes::floats("t", {-1}, {1})), FormatError);
  CHECK_THROWS_AS(decode(OnnxTensorBytes::floats("t", {1LL << 62, 4}, {1})), FormatError);
  CHECK_THROWS_AS(decode(OnnxTensorBytes::floats("t", {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1})), FormatError);
  CHECK_THROWS_AS(decode(OnnxTensorBytes("t", {1LL << 50}, ElementType::float32)), FormatError);
  CHECK_THROWS_AS(decode(OnnxTensorBytes("t", {1}, ElementType::string)), FormatError);
  CHECK_THROWS_AS(decode(OnnxTensorBytes("t", {1}, static_cast<ElementType>(99))), FormatError);
  CHECK(decode(OnnxTensorBytes::floats("t", {}, {4})).shape() == Shape{});
  CHECK(decode(OnnxTensorBytes::floats("t", {0, 3}, {})).shape().count() == 0);
}

TEST_CASE("external data is read from the model's folder and from nowhere else") {
  const test::ScratchFolder scratch;
  const fs::path folder = scratch / "model";
  fs::create_directories(folder / "sub");
  const std::vector<float> values{1, 2, 3, 4};
  const std::string content(reinterpret_cast<const char*>(values.data()), 16);
  write_file(folder / "weights.bin", "pad!" + content);
  write_file(folder / "sub" / "weights.bin", content);
  write_file(scratch / "outside.bin", content);
  fs::create_symlink(scratch / "outside.bin", folder / "link.bin");
  const auto read = [&](const std::string& location, const std::string& offset, const std::string& length) {
    OnnxTensorBytes tensor("w", {4}, ElementType::float32);
    return decode(tensor.external(location, offset, length), folder);
  };
  CHECK(read("weights.bin", "4", "16").floats().data()[3] == 4.0f);
  CHECK(read("sub/weights.bin", "", "").floats().data()[0] == 1.0f);
  CHECK_THROWS_AS(read("weights.bin", "8", "16"), FormatError);  // past the end
  CHECK_THROWS_AS(read("weights.bin", "4", "12"), FormatError);  // not what the shape wants
  CHECK_THROWS_AS(read("weights.bin", "-4", "16"), FormatError);
  CHECK_THROWS_AS(read("weights.bin", "18446744073709551615", "16"), FormatError);
  CHECK_THROWS_AS(read("weights.bin", "four", "16"), FormatError);
  CHECK_THROWS_AS(read("../outside.bin", "", ""), FormatError);
  CHECK_THROWS_AS(read((scratch / "outside.bin").string(), "", ""), FormatError);
  CHECK_THROWS_AS(read("link.bin", "", ""), FormatError);  // leads out
  CHECK_THROWS_AS(read("", "", ""), FormatError);
  CHECK_THROWS_AS(read("absent.bin", "", ""), IoError);
  CHECK_THROWS_AS(read("sub", "", ""), IoError);
  OnnxTensorBytes tensor("w", {4}, ElementType::float32);
  CHECK_THROWS_AS(decode(tensor.external("weights.bin", "4", "16")), FormatError);  // no folder
  OnnxTensorBytes narrow("w", {4}, ElementType::int32);
  CHECK(decode(narrow.external("weights.bin", "4", "16"), folder).integers().data()[0] == 0x3f800000);
}
