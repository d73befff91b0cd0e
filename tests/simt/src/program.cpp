#include "program.hpp"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

namespace simt {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                    std::free);
  return text ? text.get() : name;
}

std::string quoted_for_shell(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

Program& Program::instance() {
  static Program* program = new Program;  // kernels may run until the very end of the process
  return *program;
}

Program::Program() {
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& self = *static_cast<Program*>(data);
        self.load_ = info->dlpi_addr;
        std::uintptr_t first = ~std::uintptr_t{0}, last = 0;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& segment = info->dlpi_phdr[i];
          if (segment.p_type == PT_TLS) self.thread_local_bytes_ = segment.p_memsz;
          if (segment.p_type != PT_LOAD) continue;
          first = std::min<std::uintptr_t>(first, info->dlpi_addr + segment.p_vaddr);
          last = std::max<std::uintptr_t>(last, info->dlpi_addr + segment.p_vaddr + segment.p_memsz);
        }
        self.start_ = first;
        self.bytes_ = last - first;
        return 1;  // the program itself comes first: enough
      },
      this);

  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length > 0) file_.assign(path, static_cast<std::size_t>(length));
  std::ifstream file(file_, std::ios::binary);
  image_.assign(std::istreambuf_iterator<char>(file), {});

  variable_of_.assign(thread_local_bytes_, no_variable);
  if (image_.size() < sizeof(Elf64_Ehdr)) return;
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(image_.data());
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(image_.data() + header->e_shoff);
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(image_.data() + sections[i].sh_offset);
    const char* names = image_.data() + sections[sections[i].sh_link].sh_offset;
    for (std::size_t s = 0; s < sections[i].sh_size / sizeof(Elf64_Sym); ++s) {
      const Elf64_Sym& symbol = symbols[s];
      if (symbol.st_shndx == SHN_UNDEF) continue;
      const unsigned type = ELF64_ST_TYPE(symbol.st_info);
      if (type == STT_FUNC) functions_.push_back({symbol.st_value, symbol.st_size, names + symbol.st_name});
      if (type == STT_TLS) variables_.push_back({symbol.st_value, symbol.st_size, names + symbol.st_name});
    }
  }
  const auto by_value = [](const Symbol& a, const Symbol& b) {
    return a.value != b.value ? a.value < b.value : a.bytes < b.bytes;
  };
  std::sort(functions_.begin(), functions_.end(), by_value);
  std::sort(variables_.begin(), variables_.end(), by_value);
  // A stripped program has no bounds to check.
  if (variables_.empty()) variables_.push_back({0, thread_local_bytes_, "shared memory"});
  for (std::uint32_t i = 0; i < variables_.size(); ++i) {
    const std::size_t end =
        std::min<std::size_t>(variables_[i].value + variables_[i].bytes, thread_local_bytes_);
    for (std::size_t byte = variables_[i].value; byte < end; ++byte) variable_of_[byte] = i;
  }
}

void Program::launched(const void* kernel) {
  const std::lock_guard lock(mutex_);
  kernels_.insert(kernel);
}

bool Program::belongs(std::uint32_t variable, const void* kernel, const void* return_address) const {
  // A function's own variable is called _ZZ, the function's name without its _Z, E, and its own name.
  const std::string_view name = variables_[variable].name;
  if (!name.starts_with("_ZZ")) return true;
  const void* owner = nullptr;
  bool launched = false;
  {
    const std::lock_guard lock(mutex_);
    if (function_names_.empty()) {
      for (const Symbol& f : functions_) {
        function_names_.emplace(f.name, reinterpret_cast<const void*>(f.value + load_));
      }
    }
    for (std::size_t end = name.rfind('E'); end != std::string_view::npos && end > 3 && !owner;
         end = name.rfind('E', end - 1)) {
      const auto found = function_names_.find("_Z" + std::string(name.substr(3, end - 3)));
      if (found != function_names_.end()) owner = found->second;
    }
    launched = owner && kernels_.count(owner) > 0;
  }
  // A function that has no code of its own is one of the device, inlined.
  if (!owner || owner == kernel) return true;
  if (launched) return false;
  // A kernel that was never launched, or a function of the device: then the access stands in it.
  const std::vector<Line> frames = lines(return_address);
  const std::string owner_name = function_name(owner);
  return frames.empty() || std::any_of(frames.begin(), frames.end(), [&](const Line& frame) {
           const std::string plain = frame.function.substr(0, frame.function.find_first_of("<("));
           return !plain.empty() && owner_name.find(plain) != std::string::npos;
         });
}

ThreadLocalImage Program::thread_local_image() const {
  ThreadLocalImage image;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        static_cast<ThreadLocalImage*>(data)->start = info->dlpi_tls_data;
        return 1;
      },
      &image);
  image.bytes = image.start ? thread_local_bytes_ : 0;
  return image;
}

Variable Program::nearest_thread_local(std::size_t offset) const {
  auto after = std::upper_bound(variables_.begin(), variables_.end(), offset,
                                [](std::size_t value, const Symbol& v) { return value < v.value; });
  if (after == variables_.begin()) return {};
  --after;
  return {demangled(after->name), after->value, after->bytes};
}

const Program::Symbol* Program::function(const void* address) const {
  const std::uintptr_t value = reinterpret_cast<std::uintptr_t>(address) - load_;
  const auto found = std::lower_bound(functions_.begin(), functions_.end(), value,
                                      [](const Symbol& f, std::uintptr_t v) { return f.value < v; });
  return found != functions_.end() && found->value == value ? &*found : nullptr;
}

std::string Program::function_name(const void* address) const {
  const Symbol* symbol = function(address);
  return symbol ? demangled(symbol->name) : "a kernel without a name";
}

std::size_t Program::static_shared_bytes(const void* kernel) const {
  const Symbol* symbol = function(kernel);
  if (!symbol || std::strncmp(symbol->name, "_Z", 2) != 0) return 0;
  // A local variable's name is _ZZ, the function's without its _Z, E, and its own.
  const std::string prefix = "_ZZ" + std::string(symbol->name + 2) + "E";
  std::size_t bytes = 0;
  for (const Symbol& v : variables_) {
    if (std::strncmp(v.name, prefix.c_str(), prefix.size()) == 0) bytes += v.bytes;
  }
  return bytes;
}

std::vector<Line> Program::lines(const void* return_address) const {
  std::vector<Line> lines;
  // The call, not what follows it.
  const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(return_address) - 1 - load_;
  char number[32];
  std::snprintf(number, sizeof number, "0x%llx", static_cast<unsigned long long>(address));
  const std::string command =
      "addr2line -i -f -C -e " + quoted_for_shell(file_) + " " + number + " 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return lines;
  std::string text;
  char buffer[4096];
  for (std::size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, got);
  pclose(pipe);

  std::size_t at = 0;
  const auto next_line = [&] {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = std::min(end + 1, text.size());
    return line;
  };
  while (at < text.size()) {
    Line line;
    line.function = next_line();
    const std::string place = next_line();
    const std::size_t colon = place.rfind(':');
    if (colon == std::string::npos || place[0] == '?') continue;
    line.file = place.substr(0, colon);
    line.number = static_cast<unsigned>(std::strtoul(place.c_str() + colon + 1, nullptr, 10));
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace simt
