// Whole runs: they learn, they resume to the same bits, several ranks do what one does, and what goes wrong
// leaves the last checkpoint as it was.

#include "deconv/train/trainer.hpp"

#include <sys/resource.h>

#include <csignal>

#include "deconv/dist/local.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/train/start.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#include "support/relative_error.hpp"
#include "support/scratch_folder.hpp"
#include "train/learnable_dataset.hpp"
#include "train/messages.hpp"

namespace {

using namespace deconv;
using test::LearnableDataset;
using test::mentions_all;
using test::said_by;
using test::ScratchFolder;
using train::Recipe;
using train::RunEnd;
using train::RunFolder;
using train::RunState;
using train::Trainer;
using train::TrainerOptions;

/// A network with all that a run depends on: pooling, normalisation, dropout.
io::ModelFile small_start(const Recipe& recipe, Index classes = 4) {
  GraphBuilder net("data", {1, 1, 16, 16});
  net.add("conv1", node::Conv2d{6, {Window2d::square(3, 1, 1)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}});
  net.add("norm1", node::Lrn{{LrnRegion::across_channels, AlphaConvention::plain, 5, 1e-4f, 0.75f, 2.0f}});
  net.add("conv2", node::Conv2d{8, {Window2d::square(3, 2, 1)}});
  net.add("relu2", node::Relu{});
  net.add("fc3", node::Linear{12});
  net.add("relu3", node::Relu{});
  net.add("drop3", node::Dropout{0.3f});
  net.add("fc4", node::Linear{classes});
  net.add("prob", node::Softmax{});
  io::ModelFile file{{"small", std::move(net).finish(), {}}, recipe.preprocess, {}};
  initialise(file.model, Initialisation::he, recipe.seed);
  return file;
}

Recipe small_recipe() {
  Recipe recipe;
  recipe.net = "small";
  recipe.batch = 8;
  recipe.epochs = 3;
  recipe.schedule.rate = 0.02;
  recipe.weight_decay = 1e-3;
  recipe.filter_rms = 0.3;
  recipe.augmentation = {train::Crops::random, false, 1, train::Padding::zero};  // a bar's place is its class
  recipe.preprocess.frame = recipe.preprocess.crop = io::Extent{16, 16};
  recipe.preprocess.order = io::ChannelOrder::grey;
  recipe.preprocess.scale = 1.0 / 64;
  recipe.preprocess.mean = {1.2};
  recipe.parameters = {{"*.bias", 2, 0}};
  return recipe;
}

Context<Cpu> host() { return Context<Cpu>(1); }

/// A trainer alone, with what it refers to.
struct Alone {
  dist::LocalCommunicator<Cpu> communicator;
  Trainer<float, Cpu> trainer;
  Alone(const Recipe& recipe, const io::Dataset& set, const io::Dataset* validation = nullptr,
        TrainerOptions options = {})
      : trainer(host(), communicator, small_start(recipe), recipe, set, validation, std::move(options)) {}
};

/// All weights and velocities of a checkpoint, as bytes.
std::map<std::string, std::vector<float>> tensors_of(const std::filesystem::path& path) {
  const io::SafetensorsReader reader(path);
  std::map<std::string, std::vector<float>> all;
  for (const auto& entry : reader.entries()) {
    const auto tensor = reader.read<float>(entry.name);
    all.emplace(entry.name, std::vector<float>(tensor.begin(), tensor.end()));
  }
  return all;
}

TrainerOptions stop_after(Index steps) {
  TrainerOptions options;
  auto left = std::make_shared<Index>(steps);
  options.stop = [left] { return --*left <= 0; };
  return options;
}

TEST_CASE("a run learns, and writes what it says", "[train][trainer]") {
  const LearnableDataset set(64), validation(24, 4, 99);
  Recipe recipe = small_recipe();
  recipe.epochs = 12;
  recipe.keep = 2;
  const ScratchFolder scratch;
  RunFolder folder = RunFolder::begin(scratch / "run", {{"a", 1}});
  Alone alone(recipe, set, &validation);
  REQUIRE(alone.trainer.run(&folder) == RunEnd::finished);
  const RunState& state = alone.trainer.state();
  REQUIRE((state.step == 12 * 8 && state.epoch == 12 && state.step_in_epoch == 0));

  const auto lines = train::read_log(folder.path()).lines;
  std::vector<train::LogLine> epochs;
  for (const auto& line : lines)
    if (line.of_epoch) epochs.push_back(line);
  REQUIRE(epochs.size() == 12);
  REQUIRE(*epochs.front().train_error > 0.3);
  REQUIRE(*epochs.back().train_error < 0.15);
  REQUIRE(*epochs.back().val_error < 0.1);
  REQUIRE(*epochs.back().loss < *epochs.front().loss / 2);
  // The last two, those of the figure, and the three names.
  for (const Index epoch : {1, 2, 5, 10, 11, 12}) REQUIRE(exists(folder.file(RunFolder::epoch_name(epoch))));
  for (const Index epoch : {3, 4, 6, 7, 8, 9})
    REQUIRE_FALSE(exists(folder.file(RunFolder::epoch_name(epoch))));
  REQUIRE(exists(folder.best()));
  REQUIRE(tensors_of(folder.last()) == tensors_of(folder.file(RunFolder::epoch_name(12))));

  // A checkpoint is a model that others open, with the trained weights.
  const io::ModelFile model = io::read_model_file(folder.last());
  REQUIRE(model.preprocess.has_value());
  const auto weight = alone.trainer.network().parameters().at("conv2.weight");
  REQUIRE(std::equal(weight->begin(), weight->end(), model.model.weights.at("conv2.weight").begin()));
  // Filters stay inside their radius.
  for (Index k = 0; k < (*weight)[0]; ++k) {
    double squares = 0;
    const Index size = weight->count() / (*weight)[0];
    for (Index i = 0; i < size; ++i)
      squares += std::pow(static_cast<double>(weight->data()[k * size + i]), 2);
    REQUIRE(std::sqrt(squares / static_cast<double>(size)) <= 0.3 * (1 + 1e-5));
  }
}

TEST_CASE("a run stopped after any step and resumed ends in the same bits", "[train][trainer]") {
  const LearnableDataset set(30), validation(9, 4, 99);
  Recipe recipe = small_recipe();
  recipe.schedule.kind = train::ScheduleKind::plateau;
  recipe.schedule.patience = 1;
  recipe.schedule.threshold = 0.2;  // falls often, so that its state matters
  const ScratchFolder scratch;
  RunFolder whole = RunFolder::begin(scratch / "whole", {});
  Alone first(recipe, set, &validation);
  REQUIRE(first.trainer.run(&whole) == RunEnd::finished);
  const Index steps = first.trainer.state().step;
  REQUIRE(steps == 12);
  REQUIRE(first.trainer.state().schedule.drops > 0);
  const auto wanted = tensors_of(whole.last());
  REQUIRE(wanted.size() == 16);
  const auto csv = [](const RunFolder& folder) {
    // Times differ, losses and errors may not.
    std::vector<std::array<double, 4>> rows;
    for (const auto& line : train::read_log(folder.path()).lines)
      if (line.of_epoch)
        rows.push_back({static_cast<double>(line.step), *line.loss, *line.train_error, *line.val_error});
    return rows;
  };

  for (Index stop = 1; stop < steps; ++stop) {
    CAPTURE(stop);
    const std::filesystem::path path = scratch / message("stopped-", stop);
    {
      RunFolder folder = RunFolder::begin(path, {});
      Alone second(recipe, set, &validation, stop_after(stop));
      REQUIRE(second.trainer.run(&folder) == RunEnd::stopped);
      REQUIRE(second.trainer.state().step == stop);
    }
    RunFolder folder = RunFolder::resume(path);
    const io::SafetensorsReader reader(folder.last());
    const train::Checkpoint checkpoint = train::read_checkpoint(reader);
    REQUIRE(checkpoint.state.step == stop);
    Alone third(recipe, set, &validation);
    third.trainer.resume(reader, checkpoint.state);
    REQUIRE(third.trainer.run(&folder) == RunEnd::finished);
    REQUIRE(tensors_of(folder.last()) == wanted);
    REQUIRE(csv(folder) == csv(whole));
    REQUIRE(third.trainer.state().schedule == first.trainer.state().schedule);
  }
}

TEST_CASE("several ranks do what one does", "[train][trainer]") {
  const LearnableDataset set(43),
      validation(11, 4, 99);  // the last batch of an epoch has 3: ranks without any
  Recipe recipe = small_recipe();
  Alone alone(recipe, set, &validation);
  REQUIRE(alone.trainer.run(nullptr) == RunEnd::finished);
  const auto wanted = alone.trainer.network().parameters();
  for (const int ranks : {2, 5}) {
    CAPTURE(ranks);
    std::mutex mutex;
    dist::LocalGroup<Cpu>(ranks).run([&](dist::Communicator<Cpu>& communicator) {
      Trainer<float, Cpu> trainer(host(), communicator, small_start(recipe), recipe, set, &validation);
      trainer.run(nullptr);
      const std::lock_guard lock(mutex);
      REQUIRE(trainer.state().best_error == alone.trainer.state().best_error);
      for (const auto& [name, weight] : trainer.network().parameters()) {
        CAPTURE(name);
        const Tensor<float, Cpu>& other = *wanted.at(name);
        double apart = 0, size = 0;
        for (Index i = 0; i < weight->count(); ++i) {
          apart += std::pow(static_cast<double>(weight->data()[i] - other.data()[i]), 2);
          size += std::pow(static_cast<double>(other.data()[i]), 2);
        }
        REQUIRE(size > 0);
        REQUIRE(std::sqrt(apart / size) <= 1e-5);
      }
    });
  }
}

TEST_CASE("equal shares of a batch end in the bits of one process", "[train][trainer]") {
  const LearnableDataset set(96);
  Recipe recipe = small_recipe();
  recipe.batch = 32;
  Alone alone(recipe, set);
  REQUIRE(alone.trainer.run(nullptr) == RunEnd::finished);
  const auto wanted = alone.trainer.network().parameters();
  for (const int ranks : {2, 4}) {
    CAPTURE(ranks);
    std::mutex mutex;
    dist::LocalGroup<Cpu>(ranks).run([&](dist::Communicator<Cpu>& communicator) {
      Trainer<float, Cpu> trainer(host(), communicator, small_start(recipe), recipe, set, nullptr);
      trainer.run(nullptr);
      const std::lock_guard lock(mutex);
      for (const auto& [name, weight] : trainer.network().parameters()) {
        CAPTURE(name);
        REQUIRE(std::equal(weight->begin(), weight->end(), wanted.at(name)->begin()));
      }
    });
  }
}

TEST_CASE("pictures of several classes, and a linear SVM", "[train][trainer]") {
  for (const auto loss : {train::LossKind::sigmoid, train::LossKind::squared_hinge}) {
    const bool several = loss == train::LossKind::sigmoid;
    const LearnableDataset set(64, 4, 5, several), validation(24, 4, 99, several);
    Recipe recipe = small_recipe();
    recipe.loss = loss;
    recipe.epochs = several ? 12 : 24;
    recipe.schedule.rate = several ? 0.02 : 0.004;  // a hinge's slopes are steep
    std::vector<double> errors;
    TrainerOptions options;
    options.on_line = [&](const train::LogLine& line) {
      if (line.of_epoch) errors.push_back(*line.val_error);
    };
    Alone alone(recipe, set, &validation, std::move(options));
    REQUIRE(alone.trainer.run(nullptr) == RunEnd::finished);
    REQUIRE(static_cast<Index>(errors.size()) == recipe.epochs);
    REQUIRE(errors.back() < 0.1);
    REQUIRE(errors.front() > errors.back());
  }
}

TEST_CASE("a loss that explodes ends the run and leaves the last checkpoint", "[train][trainer]") {
  const LearnableDataset set(32);
  Recipe recipe = small_recipe();
  recipe.filter_rms = 0;
  recipe.checkpoint_every = 1;
  const ScratchFolder scratch;
  RunFolder folder = RunFolder::begin(scratch / "run", {});
  {
    Alone good(recipe, set, nullptr, stop_after(3));
    REQUIRE(good.trainer.run(&folder) == RunEnd::stopped);
  }
  const io::SafetensorsReader reader(folder.last());
  const auto state = train::read_checkpoint(reader).state;
  recipe.schedule.rate = 1e20;
  Alone bad(recipe, set);
  bad.trainer.resume(reader, state);
  const std::string text = said_by<train::DivergedError>([&] { bad.trainer.run(&folder); });
  REQUIRE(mentions_all(text, {"step 5", "the loss is", "learning rate"}));
  // The step that made the weights huge was saved before anybody could know; what was saved is whole, and no
  // number in it came from the step that failed.
  REQUIRE(train::read_checkpoint(io::SafetensorsReader(folder.last())).state.step == 4);
}

TEST_CASE("checkpoints of other networks and damaged ones are refused, nothing is changed",
          "[train][trainer]") {
  const LearnableDataset set(32);
  const Recipe recipe = small_recipe();
  const ScratchFolder scratch;
  RunFolder folder = RunFolder::begin(scratch / "run", {});
  {
    Alone alone(recipe, set, nullptr, stop_after(2));
    alone.trainer.run(&folder);
  }
  const io::SafetensorsReader reader(folder.last());
  const auto state = train::read_checkpoint(reader).state;

  io::ModelFile wider = small_start(recipe, 7);
  dist::LocalCommunicator<Cpu> communicator;
  Trainer<float, Cpu> other(host(), communicator, small_start(recipe, 7), recipe, set, nullptr);
  REQUIRE(mentions_all(said_by<FormatError>([&] { other.resume(reader, state); }),
                       {"last.safetensors", "another network", "fc4", "[7,12]", "[4,12]"}));
  const auto before = wider.model.weights.at("conv1.weight").span();
  const auto after = other.network().parameters().at("conv1.weight")->span();
  REQUIRE(std::equal(before.begin(), before.end(), after.begin()));

  // Other data or another batch.
  Recipe batches = recipe;
  batches.batch = 2;
  RunState moved = state;
  moved.epoch = 1;
  Alone again(batches, set);
  REQUIRE(mentions_all(said_by<FormatError>([&] { again.trainer.resume(reader, moved); }),
                       {"step 2", "epoch 1"}));

  // A model that no run wrote.
  io::write_model_file(scratch / "model.safetensors", small_start(recipe));
  REQUIRE(mentions_all(said_by<FormatError>([&] {
                         static_cast<void>(
                             train::read_checkpoint(io::SafetensorsReader(scratch / "model.safetensors")));
                       }),
                       {"model.safetensors", "checkpoint"}));
}

TEST_CASE("a folder has one run and one writer", "[train][trainer]") {
  const ScratchFolder scratch;
  {
    RunFolder folder = RunFolder::begin(scratch / "run", {});
    REQUIRE(mentions_all(said_by<IoError>([&] { RunFolder::resume(scratch / "run"); }), {"another process"}));
    io::write_text(folder.file(".last.safetensors.1-1.partial"), "torn");
  }
  REQUIRE(mentions_all(said_by<IoError>([&] { RunFolder::begin(scratch / "run", {}); }), {"already"}));
  REQUIRE(mentions_all(said_by<IoError>([&] { RunFolder::resume(scratch / "none"); }), {"no run"}));
  const RunFolder folder = RunFolder::resume(scratch / "run");
  REQUIRE_FALSE(exists(folder.file(".last.safetensors.1-1.partial")));
  io::write_text(scratch / "file", "");
  REQUIRE(mentions_all(said_by<IoError>([&] { RunFolder::begin(scratch / "file", {}); }), {"file"}));
  std::filesystem::create_directory(scratch / "full");
  io::write_text(scratch / "full" / "thesis.txt", "mine");
  REQUIRE(mentions_all(said_by<IoError>([&] { RunFolder::begin(scratch / "full", {}); }), {"empty folder"}));
}

TEST_CASE("a disk that is full leaves the checkpoint before", "[train][trainer]") {
  const LearnableDataset set(32);
  const Recipe recipe = small_recipe();
  const ScratchFolder scratch;
  RunFolder folder = RunFolder::begin(scratch / "run", {});
  {
    Alone alone(recipe, set, nullptr, stop_after(2));
    alone.trainer.run(&folder);
  }
  const auto before = tensors_of(folder.last());
  const io::SafetensorsReader reader(folder.last());
  Alone alone(recipe, set);
  alone.trainer.resume(reader, train::read_checkpoint(reader).state);
  // The system refuses files above a limit as it does when the disk is full.
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const auto signal = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string text;
  try {
    alone.trainer.run(&folder);
  } catch (const IoError& problem) {
    text = problem.what();
  }
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, signal);
  REQUIRE(mentions_all(text, {"cannot write", "last.safetensors"}));
  REQUIRE(tensors_of(folder.last()) == before);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    REQUIRE_FALSE(entry.path().filename().string().ends_with(".partial"));
}

#if defined(DECONV_TEST_CUDA)
TEST_CASE("a GPU trains to what the host does, and in half precision too", "[train][trainer][cuda]") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& context = *test::cuda_context();
  const LearnableDataset set(24), validation(8, 4, 99);
  Recipe recipe = small_recipe();
  recipe.epochs = 2;
  Alone alone(recipe, set, &validation);
  alone.trainer.run(nullptr);
  const auto wanted = alone.trainer.network().parameters();
  const auto run = [&]<class T>(T, double tolerance) {
    dist::LocalCommunicator<Cuda> communicator;
    const ScratchFolder scratch;
    Recipe own = recipe;
    own.dtype = dtype_of<T>;
    RunFolder folder = RunFolder::begin(scratch / "run", {});
    Trainer<T, Cuda> trainer(context, communicator, small_start(own), own, set, &validation);
    REQUIRE(trainer.run(&folder) == RunEnd::finished);
    const auto weights = io::read_model_file(folder.last()).model.weights;
    for (const auto& [name, weight] : weights) {
      CAPTURE(name, name_of(dtype_of<T>));
      double apart = 0, size = 0;
      for (Index i = 0; i < weight.count(); ++i) {
        apart += std::pow(static_cast<double>(weight.data()[i] - wanted.at(name)->data()[i]), 2);
        size += std::pow(static_cast<double>(wanted.at(name)->data()[i]), 2);
      }
      REQUIRE(std::sqrt(apart / size) <= tolerance);
    }
    // And on to the same bits.
    const io::SafetensorsReader reader(folder.last());
    Recipe longer = own;
    longer.epochs = 3;
    Trainer<T, Cuda> straight(context, communicator, small_start(own), longer, set, &validation);
    straight.run(nullptr);
    Trainer<T, Cuda> resumed(context, communicator, small_start(own), longer, set, &validation);
    resumed.resume(reader, train::read_checkpoint(reader).state);
    resumed.run(nullptr);
    for (const auto& [name, weight] : straight.network().parameters()) {
      const auto a = to_host(context, weight->view()),
                 b = to_host(context, resumed.network().parameters().at(name)->view());
      REQUIRE(std::memcmp(a.data(), b.data(), a.bytes()) == 0);
    }
  };
  run(float{}, 1e-4);
  run(bfloat16{}, 0.1);
  run(half{}, 0.02);
}
#endif

}  // namespace
