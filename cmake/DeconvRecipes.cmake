# recipes/*.json as a source file, so that the program has them wherever it is. Sets DECONV_RECIPES_SOURCE.
set(DECONV_RECIPES_SOURCE "${PROJECT_BINARY_DIR}/generated/built_in_recipes.cpp")
file(GLOB recipes CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/recipes/*.json")
set(entries "")
foreach(recipe IN LISTS recipes)
  get_filename_component(name "${recipe}" NAME_WE)
  file(READ "${recipe}" text)
  string(APPEND entries "    {\"${name}\", R\"recipe(${text})recipe\"},\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${recipe}")
endforeach()
file(CONFIGURE OUTPUT "${DECONV_RECIPES_SOURCE}" @ONLY CONTENT "// Generated from recipes/*.json.
#include <cstddef>

namespace deconv::tool {

struct BuiltInRecipe {
  const char *name, *text;
};
extern const BuiltInRecipe built_in_recipes[];
extern const std::size_t built_in_recipe_count;
const BuiltInRecipe built_in_recipes[] = {
@entries@};
const std::size_t built_in_recipe_count = sizeof built_in_recipes / sizeof built_in_recipes[0];

}  // namespace deconv::tool
")
