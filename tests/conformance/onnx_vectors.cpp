// ONNX's own test vectors through the importer and the network: every case either gives the expected outputs
// or stands in the list of those that are out of scope, with the reason.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/io/onnx.hpp"
#include "deconv/nn/network.hpp"
#include "support/catch.hpp"
#include "support/test_data.hpp"

namespace {

using namespace deconv;
namespace fs = std::filesystem;

// Why cases are not ours, by the beginning of their names. A case that passes although it is listed fails the
// test, so that the list stays true; so does an entry that fits no case.
const std::map<std::string, std::string> out_of_scope = {
    {"node/test_adam", "an optimiser: training"},
    {"node/test_momentum", "an optimiser: training"},
    {"node/test_nesterov_momentum", "an optimiser: training"},
    {"node/test_nllloss", "a loss: training"},
    {"node/test_sce", "a loss: training"},
    {"node/test_batchnorm_epsilon_training_mode", "training mode"},
    {"node/test_batchnorm_example_training_mode", "training mode"},
    {"node/test_dropout_default_mask", "the mask output is of type bool"},
    {"node/test_matmul_3d", "a product of two stacks of matrices, no linear layer"},
    {"node/test_matmul_4d", "a product of two stacks of matrices, no linear layer"},
    {"node/test_matmulinteger", "integer arithmetic"},
    {"node/test_prelu", "PRelu: a slope an element is none of our rectifiers"},
    {"pytorch/test_operator_maxpool", "one-dimensional"},
};

// Which inputs stay inputs of the network; of all other cases it is the first, and the rest are its
// constants.
const std::map<std::string, std::set<std::string>> computed_inputs = {
    {"node/test_concat", {"value0", "value1"}},
    {"node/test_maxunpool", {"xT", "xI"}},
    {"node/test_gemm_default_matrix_bias", {"a", "c"}},  // the bias differs from row to row
};

// Largest |met - expected| <= absolute + relative * |expected|.
struct Tolerance {
  double relative, absolute;
  const char* reason;
};
const std::map<std::string, Tolerance> tolerances = {
    {"node/test_concat", {0, 0, "copies"}},
    {"node/test_flatten", {0, 0, "copies"}},
    {"node/test_dropout", {0, 0, "copies"}},
    {"node/test_maxpool", {0, 0, "picks elements"}},
    {"node/test_maxunpool", {0, 0, "copies"}},
    {"node/test_globalmaxpool", {0, 0, "picks elements"}},
    {"node/test_relu", {0, 0, "picks elements"}},
    {"pytorch/test_ReLU", {0, 0, "picks elements"}},
    {"pytorch/test_MaxPool2d", {0, 0, "picks elements"}},
    {"", {1e-5, 1e-6, "sums in float32, in another order than the reference's"}},
};

template <class Value>
const std::pair<const std::string, Value>* longest_prefix(const std::map<std::string, Value>& table,
                                                          const std::string& name) {
  const std::pair<const std::string, Value>* best = nullptr;
  for (const auto& entry : table)
    if (name.starts_with(entry.first)) best = &entry;  // sorted: later ones are longer
  return best;
}

std::vector<fs::path> cases_in(const fs::path& root) {
  std::vector<fs::path> folders;
  for (const char* part : {"node", "pytorch"})
    for (const auto& entry : fs::directory_iterator(root / part))
      if (entry.is_directory()) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

// Empty, or how the outputs differ.
std::string compare(const io::OnnxTensor& expected, const Trace<float, Cpu>& trace, const std::string& name,
                    const Tolerance& tolerance) {
  if (!expected.is_float()) {
    const auto met = trace.indices(name);
    if (met.shape() != expected.shape())
      return message(name, ": shape ", met.shape(), ", not ", expected.shape());
    if (!std::ranges::equal(met, expected.integers())) return name + ": other indices";
    return {};
  }
  const auto met = trace.activation(name);
  if (met.shape() != expected.shape())
    return message(name, ": shape ", met.shape(), ", not ", expected.shape());
  for (Index i = 0; i < met.count(); ++i) {
    const double wanted = expected.floats().data()[i], got = met.data()[i];
    if (!(std::abs(got - wanted) <= tolerance.absolute + tolerance.relative * std::abs(wanted)))
      return message(name, "[", i, "]: ", got, ", not ", wanted);
  }
  return {};
}

// Runs one data set of a case. Empty, or what went wrong.
std::string run_case(const fs::path& folder, const std::string& name) {
  const io::Bytes content = io::read_file(folder / "model.onnx");
  const io::onnx::ModelProto file = io::onnx::read_model_proto(content);
  if (!file.graph) return "no graph";
  std::set<std::string> stored;
  for (const auto& initialiser : file.graph->initialisers) stored.insert(std::string(initialiser.name));
  std::vector<std::string> open;
  for (const auto& input : file.graph->inputs)
    if (!stored.contains(std::string(input.name))) open.push_back(std::string(input.name));

  const auto* computed = longest_prefix(computed_inputs, name);
  io::OnnxOptions options;
  std::map<std::string, io::OnnxTensor> inputs;
  const fs::path data = folder / "test_data_set_0";
  for (std::size_t i = 0; i < open.size(); ++i) {
    io::OnnxTensor tensor = io::read_onnx_tensor(data / message("input_", i, ".pb"));
    const bool stays = computed != nullptr ? computed->second.contains(open[i]) : i == 0;
    (stays ? inputs : options.constants).emplace(open[i], std::move(tensor));
  }
  const Network<float, Cpu> network(io::read_onnx(content, options, name));
  NetworkInputs<float, Cpu> given;
  for (const auto& [input, tensor] : inputs) {
    if (tensor.is_float())
      given.values.emplace(input, tensor.floats());
    else
      given.indices.emplace(input, tensor.integers());
  }
  const Context<Cpu> context;
  const Trace<float, Cpu> trace = network.forward(context, given);
  const Tolerance& tolerance = longest_prefix(tolerances, name)->second;
  std::size_t compared = 0;
  for (std::size_t i = 0; i < file.graph->outputs.size(); ++i) {
    const fs::path path = data / message("output_", i, ".pb");
    if (!fs::exists(path)) return message("no expected output ", i);
    const std::string wrong =
        compare(io::read_onnx_tensor(path), trace, std::string(file.graph->outputs[i].name), tolerance);
    if (!wrong.empty()) return wrong;
    ++compared;
  }
  return compared > 0 ? "" : "nothing was compared";
}

}  // namespace

TEST_CASE("ONNX's test vectors give their expected outputs or are out of scope for a stated reason") {
  DECONV_TEST_DATA_OR_SKIP(root, "onnx_vectors");
  std::set<std::string> entries_met;
  int passed = 0, excused = 0, failed = 0;
  for (const fs::path& folder : cases_in(root)) {
    const std::string name =
        message(folder.parent_path().filename().string(), '/', folder.filename().string());
    std::string wrong;
    bool refused = false;
    try {
      wrong = run_case(folder, name);
    } catch (const Error& failure) {
      refused = true;
      wrong = failure.what();
      CHECK(wrong.find('\n') == std::string::npos);
      if (wrong.empty()) wrong = "an error without a message";
    }
    const auto* excuse = longest_prefix(out_of_scope, name);
    if (excuse != nullptr) entries_met.insert(excuse->first);
    INFO(name << ": " << wrong);
    if (excuse == nullptr) {
      std::printf("%-8s %-64s %s\n", wrong.empty() ? "passed" : "FAILED", name.c_str(), wrong.c_str());
      ++(wrong.empty() ? passed : failed);
      CHECK(wrong.empty());
    } else {
      std::printf("%-8s %-64s %s\n", "out", name.c_str(), excuse->second.c_str());
      ++excused;
      CHECK(refused);  // never a wrong result without a word
    }
  }
  std::printf("%d cases passed, %d failed, %d are out of scope\n", passed, failed, excused);
  for (const auto& entry : out_of_scope) {
    INFO("out of scope, but no such case: " << entry.first);
    CHECK(entries_met.contains(entry.first));
  }
  CHECK(passed >= 120);
}
