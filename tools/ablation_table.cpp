#include "ablation_table.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

#include "csv.hpp"

namespace deconv::tool {

namespace {

Document or_null(double value) { return std::isfinite(value) ? Document(value) : Document(); }
std::vector<std::vector<std::string>> cells_of(const std::vector<AblationLine>& lines) {
  std::vector<std::vector<std::string>> cells{{"net", "change", "parameters", "multiply-adds", "train", "val",
                                               "val top-5", "paper: train", "val", "val top-5"}};
  for (const AblationLine& line : lines) {
    const AblationResult& result = line.result;
    std::vector<std::string> row{line.net,
                                 line.title + (result.diverged.empty() ? "" : " (diverged)"),
                                 short_count(result.parameters),
                                 short_count(result.multiply_adds),
                                 percent(result.train_top1),
                                 percent(result.val_top1),
                                 percent(result.val_top5)};
    for (const double value :
         {line.paper ? line.paper->train_top1 : NAN, line.paper ? line.paper->val_top1 : NAN,
          line.paper ? line.paper->val_top5 : NAN})
      row.push_back(percent(value / 100));
    cells.push_back(std::move(row));
  }
  return cells;
}

}  // namespace

Document to_document(const AblationLine& line) {
  const AblationResult& result = line.result;
  Document made{{"net", line.net},
                {"variant", result.ablation.key},
                {"parameters", result.parameters},
                {"multiply_adds", result.multiply_adds},
                {"steps", result.state.step},
                {"epochs", result.state.epoch},
                {"seconds", result.state.run_seconds},
                {"train_top1_error", or_null(result.train_top1)},
                {"val_top1_error", or_null(result.val_top1)},
                {"val_top5_error", or_null(result.val_top5)}};
  if (!result.diverged.empty()) made["diverged"] = result.diverged;
  if (line.paper)
    made["paper_percent"] = {{"train_top1_error", line.paper->train_top1},
                             {"val_top1_error", line.paper->val_top1},
                             {"val_top5_error", line.paper->val_top5}};
  return made;
}

std::string percent(double share) {
  if (!std::isfinite(share)) return "-";
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << share * 100;
  return std::move(text).str();
}

std::string ablation_text(const std::vector<AblationLine>& lines) {
  const auto cells = cells_of(lines);
  std::vector<std::size_t> width(cells[0].size());
  for (const auto& row : cells)
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  std::ostringstream text;
  text << "errors in %\n";
  for (const auto& row : cells) {
    for (std::size_t c = 0; c < row.size(); ++c)
      text << (c < 2 ? std::left : std::right) << std::setw(static_cast<int>(width[c])) << row[c]
           << (c + 1 < row.size() ? "  " : "\n");
  }
  return std::move(text).str();
}

std::string ablation_markdown(const std::vector<AblationLine>& lines) {
  std::ostringstream text;
  const auto cells = cells_of(lines);
  for (std::size_t r = 0; r < cells.size(); ++r) {
    for (const std::string& cell : cells[r]) text << "| " << cell << ' ';
    text << "|\n";
    if (r > 0) continue;
    for (std::size_t c = 0; c < cells[0].size(); ++c) text << (c < 2 ? "|---" : "|---:");
    text << "|\n";
  }
  return std::move(text).str();
}

std::string ablation_csv(const std::vector<AblationLine>& lines) {
  std::ostringstream csv;
  csv << "net,variant,parameters,multiply_adds,steps,seconds,train_top1_error,val_top1_error,val_top5_error,"
         "diverged,paper_train_top1_percent,paper_val_top1_percent,paper_val_top5_percent\n";
  const auto real = [&](double value) {
    csv << ',';
    if (std::isfinite(value)) csv << value;
  };
  for (const AblationLine& line : lines) {
    const AblationResult& result = line.result;
    csv << csv_cell(line.net) << ',' << csv_cell(result.ablation.key) << ',' << result.parameters << ','
        << result.multiply_adds << ',' << result.state.step;
    real(result.state.run_seconds);
    real(result.train_top1), real(result.val_top1), real(result.val_top5);
    csv << ',' << !result.diverged.empty();
    const PaperAblationErrors none{NAN, NAN, NAN}, paper = line.paper.value_or(none);
    real(paper.train_top1), real(paper.val_top1), real(paper.val_top5);
    csv << '\n';
  }
  return std::move(csv).str();
}

}  // namespace deconv::tool
