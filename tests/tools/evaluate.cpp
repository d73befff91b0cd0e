// deconv evaluate: each network and their mean as their probabilities say by hand, and real photographs.

#include <cmath>

#include "deconv/io/open_dataset.hpp"
#include "program.hpp"

namespace {

using namespace deconv;
using namespace deconv::test;

/// Another network of the same classes that looks at its pictures in another way.
std::string second_model(const SmallWorld& world) {
  io::ModelFile file = small_model();
  initialise(file.model, Initialisation::he, 8);
  file.preprocess->mean = {0.5};
  file.preprocess->std = {0.25};
  const std::string path = (world / "second.safetensors").string();
  io::write_model_file(path, file);
  return path;
}

/// Probabilities of the four classes of each picture of the set.
std::vector<std::vector<double>> probabilities(const std::string& model, const io::Dataset& set,
                                               const std::string& folder) {
  std::vector<std::string> arguments{"classify", "--model", model, "--top", "4", "--image"};
  for (Index i = 0; i < set.size(); ++i) arguments.push_back(folder + "/" + set.name(i));
  std::vector<std::vector<double>> all;
  const io::Json document = document_of(arguments);
  for (const io::Json& image : document.at("images")) {
    std::vector<double> row(4);
    for (const io::Json& one : image.at("classes"))
      row[one.at("class").get<std::size_t>()] = one.at("probability").get<double>();
    all.push_back(row);
  }
  return all;
}

void check_errors(const io::Json& met, const std::vector<std::vector<double>>& rows, const io::Dataset& set) {
  int right = 0, second = 0;
  double loss = 0;
  for (Index i = 0; i < set.size(); ++i) {
    const auto& row = rows[static_cast<std::size_t>(i)];
    const double own = row[static_cast<std::size_t>(*set.label(i))];
    int before = 0;
    for (const double p : row) before += p > own;
    right += before == 0;
    second += before <= 1;
    loss -= std::log(own) / static_cast<double>(set.size());
  }
  CHECK(met.at("images") == set.size());
  CHECK(met.at("skipped") == 0);
  CHECK(met.at("top1_correct") == right);
  CHECK(met.at("top2_correct") == second);
  CHECK(met.at("top1_error").get<double>() == Approx(1 - right / static_cast<double>(set.size())));
  CHECK(met.at("top2_error").get<double>() == Approx(1 - second / static_cast<double>(set.size())));
  CHECK(met.at("loss").get<double>() == Approx(loss).epsilon(1e-5));
}

TEST_CASE("evaluate judges each network, and the mean of their probabilities") {
  const SmallWorld world;
  const std::string other = second_model(world);
  const auto set = io::open_dataset(world.set());
  const auto first = probabilities(world.model(), *set, world.set()),
             second = probabilities(other, *set, world.set());
  auto mean = first;
  for (std::size_t i = 0; i < mean.size(); ++i)
    for (std::size_t k = 0; k < 4; ++k) mean[i][k] = (first[i][k] + second[i][k]) / 2;

  const io::Json met =
      document_of({"evaluate", "--models", world.model(), other, "--data", world.set(), "--top", "2"});
  check_errors(met, mean, *set);
  REQUIRE(met.at("models").size() == 2);
  CHECK(met.at("models")[0].at("model") == world.model());
  check_errors(met.at("models")[0], first, *set);
  check_errors(met.at("models")[1], second, *set);

  const io::Json alone =
      document_of({"evaluate", "--models", other, "--data", world.set(), "--top", "2", "--repeat", "2"});
  check_errors(alone, second, *set);
  CHECK(alone.at("min_ms").get<double>() > 0);
  const io::Json same = document_of({"classify", "--model", other, "--data", world.set(), "--top", "2"});
  for (const char* field : {"images", "top1_correct", "top2_correct", "top1_error", "top2_error", "loss"})
    CHECK(alone.at(field) == same.at(field));

  const Run people = run_program({"evaluate", "--models", world.model(), other, "--data", world.set()});
  CHECK(people.status == 0);
  CHECK(people.out.find("mean of the probabilities of 2 networks") != std::string::npos);
}

TEST_CASE("evaluate with ten crops, broken pictures and wrong lines") {
  const SmallWorld world;
  io::write_text(world / "crop.json",
                 R"({"size": 23, "resize": "exact", "crop": 20, "scale": 0.00392156862745098})");
  const std::vector<std::string> common{"evaluate", "--models", world.model(), "--data", world.set()};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), common.begin(), common.end());
    return more;
  };
  const std::string crop = (world / "crop.json").string();
  const io::Json ten = document_of(with({"--preprocess", crop, "--crops", "10"}));
  const io::Json one = document_of(with({"--preprocess", crop}));
  CHECK((ten.at("crops") == 10 && one.at("crops") == 1 && ten.at("images") == 6));
  CHECK(ten.at("loss") != one.at("loss"));
  const Run uncropped = run_program(with({"--crops", "10"}));
  CHECK(uncropped.status == 1);
  CHECK(uncropped.error_names("--crops 10"));

  io::write_text(world / "set/b/broken.png", "no picture");
  const Run strict = run_program(common);
  CHECK(strict.status == 1);
  CHECK(strict.error_names("broken.png"));
  const Run lenient = run_program(with({"--skip-broken", "--json"}));
  CHECK(lenient.status == 0);
  CHECK(lenient.err.find("deconv: warning: ") == 0);
  CHECK((lenient.json().at("skipped") == 1 && lenient.json().at("images") == 6));

  const Run missing = run_program({"evaluate", "--models", "missing.onnx", "--data", world.set()});
  CHECK(missing.status == 1);
  CHECK(missing.error_names("missing.onnx"));
}

TEST_CASE("a real network's errors over photographs: 450 and 588 of 650 right") {
  DECONV_TEST_DATA_OR_SKIP(model, "models/squeezenet1.1.onnx");
  DECONV_TEST_DATA_OR_SKIP(list, "images/imagenet_val/labels.txt");
  std::vector<std::string> arguments{"evaluate", "--models", model.string(), "--data", list.string()};
  for (const char* more : {"--preprocess", "imagenet-torch", "--resize", "none"})
    arguments.emplace_back(more);
  const io::Json met = document_of(arguments);
  CHECK(met.at("images") == 650);
  CHECK(std::abs(met.at("top1_correct").get<int>() - 450) <= 6);
  CHECK(std::abs(met.at("top5_correct").get<int>() - 588) <= 6);
}

}  // namespace
