#pragma once

#include <cstdint>

// Division by a number that all threads share: a multiplication and a shift in place of some twenty
// instructions.
namespace deconv::cuda {

/// Quotients and remainders of 0 <= value < 2^31 by a divisor of 1 <= divisor < 2^31, exact. With shift s =
/// ceil(log2(divisor)) and m = floor(2^32 (2^s - divisor) / divisor) + 1, the quotient is
/// (value m / 2^32 + value) / 2^s; below 2^31 the sum fits 32 bits. Source: Granlund and Montgomery 1994,
/// "Division by invariant integers using multiplication", figure 4.1.
class Divider {
 public:
  Divider() = default;
  explicit Divider(std::int64_t divisor) : divisor_(static_cast<std::uint32_t>(divisor)) {
    while ((std::uint64_t{1} << shift_) < divisor_) ++shift_;
    multiplier_ = static_cast<std::uint32_t>(
        ((std::uint64_t{1} << 32) * ((std::uint64_t{1} << shift_) - divisor_)) / divisor_ + 1);
  }
  struct Parts {
    std::uint32_t quotient, remainder;
  };
  __host__ __device__ Parts operator()(std::uint32_t value) const {
    const auto high = static_cast<std::uint32_t>((std::uint64_t{value} * multiplier_) >> 32);
    const std::uint32_t quotient = (high + value) >> shift_;
    return {quotient, value - quotient * divisor_};
  }

 private:
  std::uint32_t divisor_ = 1, multiplier_ = 1, shift_ = 0;
};

/// The most pieces of work whose numbers a Divider takes; launchers divide what is larger.
inline constexpr std::int64_t divider_limit = (std::int64_t{1} << 31) - 1;

}  // namespace deconv::cuda
