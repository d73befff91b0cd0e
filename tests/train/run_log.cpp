// A run's log: lines, the table of epochs, and that neither a crash nor a resumption spoils it.

#include "deconv/train/run_log.hpp"

#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "train/messages.hpp"

namespace {

using namespace deconv;
using namespace deconv::train;
using test::mentions_all;
using test::said_by;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

LogLine step_line(Index step) {
  LogLine line;
  line.step = step;
  line.epoch = (step + 9) / 10;
  line.loss = 2.0 / static_cast<double>(step);
  line.rate = 0.01;
  return line;
}

LogLine epoch_line(Index epoch) {
  LogLine line = step_line(epoch * 10);
  line.of_epoch = true;
  line.val_error = 0.5 / static_cast<double>(epoch);
  return line;
}

/// A run of three epochs of ten steps, a line each two steps and each epoch.
void write_run(RunLog& log, Index from, Index to) {
  for (Index step = from + 1; step <= to; ++step) {
    if (step % 2 == 0) log.write(step_line(step));
    if (step % 10 == 0) log.write(epoch_line(step / 10));
  }
}

}  // namespace

TEST_CASE("a line of the log has what was measured, and reads back", "[train][run_log]") {
  LogLine line;
  line.step = 938;
  line.epoch = 2;
  CHECK(log_line_text(line) == R"({"kind":"step","step":938,"epoch":2})");
  line.of_epoch = true;
  line.loss = nan_value;
  line.train_error = 0.25;
  line.val_error = 0.1 + 0.2;
  line.rate = 0.01;
  line.images_per_s = 5000;
  line.wait = 0;
  line.seconds = 1.5;
  CHECK(log_line_text(line) ==
        R"({"kind":"epoch","step":938,"epoch":2,"loss":null,"train_error":0.25,)"
        R"("val_error":0.30000000000000004,"lr":0.01,"images_per_s":5000.0,"wait":0.0,"seconds":1.5})");
  const auto content = parse_log(log_line_text(line) + "\n", "log");
  REQUIRE(content.lines.size() == 1);
  CHECK(!content.torn);
  const LogLine& back = content.lines[0];
  CHECK(back.of_epoch);
  CHECK(back.step == 938);
  CHECK(back.epoch == 2);
  REQUIRE(back.loss.has_value());
  CHECK(std::isnan(*back.loss));
  CHECK(back.train_error == 0.25);
  CHECK(back.val_error == 0.1 + 0.2);
  CHECK(back.rate == 0.01);
  CHECK(back.images_per_s == 5000);
  CHECK(back.wait == 0);
  CHECK(back.seconds == 1.5);
  CHECK(log_csv(content.lines) ==
        "epoch,step,loss,train_error,val_error,lr,images_per_s,wait,seconds\n"
        "2,938,nan,0.25,0.30000000000000004,0.01,5000.0,0.0,1.5\n");
  CHECK(log_csv({epoch_line(1)}).ends_with("\n1,10,0.2,,0.5,0.01,,,\n"));
}

TEST_CASE("lines are in the file as soon as they are written", "[train][run_log]") {
  const test::ScratchFolder folder;
  RunLog log(folder.path());
  CHECK(read_log(folder.path()).lines.empty());
  log.write(step_line(1));
  CHECK(read_log(folder.path()).lines.size() == 1);
  log.write(epoch_line(1));
  const auto content = read_log(folder / "log.jsonl");
  CHECK(content.lines.size() == 2);
  CHECK(!content.torn);
  CHECK(io::read_text(folder / "log.csv") == log_csv(content.lines));
  REQUIRE(log.epochs().size() == 1);
  CHECK(log.epochs()[0].val_error == 0.5);
}

TEST_CASE("a run resumed from any step has the log of an uninterrupted one", "[train][run_log]") {
  const test::ScratchFolder folder;
  const auto path = folder / "log.jsonl", table = folder / "log.csv";
  {
    RunLog log(folder.path());
    write_run(log, 0, 30);
  }
  const std::string whole = io::read_text(path), whole_table = io::read_text(table);
  REQUIRE(read_log(path).lines.size() == 18);
  // Killed after any byte, resumed from any step whose lines were written before its checkpoint was.
  int resumed = 0;
  for (std::size_t length = 0; length <= whole.size(); length += 7) {
    const std::string cut = whole.substr(0, length);
    const auto left = parse_log(cut, "cut");
    CHECK(left.torn == (!cut.empty() && cut.back() != '\n'));
    const Index reached = left.lines.empty() ? 0 : left.lines.back().step;
    for (Index step = 0; step < reached; step += 3) {
      io::write_text(path, cut);
      io::write_text(table, "epoch,st");
      RunLog log(folder.path(), step);
      write_run(log, step, 30);
      ++resumed;
      REQUIRE(io::read_text(path) == whole);
      REQUIRE(io::read_text(table) == whole_table);
    }
  }
  CHECK(resumed > 500);
}

TEST_CASE("what a power cut leaves at the end is dropped, what else is wrong is said", "[train][run_log]") {
  const std::string good = log_line_text(step_line(1)) + "\n";
  for (const std::string& end :
       {std::string("{"), std::string(40, '\0'), std::string(40, '\0') + "\n", std::string("{\"kind\":\n")}) {
    const auto content = parse_log(good + end, "log");
    CHECK(content.lines.size() == 1);
    CHECK(content.torn);
  }
  CHECK(parse_log("", "log").lines.empty());
  CHECK(!parse_log("", "log").torn);
  const auto said = [&](const std::string& line) {
    return said_by<FormatError>(
        [&] { static_cast<void>(parse_log(good + line + "\n" + good, "run/log.jsonl")); });
  };
  CHECK(mentions_all(said("{"), {"run/log.jsonl: line 2", "JSON"}));
  CHECK(mentions_all(said("[]"), {"line 2", "object"}));
  CHECK(mentions_all(said(R"({"kind":"step","epoch":1})"), {"line 2", "step", "missing"}));
  CHECK(mentions_all(said(R"({"kind":"day","step":1,"epoch":1})"), {"line 2", "kind", "day"}));
  CHECK(mentions_all(said(R"({"kind":"step","step":-1,"epoch":1})"), {"line 2: step", "-1"}));
  CHECK(mentions_all(said(R"({"kind":"step","step":1,"epoch":1,"loss":"x"})"), {"line 2: loss", "x"}));
  // Fields of later versions do no harm.
  CHECK(parse_log(R"({"kind":"step","step":1,"epoch":1,"mood":3})"
                  "\n",
                  "log")
            .lines.size() == 1);
}

TEST_CASE("a full disk leaves no half line", "[train][run_log]") {
  const test::ScratchFolder folder;
  RunLog log(folder.path());
  log.write(step_line(1));
  const auto size = std::filesystem::file_size(folder / "log.jsonl");
  // A limit on file sizes stands for the disk's end: it lets a part of the line pass, then refuses.
  struct rlimit before {};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = size + 10;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string problem;
  try {
    log.write(step_line(2));
  } catch (const IoError& error) {
    problem = error.what();
  }
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(mentions_all(problem, {"log.jsonl", "cannot write"}));
  CHECK(std::filesystem::file_size(folder / "log.jsonl") == size);
  log.write(step_line(2));
  CHECK(read_log(folder.path()).lines.size() == 2);
}

TEST_CASE("a folder that is not there is named", "[train][run_log]") {
  CHECK(mentions_all(said_by<IoError>([] { RunLog log("/nowhere/run"); }), {"/nowhere/run"}));
  CHECK(
      mentions_all(said_by<IoError>([] { static_cast<void>(read_log("/nowhere/run")); }), {"/nowhere/run"}));
}
