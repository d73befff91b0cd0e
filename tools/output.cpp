#include "output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <system_error>

#include "deconv/io/atomic_file.hpp"
#include "deconv/io/file.hpp"

namespace deconv::tool {

namespace fs = std::filesystem;

namespace {

struct NamedKind {
  OutputKind kind;
  const char* text;
};
constexpr NamedKind named_kinds[] = {
    {OutputKind::png, ".png"},   {OutputKind::npy, ".npy"},       {OutputKind::safetensors, ".safetensors"},
    {OutputKind::csv, ".csv"},   {OutputKind::svg, ".svg"},       {OutputKind::gif, ".gif"},
    {OutputKind::html, ".html"}, {OutputKind::folder, "a folder"}};

/// Whether the names in a folder are those that a document in it lists: then deconv wrote it.
bool is_own_folder(const fs::path& folder) {
  std::error_code ignored;
  std::set<std::string> present;
  std::vector<fs::path> documents;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (!entry.is_regular_file(ignored) || entry.is_symlink(ignored)) return false;
    present.insert(entry.path().filename().string());
    if (entry.path().extension() == ".json") documents.push_back(entry.path());
  }
  for (const fs::path& path : documents) try {
      const io::Json document = io::parse_json(io::read_text(path), path.string());
      if (!document.is_object() || !document.contains("deconv") || !document.contains("files")) continue;
      std::set<std::string> listed;
      for (const io::Json& file : document["files"]) listed.insert(io::json_string(file, "files"));
      if (std::includes(listed.begin(), listed.end(), present.begin(), present.end())) return true;
    } catch (const Error&) {
      continue;
    }
  return false;
}

void check_replaceable(const fs::path& target) {
  std::error_code ignored;
  const auto status = fs::status(target, ignored);
  if (!fs::exists(status)) return;
  require<IoError>(fs::is_directory(status), "--output ", target.string(),
                   ": a folder wanted, this is a file (an extension chooses another kind)");
  require<IoError>(fs::is_empty(target, ignored) || is_own_folder(target), "--output ", target.string(),
                   ": the folder holds files that deconv did not write; an empty or new one wanted");
}

/// "." and "a/" as the paths of folders that can be renamed.
fs::path folder_path(const fs::path& target) {
  fs::path path = fs::absolute(target).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  return path;
}

}  // namespace

OutputKind output_kind(const CommonOptions& options, std::initializer_list<OutputKind> possible) {
  if (options.output.empty()) return OutputKind::none;
  const fs::path path(options.output);
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  OutputKind kind = OutputKind::folder;
  std::string wanted;
  bool known = extension.empty() || fs::is_directory(path);
  for (const NamedKind& named : named_kinds) {
    if (!known && extension == named.text) {
      kind = named.kind;
      known = true;
    }
    if (std::find(possible.begin(), possible.end(), named.kind) != possible.end())
      wanted += (wanted.empty() ? "" : ", ") + std::string(named.text);
  }
  // A dot alone makes no kind: "squeezenet1.1" is a folder's name.
  if (!known &&
      std::all_of(extension.begin() + 1, extension.end(), [](char c) { return c >= '0' && c <= '9'; }))
    known = true;
  require<UsageError>(known && std::find(possible.begin(), possible.end(), kind) != possible.end(),
                      "--output ", options.output, ": this command writes ", wanted);
  const fs::path parent = folder_path(path).parent_path();
  require<IoError>(::access(parent.c_str(), W_OK | X_OK) == 0, "--output ", options.output, ": ",
                   parent.string(), ": ", std::strerror(errno));
  std::error_code ignored;
  if (kind == OutputKind::folder)
    check_replaceable(path);
  else
    require<IoError>(!fs::exists(path, ignored) || fs::is_regular_file(path, ignored), "--output ",
                     options.output, ": it exists and is not a regular file");
  return kind;
}

std::string file_name_of(const std::string& layer) {
  std::string name = layer.substr(0, 120);
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
    if (!plain) c = '_';
  }
  if (name.empty() || name[0] == '.') name = "_" + name;
  return name;
}

FolderOutput::FolderOutput(const fs::path& target) : target_(folder_path(target)) {
  check_replaceable(target_);
  std::string pattern =
      (target_.parent_path() / ("." + target_.filename().string().substr(0, 200) + ".XXXXXX")).string();
  require<IoError>(::mkdtemp(pattern.data()) != nullptr, "cannot write ", target_.string(), ": ",
                   std::strerror(errno));
  temporary_ = pattern;
  // mkdtemp is private to the user; a result is as open as any other file that the user writes.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::chmod(temporary_.c_str(), 0777 & ~mask);
}

FolderOutput::~FolderOutput() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

fs::path FolderOutput::add(const std::string& name) {
  std::string unique = name;
  const auto taken = [&] { return std::find(files_.begin(), files_.end(), unique) != files_.end(); };
  for (int i = 2; taken(); ++i) {
    const fs::path path(name);
    unique = path.stem().string() + "-" + std::to_string(i) + path.extension().string();
  }
  files_.push_back(unique);
  return temporary_ / unique;
}

void FolderOutput::commit(Document& document) {
  const fs::path own = add(document.at("command").get<std::string>() + ".json");
  document["files"] = files_;
  io::write_text(own, text_of(document));
  check_replaceable(target_);
  std::error_code failure;
  if (fs::exists(target_, failure) && !fs::is_empty(target_, failure)) {
#if defined(__linux__) && defined(RENAME_EXCHANGE)
    // In one step where the file system can; the old folder is then under the temporary's name.
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
      return;
    }
#endif
    const fs::path aside = temporary_.string() + ".old";
    fs::rename(target_, aside, failure);
    require<IoError>(!failure, "cannot write ", target_.string(), ": ", failure.message());
    fs::rename(temporary_, target_, failure);
    if (failure) {
      std::error_code ignored;
      fs::rename(aside, target_, ignored);
      raise<IoError>("cannot write ", target_.string(), ": ", failure.message());
    }
    fs::remove_all(aside, failure);
  } else {
    failure.clear();
    fs::rename(temporary_, target_, failure);
    require<IoError>(!failure, "cannot write ", target_.string(), ": ", failure.message());
  }
  temporary_.clear();
}

}  // namespace deconv::tool
