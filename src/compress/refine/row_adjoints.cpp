#include "compress/refine/row_adjoints.h"

#include <cmath>

namespace halfbyte {

namespace {

constexpr float kSqrtHalf = 0.70710678f;
constexpr float kDensityAtZero = 0.39894228f;  // of the normal distribution
constexpr float kTanhScale = 0.79788456f;      // gelu_tanh: sqrt(2 / pi)
constexpr float kTanhCube = 0.044715f;
constexpr float kQuick = 1.702f;

struct Curve {
  float value;
  float slope;
};

// x * sigmoid(factor * x).
Curve swish(float x, float factor) {
  const float sigmoid = 1.0f / (1.0f + std::exp(-factor * x));
  return {x * sigmoid, sigmoid + factor * x * sigmoid * (1.0f - sigmoid)};
}

Curve gelu(float x) {
  const float phi = 0.5f * (1.0f + std::erf(x * kSqrtHalf));
  return {x * phi, phi + x * kDensityAtZero * std::exp(-0.5f * x * x)};
}

Curve gelu_tanh(float x) {
  const float t = std::tanh(kTanhScale * (x + kTanhCube * x * x * x));
  const float inner = kTanhScale * (1.0f + 3.0f * kTanhCube * x * x);
  return {0.5f * x * (1.0f + t), 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner};
}

Curve curve(Activation act, float x) {
  switch (act) {
    case Activation::relu:
      return {x > 0.0f ? x : 0.0f, x > 0.0f ? 1.0f : 0.0f};
    case Activation::gelu:
      return gelu(x);
    case Activation::gelu_tanh:
      return gelu_tanh(x);
    case Activation::silu:
      return swish(x, 1.0f);
    case Activation::quick_gelu:
      return swish(x, kQuick);
  }
  return {};
}

float weight_at(const float* weight, float offset, std::size_t i) {
  return weight != nullptr ? offset + weight[i] : 1.0f;
}

}  // namespace

void rms_norm_adjoint(const float* x, const float* weight, float offset, float eps, std::size_t n,
                      const float* dy, float* dx) {
  double squares = 0.0;
  double dot = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    squares += double{x[i]} * double{x[i]};
    dot += double{dy[i]} * double{weight_at(weight, offset, i)} * double{x[i]};
  }
  const auto count = static_cast<double>(n);
  const double inverse = 1.0 / std::sqrt(squares / count + double{eps});
  const auto scale = static_cast<float>(inverse);
  const auto along = static_cast<float>(inverse * inverse * inverse * dot / count);
  for (std::size_t i = 0; i < n; ++i) {
    dx[i] = scale * dy[i] * weight_at(weight, offset, i) - along * x[i];
  }
}

void layer_norm_adjoint(const float* x, const float* weight, float eps, std::size_t n,
                        const float* dy, float* dx) {
  const auto count = static_cast<double>(n);
  double mean = 0.0;
  for (std::size_t i = 0; i < n; ++i) mean += double{x[i]} / count;
  double variance = 0.0;
  double sum = 0.0;
  double dot = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double centred = double{x[i]} - mean;
    const double g = double{dy[i]} * double{weight_at(weight, 0.0f, i)};
    variance += centred * centred / count;
    sum += g / count;
    dot += g * centred / count;
  }
  const double inverse = 1.0 / std::sqrt(variance + double{eps});
  for (std::size_t i = 0; i < n; ++i) {
    const double g = double{dy[i]} * double{weight_at(weight, 0.0f, i)};
    const double along = dot * inverse * inverse * (double{x[i]} - mean);
    dx[i] = static_cast<float>(inverse * (g - sum - along));
  }
}

void rope_adjoint(float* d, std::size_t heads, std::size_t head_dim, std::size_t rotary_dim,
                  const float* cos_sin, bool interleaved) {
  const std::size_t half = rotary_dim / 2;
  const std::size_t stride = interleaved ? 2 : 1;
  const std::size_t apart = interleaved ? 1 : half;
  for (std::size_t h = 0; h < heads; ++h, d += head_dim) {
    for (std::size_t i = 0; i < half; ++i) {
      float& a = d[i * stride];
      float& b = d[i * stride + apart];
      const float cosine = cos_sin[i];
      const float sine = cos_sin[half + i];
      const float turned = a * cosine + b * sine;
      b = b * cosine - a * sine;
      a = turned;
    }
  }
}

void activation_adjoint(Activation act, const float* x, std::size_t n, const float* dy, float* dx) {
  for (std::size_t i = 0; i < n; ++i) dx[i] = dy[i] * curve(act, x[i]).slope;
}

void gated_adjoint(Activation act, const float* gate, const float* up, std::size_t n,
                   const float* dy, float* dgate, float* dup) {
  for (std::size_t i = 0; i < n; ++i) {
    const Curve at = curve(act, gate[i]);
    const float d = dy[i];
    dgate[i] = d * up[i] * at.slope;
    dup[i] = d * at.value;
  }
}

}  // namespace halfbyte
