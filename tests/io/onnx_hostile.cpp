// Files that are wrong: every error is one line of the library's own family, and small files cannot ask for
// much.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "deconv/io/onnx.hpp"
#include "io/onnx_builder.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace deconv;
using test::OnnxBuilder;
using Tensors = test::OnnxTensorBytes;

std::string error_of(const std::vector<std::uint8_t>& bytes, const io::OnnxOptions& options = {}) {
  try {
    static_cast<void>(io::read_onnx(bytes, options, "test"));
  } catch (const Error& failure) {
    return failure.what();
  }
  return "";
}
std::string error_of(const OnnxBuilder& builder) { return error_of(builder.bytes()); }
bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A bit of everything: a convolution, a pooling with indices, folded shapes, a product, older softmax.
OnnxBuilder rich() {
  OnnxBuilder builder(11);
  builder.input("x", {0, 2, 6, 6});
  builder.initialiser(Tensors::floats("w", {3, 2, 3, 3}, std::vector<float>(54, 0.5f)));
  builder.initialiser(Tensors::floats("b", {3}, {1, 2, 3}));
  builder.node("Conv", {"x", "w", "b"}, {"c"}, {{"pads", {1, 1, 1, 1}}, {"strides", {1, 1}}}, "conv");
  builder.node("Relu", {"c"}, {"r"}, {}, "relu");
  builder.node("MaxPool", {"r"}, {"p", "i"},
               {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}, {"auto_pad", std::string("VALID")}});
  builder.node("MaxUnpool", {"p", "i"}, {"u"}, {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}});
  builder.node("Shape", {"u"}, {"s"}).initialiser(Tensors::integers("zero", {1}, {0}));
  builder.node("Gather", {"s", "zero"}, {"n"})
      .node("Constant", {}, {"m"}, {{"value", Tensors::integers("", {1}, {-1})}});
  builder.node("Concat", {"n", "m"}, {"t"}, {{"axis", 0}}).node("Reshape", {"u", "t"}, {"flat"});
  builder.initialiser(Tensors::floats("fc", {108, 4}, std::vector<float>(432, 0.25f)));
  builder.initialiser(Tensors::floats("fb", {4}, {1, 2, 3, 4}));
  builder.node("MatMul", {"flat", "fc"}, {"product"}).node("Add", {"product", "fb"}, {"sum"});
  builder.node("Softmax", {"sum"}, {"y"}, {{"axis", 1}}).output("y");
  return builder;
}

// Whatever the bytes are: a model whose shapes can be worked out, or one line of error.
void check_outcome(const std::vector<std::uint8_t>& bytes) {
  io::OnnxOptions options;
  options.most_made_elements = 1 << 20;
  try {
    const Model model = io::read_onnx(bytes, options, "test");
    static_cast<void>(infer_shapes(model.graph));
  } catch (const Error& failure) {
    const std::string text = failure.what();
    if (text.empty() || text.size() > 2000 || text.find('\n') != std::string::npos)
      FAIL_CHECK("not one line: " << text);
  }
}

}  // namespace

TEST_CASE("a file cut anywhere is refused") {
  const std::vector<std::uint8_t> whole = rich().bytes();
  REQUIRE(error_of(whole).empty());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const std::string error = error_of(part);
    if (error.empty() || error.find('\n') != std::string::npos)
      FAIL_CHECK("cut at " << size << ": " << error);
  }
}

TEST_CASE("any byte changed gives a model or one line of error") {
  const std::vector<std::uint8_t> whole = rich().bytes();
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const int flip : {0x01, 0x08, 0x40, 0x80, 0xff}) {
      std::vector<std::uint8_t> changed = whole;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ flip);
      check_outcome(changed);
    }
  SUCCEED();
}

TEST_CASE("what is wrong is named") {
  CHECK(mentions(error_of(OnnxBuilder(22).input("x", {1}).node("Relu", {"x"}, {"y"}).output("y")), "met 22"));
  CHECK(
      mentions(error_of(OnnxBuilder(1, "ai.onnx.ml").input("x", {1}).node("Relu", {"x"}, {"y"}).output("y")),
               "ai.onnx.ml"));
  CHECK(mentions(error_of(OnnxBuilder().input("x", {1}).node("Erf", {"x"}, {"y"}, {}, "e1").output("y")),
                 "Erf \"e1\""));
  CHECK(mentions(
      error_of(OnnxBuilder().input("x", {1}).node("Relu", {"x"}, {"y"}, {}, "", "com.example").output("y")),
      "com.example"));
  // Weights that are not there.
  CHECK(mentions(error_of(OnnxBuilder().input("x", {1, 1, 3, 3}).node("Conv", {"x", "w"}, {"y"}).output("y")),
                 "\"w\""));
  // A cycle, and a node before the one it reads.
  CHECK(mentions(error_of(OnnxBuilder()
                              .input("x", {1, 2})
                              .node("Add", {"x", "b"}, {"a"})
                              .node("Relu", {"a"}, {"b"})
                              .output("b")),
                 "\"b\" is not made by any node before it"));
  CHECK(mentions(
      error_of(
          OnnxBuilder().input("x", {1}).node("Relu", {"x"}, {"y"}).node("Relu", {"x"}, {"y"}).output("y")),
      "twice"));
  CHECK(mentions(error_of(OnnxBuilder().input("x", {1}).node("Relu", {"x"}, {"x"}).output("x")), "twice"));
  CHECK(mentions(error_of(OnnxBuilder().input("x", {1}).node("Relu", {"x"}, {"y"}).output("z")), "\"z\""));
  CHECK(mentions(error_of(OnnxBuilder().input("x", {1}).node("Relu", {"x"}, {"y"})), "output"));
  CHECK(mentions(error_of(OnnxBuilder().node("Relu", {""}, {"y"}).output("y")), "Relu \"y\""));
  CHECK(mentions(error_of(OnnxBuilder().input("x", {1}).node("Relu", {"x"}, {}, {}, "lost")), "lost"));
  CHECK(mentions(error_of(OnnxBuilder().input("x", {1, 1LL << 40}).node("Relu", {"x"}, {"y"}).output("y")),
                 "beyond"));
  CHECK(mentions(error_of(OnnxBuilder().input("x", {1, 2}, 8).node("Relu", {"x"}, {"y"}).output("y")),
                 "element type 8"));
  CHECK(mentions(error_of(std::vector<std::uint8_t>{}), "no ONNX graph"));
  const std::string text = "This is not a network.\nAt all.";
  const std::string error = error_of(std::vector<std::uint8_t>(text.begin(), text.end()));
  CHECK_FALSE(error.empty());
  CHECK_FALSE(mentions(error, "\n"));
  // A name with a line break keeps the message on one line.
  CHECK_FALSE(mentions(
      error_of(OnnxBuilder().input("x", {1}).node("E\nrf", {"x"}, {"y"}, {}, "a\nb").output("y")), "\n"));
}

TEST_CASE("a small file cannot ask for much memory") {
  io::OnnxOptions options;
  options.most_made_elements = 1 << 16;
  const auto refused = [&](const OnnxBuilder& builder) {
    return mentions(error_of(builder.bytes(), options), "makes more than");
  };
  OnnxBuilder filled;
  filled.input("x", {1, 2})
      .initialiser(Tensors::integers("s", {2}, {1 << 14, 1 << 14}))
      .node("ConstantOfShape", {"s"}, {"big"});
  CHECK(refused(filled.node("Add", {"x", "big"}, {"y"}).output("y")));
  // Doubling.
  OnnxBuilder doubled;
  doubled.input("x", {1, 2}).initialiser(Tensors::integers("c0", {1}, {1}));
  for (int i = 0; i < 40; ++i) {
    const std::string from = message("c", i);
    doubled.node("Concat", {from, from}, {message("c", i + 1)}, {{"axis", 0}});
  }
  CHECK(refused(doubled.node("Reshape", {"x", "c40"}, {"y"}).output("y")));
  // Stretching.
  OnnxBuilder stretched;
  stretched.input("x", {1, 2})
      .initialiser(Tensors::integers("a", {1000, 1}, std::vector<std::int64_t>(1000, 1)));
  stretched.initialiser(Tensors::integers("b", {1, 1000}, std::vector<std::int64_t>(1000, 1)));
  CHECK(refused(stretched.node("Add", {"a", "b"}, {"t"}).node("Reshape", {"x", "t"}, {"y"}).output("y")));
  // The same weights again and again.
  OnnxBuilder shared;
  shared.input("x", {1, 100}).initialiser(Tensors::floats("w", {100, 100}, std::vector<float>(10000, 1)));
  for (int i = 0; i < 20; ++i) {
    const std::string from = i == 0 ? "x" : message("t", i);
    shared.node("Gemm", {from, "w"}, {message("t", i + 1)});
  }
  CHECK(refused(shared.output("t20")));
  // Indices, slices and integers out of range.
  const auto folded = [](const std::function<void(OnnxBuilder&)>& add) {
    OnnxBuilder builder;
    builder.input("x", {1, 2}).initialiser(Tensors::integers("a", {2}, {4, 1LL << 62}));
    builder.initialiser(Tensors::integers("far", {1}, {7})).initialiser(Tensors::integers("zero", {1}, {0}));
    add(builder);
    return error_of(builder.node("Reshape", {"x", "t"}, {"y"}).output("y"));
  };
  CHECK(mentions(folded([](OnnxBuilder& b) { b.node("Gather", {"a", "far"}, {"t"}); }), "index 7"));
  CHECK(mentions(folded([](OnnxBuilder& b) { b.node("Mul", {"a", "a"}, {"t"}); }), "no result"));
  CHECK(mentions(folded([](OnnxBuilder& b) { b.node("Div", {"a", "zero"}, {"t"}); }), "no result"));
  CHECK(mentions(folded([](OnnxBuilder& b) {
                   b.node("Slice", {"a", "zero", "far", "zero", "zero"}, {"t"});
                 }),
                 "step"));
  CHECK(mentions(folded([](OnnxBuilder& b) {
                   b.initialiser(Tensors::integers("twice", {2}, {0, 0}));
                   b.node("Slice", {"a", "twice", "twice", "twice"}, {"t"});
                 }),
                 "starts"));
}

// Not a test: writes the seeds of the fuzz harness into the folder named by the environment variable.
TEST_CASE("write the seeds of the ONNX fuzz harness", "[.]") {
  const char* folder = std::getenv("DECONV_WRITE_SEEDS");
  REQUIRE(folder != nullptr);
  const auto write = [&](const char* name, const OnnxBuilder& builder) {
    const auto bytes = builder.bytes();
    REQUIRE(error_of(bytes).empty());
    std::ofstream(std::filesystem::path(folder) / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  write("rich.onnx", rich());
  OnnxBuilder transposed(13);
  transposed.input("x", {1, 1, 3, 3})
      .initialiser(Tensors::floats("w", {1, 2, 2, 2}, std::vector<float>(8, 1)));
  transposed.node("ConvTranspose", {"x", "w"}, {"c"},
                  {{"strides", {2, 2}}, {"output_shape", {7, 6}}, {"output_padding", {1, 0}}});
  transposed.node("LRN", {"c"}, {"l"}, {{"size", 3}, {"alpha", 1e-3f}})
      .node("LeakyRelu", {"l"}, {"r"}, {{"alpha", 0.1f}});
  transposed.initialiser(Tensors::integers("pads", {8}, {0, 0, 1, -1, 0, 0, 2, 0}));
  transposed.node("Pad", {"r", "pads"}, {"p"}, {{"mode", std::string("constant")}});
  transposed.node("AveragePool", {"p"}, {"a"},
                  {{"kernel_shape", {3, 3}}, {"auto_pad", std::string("SAME_LOWER")}});
  transposed.node("GlobalAveragePool", {"a"}, {"g"}).node("Dropout", {"g"}, {"y"}).output("y");
  write("transposed.onnx", transposed);
  OnnxBuilder shapes(13);
  shapes.input("x", {0, 2, 3}).initialiser(Tensors::integers("a", {4}, {3, 2, 1, 6}));
  shapes.initialiser(Tensors::integers("one", {1}, {1})).initialiser(Tensors::integers("three", {1}, {3}));
  shapes.initialiser(Tensors::integers("zero", {1}, {0})).initialiser(Tensors::integers("back", {1}, {-1}));
  shapes.node("Slice", {"a", "three", "zero", "zero", "back"}, {"s"}).node("Add", {"s", "one"}, {"s1"});
  shapes.node("Sub", {"s1", "one"}, {"s2"})
      .node("Cast", {"s2"}, {"f"}, {{"to", 1}})
      .node("Cast", {"f"}, {"k"}, {{"to", 7}});
  shapes.node("Unsqueeze", {"k", "zero"}, {"u"})
      .node("Transpose", {"u"}, {"v"}, {{"perm", {1, 0}}})
      .node("Squeeze", {"v", "one"}, {"q"});
  shapes.node("Gather", {"q", "zero"}, {"n"})
      .node("ConstantOfShape", {"one"}, {"o"}, {{"value", Tensors::integers("", {1}, {1})}});
  shapes.node("Concat", {"o", "n"}, {"t"}, {{"axis", 0}}).node("Reshape", {"x", "t"}, {"y"}).output("y");
  write("shapes.onnx", shapes);
}
