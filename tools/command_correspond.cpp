// deconv correspond: how alike features change when the same part of several pictures is masked.

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "commands.hpp"
#include "correspondence.hpp"
#include "csv.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/landmarks.hpp"
#include "document.hpp"
#include "model.hpp"
#include "output.hpp"
#include "progress.hpp"

namespace deconv::tool {

namespace {

struct CorrespondOptions : CommonOptions {
  std::filesystem::path landmarks;
  std::vector<std::string> layers{"last"};
  Index size = 48, random_trials = 10, at_once = 16;
  std::string random_places = "each", zero = "left_out";
  std::vector<double> fill{0.0};
};

/// Table 1 of Zeiler and Fergus 2013: mean and deviation at layers 5 and 7.
struct PaperRow {
  const char *part, *layer5, *layer7;
};
constexpr PaperRow paper_table[] = {{"right eye", "0.067 +- 0.007", "0.069 +- 0.015"},
                                    {"left eye", "0.069 +- 0.007", "0.068 +- 0.013"},
                                    {"nose", "0.079 +- 0.017", "0.069 +- 0.011"},
                                    {"random", "0.107 +- 0.017", "0.073 +- 0.014"}};

/// The pictures whose landmarks all lie in the network's input, and where.
struct Faces {
  Tensor<float, Cpu> batch;
  std::vector<std::string> names;
  std::vector<MaskedPart> parts;
  std::vector<std::string> left_out;  ///< why each
};

Faces load_faces(const CorrespondOptions& options, const LoadedModel& model) {
  const io::Preprocess& preprocess = model.preprocess_for_pictures(options);
  const io::Landmarks table = io::read_landmarks(options.landmarks);
  Faces faces;
  for (const std::string& name : table.names) faces.parts.push_back({name, {}});
  std::vector<Tensor<float, Cpu>> inputs;
  for (const io::LandmarkedPicture& one : table.pictures) {
    const io::Image picture = io::read_image(one.file);
    const std::string file = one.file.string();
    require<FormatError>(!one.size || *one.size == io::Extent{picture.height(), picture.width()},
                         options.landmarks.string(), ": ", file, " has ",
                         one.size ? one.size->width : picture.width(), "x",
                         one.size ? one.size->height : picture.height(), " pixels there, the picture has ",
                         picture.width(), "x", picture.height());
    std::vector<PlaneBox> boxes;
    std::string outside;
    try {
      inputs.push_back(preprocess.apply(picture));
      const Shape& shape = inputs.back().shape();
      require<ShapeError>(shape == inputs.front().shape(), "an input of ", shape, " after one of ",
                          inputs.front().shape(), "; --input-size makes them equal");
      for (std::size_t p = 0; p < one.points.size(); ++p) {
        const auto& point = one.points[p];
        require<FormatError>(
            point.x < static_cast<double>(picture.width()) && point.y < static_cast<double>(picture.height()),
            options.landmarks.string(), ": ", table.names[p], " at ", point.x, ",", point.y,
            " lies outside of the picture of ", picture.width(), "x", picture.height());
        const auto at = io::point_in_input(preprocess, picture.width(), picture.height(), point);
        const bool inside = at.x >= -0.5 && at.y >= -0.5 && at.x < static_cast<double>(shape[2]) - 0.5 &&
                            at.y < static_cast<double>(shape[1]) - 0.5;
        if (!inside && outside.empty())
          outside = message(file, " is left out: its ", table.names[p], " lies outside of the crop");
        boxes.push_back(square_about(at.y, at.x, options.size));
      }
    } catch (const Error& problem) {
      raise<FormatError>(file, ": ", problem.what());
    }
    if (!outside.empty()) {
      inputs.pop_back();
      faces.left_out.push_back(outside);
      continue;
    }
    faces.names.push_back(file);
    for (std::size_t p = 0; p < boxes.size(); ++p) faces.parts[p].boxes.push_back(boxes[p]);
  }
  require<ArgumentError>(inputs.size() >= 2, options.landmarks.string(),
                         ": at least two pictures whose landmarks lie in the crop wanted, met ",
                         inputs.size(), "; --resize exact keeps all of a picture");
  const Shape& one = inputs.front().shape();
  faces.batch = Tensor<float, Cpu>({static_cast<Index>(inputs.size()), one[0], one[1], one[2]});
  float* out = faces.batch.data();
  for (const auto& input : inputs) out = std::copy(input.begin(), input.end(), out);
  return faces;
}

std::vector<PartCorrespondence> rows_of(const Correspondence& result) {
  std::vector<PartCorrespondence> rows = result.parts;
  if (result.random) rows.push_back(*result.random);
  return rows;
}

std::string csv_of(const Correspondence& result) {
  std::ostringstream csv;
  csv << std::setprecision(9) << "part,layer,mean,deviation,pairs\n";
  for (const auto& row : rows_of(result))
    for (std::size_t l = 0; l < result.layers.size(); ++l)
      csv << csv_cell(row.name) << ',' << csv_cell(result.layers[l]) << ',' << row.layers[l].mean << ','
          << row.layers[l].deviation << ',' << row.layers[l].pairs << '\n';
  return std::move(csv).str();
}

/// The library's table with the paper's beside it.
std::string table_of(const Correspondence& result) {
  std::ostringstream text;
  const auto cell = [&](const std::string& words, int width) {
    text << "  " << std::left << std::setw(width) << words;
  };
  const auto score = [](const CorrespondenceScore& one) {
    std::ostringstream number;
    number << std::fixed << std::setprecision(3) << one.mean << " +- " << one.deviation;
    return std::move(number).str();
  };
  const auto rows = rows_of(result);
  int named = 8;
  for (const auto& row : rows) named = std::max(named, static_cast<int>(row.name.size()));
  std::vector<int> widths;
  cell("masked", named);
  for (const std::string& layer : result.layers) {
    widths.push_back(std::max(14, static_cast<int>(layer.size())));
    cell(layer, widths.back());
  }
  text << "  |";
  cell("paper", 9);
  cell("layer 5", 14);
  text << "  layer 7\n";
  for (std::size_t r = 0; r < std::max(rows.size(), std::size(paper_table)); ++r) {
    cell(r < rows.size() ? rows[r].name : "", named);
    for (std::size_t l = 0; l < widths.size(); ++l)
      cell(r < rows.size() ? score(rows[r].layers[l]) : "", widths[l]);
    text << "  |";
    if (r < std::size(paper_table)) {
      cell(paper_table[r].part, 9);
      cell(paper_table[r].layer5, 14);
      text << "  " << paper_table[r].layer7;
    }
    text << '\n';
  }
  return std::move(text).str();
}

Document document_of(const CorrespondOptions& options, const Faces& faces, const Correspondence& result) {
  Document document = make_document("correspond", options);
  document["landmarks"] = options.landmarks.string();
  document["size"] = options.size;
  document["fill"] = options.fill;
  document["zero"] = options.zero;
  document["random_trials"] = options.random_trials;
  document["random_places"] = options.random_places;
  document["seed"] = options.seed;
  document["layers"] = result.layers;
  const auto scores = [&](const PartCorrespondence& row) {
    Document list = Document::array();
    for (std::size_t l = 0; l < result.layers.size(); ++l)
      list.push_back({{"layer", result.layers[l]},
                      {"mean", row.layers[l].mean},
                      {"deviation", row.layers[l].deviation},
                      {"pairs", row.layers[l].pairs}});
    return list;
  };
  Document images = Document::array();
  for (std::size_t n = 0; n < faces.names.size(); ++n) {
    Document masks;
    for (const MaskedPart& part : faces.parts) masks[part.name] = to_document(part.boxes[n]);
    images.push_back({{"image", faces.names[n]}, {"masks", masks}});
  }
  document["images"] = images;
  document["left_out"] = faces.left_out;
  Document parts = Document::array();
  for (const auto& row : result.parts) parts.push_back({{"part", row.name}, {"scores", scores(row)}});
  document["parts"] = parts;
  if (result.random) document["random"] = {{"scores", scores(*result.random)}};
  Document paper = Document::array();
  for (const PaperRow& row : paper_table)
    paper.push_back({{"part", row.part}, {"layer5", row.layer5}, {"layer7", row.layer7}});
  document["paper"] = paper;
  return document;
}

Correspondence compute(const CorrespondOptions& options, const LoadedModel& model, const Faces& faces,
                       bool telling) {
  CorrespondenceOptions how;
  how.layers = options.layers;
  how.fill = options.fill;
  how.zero = options.zero == "own"        ? ZeroSign::own
             : options.zero == "positive" ? ZeroSign::positive
                                          : ZeroSign::left_out;
  how.random_trials = options.random_trials;
  how.random_size = options.size;
  how.random_together = options.random_places == "common";
  how.seed = options.seed;
  how.batch = options.at_once;
  const Index images = faces.batch[0];
  const Index total = images * (1 + static_cast<Index>(faces.parts.size()) + options.random_trials);
  Progress progress("correspond", "masked pictures", total, options.quiet);
  const auto begin = std::chrono::steady_clock::now();
  how.progress = [&](Index done, Index sets) {
    progress.advance(images);
    // Known after the first set; the rest takes as long a set.
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() *
                           static_cast<double>(sets - 1);
    if (telling && done == 1 && seconds > 2)
      tell_work(total, "masked pictures", seconds,
                correspondence_bytes_of(*model.engine, faces.batch.shape(), how) + faces.batch.bytes(),
                options.quiet);
  };
  return correspondence_of(*model.engine, faces.batch, faces.parts, how);
}

void run_correspond(const CorrespondOptions& options) {
  check_device(options);
  const OutputKind kind = output_kind(options, {OutputKind::csv, OutputKind::folder});
  const LoadedModel model = load_model(options);
  static_cast<void>(hidden_layers(model.topology(), options.layers));
  const Faces faces = load_faces(options, model);
  if (!options.quiet)
    for (const std::string& one : faces.left_out) std::cerr << "deconv: warning: " << one << "\n";
  std::optional<Timing> timing;
  bool telling = true;
  const Correspondence result = timed(
      options.repeat, timing, [&] { return compute(options, model, faces, std::exchange(telling, false)); });

  Document document = document_of(options, faces, result);
  add_timing(document, timing);
  if (kind == OutputKind::csv) io::write_text(options.output, csv_of(result));
  if (kind == OutputKind::folder) {
    FolderOutput folder(options.output);
    io::write_text(folder.add("correspondence.csv"), csv_of(result));
    folder.commit(document);
  }
  print(options, document, [&] {
    std::cout << "share of signs that differ between pairs of " << faces.names.size() << " pictures, "
              << options.size << " pixels masked; lower is tighter\n"
              << table_of(result);
    if (kind != OutputKind::none) std::cout << "written to " << options.output << "\n";
  });
}

}  // namespace

void add_correspond(CLI::App& program, Action& action) {
  std::shared_ptr<CorrespondOptions> options;
  CLI::App& command = add_command<CorrespondOptions>(
      program, action, "correspond",
      "how alike features change when the same part of several pictures is masked", run_correspond, options);
  add_model_options(command, *options);
  add_work_options(command, *options);
  add_preprocess_options(command, *options);
  command
      .add_option("--landmarks", options->landmarks,
                  "table with columns file and NAME_x, NAME_y of each part, pixels of the pictures")
      ->required()
      ->type_name("CSV");
  command
      .add_option("--layers", options->layers,
                  "whose vectors are compared; first and last are the first and the last hidden layer")
      ->delimiter(',')
      ->capture_default_str()
      ->type_name("a,b");
  command.add_option("--size", options->size, "side of the masks, pixels of the network's input")
      ->check(at_least(1))
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--fill", options->fill,
                  "of masked pixels: one value or one a channel, in the units of the network's input")
      ->delimiter(',')
      ->capture_default_str()
      ->type_name("V[,V,V]");
  command
      .add_option("--random-trials", options->random_trials,
                  "the control: so many sets of masks at random places; 0: none")
      ->check(at_least(0))
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--random-places", options->random_places,
                  "a place for each picture, or one for all pictures of a trial")
      ->check(CLI::IsMember({"each", "common"}))
      ->capture_default_str();
  command
      .add_option("--zero", options->zero,
                  "what does not change: left_out does not count where it is so in both pictures of a pair, "
                  "own is a third sign, positive counts as above")
      ->check(CLI::IsMember({"left_out", "own", "positive"}))
      ->capture_default_str();
  command.add_option("--batch", options->at_once, "pictures that go through the network together")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
}

}  // namespace deconv::tool
