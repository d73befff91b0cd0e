// Putting a report into words.

#include <algorithm>
#include <string>

#include "program.hpp"
#include "worker.hpp"

namespace simt {
namespace {

const char* title(Mistake mistake) {
  switch (mistake) {
    case Mistake::divergent_barrier:
      return "divergent barrier";
    case Mistake::missing_lanes:
      return "missing threads of a warp";
    case Mistake::unwritten_shared:
      return "read of shared memory that was never written";
    case Mistake::race:
      return "race on shared memory";
    case Mistake::out_of_bounds:
      return "access out of bounds";
    case Mistake::misaligned:
      return "misaligned access";
    case Mistake::deadlock:
      return "deadlock";
    case Mistake::misused_barrier:
      return "misuse of a barrier in shared memory";
    case Mistake::unpublished:
      return "writes that were not shown to copies and products";
    case Mistake::unfit_map:
      return "bulk copy by a map that does not fit";
    case Mistake::unfinished_copy:
      return "bulk copy that nobody waited for";
    case Mistake::accumulators:
      return "accumulators of a product under way";
    case Mistake::registers:
      return "registers that there are not";
  }
  return "mistake";
}

// The emulator's own headers say nothing about the kernel.
bool is_ours(const std::string& file) {
  return file.find("/simt/include/") != std::string::npos || file.find("/simt/simt/") != std::string::npos ||
         file.find("/include/c++/") != std::string::npos;
}

std::string described(const Place& place, std::string* file, unsigned* line) {
  if (place.file) {
    if (file) *file = place.file, *line = place.line;
    return std::string(place.file) + ":" + std::to_string(place.line);
  }
  std::vector<Line> lines = place.address ? Program::instance().lines(place.address) : std::vector<Line>();
  std::erase_if(lines, [](const Line& l) { return is_ours(l.file); });
  if (lines.empty()) return "an unknown line";
  if (file) *file = lines[0].file, *line = lines[0].number;
  std::string text = lines[0].file + ":" + std::to_string(lines[0].number);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    text += "\n    inlined at " + lines[i].file + ":" + std::to_string(lines[i].number);
  }
  return text;
}

}  // namespace

std::string text(const Position& v) {
  return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
}
std::string text(const uint3& v) { return text(Position{v.x, v.y, v.z}); }

Violation::Violation(const std::string& report, Mistake mistake_, std::string kernel_, Position block_,
                     Position thread_, std::string file_, unsigned line_)
    : std::runtime_error(report),
      mistake(mistake_),
      kernel(std::move(kernel_)),
      block(block_),
      thread(thread_),
      file(std::move(file_)),
      line(line_) {}

Violation make_violation(const Failure& failure, const Launch& launch, std::uint64_t launch_seed) {
  std::string file;
  unsigned line = 0;
  const std::string where = described(failure.place, &file, &line);
  const std::string kernel = Program::instance().function_name(launch.kernel);
  std::string report = std::string("simt: ") + title(failure.mistake) + "\n  kernel " + kernel + ", grid " +
                       text(launch.grid) + ", blocks of " + text(launch.block) + "\n  block " +
                       text(failure.block) + ", thread " + text(failure.thread) + " " + failure.what +
                       "\n  at " + where;
  if (!failure.other.empty()) {
    report += "\n  " + failure.other;
    if (failure.other_place.file || failure.other_place.address) {
      report += "\n  at " + described(failure.other_place, nullptr, nullptr);
    }
  }
  report += "\n  order of threads: DECONV_SIMT_SEED=" + std::to_string(launch_seed);
  return {report, failure.mistake, kernel, failure.block, failure.thread, file, line};
}

}  // namespace simt
