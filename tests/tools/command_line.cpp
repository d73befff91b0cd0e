// The program's frame: exit statuses, error lines, and that nothing is left behind after an error.

#include "program.hpp"

namespace {

using namespace deconv;
using namespace deconv::test;

TEST_CASE("help and version are answers, not errors") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"--version"}, {"project", "--help"}}) {
    const Run run = run_program(arguments);
    INFO(arguments.front());
    CHECK(run.status == 0);
    CHECK(run.err.empty());
    CHECK_FALSE(run.out.empty());
  }
}

TEST_CASE("a wrong command line ends with status 2 and one line that names what was met") {
  const SmallWorld world;
  const std::string model = world.model(), picture = world.picture(0);
  struct Wrong {
    std::vector<std::string> arguments;
    std::string named;
  };
  const std::vector<Wrong> all = {
      {{}, "info"},
      {{"frobnicate"}, "frobnicate"},
      {{"--frobnicate"}, "frobnicate"},
      {{"info"}, "--model"},
      {{"info", "--model", model, "--frobnicate"}, "--frobnicate"},
      {{"run", "--model", model}, "--image"},
      {{"run", "--model", model, "--image", picture, "--input", "x.npy"}, "--input"},
      {{"run", "--model", model, "--image", picture, "--threads", "0"}, "--threads"},
      {{"run", "--model", model, "--image", picture, "--threads", "two"}, "--threads"},
      {{"run", "--model", model, "--image", picture, "--device", "tpu"}, "--device"},
      {{"run", "--model", model, "--image", picture, "--maths", "fp8"}, "fp8"},
      {{"run", "--model", model, "--image", picture, "--maths", "tf32"}, "--maths tf32 wants --device cuda"},
      {{"filters", "--model", model, "--maths", "3xtf32"}, "--maths 3xtf32 wants --device cuda"},
      {{"train", "--net", "lenet32", "--data", world.set(), "--output", (world / "run").string(), "--maths",
        "tf32"},
       "--maths tf32 wants --device cuda"},
      {{"run", "--model", model, "--image", picture, "--repeat", "-1"}, "--repeat"},
      {{"run", "--model", model, "--image", picture, "--output", (world / "x.txt").string()}, "x.txt"},
      {{"run", "--model", model, "--image", picture, "--layers", "relu1,relu2", "--output",
        (world / "x.npy").string()},
       "x.npy"},
      {{"convert", "--model", model}, "--output"},
      {{"convert", "--model", model, "--output", (world / "x.onnx").string()}, "x.onnx"},
      {{"classify", "--model", model, "--image", picture, "--crops", "3"}, "--crops"},
      {{"classify", "--model", model, "--image", picture, "--data", world.set()}, "--data"},
      {{"classify", "--model", model, "--image", picture, "--skip-broken"}, "--skip-broken"},
      {{"evaluate", "--models", model}, "--data"},
      {{"evaluate", "--data", world.set()}, "--models"},
      {{"evaluate", "--models", model, "--data", world.set(), "--crops", "5"}, "--crops"},
      {{"evaluate", "--models", model, "--data", world.set(), "--top", "0"}, "--top"},
      {{"project", "--model", model, "--image", picture, "--layer", "relu2"}, "--map"},
      {{"project", "--model", model, "--image", picture, "--layer", "relu2", "--map", "1", "--top", "2"},
       "--map"},
      {{"project", "--model", model, "--image", picture, "--layer", "relu2", "--top", "2", "--at", "1,1"},
       "--at"},
      {{"project", "--model", model, "--image", picture, "--layer", "relu2", "--map", "1", "--at", "1"},
       "--at"},
      {{"project", "--model", model, "--image", picture, "--layer", "relu2", "--map", "1", "--rule", "best"},
       "--rule"},
      {{"features", "--model", model, "--data", world.set()}, "--layer"},
      {{"features", "--model", model, "--data", world.set(), "--layer", "relu1", "--maps", "1", "--random",
        "2"},
       "--maps"},
      {{"features", "--model", model, "--data", world.set(), "--layer", "relu1", "--maps", "1,x"}, "--maps"},
  };
  for (const Wrong& wrong : all) {
    const auto before = names_in(world.path());
    const Run run = run_program(wrong.arguments);
    std::string line;
    for (const std::string& argument : wrong.arguments) line += argument + " ";
    INFO(line << "\n" << run.err);
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    CHECK(run.error_names(wrong.named));
    CHECK(names_in(world.path()) == before);
  }
}

TEST_CASE("what is wrong with files and layers ends with status 1, one line, and no output") {
  const SmallWorld world;
  const std::string model = world.model(), picture = world.picture(0);
  const auto at = [&](const std::string& name) { return (world / name).string(); };
  io::write_text(at("text.png"), "this is no picture");
  io::write_text(at("text.onnx"), "this is no network");
  const auto bytes = io::read_file(model);
  io::write_file(at("cut.safetensors"), std::span(bytes).first(bytes.size() / 2));
  const auto png = io::read_file(picture);
  io::write_file(at("cut.png"), std::span(png).first(png.size() / 2));
  io::write_model_file(at("bare.safetensors"), small_model(false));
  std::filesystem::create_directories(world / "mine");
  io::write_text(at("mine/letter.txt"), "keep me");
  struct Wrong {
    std::vector<std::string> arguments;
    std::string named;
  };
  const std::string out = at("out");
  const std::vector<Wrong> all = {
      {{"info", "--model", at("absent.onnx")}, "absent.onnx"},
      {{"info", "--model", at("text.onnx")}, "text.onnx"},
      {{"info", "--model", picture}, "picture0.png"},
      {{"convert", "--model", at("cut.safetensors"), "--output", at("x.safetensors")}, "cut.safetensors"},
      {{"convert", "--model", model, "--output", at("absent/x.safetensors")}, "absent"},
      {{"run", "--model", model, "--image", at("text.png"), "--output", out}, "text.png"},
      {{"run", "--model", model, "--image", picture, at("cut.png"), "--output", out}, "cut.png"},
      {{"run", "--model", model, "--image", at("absent.png"), "--output", out}, "absent.png"},
      {{"run", "--model", model, "--input", at("absent.npy"), "--output", out}, "absent.npy"},
      {{"run", "--model", model, "--image", picture, "--layers", "relu9", "--output", out}, "relu2"},
      {{"run", "--model", at("bare.safetensors"), "--image", picture, "--output", out}, "--preprocess"},
      {{"run", "--model", model, "--image", picture, "--preprocess", at("absent.json"), "--output", out},
       "absent.json"},
      {{"run", "--model", model, "--image", picture, "--output", at("mine")}, "mine"},
      {{"project", "--model", model, "--image", picture, "--layer", "pool9", "--map", "0", "--output", out},
       "pool1"},
      {{"project", "--model", model, "--image", picture, "--layer", "relu2", "--map", "5", "--output", out},
       "relu2"},
      {{"project", "--model", model, "--image", picture, "--layer", "relu2", "--map", "0", "--at", "7,0",
        "--output", out},
       "relu2"},
      {{"features", "--model", model, "--data", at("absent"), "--layer", "relu1", "--output", out}, "absent"},
      {{"features", "--model", model, "--data", world.set(), "--layer", "relu1", "--maps", "6", "--output",
        out},
       "relu1"},
      {{"features", "--model", model, "--data", world.set(), "--layer", "rleu1", "--output", out}, "relu1"},
      {{"filters", "--model", model, "--layer", "relu1", "--output", out}, "relu1"},
      {{"gradcam", "--model", model, "--image", picture, "--class", "4", "--output", out}, "4"},
      {{"gradcam", "--model", model, "--image", picture, "--layer", "fc", "--output", out}, "fc"},
  };
  for (const Wrong& wrong : all) {
    const auto before = names_in(world.path());
    const Run run = run_program(wrong.arguments);
    std::string line;
    for (const std::string& argument : wrong.arguments) line += argument + " ";
    INFO(line << "\n" << run.err);
    CHECK(run.status == 1);
    CHECK(run.out.empty());
    CHECK(run.error_names(wrong.named));
    CHECK(names_in(world.path()) == before);
  }
  CHECK(io::read_text(at("mine/letter.txt")) == "keep me");
}

}  // namespace
