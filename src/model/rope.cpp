#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace halfbyte {

namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

std::vector<double> plain_frequencies(double theta, std::uint32_t dim) {
  std::vector<double> frequencies(dim / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(theta, -2.0 * static_cast<double>(i) / dim);
  }
  return frequencies;
}

// NTK by parts of the base, as the current length asks for it.
double dynamic_theta(const RopeSpec& rope, std::uint64_t length) {
  const double original = rope.original_context;
  const double used = std::max(static_cast<double>(length), original);
  const double stretch = rope.factor * used / original - (rope.factor - 1.0);
  return rope.theta * std::pow(stretch, rope.dim / (rope.dim - 2.0));
}

// Llama 3.1: long wavelengths are divided by the factor, short ones kept, a ramp between.
double llama3_divisor(const RopeSpec& rope, double frequency) {
  const double wavelength = kTwoPi / frequency;
  const double longest_kept = rope.original_context / rope.high_freq_factor;
  const double shortest_scaled = rope.original_context / rope.low_freq_factor;
  if (wavelength < longest_kept) return 1.0;
  if (wavelength > shortest_scaled) return rope.factor;
  const double smooth = (rope.original_context / wavelength - rope.low_freq_factor) /
                        (rope.high_freq_factor - rope.low_freq_factor);
  return 1.0 / ((1.0 - smooth) / rope.factor + smooth);
}

// YaRN, section 3.2: dimensions that turn often keep their frequency, slow ones are interpolated.
void apply_yarn(const RopeSpec& rope, std::vector<double>& frequencies) {
  const auto dimension_of = [&](double rotations) {
    return rope.dim * std::log(rope.original_context / (rotations * kTwoPi)) /
           (2.0 * std::log(rope.theta));
  };
  double low = dimension_of(rope.beta_fast);
  double high = dimension_of(rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, rope.dim - 1.0);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] *= (1.0 - ramp) + ramp / rope.factor;
  }
}

}  // namespace

std::vector<float> rope_frequencies(const RopeSpec& rope, std::uint64_t length) {
  const bool dynamic = rope.scaling == RopeScaling::dynamic && rope.dim > 2;
  const double theta = dynamic ? dynamic_theta(rope, length) : rope.theta;
  std::vector<double> frequencies = plain_frequencies(theta, rope.dim);
  if (rope.scaling == RopeScaling::yarn) apply_yarn(rope, frequencies);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    if (rope.scaling == RopeScaling::linear) frequencies[i] /= rope.factor;
    if (rope.scaling == RopeScaling::llama3) frequencies[i] /= llama3_divisor(rope, frequencies[i]);
    if (!rope.divisors.empty()) frequencies[i] /= rope.divisors[i];
  }
  return {frequencies.begin(), frequencies.end()};
}

float rope_magnitude(const RopeSpec& rope) {
  const bool yarn = rope.scaling == RopeScaling::yarn && rope.attention_factor != 0.0;
  return yarn ? static_cast<float>(rope.attention_factor) : 1.0f;
}

std::vector<float> llama3_divisors(const RopeSpec& rope) {
  std::vector<float> divisors;
  for (const double frequency : plain_frequencies(rope.theta, rope.dim)) {
    divisors.push_back(static_cast<float>(llama3_divisor(rope, frequency)));
  }
  return divisors;
}

}  // namespace halfbyte
