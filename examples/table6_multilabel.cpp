// Zeiler and Fergus 2013, Table 6: pictures of several classes, one-vs-rest classifiers on frozen features,
// and the average precision of each class. Without lists of one's own it makes mosaics of four pictures.
//
//   table6_multilabel --model squeezenet1.1.onnx --pictures tiny_imagenet_10/train --layer fire9/concat
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <string>

#include "arguments.hpp"
#include "deconv/analysis/transfer.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/io/read_model.hpp"
#include "mosaics.hpp"

namespace {

using namespace deconv;

constexpr const char* usage =
    R"(usage: table6_multilabel --model FILE [options]

Average precision of each class by linear classifiers on a frozen layer's features.

  --model FILE        a trained network
  --layer NAME        whose features (default fire9/concat)
  --size N            pixels a side of the network's input (default 128)
  --train LIST        lines `path 3,7,9?`: classes of a picture, difficult ones with a question mark
  --test LIST         to judge by
  --pictures DATA     without lists: pictures of one class each, for mosaics of four
  --mosaics N         how many to train on; half as many to judge by (default 400)
  --scratch FOLDER    where they are written (default: a folder in the system's temporary one)
  --classifier svm|logistic  (default svm)
  --c C               weight of the errors (default 1)
)";

std::vector<Index> all_of(const io::Dataset& set) {
  std::vector<Index> all(static_cast<std::size_t>(set.size()));
  std::iota(all.begin(), all.end(), Index{0});
  return all;
}

int run(int argc, char** argv) {
  const auto folder = std::filesystem::temp_directory_path() / "deconv-mosaics";
  const example::Arguments arguments(argc, argv, usage,
                                     {{"model", ""},
                                      {"layer", "fire9/concat"},
                                      {"size", "128"},
                                      {"train", ""},
                                      {"test", ""},
                                      {"pictures", ""},
                                      {"mosaics", "400"},
                                      {"scratch", folder.string()},
                                      {"classifier", "svm"},
                                      {"c", "1"}});
  require<ArgumentError>(!arguments.text("model").empty(), "--model wanted; see --help");
  std::string train = arguments.text("train"), test = arguments.text("test");
  std::vector<std::string> names;
  if (train.empty()) {
    require<ArgumentError>(!arguments.text("pictures").empty(), "--train and --test, or --pictures wanted");
    const auto set = io::open_dataset(arguments.text("pictures"));
    names = set->class_names();
    const Index count = arguments.whole("mosaics", 8);
    train = example::write_mosaics(*set, arguments.text("scratch"), "train", count, 1).string();
    test = example::write_mosaics(*set, arguments.text("scratch"), "test", count / 2, 2).string();
  }
  const auto set = io::open_dataset(train), judge = io::open_dataset(test);
  Index classes = static_cast<Index>(names.size());
  for (const Index i : all_of(*set))
    for (const Index label : set->labels(i)) classes = std::max(classes, label + 1);

  io::ModelFile file = io::read_model(arguments.text("model"));
  const Index side = arguments.whole("size", 1);
  const io::Preprocess preprocess =
      file.preprocess.value_or(*io::built_in_preprocess("imagenet-torch")).resized_to(side, side);
  const Network<float, Cpu> network(std::move(file.model));
  const Context<Cpu> context;
  const std::vector<std::string> layers{arguments.text("layer")};
  const auto rows = frozen_features(network, context, preprocess, *set, all_of(*set), layers),
             judged = frozen_features(network, context, preprocess, *judge, all_of(*judge), layers);
  const LinearLoss loss =
      arguments.text("classifier") == "logistic" ? LinearLoss::logistic : LinearLoss::squared_hinge;
  const auto classifier =
      fit_linear_classifier(rows.rows[0].view(), multi_label_targets(*set, rows.pictures, classes), classes,
                            {loss, arguments.number("c")});
  const auto scores = classifier.scores(judged.rows[0].view());
  const auto marks = multi_label_targets(*judge, judged.pictures, classes);
  const auto voc = average_precisions(scores.view(), marks, AveragePrecision::voc2012),
             plain = average_precisions(scores.view(), marks, AveragePrecision::plain);
  std::cout << std::left << std::setw(34) << "average precision, %" << std::right << std::setw(10)
            << "VOC 2012" << std::setw(10) << "plain\n"
            << std::fixed << std::setprecision(1);
  for (std::size_t k = 0; k < voc.size(); ++k)
    std::cout << std::left << std::setw(34) << (k < names.size() ? names[k] : std::to_string(k)) << std::right
              << std::setw(10) << voc[k] * 100 << std::setw(9) << plain[k] * 100 << "\n";
  std::cout << std::left << std::setw(34) << "mean" << std::right << std::setw(10)
            << mean_average_precision(voc) * 100 << std::setw(9) << mean_average_precision(plain) * 100
            << "\nthe paper, PASCAL VOC 2012: mean 79.0\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return run(argc, argv); } catch (const std::exception& problem) {
  std::cerr << "table6_multilabel: " << problem.what() << "\n";
  return 1;
}
