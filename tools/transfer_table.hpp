#pragma once
/// What deconv transfer found, as a table.

#include <string>
#include <vector>

#include "deconv/analysis/transfer.hpp"
#include "document.hpp"

namespace deconv::tool {

/// One line of the table: a layer under a classifier, or a network from scratch.
struct TransferLine {
  std::string layer, classifier;
  Index features = 0, per_class = 0;
  TransferScore score;
  std::vector<double> precision, plain;  ///< of each class, where pictures have several
};

/// The lines under "lines", and the paper's numbers under "paper". `names` are the classes'.
void add_transfer_lines(Document& document, const std::vector<TransferLine>& lines,
                        const std::vector<std::string>& names);
[[nodiscard]] std::string transfer_csv(const std::vector<TransferLine>& lines,
                                       const std::vector<std::string>& names);
/// The table for people, the paper's below it.
[[nodiscard]] std::string transfer_text(const std::vector<TransferLine>& lines,
                                        const std::vector<std::string>& names);

}  // namespace deconv::tool
