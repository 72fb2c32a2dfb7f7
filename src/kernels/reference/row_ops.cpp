// Scalar norms, rope, activations and softmax. Sums and activations are computed in f64 and rounded
// once, which makes this the yardstick of the vector code.
#include "kernels/reference/row_ops.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace halfbyte::reference {
namespace {

// x * p for a probability p: 0, not NaN, at x = -inf.
float times_probability(double x, double p) {
  return p == 0.0 ? 0.0f : static_cast<float>(x * p);
}

double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

float apply(Activation act, float value) {
  const double x = value;
  switch (act) {
    case Activation::relu:
      return value < 0.0f ? 0.0f : value;
    case Activation::gelu:
      return times_probability(x, 0.5 * std::erfc(-x / std::numbers::sqrt2));
    case Activation::gelu_tanh:
      // 0.5 * (1 + tanh(u)) = sigmoid(2u), u = sqrt(2/pi) * (x + 0.044715 x^3)
      return times_probability(x, sigmoid(2.0 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi *
                                          (x + 0.044715 * x * x * x)));
    case Activation::silu:
      return times_probability(x, sigmoid(x));
    case Activation::quick_gelu:
      return times_probability(x, sigmoid(1.702 * x));
  }
  return value;
}

}  // namespace

void rms_norm(const float* x, const float* weight, float offset, float eps, std::size_t n,
              float* y) noexcept {
  double squares = 0.0;
  for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
  const float inverse =
      static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + double{eps}));
  for (std::size_t i = 0; i < n; ++i) {
    const float factor = weight != nullptr ? offset + weight[i] : offset + 1.0f;
    y[i] = x[i] * inverse * factor;
  }
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, std::size_t n,
                float* y) noexcept {
  const double count = static_cast<double>(n);
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i];
  const double mean = sum / count;
  double squares = 0.0;
  for (std::size_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const double inverse = 1.0 / std::sqrt(squares / count + double{eps});
  for (std::size_t i = 0; i < n; ++i) {
    const double value = (x[i] - mean) * inverse * (weight != nullptr ? weight[i] : 1.0f);
    y[i] = static_cast<float>(value + (bias != nullptr ? bias[i] : 0.0f));
  }
}

void rope(float* x, std::size_t heads, std::size_t head_dim, std::size_t rotary_dim,
          const float* cos_sin, bool interleaved) noexcept {
  const std::size_t half = rotary_dim / 2;
  const std::size_t step = interleaved ? 2 : 1;      // from a pair to the next
  const std::size_t apart = interleaved ? 1 : half;  // inside a pair
  for (std::size_t head = 0; head < heads; ++head, x += head_dim) {
    for (std::size_t i = 0; i < half; ++i) {
      const float cosine = cos_sin[i];
      const float sine = cos_sin[half + i];
      const float a = x[i * step];
      const float b = x[i * step + apart];
      x[i * step] = a * cosine - b * sine;
      x[i * step + apart] = b * cosine + a * sine;
    }
  }
}

void activate(Activation act, const float* x, std::size_t n, float* y) noexcept {
  for (std::size_t i = 0; i < n; ++i) y[i] = apply(act, x[i]);
}

void activate_gated(Activation act, const float* gate, const float* up, std::size_t n,
                    float* y) noexcept {
  for (std::size_t i = 0; i < n; ++i) y[i] = apply(act, gate[i]) * up[i];
}

void add(const float* x, std::size_t n, float* y) noexcept {
  for (std::size_t i = 0; i < n; ++i) y[i] += x[i];
}

void scale(float s, std::size_t n, float* y) noexcept {
  for (std::size_t i = 0; i < n; ++i) y[i] *= s;
}

void softmax(float* x, std::size_t n) noexcept {
  float max = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < n; ++i) max = x[i] > max ? x[i] : max;
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = std::exp(x[i] - max);
    sum += x[i];
  }
  const float inverse = static_cast<float>(1.0 / sum);
  for (std::size_t i = 0; i < n; ++i) x[i] *= inverse;
}

}  // namespace halfbyte::reference
