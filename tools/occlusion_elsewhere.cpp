#include "occlusion_elsewhere.hpp"

#include <algorithm>

#include "deconv/io/open_dataset.hpp"
#include "deconv/viz/feature_tile.hpp"
#include "feature_stream.hpp"
#include "seen_pictures.hpp"

namespace deconv::tool {

std::map<Index, Elsewhere> projections_elsewhere(const CommonOptions& options, const LoadedModel& model,
                                                 const std::string& layer, std::vector<Index> maps) {
  std::sort(maps.begin(), maps.end());
  maps.erase(std::unique(maps.begin(), maps.end()), maps.end());
  const auto set = io::open_dataset(options.data);
  FeatureStream data(options, model, *set, "other pictures");
  constexpr std::size_t seen_bytes = std::size_t{64} << 20;
  SeenPictures seen(*set, model.preprocess_for_pictures(options), seen_bytes);
  FeatureOptions how;
  how.top = 4;
  how.progress = data.progress();
  how.image_use = [&](std::int64_t number, bool in_use) {
    if (!in_use) return seen.drop(number);
    seen.keep(number, data.current(number));
  };
  std::map<Index, Elsewhere> found;
  model.engine->features(
      {MapSelection{layer, std::move(maps)}}, data.stream(),
      [&](Feature<float> feature) {
        Elsewhere& one = found[feature.map];
        one.hits = Document::array();
        viz::FeatureBlock block;
        for (std::size_t i = 0; i < feature.hits.size(); ++i) {
          const auto& hit = feature.hits[i];
          const auto& projection = feature.projections[i];
          one.hits.push_back({{"image", set->name(hit.image)},
                              {"y", hit.y},
                              {"x", hit.x},
                              {"activation", number(hit.activation)}});
          block.tiles.push_back(viz::feature_tile(projection, viz::signal_box(projection),
                                                  seen.get(hit.image), model.channel_order(),
                                                  contrast_percentile));
        }
        if (block.tiles.empty()) return;
        viz::FeatureMontageOptions montage;
        montage.tiles_across = 2;
        montage.captions = false;
        montage.block_gap = 0;
        one.picture = viz::feature_montage({&block, 1}, montage);
      },
      how);
  data.require_images();
  return found;
}

}  // namespace deconv::tool
