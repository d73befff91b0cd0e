#include "training.hpp"

#include <optional>

#include "deconv/core/error.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/train/recipe_json.hpp"
#include "deconv/train/run_folder.hpp"
#include "deconv/train/start.hpp"
#include "deconv/train/trainer.hpp"

namespace deconv::test {

void train_some_steps(dist::Communicator<Cpu>& communicator, const std::filesystem::path& folder,
                      const std::string& recipe_name, const std::string& run, Index steps) {
  const Context<Cpu> context(1);
  train::Recipe recipe =
      train::read_recipe(std::filesystem::path(DECONV_SOURCE_DIR) / "recipes" / (recipe_name + ".json"));
  recipe.batch = 16;
  recipe.steps = steps;
  const auto set = io::open_dataset("idx:" + folder.string() + ":train");
  std::optional<train::RunFolder> output;
  if (communicator.leads()) output.emplace(train::RunFolder::begin(folder / run, io::Json::object()));
  train::Trainer<float, Cpu> trainer(context, communicator, train::starting_point(context, recipe, *set),
                                     recipe, *set, nullptr);
  const auto end = trainer.run(output ? &*output : nullptr);
  require<Error>(end == train::RunEnd::finished && trainer.state().step == steps, "the run ended after ",
                 trainer.state().step, " steps");
}

}  // namespace deconv::test
