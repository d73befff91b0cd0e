#include "deconv/dist/environment.hpp"

#include <map>
#include <string>

#include "support/catch.hpp"

namespace {

using namespace deconv;
using namespace deconv::dist;
using deconv::test::Contains;
using Variables = std::map<std::string, std::string>;

Environment read(const Variables& variables) {
  return read_environment([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

std::string complaint(const Variables& variables) {
  try {
    (void)read(variables);
  } catch (const ArgumentError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("without a launcher there is one process") {
  CHECK(read({}) == Environment{});
  CHECK(read({{"HOME", "/"}, {"SLURM_JOB_ID", "7"}}) == Environment{});
}

TEST_CASE("torchrun's variables") {
  const Environment met = read({{"RANK", "5"},
                                {"WORLD_SIZE", "8"},
                                {"LOCAL_RANK", "1"},
                                {"LOCAL_WORLD_SIZE", "4"},
                                {"MASTER_ADDR", "node7"},
                                {"MASTER_PORT", "29500"}});
  CHECK(met == Environment{Launcher::torchrun, 5, 8, 1, 4, "node7", 29500});
  CHECK(read({{"RANK", "0"}, {"WORLD_SIZE", "1"}}) == Environment{Launcher::torchrun, 0, 1, 0, 1, "", 0});
}

TEST_CASE("Open MPI's, PMI's and Slurm's variables") {
  CHECK(read({{"OMPI_COMM_WORLD_RANK", "2"},
              {"OMPI_COMM_WORLD_SIZE", "3"},
              {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
              {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}) == Environment{Launcher::open_mpi, 2, 3, 1, 2, "", 0});
  CHECK(read({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}}) ==
        Environment{Launcher::pmi, 1, 2, 1, 2, "", 0});
  CHECK(
      read({{"SLURM_PROCID", "3"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "1"}, {"SLURM_STEP_ID", "0"}}) ==
      Environment{Launcher::slurm, 3, 4, 1, 0, "", 0});
}

TEST_CASE("a step of Slurm counts its own tasks, and a batch script without srun is one process") {
  const Variables batch{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "16"}, {"SLURM_LOCALID", "0"}};
  CHECK(read(batch) == Environment{});
  Variables step = batch;
  step["SLURM_STEP_ID"] = "0";
  CHECK(read(step).size == 16);
  step["SLURM_STEP_NUM_TASKS"] = "2";
  CHECK(read(step).size == 2);
}

TEST_CASE("the launcher nearest to the program wins") {
  const Variables in_slurm{{"SLURM_PROCID", "0"},         {"SLURM_NTASKS", "2"},
                           {"SLURM_STEP_ID", "0"},        {"SLURM_LOCALID", "0"},
                           {"OMPI_COMM_WORLD_RANK", "5"}, {"OMPI_COMM_WORLD_SIZE", "6"}};
  CHECK(read(in_slurm) == Environment{Launcher::open_mpi, 5, 6, 0, 0, "", 0});
  Variables under_torchrun = in_slurm;
  under_torchrun["RANK"] = "9";
  under_torchrun["WORLD_SIZE"] = "12";
  under_torchrun["TORCHELASTIC_RUN_ID"] = "none";
  CHECK(read(under_torchrun).rank == 9);
  // Set by hand beside Open MPI's, they must agree.
  under_torchrun.erase("TORCHELASTIC_RUN_ID");
  CHECK(complaint(under_torchrun) == "environment variable RANK: OMPI_COMM_WORLD_RANK = 5 is wanted, met 9");
  under_torchrun["RANK"] = "5";
  CHECK(complaint(under_torchrun) ==
        "environment variable WORLD_SIZE: OMPI_COMM_WORLD_SIZE = 6 is wanted, met 12");
  under_torchrun["WORLD_SIZE"] = "6";
  CHECK(read(under_torchrun).launcher == Launcher::torchrun);
}

TEST_CASE("what cannot be is an error that names the variable") {
  for (const char* rubbish : {"", "two", "1x", " 1", "+1", "0x1", "-1", "99999999999999999999", "1.0"}) {
    CAPTURE(rubbish);
    CHECK_THAT(complaint({{"RANK", rubbish}, {"WORLD_SIZE", "2"}}),
               Contains("environment variable RANK: a whole number from 0 to ") && Contains("met \""));
  }
  CHECK_THAT(complaint({{"RANK", "0"}, {"WORLD_SIZE", "0"}}), Contains("WORLD_SIZE: a whole number from 1"));
  CHECK(complaint({{"RANK", "0"}}) ==
        "environment variable WORLD_SIZE is wanted where RANK is set, met nothing");
  CHECK(complaint({{"WORLD_SIZE", "2"}}) ==
        "environment variable RANK is wanted where WORLD_SIZE is set, met nothing");
  CHECK(complaint({{"RANK", "2"}, {"WORLD_SIZE", "2"}}) ==
        "environment variable RANK: less than WORLD_SIZE = 2 is wanted, met 2");
  CHECK(complaint({{"RANK", "0"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "2"}, {"LOCAL_WORLD_SIZE", "2"}}) ==
        "environment variable LOCAL_RANK: less than LOCAL_WORLD_SIZE = 2 is wanted, met 2");
  CHECK(complaint({{"RANK", "0"}, {"WORLD_SIZE", "4"}, {"LOCAL_WORLD_SIZE", "5"}}) ==
        "environment variable LOCAL_WORLD_SIZE: at most WORLD_SIZE = 4 is wanted, met 5");
  CHECK(
      complaint({{"OMPI_COMM_WORLD_RANK", "0"},
                 {"OMPI_COMM_WORLD_SIZE", "2"},
                 {"OMPI_COMM_WORLD_LOCAL_RANK", "7"}}) ==
      "environment variable OMPI_COMM_WORLD_LOCAL_RANK: less than OMPI_COMM_WORLD_SIZE = 2 is wanted, met 7");
  CHECK_THAT(complaint({{"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", "0"}}), Contains("SLURM_NTASKS is wanted"));
  for (const char* port : {"0", "65536", "http"})
    CHECK_THAT(complaint({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", port}}),
               Contains("MASTER_PORT: a whole number from 1 to 65535"));
}
