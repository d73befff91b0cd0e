// The reader of list files.
#include "deconv/io/dataset_list.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 14) return 0;
  using namespace deconv;
  try {
    const io::ListDataset set(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.txt");
    for (Index i = 0; i < set.size(); ++i)
      if (set.name(i).empty() || set.label(i).value_or(0) >= io::ListDataset::most_classes) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
