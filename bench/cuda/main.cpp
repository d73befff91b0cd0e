// Every kernel on the layers of ZFNet, AlexNet and VGG16, beside cuDNN and cuBLAS; see bench/README.md.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>

#include "measure.hpp"
#include "peers.hpp"

namespace deconv::bench {
namespace {

constexpr const char* usage =
    "usage: bench_cuda [--filter WORD[,WORD...]] [--batch N[,N...]] [--dtype float32[,float16[,bfloat16]]]\n"
    "                  [--maths float32[,tf32[,3xtf32]]] [--network zfnet,vgg16] [--skip WORD[,WORD...]]\n"
    "                  [--json FILE] [--list] [--tiny]\n"
    "  --filter  only jobs whose op or layer contains one of the words (conv2d, unpool, zfnet/, ...)\n"
    "  --skip    no jobs whose op contains one of the words\n"
    "  --network only layers and whole networks of these names' beginnings\n"
    "  --maths   how convolutions, products and whole networks multiply floats (default: float32)\n"
    "  --list    prints the jobs and what is counted for them, and measures nothing; needs no card\n"
    "  --tiny    layers cut down and one run each: whether everything runs, nothing about speed\n";

struct Options {
  Jobs jobs;
  std::vector<std::string> words, networks, skipped;
  std::string json;
  bool list = false;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

DType dtype_named(const std::string& name) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16})
    if (name_of(dtype) == name) return dtype;
  raise<ArgumentError>("--dtype wants float32, float16 or bfloat16, met ", name);
}

Options read(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto value = [&]() -> std::string {
      require<ArgumentError>(i + 1 < argc, word, " wants a value");
      return argv[++i];
    };
    if (word == "--filter") {
      options.words = split(value());
    } else if (word == "--batch") {
      options.jobs.batches.clear();
      for (const std::string& part : split(value())) {
        char* end = nullptr;
        const long batch = std::strtol(part.c_str(), &end, 10);
        require<ArgumentError>(*end == '\0' && batch >= 1 && batch <= 65536,
                               "--batch wants numbers from 1, met ", part);
        options.jobs.batches.push_back(batch);
      }
    } else if (word == "--dtype") {
      options.jobs.dtypes.clear();
      for (const std::string& part : split(value())) options.jobs.dtypes.push_back(dtype_named(part));
    } else if (word == "--maths") {
      options.jobs.maths.clear();
      for (const std::string& part : split(value())) options.jobs.maths.push_back(maths_named(part));
    } else if (word == "--skip") {
      options.skipped = split(value());
    } else if (word == "--network") {
      options.networks = split(value());
    } else if (word == "--json") {
      options.json = value();
    } else if (word == "--list") {
      options.list = true;
    } else if (word == "--tiny") {
      options.jobs.tiny = true;
    } else {
      raise<ArgumentError>("unknown option ", word, "\n", usage);
    }
  }
  return options;
}

/// Fills options.jobs.all with what the filter lets through, op by op.
void gather(Options& options) {
  for (const auto add : Family::all()) add(options.jobs);
  auto& all = options.jobs.all;
  const auto wanted = [&](const Job& job) {
    const bool named = options.networks.empty() ||
                       std::any_of(options.networks.begin(), options.networks.end(),
                                   [&](const auto& network) { return job.layer.starts_with(network); });
    const bool skipped = std::any_of(options.skipped.begin(), options.skipped.end(), [&](const auto& word) {
      return job.op.find(word) != std::string::npos;
    });
    if (!named || skipped) return false;
    return options.words.empty() ||
           std::any_of(options.words.begin(), options.words.end(), [&](const auto& word) {
             return job.op.find(word) != std::string::npos || job.layer.find(word) != std::string::npos;
           });
  };
  all.erase(std::remove_if(all.begin(), all.end(), [&](const Job& job) { return !wanted(job); }), all.end());
  std::stable_sort(all.begin(), all.end(), [](const Job& a, const Job& b) { return a.op < b.op; });
}

nlohmann::json counted(const Job& job) {
  const Geometry& g = job.geometry;
  nlohmann::json src = nlohmann::json::array();
  for (std::size_t i = 0; i < g.src.rank(); ++i) src.push_back(g.src[i]);
  nlohmann::json entry{
      {"op", job.op},       {"layer", job.layer}, {"batch", job.batch}, {"dtype", name_of(job.dtype)},
      {"bytes", job.bytes}, {"flops", job.flops}, {"src", src}};
  if (job.maths) entry["maths"] = name_of(*job.maths);
  if (g.maps > 0) entry.update({{"maps", g.maps}, {"groups", g.groups}});
  if (g.window)
    entry.update({{"kernel", {g.window->kernel_y, g.window->kernel_x}},
                  {"stride", {g.window->stride_y, g.window->stride_x}},
                  {"padding", {g.window->padding.top, g.window->padding.left}},
                  {"ceil", g.window->rounding == Rounding::ceil}});
  return entry;
}

nlohmann::json measured(const Figure& figure) {
  if (figure.runs == 0) return {{"way", figure.way}, {"note", figure.note}};
  return {
      {"way", figure.way}, {"median_ms", figure.median_ms}, {"min_ms", figure.min_ms}, {"runs", figure.runs}};
}

/// A program that is stopped while it writes leaves the file before whole.
void write(const std::string& path, const nlohmann::json& content) {
  if (path.empty()) return;
  const std::string unfinished = path + ".part";
  std::ofstream out(unfinished);
  out << content.dump(1) << '\n';
  out.close();
  require<IoError>(out.good() && std::rename(unfinished.c_str(), path.c_str()) == 0, path,
                   ": cannot be written");
}

/// A job's figures as one line of the table and one object of the file.
nlohmann::json run(Room& room, const Roofs& roofs, const Job& job) {
  nlohmann::json entry = counted(job);
  const std::string where =
      message(job.layer, " x", job.batch, ' ', job.maths ? name_of(*job.maths) : name_of(job.dtype));
  std::printf("%-28s %-26s", job.op.c_str(), where.c_str());
  try {
    const Ways ways = job.prepare(room);
    const Figure ours = room.time(ways.at(0));
    entry.update(measured(ours));
    if (ours.runs == 0) {
      std::printf(" FAILED: %s\n", ours.note.c_str());
      return entry;
    }
    const double seconds = ours.median_ms / 1e3;
    const double by_bytes = job.bytes / roofs.copy_bytes_per_s, most_flops = roofs.flops_per_s(job),
                 by_flops = most_flops > 0 ? job.flops / most_flops : 0;
    entry["bound"] = by_bytes >= by_flops ? "copy" : "flops";
    entry["share"] = std::max(by_bytes, by_flops) / seconds;
    std::printf(" %9.4f ms %7.1f GB/s %8.2f TF/s %5.1f %% of %-5s", ours.median_ms, job.bytes / seconds / 1e9,
                job.flops / seconds / 1e12, 100 * std::max(by_bytes, by_flops) / seconds,
                by_bytes >= by_flops ? "copy" : "flops");
    if (by_bytes >= by_flops) {
      const double copy = room.copy_ms(job.bytes);
      entry["copy_ms"] = copy;
      std::printf(" (%3.0f %% of a copy as large)", 100 * copy / ours.median_ms);
    }
    for (std::size_t i = 1; i < ways.size(); ++i) {
      const Figure peer = room.time(ways[i]);
      entry["peers"].push_back(measured(peer));
      if (peer.runs > 0)
        std::printf("  %s %.4f ms x%.2f", peer.way.c_str(), peer.median_ms, peer.median_ms / ours.median_ms);
      else
        std::printf("  %s: none", peer.way.c_str());
    }
    std::printf("\n");
  } catch (const std::exception& error) {
    entry["note"] = error.what();
    std::printf(" FAILED: %s\n", error.what());
  }
  std::fflush(stdout);
  return entry;
}

int list(const Options& options) {
  nlohmann::json content{{"counted", nlohmann::json::array()}};
  for (const Job& job : options.jobs.all) {
    const std::string numbers(job.maths ? name_of(*job.maths) : name_of(job.dtype));
    std::printf("%-28s %-24s x%-4lld %-9s %14.0f bytes %16.0f flops\n", job.op.c_str(), job.layer.c_str(),
                static_cast<long long>(job.batch), numbers.c_str(), job.bytes, job.flops);
    content["counted"].push_back(counted(job));
  }
  write(options.json, content);
  return 0;
}

int measure(const Options& options) {
  Room room(options.jobs.tiny);
  const Roofs roofs = room.roofs();
  const auto or_none = [](const std::string& version, const char* what) {
    return version.empty() ? message("no ", what, " was found: its columns are empty") : version;
  };
  const std::string cudnn = or_none(cudnn_version(), "cuDNN"), cublas = or_none(cublas_version(), "cuBLAS");
  std::printf("%s, %d multiprocessors, %.0f MB of L2; %s; %s\n", room.card().name.c_str(),
              room.card().multiprocessors, static_cast<double>(room.card().l2_cache) / 1e6, cudnn.c_str(),
              cublas.c_str());
  std::printf("roofs: copy %.0f GB/s (read and written)", roofs.copy_bytes_per_s / 1e9);
  for (const auto& [what, roof] :
       {std::pair<const char*, const FlopRoof&>{"float32 multiply-adds", roofs.multiply_adds},
        {"TF32", roofs.tf32},
        {"half and bfloat16", roofs.half}})
    std::printf("; %s %.1f TFLOP/s (%s)", what, roof.per_s / 1e12, roof.from.c_str());
  std::printf("\n");
  std::printf(
      "medians by events, caches emptied before each run; xN: so many times as quick as that peer\n\n");
  nlohmann::json content{{"card", room.card().name},
                         {"multiprocessors", room.card().multiprocessors},
                         {"l2_bytes", room.card().l2_cache},
                         {"cudnn", cudnn},
                         {"cublas", cublas},
                         {"tiny", options.jobs.tiny},
                         {"copy_bytes_per_s", roofs.copy_bytes_per_s},
                         {"flops_per_s", roofs.multiply_adds.per_s},
                         {"flops_from", roofs.multiply_adds.from},
                         {"tf32_flops_per_s", roofs.tf32.per_s},
                         {"tf32_flops_from", roofs.tf32.from},
                         {"half_flops_per_s", roofs.half.per_s},
                         {"half_flops_from", roofs.half.from},
                         {"figures", nlohmann::json::array()}};
  int failed = 0;
  for (const Job& job : options.jobs.all) {
    content["figures"].push_back(run(room, roofs, job));
    failed += content["figures"].back().contains("note");
    room.tidy();
    write(options.json, content);  // what was measured stays when a later job ends the program
  }
  std::printf("\n%zu jobs, %d failed\n", options.jobs.all.size(), failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace deconv::bench

int main(int argc, char** argv) {
  using namespace deconv;
  try {
    auto options = bench::read(argc, argv);
    bench::gather(options);
    require<ArgumentError>(!options.jobs.all.empty(), "no job has such a name");
    return options.list ? bench::list(options) : bench::measure(options);
  } catch (const std::exception& error) {
    std::cerr << "bench_cuda: " << error.what() << '\n';
    return 2;
  }
}
