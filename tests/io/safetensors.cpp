// safetensors files: there and back, the format's own rules, damage.

#include "deconv/io/safetensors.hpp"

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "deconv/io/safetensors_writer.hpp"
#include "io/damage.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace deconv;
using test::error_of;
using test::mentions;

io::Bytes made(const std::string& header, std::size_t data_bytes) {
  io::Bytes bytes(8);
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  bytes.insert(bytes.end(), header.begin(), header.end());
  for (std::size_t i = 0; i < data_bytes; ++i) bytes.push_back(static_cast<std::uint8_t>(i));
  return bytes;
}
void read_all_of(const io::Bytes& bytes) {
  const io::SafetensorsReader reader(std::make_shared<io::MemorySource>(bytes, "test.safetensors"));
  for (const auto& entry : reader.entries()) static_cast<void>(reader.read<double>(entry.name));
}
std::string problem_of(const std::string& header, std::size_t data_bytes) {
  return error_of([&] { read_all_of(made(header, data_bytes)); });
}

}  // namespace

TEST_CASE("tensors and strings are read back", "[io][safetensors]") {
  const test::ScratchFolder folder;
  const auto path = folder / "a.safetensors";
  auto weights = Tensor<float, Cpu>::from({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  Tensor<float, Cpu> planes({1, 2, 2, 2}, Layout::nhwc);
  for (Index c = 0; c < 2; ++c)
    for (Index y = 0; y < 2; ++y)
      for (Index x = 0; x < 2; ++x) planes(0, c, y, x) = static_cast<float>((c * 2 + y) * 2 + x);
  io::SafetensorsWriter writer;
  writer.add("bytes", Tensor<std::uint8_t, Cpu>::filled({3}, 9));
  writer.add("conv.weight", weights);
  writer.add("planes", planes);
  writer.add("scalar", Tensor<double, Cpu>::filled({}, 0.125));
  writer.add("half", Tensor<half, Cpu>::filled({2}, half(1.5f)));
  writer.add("brain", Tensor<bfloat16, Cpu>::filled({1, 1}, bfloat16(-2.0f)));
  writer.add("long", Tensor<std::int64_t, Cpu>::filled({2}, std::int64_t{-7}));
  writer.add("int", Tensor<std::int32_t, Cpu>::filled({1}, 77));
  writer.add("none", Tensor<float, Cpu>({0, 4}));
  writer.set_metadata("format", "old");
  writer.set_metadata("format", "line\n\"quoted\" \xc3\xa9");
  writer.write(path);

  const io::SafetensorsReader reader(path);
  CHECK(reader.entries().size() == 9);
  CHECK(reader.metadata() == std::map<std::string, std::string>{{"format", "line\n\"quoted\" \xc3\xa9"}});
  CHECK(reader.contains("conv.weight"));
  CHECK(!reader.contains("conv"));
  CHECK(reader.entry("half").dtype == DType::float16);
  CHECK(reader.entries().front().begin % 64 == 0);
  for (const auto& entry : reader.entries()) CHECK(entry.begin % size_of(entry.dtype) == 0);
  const auto again = reader.read("conv.weight");
  REQUIRE(again.shape() == Shape{2, 3});
  for (Index i = 0; i < 6; ++i) CHECK(again.data()[i] == static_cast<float>(i + 1));
  const auto in_order = reader.read("planes");
  for (Index i = 0; i < 8; ++i) CHECK(in_order.data()[i] == static_cast<float>(i));
  CHECK(reader.read<double>("scalar").data()[0] == 0.125);
  CHECK(reader.read("half").data()[1] == 1.5f);
  CHECK(reader.read("brain").data()[0] == -2.0f);
  CHECK(reader.read<std::int64_t>("long").data()[1] == -7);
  CHECK(reader.read<std::int64_t>("int").data()[0] == 77);
  CHECK(reader.read<std::uint8_t>("bytes").data()[2] == 9);
  CHECK(reader.read("none").shape() == Shape{0, 4});

  Tensor<float, Cpu> place({2, 3}), other({3, 2});
  reader.read_into("conv.weight", place.view());
  CHECK(place.data()[5] == 6.0f);
  CHECK(mentions(error_of([&] { reader.read_into("conv.weight", other.view()); }), "[2,3], wanted [3,2]"));
  CHECK(mentions(error_of([&] { static_cast<void>(reader.read("absent")); }), "\"absent\" wanted"));
  CHECK(mentions(error_of([&] { static_cast<void>(reader.read<std::uint8_t>("long")); }),
                 "\"long\": elements readable as uint8"));
}

TEST_CASE("what cannot be written leaves no file", "[io][safetensors]") {
  const test::ScratchFolder folder;
  io::SafetensorsWriter writer;
  writer.add("a", Tensor<float, Cpu>::filled({2}, 1.0f));
  CHECK_THROWS_AS(writer.add("a", Tensor<float, Cpu>::filled({2}, 1.0f)), ArgumentError);
  CHECK_THROWS_AS(writer.add("__metadata__", Tensor<float, Cpu>::filled({2}, 1.0f)), ArgumentError);
  writer.set_metadata("key", "not UTF-8: \xff");
  CHECK_THROWS_AS(writer.write(folder / "a.safetensors"), FormatError);
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK_THROWS_AS(writer.write(folder / "no" / "a.safetensors"), Error);
}

TEST_CASE("a file that breaks the format's rules is refused", "[io][safetensors]") {
  CHECK(problem_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8).empty());
  CHECK(problem_of("{}", 0).empty());
  struct Case {
    const char* header;
    std::size_t bytes;
    const char* part;
  };
  for (
      const auto& [header, bytes, part] :
      {Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9, "end at byte"},
       Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7, "from 0 to 7"},
       Case{R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "takes 12 bytes"},
       Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "data_offsets"},
       Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12, "no gap"},
       Case{
           R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
           6, "no overlap"},
       Case{
           R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
           4, "no overlap"},
       Case{R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", 8, "\"F99\""},
       Case{R"({"a":{"dtype":3,"shape":[2],"data_offsets":[0,8]}})", 8, "a string wanted"},
       Case{R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "met -2"},
       Case{R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, "met 2.0"},
       Case{R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})", 8, "shape"},
       Case{R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}})", 8,
            "too large"},
       Case{R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", 8, "at most 8"},
       Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,1000000000000]}})", 8, "from 0 to 8"},
       Case{R"({"a":{"dtype":"F32","shape":[2]}})", 8, "data_offsets wanted"},
       Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8, "data_offsets wanted"},
       Case{R"({"a":[]})", 0, "dtype, shape and data_offsets"},
       Case{
           R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
           0, "twice"},
       Case{R"({"__metadata__":{"a":1}})", 0, "a string wanted"},
       Case{R"({"__metadata__":[]})", 0, "strings by name"},
       Case{R"([])", 0, "begins with '{'"},
       Case{R"({"a")", 0, "not valid JSON"},
       Case{"", 0, "header of 0 bytes"}}) {
    const std::string problem = problem_of(header, bytes);
    INFO(header << " gave: " << problem);
    CHECK(mentions(problem, part));
    CHECK(mentions(problem, "test.safetensors"));
  }
  CHECK(mentions(error_of([] { read_all_of({1, 2, 3}); }), "only 3 bytes"));
  io::Bytes endless = made("{}", 0);
  endless[7] = 0xff;
  CHECK(mentions(error_of([&] { read_all_of(endless); }), "header of"));
  CHECK_THROWS_AS(io::SafetensorsReader("/nonexistent/a.safetensors"), IoError);
}

TEST_CASE("cut and changed safetensors files", "[io][safetensors]") {
  for (const char* name : {"two.safetensors", "types.safetensors"}) {
    const io::Bytes whole =
        io::read_file(std::filesystem::path(DECONV_SOURCE_DIR) / "tests/fuzz/seeds/safetensors" / name);
    CHECK_NOTHROW(read_all_of(whole));
    test::require_cuts_refused(whole, read_all_of);
    CHECK(test::count_changes_refused(whole, read_all_of) > 100);
  }
}
