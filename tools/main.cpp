// The deconv program: reads the command line, runs one command, and turns whatever goes wrong into one line
// on stderr and an exit status: 2 when the command line is wrong, 1 for anything else.

#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <new>
#include <string>

#include "commands.hpp"
#include "interrupt.hpp"

namespace {

using namespace deconv;
using namespace deconv::tool;

int report_error(std::string text, int status) {
  // One line whatever a file's name or a parser's message holds.
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; },
      ' ');
  text = "deconv: error: " + text + "\n";
  std::cerr << std::flush;
  std::fputs(text.c_str(), stderr);
  return status;
}

/// CLI11 says "The following argument was not expected: x"; a command that does not exist deserves better.
void check_command(const CLI::App& program, int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  std::string known;
  for (const CLI::App* command : program.get_subcommands({})) {
    if (command->get_name() == first) return;
    known += (known.empty() ? "" : ", ") + command->get_name();
  }
  require<UsageError>(!first.empty(), "a command wanted: ", known, "; see deconv --help");
  const bool answered = first == "--help" || first == "-h" || first == "--version";
  require<UsageError>(answered, first.starts_with('-') ? "a command wanted first, met " : "unknown command ",
                      first, "; known are ", known);
}

void run(int argc, char** argv) {
  CLI::App program("Looks inside convolutional networks: what excites their feature maps, in pixels.",
                   "deconv");
  program.set_version_flag("--version", "deconv " DECONV_VERSION);
  program.require_subcommand(1);
  Action action;
  add_info(program, action);
  add_convert(program, action);
  add_run(program, action);
  add_classify(program, action);
  add_project(program, action);
  add_features(program, action);
  add_filters(program, action);
  add_activations(program, action);
  add_gradcam(program, action);
  add_occlude(program, action);
  add_maximise(program, action);
  add_attribute(program, action);
  add_curvature(program, action);
  add_train(program, action);
  add_evaluate(program, action);
  add_evolve(program, action);
  add_transfer(program, action);
  add_stages(program, action);
  add_invariance(program, action);
  add_correspond(program, action);
  add_ablate(program, action);
  add_report(program, action);

  check_command(program, argc, argv);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) {  // --help, --version
      program.exit(problem);
      return;
    }
    raise<UsageError>(problem.what(), " (see deconv ", argv[1][0] == '-' ? "" : argv[1], " --help)");
  }
  action();
  std::cout << std::flush;
  require<IoError>(std::cout.good(), "cannot write to stdout");
}

}  // namespace

int main(int argc, char** argv) {
#if defined(__GLIBC__)
  // Large blocks go back to the system when they are freed: projections and pictures of many sizes would
  // otherwise leave holes that nothing fits into again.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
  catch_interrupts();
  try {
    run(argc, argv);
    return 0;
  } catch (const UsageError& problem) {
    return report_error(problem.what(), 2);
  } catch (const std::bad_alloc&) {
    return report_error("out of memory", 1);
  } catch (const std::exception& problem) {
    return report_error(problem.what(), 1);
  } catch (...) {
    return report_error("an unknown failure", 1);
  }
}
