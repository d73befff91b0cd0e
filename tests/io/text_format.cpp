// Protobuf's text format.
#include "deconv/io/text_format.hpp"

#include "catch.hpp"

using namespace deconv;
using namespace deconv::io;
using deconv::test::Contains;

namespace {

std::string error_of(std::string_view text) {
  try {
    (void)parse_text_format(text, "net.prototxt");
  } catch (const FormatError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("values, messages, lists, comments and strings") {
  const TextMessage net = parse_text_format(R"(
# a comment { with braces
name: "net" 'work'   # strings side by side are one
layer { type: CONV, size: [1, 2,3]; pad: 4 }
layer: < alpha: 5e-05 beta: -.75f on: true off: false >
escapes: "a\n\t\"\\\101\x41\'"
empty {} none: []
)",
                                            "net.prototxt");
  CHECK(net.text("name", "") == "network");
  const auto layers = net.messages("layer");
  REQUIRE(layers.size() == 2);
  CHECK(layers[0]->text("type", "") == "CONV");
  CHECK(layers[0]->integers("size", 0, 9) == std::vector<Index>{1, 2, 3});
  CHECK(layers[0]->integer("pad", 0, 0, 9) == 4);
  CHECK(layers[0]->integer("stride", 7, 0, 9) == 7);
  CHECK(layers[1]->real("alpha", 0) == 5e-05f);
  CHECK(layers[1]->real("beta", 0) == -0.75f);
  CHECK(layers[1]->truth("on", false));
  CHECK_FALSE(layers[1]->truth("off", true));
  CHECK(layers[1]->truth("absent", true));
  CHECK(net.text("escapes", "") == "a\n\t\"\\AA'");
  CHECK(net.has("empty"));
  CHECK_FALSE(net.has("none"));
  CHECK(net.message("absent").fields.empty());
}

TEST_CASE("of a field that stands several times the last counts") {
  const TextMessage net = parse_text_format("a: 1 a: 2", "n");
  CHECK(net.integer("a", 0, 0, 9) == 2);
}

TEST_CASE("broken text is named with its line") {
  CHECK(error_of("a: 1\nb {\n c: 2\n") == "net.prototxt:4: '}' wanted, met the end");
  CHECK_THAT(error_of("a: 1\n}"), Contains("net.prototxt:2") && Contains("field name wanted"));
  CHECK_THAT(error_of("a 1"), Contains("':' or '{' wanted behind \"a\""));
  CHECK_THAT(error_of("a:"), Contains("a value wanted, met the end"));
  CHECK_THAT(error_of("a: \"unfinished\nb: 1"), Contains("without its closing quote"));
  CHECK_THAT(error_of("a: \"\\"), Contains("without its closing quote"));
  CHECK_THAT(error_of("a: \"\\q\""), Contains("unknown escape"));
  CHECK_THAT(error_of("a: \"\\777\""), Contains("unknown escape"));
  CHECK_THAT(error_of("a: [1, 2"), Contains("',' or ']' wanted"));
  CHECK_THAT(error_of("[ext.name]: 1"), Contains("field name wanted"));
  CHECK_THAT(error_of(std::string_view("a: \0", 4)), Contains("a value wanted"));
  CHECK_THAT(error_of("\xff\xfe"), Contains("field name wanted"));
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "a{";
  CHECK_THAT(error_of(deep), Contains("nested deeper than 32"));
  std::string many;
  for (int i = 0; i < 1000001; ++i) many += "a:1 ";
  CHECK_THAT(error_of(many), Contains("more than 1000000 fields"));
}

TEST_CASE("values of the wrong kind are named with field and line") {
  const TextMessage net = parse_text_format("a: word\nb: 12\nc { }\nd: 1e39", "net.prototxt");
  CHECK_THROWS_WITH(net.integer("a", 0, 0, 9),
                    "net.prototxt:1: a: a whole number from 0 to 9 wanted, met \"word\"");
  CHECK_THROWS_WITH(net.integer("b", 0, 0, 9),
                    "net.prototxt:2: b: a whole number from 0 to 9 wanted, met \"12\"");
  CHECK_THROWS_WITH(net.integer("c", 0, 0, 9), "net.prototxt:3: c: a value wanted, met a message");
  CHECK_THROWS_WITH(net.messages("a"), "net.prototxt:1: a: a message in braces wanted, met \"word\"");
  CHECK_THROWS_WITH(net.real("a", 0), "net.prototxt:1: a: a finite number wanted, met \"word\"");
  CHECK_THROWS_WITH(net.real("d", 0), "net.prototxt:4: d: a finite number wanted, met \"1e39\"");
  CHECK_THROWS_WITH(net.truth("b", true), "net.prototxt:2: b: true or false wanted, met \"12\"");
  CHECK_THROWS_WITH(net.allow({"a", "b", "d"}), "net.prototxt:3: c: unknown field");
}
