#pragma once
/// A run's log: log.jsonl, one JSON object a line as things happen, and log.csv, the table of its epochs.
/// A line: {"kind": "step" or "epoch", "step": 938, "epoch": 2, "loss": 0.41, "train_error": 0.15,
///          "val_error": 0.13, "lr": 0.01, "images_per_s": 5210, "wait": 0.004, "seconds": 12.3}
/// What was not measured is left out; a number that is not finite is null.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/io/atomic_file.hpp"
#include "deconv/io/file.hpp"
#include "deconv/io/json.hpp"

namespace deconv::train {

/// One line of the log. Errors and the wait are shares of 1.
struct LogLine {
  bool of_epoch = false;       ///< a whole epoch's line, written at its end, rather than one on the way
  Index step = 0;              ///< steps done since the run began
  Index epoch = 0;             ///< the epoch that the step belongs to, from 1
  std::optional<double> loss;  ///< mean over the images since the line before of this kind
  std::optional<double> train_error;   ///< of the same images, as they were trained on
  std::optional<double> val_error;     ///< of the validation images after the step
  std::optional<double> rate;          ///< learning rate of the step; "lr" in the file
  std::optional<double> images_per_s;  ///< trained
  std::optional<double> wait;          ///< time that training waited for data, of the whole
  std::optional<double> seconds;       ///< since the run began, pauses between resumptions left out
};

namespace detail {

/// The measured fields by the names that they have in both files, in their order.
inline constexpr std::array<std::pair<const char*, std::optional<double> LogLine::*>, 7> log_fields{
    {{"loss", &LogLine::loss},
     {"train_error", &LogLine::train_error},
     {"val_error", &LogLine::val_error},
     {"lr", &LogLine::rate},
     {"images_per_s", &LogLine::images_per_s},
     {"wait", &LogLine::wait},
     {"seconds", &LogLine::seconds}}};

[[nodiscard]] inline LogLine parse_log_line(std::string_view text, const std::string& name) {
  const io::Json json = io::parse_json(text, name);
  require<FormatError>(json.is_object(), name, ": a JSON object wanted, met ", io::json_excerpt(json));
  const auto field = [&](const char* key) -> const io::Json& {
    const auto found = json.find(key);
    require<FormatError>(found != json.end(), name, ": field ", key, " is missing");
    return *found;
  };
  LogLine line;
  const std::string kind = io::json_string(field("kind"), name + ": kind");
  require<FormatError>(kind == "step" || kind == "epoch", name, ": kind: step or epoch wanted, met ",
                       io::json_excerpt(field("kind")));
  line.of_epoch = kind == "epoch";
  line.step = io::json_integer(field("step"), name + ": step");
  line.epoch = io::json_integer(field("epoch"), name + ": epoch");
  for (const auto& [key, member] : log_fields)
    if (const auto found = json.find(key); found != json.end())
      line.*member = found->is_null() ? std::numeric_limits<double>::quiet_NaN()
                                      : io::json_number(*found, name + ": " + key);
  return line;
}

}  // namespace detail

/// The line as it stands in the file, without its end.
[[nodiscard]] inline std::string log_line_text(const LogLine& line) {
  nlohmann::ordered_json json = {
      {"kind", line.of_epoch ? "epoch" : "step"}, {"step", line.step}, {"epoch", line.epoch}};
  for (const auto& [key, member] : detail::log_fields)
    if (line.*member) json[key] = *(line.*member);
  return json.dump();
}

/// The lines of a log.jsonl, and whether its end was torn.
struct LogContent {
  std::vector<LogLine> lines;
  bool torn = false;
};

/// The lines of a log's text. Where writing broke off (a last line without an end, or one that is no JSON,
/// which is what a power cut leaves) that line is left out. Throws FormatError that names the line for
/// anything else that is not a log.
[[nodiscard]] inline LogContent parse_log(std::string_view text, const std::string& name) {
  LogContent content;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      content.torn = true;
      break;
    }
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    try {
      content.lines.push_back(detail::parse_log_line(line, message(name, ": line ", number)));
    } catch (const FormatError&) {
      if (!text.empty()) throw;
      content.torn = true;
    }
  }
  return content;
}

/// The same of a file, or of the log.jsonl in a run's folder. Throws IoError, and as above.
[[nodiscard]] inline LogContent read_log(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto file = std::filesystem::is_directory(path, ignored) ? path / "log.jsonl" : path;
  return parse_log(io::read_text(file), file.string());
}

/// The epochs of a log as a table: one line an epoch under a line of names, "nan" for what is not finite,
/// nothing for what was not measured.
[[nodiscard]] inline std::string log_csv(const std::vector<LogLine>& lines) {
  std::string text = "epoch,step";
  for (const auto& entry : detail::log_fields) text += message(',', entry.first);
  text += '\n';
  for (const LogLine& line : lines) {
    if (!line.of_epoch) continue;
    text += message(line.epoch, ',', line.step);
    for (const auto& entry : detail::log_fields) {
      text += ',';
      const auto& value = line.*entry.second;
      if (value) text += std::isfinite(*value) ? io::Json(*value).dump() : "nan";
    }
    text += '\n';
  }
  return text;
}

/// The log of a run that is under way. One process writes.
///
/// A line belongs to the checkpoint of its step or a later one: write it before that checkpoint, so that a
/// run resumed from there neither lacks a line nor has one twice.
class RunLog {
 public:
  /// Opens the log in a run's folder. Of a log that is there already, the lines up to `step`, the step of the
  /// checkpoint that the run goes on from, are kept; later ones and a torn end are dropped (0: all of it), by
  /// writing the file anew, whole or not at all. Throws IoError, FormatError.
  explicit RunLog(const std::filesystem::path& folder, Index step = 0)
      : path_(folder / "log.jsonl"), table_(folder / "log.csv") {
    std::error_code ignored;
    if (std::filesystem::exists(path_, ignored)) {
      std::string kept;
      if (step > 0) {
        const std::string text = io::read_text(path_);
        std::size_t begin = 0;
        for (const LogLine& line : parse_log(text, path_.string()).lines) {
          const std::size_t end = text.find('\n', begin) + 1;
          if (line.step <= step) {
            kept.append(text, begin, end - begin);
            if (line.of_epoch) epochs_.push_back(line);
          }
          begin = end;
        }
      }
      io::write_text(path_, kept);
      bytes_ = static_cast<::off_t>(kept.size());
    }
    io::write_text(table_, log_csv(epochs_));
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail();
  }
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  ~RunLog() { ::close(descriptor_); }

  /// Appends a line; when it returns, the line is the system's and survives the process. An epoch's line is
  /// also in the table and on the disk. Throws IoError (disk full, for example); the log is then as it was.
  void write(const LogLine& line) {
    const std::string text = log_line_text(line) + '\n';
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t put = ::write(descriptor_, text.data() + done, text.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) {
        const int problem = errno;
        // No half line stays; should this fail too, the next reader leaves it out.
        static_cast<void>(!::ftruncate(descriptor_, bytes_));
        errno = problem;
        fail();
      }
      done += static_cast<std::size_t>(put);
    }
    bytes_ += static_cast<::off_t>(text.size());
    if (!line.of_epoch) return;
    if (::fdatasync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail();
    epochs_.push_back(line);
    io::write_text(table_, log_csv(epochs_));
  }

  /// The epochs so far, those before a resumption too.
  [[nodiscard]] const std::vector<LogLine>& epochs() const noexcept { return epochs_; }

 private:
  [[noreturn]] void fail() const {
    raise<IoError>("cannot write ", path_.string(), ": ", std::strerror(errno));
  }

  std::filesystem::path path_, table_;
  int descriptor_ = -1;
  ::off_t bytes_ = 0;
  std::vector<LogLine> epochs_;
};

}  // namespace deconv::train
