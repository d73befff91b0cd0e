#include "transfer_table.hpp"

#include <cmath>
#include <iomanip>
#include <sstream>

#include "csv.hpp"

namespace deconv::tool {

namespace {

/// What the paper prints, for people to compare with; accuracies in percent.
struct PaperLine {
  const char *table, *what, *numbers;
};
constexpr PaperLine paper_lines[] = {
    {"Table 4", "Caltech-101, 15 and 30 images a class, softmax on the last layer",
     "83.8 +- 0.5, 86.5 +- 0.5"},
    {"Table 4", "the same from scratch", "22.8 +- 1.5, 46.5 +- 1.7"},
    {"Table 5", "Caltech-256, 15, 30, 45 and 60 images a class, softmax on the last layer",
     "65.7, 70.6, 72.7, 74.2"},
    {"Table 5", "the same from scratch", "9.0, 22.5, 31.2, 38.8"},
    {"Table 7", "Caltech-101, 30 images a class, SVM on layers 1, 2, 3, 4, 5, 7",
     "44.8, 66.2, 72.3, 76.6, 86.2, 85.5"},
    {"Table 7", "Caltech-101, 30 images a class, softmax on layers 5, 7", "82.9, 85.4"},
    {"Table 7", "Caltech-256, 60 images a class, SVM on layers 1, 2, 3, 4, 5, 7",
     "24.6, 39.6, 46.0, 51.3, 65.6, 71.7"},
    {"Table 7", "Caltech-256, 60 images a class, softmax on layers 5, 7", "65.7, 72.6"},
};
constexpr PaperLine paper_lines_several[] = {
    {"Table 6", "PASCAL VOC 2012, mean average precision (two others' in brackets)", "79.0 (74.3, 82.2)"}};

std::string percent(double share) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << share * 100;
  return std::isfinite(share) ? std::move(text).str() : "-";
}

Document to_document(const TransferLine& line, const std::vector<std::string>& names) {
  Document made{{"layer", line.layer}, {"classifier", line.classifier}, {"features", line.features}};
  const auto real = [](double value) { return std::isfinite(value) ? Document(value) : Document(); };
  if (!line.precision.empty()) {
    made["mean_average_precision"] = real(mean_average_precision(line.precision));
    made["mean_average_precision_plain"] = real(mean_average_precision(line.plain));
    made["c"] = line.score.c.empty() ? Document() : Document(line.score.c[0]);
    Document classes = Document::array();
    for (std::size_t k = 0; k < line.precision.size(); ++k)
      classes.push_back({{"class", k},
                         {"name", k < names.size() ? names[k] : std::to_string(k)},
                         {"average_precision", real(line.precision[k])},
                         {"average_precision_plain", real(line.plain[k])}});
    made["classes"] = std::move(classes);
    return made;
  }
  made["per_class"] = line.per_class;
  made["accuracy"] = line.score.mean();
  made["deviation"] = line.score.deviation();
  made["folds"] = line.score.folds;
  made["c"] = line.score.c;
  return made;
}

bool of_several(const std::vector<TransferLine>& lines) {
  return !lines.empty() && !lines[0].precision.empty();
}

}  // namespace

void add_transfer_lines(Document& document, const std::vector<TransferLine>& lines,
                        const std::vector<std::string>& names) {
  document["lines"] = Document::array();
  for (const TransferLine& line : lines) document["lines"].push_back(to_document(line, names));
  document["paper"] = Document::array();
  const auto add_paper = [&](const PaperLine& line) {
    document["paper"].push_back({{"table", line.table}, {"what", line.what}, {"percent", line.numbers}});
  };
  if (of_several(lines))
    for (const PaperLine& line : paper_lines_several) add_paper(line);
  else
    for (const PaperLine& line : paper_lines) add_paper(line);
}

std::string transfer_csv(const std::vector<TransferLine>& lines, const std::vector<std::string>& names) {
  std::ostringstream csv;
  const bool several = of_several(lines);
  if (several)
    csv << "layer,classifier,features,class,name,average_precision,average_precision_plain\n";
  else
    csv << "layer,classifier,features,per_class,accuracy,deviation,folds\n";
  for (const TransferLine& line : lines) {
    const std::string front =
        csv_cell(line.layer) + "," + line.classifier + "," + std::to_string(line.features) + ",";
    if (!several)
      csv << front << line.per_class << ',' << line.score.mean() << ',' << line.score.deviation() << ','
          << line.score.folds.size() << '\n';
    for (std::size_t k = 0; k < line.precision.size(); ++k) {
      csv << front << k << ',' << csv_cell(k < names.size() ? names[k] : std::to_string(k)) << ',';
      if (std::isfinite(line.precision[k])) csv << line.precision[k] << ',' << line.plain[k];
      csv << (std::isfinite(line.precision[k]) ? "\n" : ",\n");
    }
  }
  return std::move(csv).str();
}

std::string transfer_text(const std::vector<TransferLine>& lines, const std::vector<std::string>& names) {
  std::ostringstream text;
  std::size_t width = 5;
  for (const TransferLine& line : lines) width = std::max(width, line.layer.size());
  const bool several = of_several(lines);
  text << std::left << std::setw(static_cast<int>(width)) << "layer"
       << "  classifier  features  " << (several ? "mean AP %" : "a class  accuracy %") << "\n";
  for (const TransferLine& line : lines) {
    text << std::left << std::setw(static_cast<int>(width)) << line.layer << "  " << std::setw(10)
         << line.classifier << std::right << std::setw(10);
    if (line.features > 0)
      text << line.features;
    else
      text << "-";
    if (several)
      text << std::setw(11) << percent(mean_average_precision(line.precision)) << "\n";
    else
      text << std::setw(9) << line.per_class << "  " << percent(line.score.mean()) << " +- "
           << percent(line.score.deviation()) << "\n";
  }
  for (const TransferLine& line : lines) {
    if (!several) break;
    text << line.layer << ", " << line.classifier << ":";
    for (std::size_t k = 0; k < line.precision.size(); ++k)
      text << (k > 0 ? ", " : " ") << (k < names.size() ? names[k] : std::to_string(k)) << ' '
           << percent(line.precision[k]);
    text << "\n";
  }
  text << "the paper, %:\n";
  const auto print_paper = [&](const PaperLine& line) {
    text << "  " << line.table << ", " << line.what << ": " << line.numbers << "\n";
  };
  if (several)
    for (const PaperLine& line : paper_lines_several) print_paper(line);
  else
    for (const PaperLine& line : paper_lines) print_paper(line);
  return std::move(text).str();
}

}  // namespace deconv::tool
