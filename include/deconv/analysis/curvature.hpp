#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Eigenvalues>

#include "deconv/analysis/attribution_target.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/core/random.hpp"

// What a unit (or a class's score) does not mind: the Hessian of its activation with respect to the input,
// around a stimulus that it likes. Along directions of large negative curvature the activation falls away at
// once, along those of little curvature the unit is invariant. Source: Berkes and Wiskott, "On the analysis
// and interpretation of inhomogeneous quadratic forms as receptive fields", Neural Computation 2006; Erhan et
// al., "Visualizing higher-layer features of a deep network", 2009; Le et al., "Tiled convolutional neural
// networks", NIPS 2010.
//
// Networks of rectifiers are linear between their kinks, so that their Hessian is zero almost everywhere, and
// infinite on the kinks. What is meant is the curvature that one sees from some distance: that of the
// activation smoothed by a Gaussian of a stated radius. Its gradients are means over points drawn around the
// image (in opposite pairs, the same ones for all products), its products with a direction are central
// differences of these over the same radius. With few points the products are not quite those of one
// symmetric matrix; Curvature::asymmetry and the residuals say how far from it.
namespace deconv {

struct CurvatureOptions {
  /// The unit or class; see AttributionTarget.
  AttributionTarget target;
  /// The smoothing Gaussian's deviation in each element of the input, and the Euclidean length of the steps
  /// over which gradients are compared; as a share of the image's range (largest less smallest).
  double radius = 0.05;
  /// Pairs of opposite points that stand for the Gaussian. 0: no smoothing, the image itself alone; for
  /// networks without kinks.
  Index samples = 16;
  /// Directions at each end of the spectrum.
  Index directions = 4;
  /// Steps of the Lanczos iteration, which is the number of products with the Hessian.
  Index iterations = 30;
  /// Only directions that keep the image's norm, with the curvature along the sphere of that norm, as Berkes
  /// and Wiskott take it: the norm is what an optimal stimulus is constrained by.
  bool on_sphere = false;
  std::uint64_t seed = 1;
  /// Gradients that are taken together: what bounds the memory, see curvature_bytes.
  Index batch = 16;
  /// Told after each product: products done and in all.
  std::function<void(Index done, Index total)> progress;
};

/// A direction of the input space and what the unit does along it.
template <class T>
struct CurvatureDirection {
  double eigenvalue = 0;             ///< the unit's value per squared unit of input
  double residual = 0;               ///< norm of (Hessian times direction - eigenvalue times direction)
  double forward = 0, backward = 0;  ///< the unit's value at the radius, to either side
  Tensor<T, Cpu> direction;          ///< C x H x W of Euclidean norm 1
};

template <class T>
struct Curvature {
  std::string layer;
  Unit unit;
  T activation = 0;
  double radius = 0;         ///< in units of the input
  double gradient_norm = 0;  ///< of the smoothed activation; 0 at an optimal stimulus
  double asymmetry = 0;  ///< of the projected Hessian: norm of its antisymmetric part over the symmetric's
  std::vector<CurvatureDirection<T>> highest;  ///< the largest eigenvalues, largest first
  std::vector<CurvatureDirection<T>> lowest;   ///< the smallest ones, smallest first
};

namespace detail {

using Direction = std::vector<double>;

[[nodiscard]] inline double inner(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline void add_scaled(std::span<double> to, double factor, std::span<const double> from) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
}

/// Scales to norm 1 and returns the norm that was; zero stays zero.
inline double normalise_direction(std::span<double> v) {
  const double norm = std::sqrt(inner(v, v));
  if (norm > 0)
    for (double& value : v) value /= norm;
  return norm;
}

/// The Hessian of one unit at one image, as something that directions are multiplied by.
template <class T, Device D>
class HessianOperator {
 public:
  HessianOperator(const Network<T, D>& network, const Context<D>& context, TensorView<const T, Cpu> image,
                  const CurvatureOptions& options)
      : image_(image),
        target_(network, context, options.target),
        points_(std::max<Index>(1, 2 * options.samples)),
        smooth_(options.samples > 0),
        on_sphere_(options.on_sphere),
        random_(options.seed, 1),
        host_(host_of(context)),
        units_(
            target_.choose(target_.values(target_.forward(to_device(context, image), std::nullopt)), 0, 1)),
        gradients_(target_, context, image, units_, std::max<Index>(1, options.batch)),
        place_(image.begin(), image.end()) {
    require<ArgumentError>(options.radius > 0 && std::isfinite(options.radius),
                           "a radius above 0 wanted, met ", options.radius);
    require<ArgumentError>(options.samples >= 0 && options.batch >= 1,
                           "samples from 0 and a batch from 1 on wanted, met ", options.samples, " and ",
                           options.batch);
    const double norm = std::sqrt(inner(place_, place_));
    require<ArgumentError>(norm > 0 || !on_sphere_, "an image that is zero lies on no sphere");
    const auto [low, high] = std::minmax_element(place_.begin(), place_.end());
    radius_ = options.radius * (*high > *low ? *high - *low : 1);
    slope_.assign(place_.size(), 0);
    gradients_.run(
        points_, [&](Index, Index point, T* row) { write(point, {}, 0, row); },
        [&](Index, Index, const T* gradient, T) {
          for (std::size_t i = 0; i < slope_.size(); ++i)
            slope_[i] += static_cast<double>(gradient[i]) / static_cast<double>(points_);
        },
        [](Index) {});
    if (on_sphere_) bend_ = inner(place_, slope_) / (norm * norm);
  }

  [[nodiscard]] const TargetGradient<T, D>& target() const noexcept { return target_; }
  [[nodiscard]] const TargetUnit<T>& unit() const noexcept { return units_.front(); }
  [[nodiscard]] double radius() const noexcept { return radius_; }
  [[nodiscard]] const Direction& slope() const noexcept { return slope_; }

  /// What of a direction keeps the norm, to first order.
  void make_tangent(Direction& v) const {
    if (on_sphere_) add_scaled(v, -inner(place_, v) / inner(place_, place_), place_);
  }

  /// The product with a direction of norm 1.
  [[nodiscard]] Direction times(const Direction& v) const {
    Direction product(v.size());
    gradients_.run(
        2 * points_,
        [&](Index, Index sample, T* row) { write(sample / 2, v, sample % 2 == 0 ? 1 : -1, row); },
        [&](Index, Index sample, const T* gradient, T) {
          const double factor = (sample % 2 == 0 ? 0.5 : -0.5) / (radius_ * static_cast<double>(points_));
          for (std::size_t i = 0; i < v.size(); ++i) product[i] += factor * static_cast<double>(gradient[i]);
        },
        [](Index) {});
    make_tangent(product);
    if (on_sphere_) add_scaled(product, -bend_, v);
    return product;
  }

  /// The unit's own values one step of the radius along a direction, and one against it.
  [[nodiscard]] std::pair<double, double> values_along(const Direction& v) const {
    std::pair<double, double> values;
    gradients_.run(
        2,
        [&](Index, Index side, T* row) {
          for (std::size_t i = 0; i < v.size(); ++i)
            row[i] = static_cast<T>(place_[i] + (side == 0 ? radius_ : -radius_) * v[i]);
        },
        [&](Index, Index side, const T*, T value) {
          (side == 0 ? values.first : values.second) = static_cast<double>(value);
        },
        [](Index) {});
    return values;
  }

 private:
  /// One of the points around the image, a step along `v` beside it.
  void write(Index point, const Direction& v, double side, T* row) const {
    const auto elements = static_cast<Index>(place_.size());
    const double deviation = !smooth_ ? 0 : point % 2 == 0 ? radius_ : -radius_;
    parallel_ranges(host_, elements, 4096, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const auto at = static_cast<std::size_t>(i);
        double value = place_[at];
        if (smooth_)
          value += deviation *
                   static_cast<double>(random_.normal(static_cast<std::uint64_t>(point / 2 * elements + i)));
        if (!v.empty()) value += side * radius_ * v[at];
        row[i] = static_cast<T>(value);
      }
    });
  }

  TensorView<const T, Cpu> image_;
  TargetGradient<T, D> target_;
  Index points_;
  bool smooth_, on_sphere_;
  Random random_;
  Context<Cpu> host_;
  std::vector<TargetUnit<T>> units_;
  SampledGradients<T, D> gradients_;
  Direction place_, slope_;
  double radius_ = 0, bend_ = 0;
};

/// An orthonormal basis that grows by the part of each product that is new, and the Hessian within it.
/// Source: Lanczos 1950; with every vector made orthogonal to all before, twice.
struct KrylovBasis {
  std::vector<Direction> vectors;
  Eigen::MatrixXd projected;
};

template <class Operator, class Told>
KrylovBasis krylov_basis(const Operator& hessian, Direction start, Index iterations, const Told& told) {
  KrylovBasis basis;
  basis.projected = Eigen::MatrixXd::Zero(iterations, iterations);
  double largest = 0;
  Direction next = std::move(start);
  for (Index built = 0; built < iterations; ++built) {
    basis.vectors.push_back(std::move(next));
    next = hessian.times(basis.vectors.back());
    told();
    largest = std::max(largest, std::sqrt(inner(next, next)));
    for (int round = 0; round < 2; ++round)
      for (Index k = 0; k <= built; ++k) {
        const auto& v = basis.vectors[static_cast<std::size_t>(k)];
        const double share = inner(v, next);
        basis.projected(k, built) += share;
        add_scaled(next, -share, v);
      }
    const double rest = normalise_direction(next);
    // Of what is left below rounding nothing can be learned: the basis holds all that the start leads to.
    if (!(rest > 1e-9 * largest)) break;
    if (built + 1 < iterations) basis.projected(built + 1, built) = rest;
  }
  const auto built = static_cast<Index>(basis.vectors.size());
  basis.projected.conservativeResize(built, built);
  return basis;
}

/// A combination of the basis as a direction of the input space, with what the Hessian does to it.
template <class T, class Operator>
CurvatureDirection<T> ritz_direction(const Operator& hessian, const KrylovBasis& basis,
                                     const Eigen::VectorXd& shares, double eigenvalue, const Shape& shape) {
  Direction v(basis.vectors.front().size());
  for (std::size_t k = 0; k < basis.vectors.size(); ++k)
    add_scaled(v, shares[static_cast<Eigen::Index>(k)], basis.vectors[k]);
  normalise_direction(v);
  CurvatureDirection<T> result;
  result.eigenvalue = eigenvalue;
  const auto values = hessian.values_along(v);
  Direction rest = hessian.times(v);
  add_scaled(rest, -eigenvalue, v);
  result.residual = std::sqrt(inner(rest, rest));
  result.forward = values.first;
  result.backward = values.second;
  result.direction = Tensor<T, Cpu>(shape);
  std::transform(v.begin(), v.end(), result.direction.begin(), [](double x) { return static_cast<T>(x); });
  return result;
}

template <class T>
void check_curvature_image(const Shape& shape) {
  require<ShapeError>(shape.rank() >= 2 && shape[0] == 1 && shape.count() > 0,
                      "a curvature is taken at one image 1 x C x H x W, met ", shape);
}

}  // namespace detail

/// The product of a unit's Hessian at an image (1 x C x H x W) with a direction of the same shape and any
/// length: the central difference of gradients over the radius, see above. With options.on_sphere the
/// direction's part along the image does not count. Throws ArgumentError, ShapeError. Cost: 6 * samples
/// forward and reverse passes to the unit.
template <class T, Device D>
Tensor<T, Cpu> hessian_vector_product(const Network<T, D>& network, const Context<D>& context,
                                      std::type_identity_t<TensorView<const T, Cpu>> image,
                                      std::type_identity_t<TensorView<const T, Cpu>> direction,
                                      const CurvatureOptions& options = {}) {
  detail::check_curvature_image<T>(image.shape());
  require<ShapeError>(direction.shape() == image.shape(), "a direction of shape ", image.shape(),
                      " wanted, met ", direction.shape());
  const detail::HessianOperator<T, D> hessian(network, context, image, options);
  detail::Direction v(direction.begin(), direction.end());
  hessian.make_tangent(v);
  const double length = detail::normalise_direction(v);
  auto product = Tensor<T, Cpu>::filled(image.shape(), T(0));
  if (length > 0) {
    const auto slope = hessian.times(v);
    std::transform(slope.begin(), slope.end(), product.begin(),
                   [&](double x) { return static_cast<T>(length * x); });
  }
  return product;
}

/// Bytes that curvature() holds at most: the basis in double, and the passes of a batch.
template <class T, Device D>
[[nodiscard]] std::size_t curvature_bytes(const Network<T, D>& network, const Shape& image,
                                          const CurvatureOptions& options = {}) {
  return static_cast<std::size_t>(image.count() * (options.iterations + 6)) * sizeof(double) +
         static_cast<std::size_t>(image.count() * 2 * options.directions) * sizeof(T) +
         gradient_bytes(network, image, std::min(options.batch, 4 * std::max<Index>(1, options.samples)));
}

/// The leading directions of curvature of a unit or class around an image (1 x C x H x W, row-major), from
/// both ends of the spectrum, by a Lanczos iteration that starts at a random direction (a function of the
/// seed). Fewer come back where the Hessian has fewer eigenvalues to find. Throws ArgumentError, ShapeError.
/// Memory: curvature_bytes. Cost: 2 * (iterations + 2 * directions) + 5 forward and reverse passes to the
/// unit, two at a time.
template <class T, Device D>
Curvature<T> curvature(const Network<T, D>& network, const Context<D>& context,
                       std::type_identity_t<TensorView<const T, Cpu>> image,
                       const CurvatureOptions& options = {}) {
  detail::check_curvature_image<T>(image.shape());
  require<ArgumentError>(
      options.directions >= 1 && options.iterations >= 2 * options.directions && options.iterations <= 10000,
      "at least one direction and twice as many iterations (to 10000) wanted, met ", options.directions,
      " and ", options.iterations);
  const detail::HessianOperator<T, D> hessian(network, context, image, options);
  const Index total = options.iterations + 2 * options.directions;
  Index done = 0;
  const auto told = [&] {
    if (options.progress) options.progress(++done, total);
  };
  Curvature<T> result;
  result.layer = hessian.target().layer();
  result.unit = hessian.unit().unit;
  result.activation = hessian.unit().value;
  result.radius = hessian.radius();
  result.gradient_norm = std::sqrt(detail::inner(hessian.slope(), hessian.slope()));

  detail::Direction start(static_cast<std::size_t>(image.count()));
  const Random random(options.seed);
  for (std::size_t i = 0; i < start.size(); ++i) start[i] = static_cast<double>(random.normal(i));
  hessian.make_tangent(start);
  detail::normalise_direction(start);
  // Where the unit does not look its Hessian is zero: a product leaves that out of the start.
  auto seen = hessian.times(start);
  if (detail::normalise_direction(seen) > 0) start = std::move(seen);
  const auto basis = detail::krylov_basis(hessian, std::move(start), options.iterations, told);

  const Eigen::MatrixXd even = (basis.projected + basis.projected.transpose()) / 2,
                        odd = (basis.projected - basis.projected.transpose()) / 2;
  result.asymmetry = even.norm() > 0 ? odd.norm() / even.norm() : 0;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solved(even);
  const auto found = static_cast<Index>(basis.vectors.size());
  const Shape shape(std::span<const Index>(image.shape().begin() + 1, image.rank() - 1));
  const auto direction = [&](Index k) {
    auto one = detail::ritz_direction<T>(hessian, basis, solved.eigenvectors().col(k),
                                         solved.eigenvalues()[k], shape);
    told();
    return one;
  };
  // Of few eigenvalues each is listed once.
  const Index high = std::min(options.directions, (found + 1) / 2),
              low = std::min(options.directions, found / 2);
  for (Index k = 0; k < high; ++k) result.highest.push_back(direction(found - 1 - k));
  for (Index k = 0; k < low; ++k) result.lowest.push_back(direction(k));
  return result;
}

}  // namespace deconv
