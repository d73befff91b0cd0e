#pragma once

#include <charconv>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "deconv/core/error.hpp"
#include "deconv/core/quoted.hpp"

namespace deconv::dist {

/// Who started this process.
enum class Launcher { none, torchrun, open_mpi, slurm, pmi };

[[nodiscard]] inline const char* name_of(Launcher launcher) noexcept {
  switch (launcher) {
    case Launcher::none:
      return "no launcher";
    case Launcher::torchrun:
      return "torchrun";
    case Launcher::open_mpi:
      return "Open MPI";
    case Launcher::slurm:
      return "Slurm";
    case Launcher::pmi:
      return "PMI";
  }
  return "?";
}

/// What a launcher says about this process through environment variables.
struct Environment {
  Launcher launcher = Launcher::none;
  int rank = 0, size = 1;
  /// Among the processes on this machine; the number of the GPU to take.
  int local_rank = 0;
  /// How many processes are on this machine; 0: the launcher does not say.
  int local_size = 1;
  /// Where rank 0 can be reached: MASTER_ADDR and MASTER_PORT; empty and 0 where they are not set.
  std::string master_address;
  int master_port = 0;
  friend bool operator==(const Environment&, const Environment&) = default;
};

/// Gives an environment variable's value, or nothing where it is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

namespace detail {

/// Reads and checks one launcher's variables.
class EnvironmentReader {
 public:
  explicit EnvironmentReader(const EnvironmentLookup& lookup) : lookup_(lookup) {}

  [[nodiscard]] bool has(const char* name) const { return lookup_(name).has_value(); }
  [[nodiscard]] std::string text(const char* name) const { return lookup_(name).value_or(""); }
  /// The variable as a whole number; nothing where it is not set. Throws ArgumentError.
  [[nodiscard]] std::optional<int> number(const char* name, int least, int most) const {
    const std::optional<std::string> text = lookup_(name);
    if (!text) return std::nullopt;
    int value = 0;
    const char* end = text->data() + text->size();
    const auto [stop, problem] = std::from_chars(text->data(), end, value);
    require<ArgumentError>(problem == std::errc{} && stop == end && value >= least && value <= most,
                           "environment variable ", name, ": a whole number from ", least, " to ", most,
                           " is wanted, met ", quoted(*text));
    return value;
  }
  [[nodiscard]] int wanted(const char* name, const char* because_of, int least, int most) const {
    const std::optional<int> value = number(name, least, most);
    require<ArgumentError>(value.has_value(), "environment variable ", name, " is wanted where ", because_of,
                           " is set, met nothing");
    return *value;
  }
  /// Rank, size and, where they are set, their local counterparts.
  [[nodiscard]] Environment ranks(Launcher launcher, const char* rank, const char* size,
                                  const char* local_rank, const char* local_size) const {
    Environment met;
    met.launcher = launcher;
    met.size = wanted(size, rank, 1, most_processes);
    met.rank = wanted(rank, size, 0, most_processes - 1);
    require<ArgumentError>(met.rank < met.size, "environment variable ", rank, ": less than ", size, " = ",
                           met.size, " is wanted, met ", met.rank);
    const std::optional<int> local = number(local_rank, 0, most_processes - 1);
    require<ArgumentError>(local.value_or(0) < met.size, "environment variable ", local_rank, ": less than ",
                           size, " = ", met.size, " is wanted, met ", local.value_or(0));
    met.local_rank = local.value_or(0);
    const std::optional<int> locals =
        local_size == nullptr ? std::nullopt : number(local_size, 1, most_processes);
    met.local_size = locals.value_or(met.size == 1 ? 1 : 0);
    if (locals) {
      require<ArgumentError>(*locals <= met.size, "environment variable ", local_size, ": at most ", size,
                             " = ", met.size, " is wanted, met ", *locals);
      require<ArgumentError>(met.local_rank < *locals, "environment variable ", local_rank, ": less than ",
                             local_size, " = ", *locals, " is wanted, met ", met.local_rank);
    }
    return met;
  }

  static constexpr int most_processes = 1 << 20;

 private:
  const EnvironmentLookup& lookup_;
};

}  // namespace detail

/// Finds out from environment variables which process of how many this is. Asked in this order, since the
/// launcher nearest to the program must win: torchrun (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE), Open
/// MPI (OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK, _LOCAL_SIZE), other MPIs by PMI (PMI_RANK, PMI_SIZE,
/// MPI_LOCALRANKID, MPI_LOCALNRANKS), and Slurm (SLURM_PROCID, SLURM_STEP_NUM_TASKS or SLURM_NTASKS,
/// SLURM_LOCALID). A batch script of Slurm that was not started by srun is one process. Without any of them
/// this is one process of one. Throws ArgumentError that names the variable, what was wanted and what was
/// met: for what is not a number, out of range or incomplete, and for a RANK and WORLD_SIZE set by hand which
/// contradict Open MPI's.
[[nodiscard]] inline Environment read_environment(const EnvironmentLookup& lookup) {
  const detail::EnvironmentReader reader(lookup);
  const auto either = [&](const char* a, const char* b) { return reader.has(a) || reader.has(b); };
  const auto open_mpi = [&] {
    return reader.ranks(Launcher::open_mpi, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                        "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE");
  };
  Environment met;
  if (either("RANK", "WORLD_SIZE")) {
    met = reader.ranks(Launcher::torchrun, "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE");
    // torchrun itself may have been started by mpirun, one a machine: then its own numbers are others.
    if (!reader.has("TORCHELASTIC_RUN_ID") && reader.has("OMPI_COMM_WORLD_RANK")) {
      const Environment other = open_mpi();
      require<ArgumentError>(other.rank == met.rank,
                             "environment variable RANK: OMPI_COMM_WORLD_RANK = ", other.rank,
                             " is wanted, met ", met.rank);
      require<ArgumentError>(other.size == met.size,
                             "environment variable WORLD_SIZE: OMPI_COMM_WORLD_SIZE = ", other.size,
                             " is wanted, met ", met.size);
    }
  } else if (either("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")) {
    met = open_mpi();
  } else if (either("PMI_RANK", "PMI_SIZE")) {
    met = reader.ranks(Launcher::pmi, "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS");
  } else if (reader.has("SLURM_PROCID") && either("SLURM_STEP_ID", "SLURM_STEPID")) {
    met = reader.ranks(Launcher::slurm, "SLURM_PROCID",
                       reader.has("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS",
                       "SLURM_LOCALID", nullptr);
  }
  met.master_address = reader.text("MASTER_ADDR");
  met.master_port = reader.number("MASTER_PORT", 1, 65535).value_or(0);
  return met;
}

/// read_environment() of this process.
[[nodiscard]] inline Environment read_environment() {
  return read_environment([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  });
}

}  // namespace deconv::dist
