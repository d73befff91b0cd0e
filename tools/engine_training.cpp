// Training on the device of --device, alone or as one of several processes.

#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "deconv/dist/environment.hpp"
#include "deconv/dist/local.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/train/start.hpp"
#include "deconv/train/trainer.hpp"
#include "deconv/viz/curves.hpp"
#include "engine.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "training.hpp"

#if defined(DECONV_WITH_MPI)
#include "deconv/dist/mpi.hpp"
#endif
#if defined(DECONV_WITH_NCCL)
#include "deconv/dist/nccl.hpp"
#include "deconv/dist/tcp.hpp"
#endif

namespace deconv::tool {

namespace {

/// A checkpoint that belongs to the run. Throws FormatError that names the first field that differs.
train::Checkpoint checkpoint_of_run(const io::SafetensorsReader& reader, const train::Recipe& recipe) {
  train::Checkpoint checkpoint = train::read_checkpoint(reader);
  const io::Json wanted = settled(train::recipe_to_json(recipe)), met = settled(checkpoint.recipe);
  for (const auto& [field, value] : wanted.items())
    require<FormatError>(met.contains(field) && met[field] == value, reader.name(),
                         ": the checkpoint is of another run: ", field, " ", io::json_excerpt(value),
                         " wanted, met ", met.contains(field) ? io::json_excerpt(met[field]) : "none");
  return checkpoint;
}

/// One line an epoch for people; a bar in between.
class Display {
 public:
  Display(const TrainingJob& job, bool leads) : quiet_(job.common.quiet || !leads), json_(job.common.json) {}

  void step(const train::StepReport& report) {
    if (quiet_) return;
    if (!bar_) bar_.emplace(message("epoch ", report.epoch + 1), "images", images_left(report), quiet_);
    bar_->count(report.images);
  }
  void line(const train::LogLine& line) {
    if (!line.of_epoch && !line.val_error) return;
    bar_.reset();
    if (quiet_ || json_) return;
    std::ostringstream text;
    text << std::fixed;
    text << "epoch " << line.epoch << "  step " << line.step;
    text.precision(4);
    if (line.loss) text << "  loss " << *line.loss;
    text.precision(2);
    if (line.train_error) text << "  train error " << *line.train_error * 100 << " %";
    if (line.val_error) text << "  validation error " << *line.val_error * 100 << " %";
    text << std::defaultfloat;
    text.precision(3);
    if (line.rate) text << "  rate " << *line.rate;
    text << std::fixed;
    text.precision(0);
    if (line.images_per_s) text << "  " << *line.images_per_s << " images/s";
    text.precision(1);
    if (line.wait) text << "  waiting " << *line.wait * 100 << " %";
    std::cout << text.str() << std::endl;
  }
  void warn(const std::string& what) {
    if (quiet_) return;
    bar_.reset();
    std::cerr << "deconv: warning: " << what << std::endl;
  }

 private:
  static Index images_left(const train::StepReport& report) {
    return (report.steps_per_epoch - report.step_in_epoch) * report.images;
  }
  bool quiet_, json_;
  std::optional<Progress> bar_;
};

template <class T, Device D>
TrainingResult train_with(const Context<D>& context, dist::Communicator<D>& communicator,
                          const TrainingJob& job) {
  const Context<Cpu> host = job.common.host();
  const auto set = io::open_dataset(job.data, job.common.labels);
  const auto validation =
      job.validation.empty() ? nullptr : io::open_dataset(job.validation, job.common.labels);
  Display display(job, communicator.leads());

  // The leading rank's folder first: where it cannot be, nobody has worked in vain.
  std::optional<train::RunFolder> folder;
  const std::filesystem::path path(job.common.output);
  if (communicator.leads())
    folder.emplace(job.resume ? train::RunFolder::resume(path)
                              : train::RunFolder::begin(path, config_of(job)));

  // Settings that do not fit the data or the network show later: then the folder stays free.
  struct Withdrawal {
    const train::RunFolder* folder;
    ~Withdrawal() {
      if (folder != nullptr) folder->withdraw();
    }
  } withdrawal{folder && !job.resume ? &*folder : nullptr};

  io::ModelFile start;
  std::optional<io::SafetensorsReader> reader;
  train::RunState state;
  const std::filesystem::path last = path / "last.safetensors";
  if (job.resume && std::filesystem::exists(last)) {
    reader.emplace(last);
    train::Checkpoint checkpoint = checkpoint_of_run(*reader, job.recipe);
    start = std::move(checkpoint.file);
    state = checkpoint.state;
  } else {
    train::StatisticsOptions statistics;
    statistics.skip_broken = job.common.skip_broken;
    Progress progress("mean image", "images", set->size(), job.common.quiet || !communicator.leads());
    statistics.advance = [&](Index count) { progress.advance(count); };
    start = train::starting_point(host, job.recipe, *set, statistics);
  }
  if (folder && job.resume) io::write_text(folder->file("config.json"), config_of(job).dump(2) + "\n");

  TrainingResult result;
  result.network = start.model.name;
  for (const auto& [name, weight] : start.model.weights) result.parameters += weight.count();
  result.images = set->size();
  result.validation_images = validation ? validation->size() : 0;
  result.ranks = communicator.size();
  result.leads = communicator.leads();

  train::TrainerOptions options;
  options.workers = job.workers;
  options.skip_broken = job.common.skip_broken;
  options.log_steps = job.log_steps;
  options.largest_loss = job.largest_loss;
  options.stop = [] { return interrupted(); };
  options.on_step = [&](const train::StepReport& report) { display.step(report); };
  options.on_line = [&](const train::LogLine& line) {
    display.line(line);
    if (!line.of_epoch || !folder) return;
    viz::write_training_curves(folder->file("curves.svg"), train::read_log(folder->path()).lines);
  };
  options.warn = [&](const std::string& what) { display.warn(what); };
  train::Trainer<T, D> trainer(context, communicator, std::move(start), job.recipe, *set, validation.get(),
                               std::move(options));
  withdrawal.folder = nullptr;
  if (reader) trainer.resume(*reader, state);
  reader.reset();
  result.end = trainer.run(folder ? &*folder : nullptr);
  result.state = trainer.state();
  if (folder)
    for (const train::LogLine& line : train::read_log(folder->path()).lines)
      if (line.of_epoch || line.val_error) result.epochs.push_back(line);
  return result;
}

template <Device D>
TrainingResult train_in(const Context<D>& context, dist::Communicator<D>& communicator,
                        const TrainingJob& job) {
  return dist::abort_on_exception(communicator, [&] {
    if constexpr (std::same_as<D, Cuda>) {
      if (job.recipe.dtype == DType::float16) return train_with<half, D>(context, communicator, job);
      if (job.recipe.dtype == DType::bfloat16) return train_with<bfloat16, D>(context, communicator, job);
    }
    require<UsageError>(job.recipe.dtype == DType::float32, "--dtype ", name_of(job.recipe.dtype),
                        " wants --device cuda");
    return train_with<float, D>(context, communicator, job);
  });
}

}  // namespace

TrainingResult train_on_device(const TrainingJob& job) {
  check_device(job.common);
  const dist::Environment environment = dist::read_environment();
  const bool many = environment.size > 1;
#if defined(DECONV_WITH_CUDA)
  if (job.common.device == Cuda::name) {
    const Context<Cuda> context = job.common.gpu(many ? environment.local_rank : 0);
    if (!many) {
      dist::LocalCommunicator<Cuda> alone;
      return train_in<Cuda>(context, alone, job);
    }
#if defined(DECONV_WITH_NCCL)
#if defined(DECONV_WITH_MPI)
    if (environment.launcher == dist::Launcher::open_mpi || environment.launcher == dist::Launcher::pmi) {
      dist::MpiSession session;
      dist::MpiCommunicator group(session);
      dist::NcclCommunicator communicator(group, context.device());
      return train_in<Cuda>(context, communicator, job);
    }
#endif
    dist::TcpGroup group(environment);
    dist::NcclCommunicator communicator(group, context.device());
    return train_in<Cuda>(context, communicator, job);
#else
    raise<DeviceError>("this process is one of ", environment.size, " that ",
                       dist::name_of(environment.launcher),
                       " started; this build of deconv has no NCCL, which several GPUs want");
#endif
  }
#endif
  if (!many) {
    dist::LocalCommunicator<Cpu> alone;
    return train_in<Cpu>(job.common.host(), alone, job);
  }
#if defined(DECONV_WITH_MPI)
  dist::MpiSession session;
  dist::MpiCommunicator communicator(session);
  require<ArgumentError>(communicator.size() == environment.size, "the launcher (",
                         dist::name_of(environment.launcher), ") says ", environment.size, " processes, MPI ",
                         communicator.size(), ": processes that share no GPU want mpirun or srun");
  return train_in<Cpu>(job.common.host(), communicator, job);
#else
  raise<ArgumentError>("this process is one of ", environment.size, " that ",
                       dist::name_of(environment.launcher),
                       " started; this build of deconv has no MPI, which several processes want");
#endif
}

}  // namespace deconv::tool
