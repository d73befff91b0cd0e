// deconv transfer on a small network and few pictures.

#include "program.hpp"

using namespace deconv;
using namespace deconv::test;

namespace {

/// The small world with a list of pictures of several classes.
class Lists : public SmallWorld {
 public:
  /// Pictures first, first + 2, ... of the set, each with the classes that its number's bits say.
  [[nodiscard]] std::string list(const std::string& name, int first) const {
    std::string text;
    for (int i = first; i < 6; i += 2)
      text += "set/" + std::string(i % 2 == 0 ? "a/" : "b/") + std::to_string(i) + ".png " +
              (i < 3    ? "0,1"
               : i == 3 ? "1"
                        : "0,2?") +
              "\n";
    io::write_text(*this / name, text);
    return (*this / name).string();
  }
};

}  // namespace

TEST_CASE("transfer judges each layer's features, the same way for the same seed") {
  const Lists world;
  const std::vector<std::string> command{"transfer",  "--model",     world.model(),  "--data",
                                         world.set(), "--layer",     "conv1,relu2",  "--folds",
                                         "3",         "--per-class", "1,2",          "--test-per-class",
                                         "1",         "--quiet",     "--classifier", "softmax,svm"};
  const io::Json document = document_of(command);
  const io::Json& rows = document.at("lines");
  REQUIRE(rows.size() == 8);  // two layers, two classifiers, two numbers of pictures
  for (const io::Json& row : rows) {
    const double mean = row.at("accuracy").get<double>();
    CHECK(mean >= 0);
    CHECK(mean <= 1);
    CHECK(row.at("folds").size() == 3);
  }
  CHECK(rows[0].at("layer") == "relu1");  // what follows conv1
  CHECK(document_of(command).at("lines") == rows);
}

TEST_CASE("transfer of pictures of several classes gives an average precision for each") {
  const Lists world;
  const io::Json document =
      document_of({"transfer", "--model", world.model(), "--data", world.list("train.txt", 0), "--test-data",
                   world.list("test.txt", 1), "--layer", "relu2", "--quiet", "--classifier", "svm"});
  CHECK(document.at("multi_label") == true);
  REQUIRE(document.at("lines").size() == 1);
  const io::Json& classes = document.at("lines")[0].at("classes");
  REQUIRE(classes.size() >= 2);
  for (const io::Json& one : {classes[0], classes[1]}) {
    CHECK(one.at("average_precision").get<double>() > 0);
    CHECK(one.at("average_precision").get<double>() <= 1);
  }
}

TEST_CASE("transfer says what is wrong") {
  const Lists world;
  const auto before = names_in(world.path());
  const auto wrong = [&](std::vector<std::string> more, const std::string& part, int status) {
    more.insert(more.begin(), {"transfer", "--model", world.model(), "--data", world.set()});
    const Run run = run_program(more);
    INFO(run.err);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
    CHECK(names_in(world.path()) == before);
  };
  wrong({"--layer", "relu7"}, "relu2", 1);
  wrong({"--layer", "relu1", "--per-class", "9"}, "at least 10 pictures", 1);
  wrong({"--layer", "relu1", "--per-class", "0"}, "--per-class", 2);
  wrong({"--layer", "relu1", "--per-class", "1", "--output", (world / "x.png").string()}, ".csv", 2);
}
