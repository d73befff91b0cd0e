// A report's browser of layers and maps.

#include "deconv/io/open_dataset.hpp"
#include "deconv/viz/feature_tile.hpp"
#include "feature_stream.hpp"
#include "map_choice.hpp"
#include "report_sections.hpp"
#include "seen_pictures.hpp"

namespace deconv::tool {

void report_maps(ReportJob& job) {
  const ReportOptions& options = job.options;
  const auto set = io::open_dataset(options.data);
  FeatureStream data(options, job.model, *set, "feature maps");
  constexpr std::size_t seen_bytes = std::size_t{64} << 20;
  SeenPictures seen(*set, job.model.preprocess_for_pictures(options), seen_bytes);
  FeatureOptions how;
  how.top = static_cast<std::size_t>(options.top);
  how.progress = data.progress();
  how.image_use = [&](std::int64_t number, bool in_use) {
    if (!in_use) return seen.drop(number);
    seen.keep(number, data.current(number));
  };
  MapOptions choice;
  choice.layers = job.layers;
  choice.random = options.maps;

  job.page.section("Feature maps");
  Document maps = Document::array();
  job.model.engine->features(
      selections_of(choice, options.seed, job.model.topology()), data.stream(),
      [&](Feature<float> feature) {
        viz::ReportMap shown{feature.map, {}};
        for (std::size_t i = 0; i < feature.hits.size(); ++i) {
          const auto& hit = feature.hits[i];
          const auto& projection = feature.projections[i];
          viz::FeatureTile tile =
              viz::feature_tile(projection, viz::signal_box(projection), seen.get(hit.image),
                                job.model.channel_order(), contrast_percentile);
          std::string caption =
              message(std::filesystem::path(set->name(hit.image)).filename().string(), ", row ", hit.y,
                      ", column ", hit.x, ", activation ", short_number(static_cast<double>(hit.activation)));
          shown.hits.push_back({std::move(tile.projection), std::move(tile.patch), std::move(caption)});
        }
        maps.push_back({{"layer", feature.layer}, {"map", feature.map}, {"hits", feature.hits.size()}});
        job.page.add_map(feature.layer, shown);
      },
      how);
  data.require_images();
  job.page.paragraph(
      message("For each feature map the ", options.top, " images of ", data.images(),
              " that excite it most: the strongest unit projected back to pixels by the deconvnet, beside "
              "the part of "
              "the image that it answers to. Both are cut to where the projection's signal is."));
  job.page.finish_maps();
  job.document["maps"] = std::move(maps);
  job.document["images_searched"] = data.images();
  job.document["skipped"] = data.skipped();
}

}  // namespace deconv::tool
