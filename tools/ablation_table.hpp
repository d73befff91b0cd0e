#pragma once
/// What deconv ablate found, as a table.

#include <optional>
#include <string>
#include <vector>

#include "deconv/analysis/ablation_run.hpp"
#include "document.hpp"

namespace deconv::tool {

/// One line of the table.
struct AblationLine {
  std::string net;
  std::string title;
  std::optional<PaperAblationErrors> paper;
  AblationResult result;
};

[[nodiscard]] Document to_document(const AblationLine& line);
/// A share as a percentage with one digit behind the point, "-" where it is no number.
[[nodiscard]] std::string percent(double share);
[[nodiscard]] std::string ablation_text(const std::vector<AblationLine>& lines);
[[nodiscard]] std::string ablation_markdown(const std::vector<AblationLine>& lines);
[[nodiscard]] std::string ablation_csv(const std::vector<AblationLine>& lines);

}  // namespace deconv::tool
