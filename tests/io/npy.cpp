// .npy files: every element type both ways, orders, versions, damage. The seeds of the fuzz harness were
// written by NumPy.

#include "deconv/io/npy.hpp"

#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <string>

#include "io/damage.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "support/test_data.hpp"

namespace {

using namespace deconv;
using test::error_of;
using test::mentions;

io::Bytes seed(const std::string& name) {
  return io::read_file(std::filesystem::path(DECONV_SOURCE_DIR) / "tests/fuzz/seeds/npy" / name);
}
template <class T = float>
Tensor<T, Cpu> read(const io::Bytes& bytes) {
  return io::read_npy<T>(io::MemorySource(bytes, "test.npy"));
}

/// A version-1 file of this header text, padded with nothing, and data.
io::Bytes made(const std::string& header, std::size_t data_bytes) {
  io::Bytes bytes{0x93,
                  'N',
                  'U',
                  'M',
                  'P',
                  'Y',
                  1,
                  0,
                  static_cast<std::uint8_t>(header.size() & 0xff),
                  static_cast<std::uint8_t>(header.size() >> 8)};
  for (const char c : header) bytes.push_back(static_cast<std::uint8_t>(c));
  bytes.resize(bytes.size() + data_bytes);
  return bytes;
}
std::string problem_of(const std::string& header, std::size_t data_bytes = 0) {
  return error_of([&] { static_cast<void>(read(made(header, data_bytes))); });
}

template <class T>
void there_and_back(const std::filesystem::path& path) {
  Tensor<T, Cpu> tensor({2, 3, 1, 4});
  for (Index i = 0; i < tensor.count(); ++i) tensor.data()[i] = T(static_cast<float>(i * 3));
  io::write_npy(path, tensor);
  const auto again = io::read_npy<T>(path);
  REQUIRE(again.shape() == tensor.shape());
  const auto info = io::npy_info(io::FileSource(path));
  CHECK(info.dtype == dtype_of<T>);
  CHECK(info.data_offset % 64 == 0);
  for (Index i = 0; i < tensor.count(); ++i)
    REQUIRE(static_cast<float>(again.data()[i]) == static_cast<float>(i * 3));
}

}  // namespace

TEST_CASE("arrays of every element type are read back", "[io][npy]") {
  const test::ScratchFolder folder;
  there_and_back<float>(folder / "a.npy");
  there_and_back<double>(folder / "a.npy");
  there_and_back<half>(folder / "a.npy");
  there_and_back<std::int64_t>(folder / "a.npy");
  there_and_back<std::int32_t>(folder / "a.npy");
  there_and_back<std::uint8_t>(folder / "a.npy");
  there_and_back<std::uint16_t>(folder / "a.npy");
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{0, 3}, Shape{1, 2, 3, 1, 2, 1, 1, 2}}) {
    auto tensor = Tensor<float, Cpu>::filled(shape, 2.5f);
    io::write_npy(folder / "shape.npy", tensor);
    const auto again = io::read_npy(folder / "shape.npy");
    CHECK(again.shape() == shape);
    CHECK(std::all_of(again.begin(), again.end(), [](float v) { return v == 2.5f; }));
  }
}

TEST_CASE("an nhwc tensor is written in N,C,H,W order", "[io][npy]") {
  const test::ScratchFolder folder;
  Tensor<float, Cpu> tensor({2, 3, 2, 2}, Layout::nhwc);
  for (Index n = 0; n < 2; ++n)
    for (Index c = 0; c < 3; ++c)
      for (Index y = 0; y < 2; ++y)
        for (Index x = 0; x < 2; ++x) tensor(n, c, y, x) = static_cast<float>(((n * 3 + c) * 2 + y) * 2 + x);
  io::write_npy(folder / "a.npy", tensor);
  const auto again = io::read_npy(folder / "a.npy");
  for (Index i = 0; i < 24; ++i) REQUIRE(again.data()[i] == static_cast<float>(i));
}

TEST_CASE("NumPy's files, versions 1 to 3 and both orders", "[io][npy]") {
  const auto plain = read(seed("float32.npy"));
  CHECK(plain.shape() == Shape{2, 3});
  for (Index i = 0; i < 6; ++i) CHECK(plain.data()[i] == static_cast<float>(i));
  const auto fortran = read<std::int64_t>(seed("fortran.npy"));
  REQUIRE(fortran.shape() == Shape{2, 3});
  for (Index i = 0; i < 6; ++i) CHECK(fortran.data()[i] == i);
  CHECK(read(seed("scalar.npy")).shape() == Shape{});
  CHECK(read<std::int32_t>(seed("scalar.npy")).data()[0] == 3);
  CHECK(read(seed("half_v2.npy")).data()[3] == 3.0f);
  CHECK(read<std::uint8_t>(seed("bytes_v3.npy")).data()[4] == 4);
  // Three axes in Fortran order, element (i, j, k) = 100 i + 10 j + k.
  io::Bytes three = made("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 2), }\n", 12);
  std::size_t at = three.size() - 12;
  for (int k = 0; k < 2; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) three[at++] = static_cast<std::uint8_t>(100 * i + 10 * j + k);
  const auto back = read<std::uint8_t>(three);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 2; ++k) CHECK(int{back.data()[(i * 3 + j) * 2 + k]} == 100 * i + 10 * j + k);
}

TEST_CASE("elements convert where nothing is lost but precision", "[io][npy]") {
  CHECK(read<double>(seed("half_v2.npy")).data()[2] == 2.0);
  CHECK(static_cast<float>(read<half>(seed("float32.npy")).data()[5]) == 5.0f);
  CHECK(read<std::int64_t>(seed("bytes_v3.npy")).data()[4] == 4);
  const auto refused = [](auto body) { return mentions(error_of(body), "readable as"); };
  CHECK(refused([] { static_cast<void>(read<std::int64_t>(seed("float32.npy"))); }));
  CHECK(refused([] { static_cast<void>(read<std::int32_t>(seed("fortran.npy"))); }));
  CHECK(refused([] { static_cast<void>(read<std::uint8_t>(seed("scalar.npy"))); }));
}

TEST_CASE("wrong .npy headers are refused with what was wanted", "[io][npy]") {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  CHECK(problem_of(good, 8).empty());
  CHECK(mentions(problem_of(good, 7), "takes 8 bytes, the file has 7"));
  CHECK(mentions(problem_of(good, 9), "takes 8 bytes, the file has 9"));
  struct Case {
    const char* header;
    const char* part;
  };
  for (const auto& [header, part] :
       {Case{"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", "'>f4'"},
        Case{"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", "'<c8'"},
        Case{"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "a string wanted"},
        Case{"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", "True or False"},
        Case{"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "an extent wanted"},
        Case{"{'descr': '<f4', 'fortran_order': False, 'shape': (2.5,), }", "')' wanted"},
        Case{"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
             "an extent wanted"},
        Case{"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }",
             "too large"},
        Case{"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }",
             "at most 8 axes"},
        Case{"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", "the file has 0"},
        Case{"{'descr': '<f4', 'descr': '<f4', 'shape': (2,), }", "twice"},
        Case{"{'descr': '<f4', }", "lacks"},
        Case{"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': True}", "unknown key"},
        Case{"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x", "does not end"},
        Case{"", "'{' wanted"}, Case{"{'descr", "endless string"}}) {
    const std::string problem = problem_of(header);
    INFO(header << " gave: " << problem);
    CHECK(mentions(problem, part));
    CHECK(mentions(problem, "test.npy"));
  }
}

TEST_CASE("cut and changed .npy files", "[io][npy]") {
  for (const char* name : {"float32.npy", "fortran.npy", "half_v2.npy"}) {
    const io::Bytes whole = seed(name);
    test::require_cuts_refused(whole, [](const io::Bytes& bytes) { static_cast<void>(read(bytes)); });
    CHECK(test::count_changes_refused(whole, [](const io::Bytes& bytes) { static_cast<void>(read(bytes)); }) >
          100);
  }
  CHECK_THROWS_AS(io::read_npy("/nonexistent/a.npy"), IoError);
}

TEST_CASE("real .npy files", "[io][npy]") {
  DECONV_TEST_DATA_OR_SKIP(data, "golden/chelsea_sq11_deconv_conv0.npy");
  const auto projection = io::read_npy(data);
  CHECK(projection.shape() == Shape{3, 224, 224});
  double squares = 0;
  for (const float v : projection.span()) squares += static_cast<double>(v) * static_cast<double>(v);
  CHECK(std::isfinite(squares));
  CHECK(squares > 0);
}
