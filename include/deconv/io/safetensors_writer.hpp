#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "deconv/io/atomic_file.hpp"
#include "deconv/io/safetensors.hpp"

namespace deconv::io {

/// Collects named tensors and strings, then writes them as one safetensors file, whole or not at all, tensor
/// after tensor without assembling the file in memory.
class SafetensorsWriter {
 public:
  /// A tensor that must live until `write`; nothing is copied. Written in row-major N,C,H,W order. Throws
  /// ArgumentError when the name is taken or reserved.
  template <class T>
  void add(const std::string& name, TensorView<const T, Cpu> view) {
    check_name(name);
    entries_.push_back({name, dtype_of<T>, view.shape(), [view](AtomicFile& file) {
                          write_elements(
                              view, [&](const void* data, std::size_t bytes) { file.write(data, bytes); });
                        }});
  }
  template <class T>
  void add(const std::string& name, const Tensor<T, Cpu>& tensor) {
    add<T>(name, tensor.view());
  }
  /// A tensor that the writer keeps.
  template <class T>
  void add(const std::string& name, Tensor<T, Cpu>&& tensor) {
    auto kept = std::make_shared<const Tensor<T, Cpu>>(std::move(tensor));
    add<T>(name, kept->view());
    kept_.push_back(std::move(kept));
  }
  /// A string in __metadata__; replaces one of the same key.
  void set_metadata(const std::string& key, const std::string& value) { metadata_[key] = value; }

  /// Writes the file. Tensors with wide elements stand first, otherwise in the order of their adding, so that
  /// each is aligned to its elements, and the first to 64 bytes. Throws IoError; FormatError when a name or
  /// string is not UTF-8.
  void write(const std::filesystem::path& path) const {
    std::vector<const Entry*> order;
    for (const Entry& entry : entries_) order.push_back(&entry);
    std::stable_sort(order.begin(), order.end(),
                     [](const Entry* a, const Entry* b) { return size_of(a->dtype) > size_of(b->dtype); });
    const std::string header = header_text(order, path.string());
    AtomicFile file(path);
    const std::uint64_t length = header.size();
    file.write(&length, sizeof length);
    file.write(header);
    for (const Entry* entry : order) entry->write(file);
    file.commit();
  }

 private:
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    std::function<void(AtomicFile&)> write;
  };

  void check_name(const std::string& name) const {
    require<ArgumentError>(name != "__metadata__", "a tensor cannot be named __metadata__");
    const bool taken =
        std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
    require<ArgumentError>(!taken, "two tensors named ", quoted(name), " in one file");
  }

  [[nodiscard]] std::string header_text(const std::vector<const Entry*>& order,
                                        const std::string& path) const {
    // An ordered document keeps the tensors in the order of their bytes, which people reading the file
    // expect.
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata_.empty()) header["__metadata__"] = metadata_;
    std::uint64_t offset = 0;
    for (const Entry* entry : order) {
      const auto type = std::find_if(detail::safetensors_types.begin(), detail::safetensors_types.end(),
                                     [&](const auto& known) { return known.dtype == entry->dtype; });
      const std::uint64_t end =
          offset + static_cast<std::uint64_t>(entry->shape.count()) * size_of(entry->dtype);
      const auto extents = entry->shape.extents();
      header[entry->name] = {{"dtype", std::string(type->name)},
                             {"shape", std::vector<Index>(extents.begin(), extents.end())},
                             {"data_offsets", {offset, end}}};
      offset = end;
    }
    std::string text;
    try {
      text = header.dump();
    } catch (const nlohmann::json::exception& problem) {
      raise<FormatError>("cannot write ", path, ": a name or string is not UTF-8 (", problem.what(), ")");
    }
    text.append((64 - (8 + text.size()) % 64) % 64, ' ');
    require<FormatError>(text.size() <= SafetensorsReader::longest_header, "cannot write ", path,
                         ": a header of ", text.size(), " bytes, at most ", SafetensorsReader::longest_header,
                         " can be read again");
    return text;
  }

  std::vector<Entry> entries_;
  std::vector<std::shared_ptr<const void>> kept_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace deconv::io
