// deconv correspond on a small network and a table of landmarks.

#include "program.hpp"

using namespace deconv;
using namespace deconv::test;

namespace {

/// The small world with a table of landmarks of its pictures (24 x 22 pixels).
class Landmarked : public SmallWorld {
 public:
  [[nodiscard]] std::string table(const std::string& text) const {
    io::write_text(*this / "landmarks.csv", text);
    return (*this / "landmarks.csv").string();
  }
  [[nodiscard]] std::vector<std::string> command(const std::string& text,
                                                 const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{"correspond", "--model", model(), "--landmarks", table(text)};
    for (const auto& [option, value] :
         {std::pair{"--size", "5"}, std::pair{"--random-trials", "3"}, std::pair{"--layers", "relu1,last"}})
      if (std::find(more.begin(), more.end(), option) == more.end())
        words.insert(words.end(), {option, value});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

const std::string three =
    "file,eye_x,eye_y,nose_x,nose_y\npicture0.png,6,5,12,11\npicture1.png,7,5,12,12\npicture2.png,6,6,13,"
    "11\n";

}  // namespace

TEST_CASE("correspond prints its table beside the paper's, and writes it") {
  const Landmarked world;
  const io::Json document = document_of(world.command(three));
  REQUIRE(document.at("parts").size() == 2);
  CHECK(document.at("parts")[1].at("part") == "nose");
  CHECK(document.at("layers") == io::Json({"relu1", "relu2"}));
  CHECK(document.at("parts")[0].at("scores")[0].at("pairs") == 3);
  CHECK(document.at("random").at("scores")[0].at("pairs") == 9);
  CHECK(document.at("images")[0].at("masks").at("eye").at("bottom").get<int>() -
            document.at("images")[0].at("masks").at("eye").at("top").get<int>() ==
        5);
  CHECK(document.at("paper").size() == 4);
  for (const auto& part : document.at("parts"))
    for (const auto& score : part.at("scores")) {
      CHECK(score.at("mean").get<double>() > 0);
      CHECK(score.at("mean").get<double>() <= 1);
    }
  const Run people = run_program(world.command(three, {"--output", (world / "table.csv").string()}));
  CHECK(people.status == 0);
  CHECK(people.out.find("0.107 +- 0.017") != std::string::npos);
  const std::string csv = io::read_text(world / "table.csv");
  CHECK(csv.starts_with("part,layer,mean,deviation,pairs\neye,relu1,"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 7);
  CHECK_FALSE(document_of(world.command(three, {"--random-trials", "0"})).contains("random"));
}

TEST_CASE("correspond leaves out what the crop loses, and names what is wrong") {
  const Landmarked world;
  const auto wrong = [&](const std::vector<std::string>& words, const std::string& part, int status) {
    const Run run = run_program(words);
    INFO(run.err);
    CHECK(run.status == status);
    CHECK(run.error_names(part));
  };
  // The middle 20 x 20 of 24 x 22 pixels: column 1 is lost.
  const std::string lost = three + "picture0.png,1,5,12,11\n";
  const Run run = run_program(world.command(lost, {"--resize", "none", "--json"}));
  CHECK(run.status == 0);
  CHECK(run.err.find("left out") != std::string::npos);
  CHECK(run.json().at("left_out").size() == 1);
  CHECK(run.json().at("images").size() == 3);
  wrong(world.command("file,eye_x,eye_y\npicture0.png,6,5\n"), "two pictures", 1);
  wrong(world.command("file,eye_x,eye_y\npicture0.png,6,5\npicture9.png,6,5\n"), "picture9.png", 1);
  wrong(world.command("file,eye_x,eye_y\npicture0.png,6,5\npicture1.png,60,5\n"), "eye", 1);
  wrong(world.command("file,eye_x\n"), "line 1", 1);
  wrong(world.command(three, {"--size", "0"}), "--size", 2);
  wrong(world.command(three, {"--size", "21"}), "21", 1);
  wrong(world.command(three, {"--output", (world / "x.svg").string()}), ".csv", 2);
}
