// Norms, rope, activations and softmax of every instruction set against f64, at all tail lengths,
// from unaligned memory and in place.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/row_ops_list.h"

namespace halfbyte {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<std::size_t> sizes() {
  std::vector<std::size_t> all(70);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i + 1;
  for (std::size_t n : {576, 768, 1536, 2048, 4097}) all.push_back(n);
  return all;
}

// n floats that start 4 bytes off any vector's alignment, between guards that must survive.
class Row {
 public:
  explicit Row(std::size_t n) : storage_(n + 2 * kGuard, kSentinel), n_(n) {}
  Row(std::size_t n, std::mt19937& random, float spread = 3.0f, float centre = 0.0f) : Row(n) {
    std::normal_distribution<float> normal(centre, spread);
    for (std::size_t i = 0; i < n; ++i) data()[i] = normal(random);
  }
  float* data() { return storage_.data() + kGuard; }
  float& operator[](std::size_t i) { return data()[i]; }
  std::size_t size() const { return n_; }
  bool guards_survive() const {
    return std::count(storage_.begin(), storage_.begin() + kGuard, kSentinel) == kGuard &&
           std::count(storage_.end() - kGuard, storage_.end(), kSentinel) == kGuard;
  }

 private:
  static constexpr std::ptrdiff_t kGuard = 17;
  static constexpr float kSentinel = -12345.0f;
  std::vector<float> storage_;
  std::size_t n_;
};

class RowOpsTest : public ::testing::TestWithParam<RowKernel> {
 protected:
  const RowOps& ops() const { return GetParam().ops; }
  std::mt19937 random_{20240117};
};

double exact_activation(Activation act, double x) {
  switch (act) {
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::gelu:
      return x * 0.5 * std::erfc(-x / std::numbers::sqrt2);
    case Activation::gelu_tanh:
      return x / (1.0 +
                  std::exp(-2.0 * std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Activation::silu:
      return x / (1.0 + std::exp(-x));
    case Activation::quick_gelu:
      return x / (1.0 + std::exp(-1.702 * x));
  }
  return 0.0;
}

constexpr Activation kActivations[] = {Activation::relu, Activation::gelu, Activation::gelu_tanh,
                                       Activation::silu, Activation::quick_gelu};

TEST_P(RowOpsTest, RmsNormMatchesExact) {
  for (std::size_t n : sizes()) {
    Row x(n, random_);
    Row weight(n, random_, 1.0f);
    Row y(n);
    for (float offset : {0.0f, 1.0f}) {
      double squares = 0.0;
      for (std::size_t i = 0; i < n; ++i) squares += double{x[i]} * x[i];
      const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(n) + double{1e-5f});
      ops().rms_norm(x.data(), weight.data(), offset, 1e-5f, n, y.data());
      for (std::size_t i = 0; i < n; ++i) {
        const double exact = x[i] * inverse * (double{offset} + weight[i]);
        ASSERT_NEAR(y[i], exact, 3e-7 * std::abs(x[i] * inverse) * (std::abs(weight[i]) + offset))
            << "n " << n << " at " << i;
      }
      ops().rms_norm(x.data(), nullptr, offset, 1e-5f, n, y.data());
      for (std::size_t i = 0; i < n; ++i) {
        const double exact = x[i] * inverse * (1.0 + offset);
        ASSERT_NEAR(y[i], exact, 3e-7 * std::abs(exact));
      }
    }
    ops().rms_norm(x.data(), weight.data(), 0.0f, 1e-5f, n, y.data());
    ops().rms_norm(x.data(), weight.data(), 0.0f, 1e-5f, n, x.data());
    ASSERT_TRUE(std::equal(x.data(), x.data() + n, y.data())) << "in place";
    ASSERT_TRUE(y.guards_survive());
  }
}

TEST_P(RowOpsTest, LayerNormMatchesExactAlsoFarFromZero) {
  for (std::size_t n : sizes()) {
    for (float centre : {0.0f, 1000.0f}) {
      Row x(n, random_, 2.0f, centre);
      Row weight(n, random_, 1.0f);
      Row bias(n, random_, 1.0f);
      Row y(n);
      const double count = static_cast<double>(n);
      double mean = 0.0;
      for (std::size_t i = 0; i < n; ++i) mean += x[i] / count;
      double variance = 0.0;
      for (std::size_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean) / count;
      const double inverse = 1.0 / std::sqrt(variance + double{1e-5f});
      for (bool with_bias : {true, false}) {
        ops().layer_norm(x.data(), weight.data(), with_bias ? bias.data() : nullptr, 1e-5f, n,
                         y.data());
        for (std::size_t i = 0; i < n; ++i) {
          const double exact = (x[i] - mean) * inverse * weight[i] + (with_bias ? bias[i] : 0.0f);
          ASSERT_NEAR(y[i], exact, 4e-7 * (1.0 + std::abs(exact) + std::abs(bias[i])))
              << "n " << n << " at " << i;
        }
      }
      ops().layer_norm(x.data(), weight.data(), nullptr, 1e-5f, n, x.data());
      ASSERT_TRUE(std::equal(x.data(), x.data() + n, y.data())) << "in place";
      ASSERT_TRUE(y.guards_survive());
    }
  }
}

TEST_P(RowOpsTest, RopeRotatesBothPairings) {
  constexpr std::size_t kHeads = 3;
  for (std::size_t rotary = 2; rotary <= 130; rotary += 2) {
    const std::size_t head_dim = rotary + (rotary % 3) * 5;
    Row cos_sin(rotary);
    for (std::size_t i = 0; i < rotary / 2; ++i) {
      cos_sin[i] = std::cos(static_cast<float>(i) * 0.7f);
      cos_sin[rotary / 2 + i] = std::sin(static_cast<float>(i) * 0.7f);
    }
    for (bool interleaved : {false, true}) {
      Row x(kHeads * head_dim, random_);
      Row y = x;
      ops().rope(y.data(), kHeads, head_dim, rotary, cos_sin.data(), interleaved);
      for (std::size_t head = 0; head < kHeads; ++head) {
        for (std::size_t i = 0; i < rotary / 2; ++i) {
          const std::size_t first = head * head_dim + (interleaved ? 2 * i : i);
          const std::size_t second = first + (interleaved ? 1 : rotary / 2);
          const double c = cos_sin[i];
          const double s = cos_sin[rotary / 2 + i];
          ASSERT_NEAR(y[first], x[first] * c - x[second] * s, 2e-6);
          ASSERT_NEAR(y[second], x[second] * c + x[first] * s, 2e-6);
        }
        for (std::size_t i = rotary; i < head_dim; ++i)
          ASSERT_EQ(y[head * head_dim + i], x[head * head_dim + i]);
      }
      ASSERT_TRUE(y.guards_survive());
    }
  }
}

TEST_P(RowOpsTest, ActivationsArePreciseEverywhere) {
  std::vector<float> x;
  for (float v = -30.0f; v <= 30.0f; v += 0.0009765625f) x.push_back(v);
  for (float v = 1e-30f; v < 1e30f; v *= 7.3f) x.insert(x.end(), {v, -v});
  std::vector<float> y(x.size());
  for (Activation act : kActivations) {
    ops().activate(act, x.data(), x.size(), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = exact_activation(act, x[i]);
      // Where the result is a small part of x only its absolute size matters.
      const double bound = 1e-6 * std::abs(exact) + 3e-10 * std::abs(std::min(x[i], 30.0f));
      ASSERT_NEAR(y[i], exact, x[i] < -30.0f ? 1e-12 : bound)
          << "activation " << static_cast<int>(act) << " of " << x[i];
    }
  }
}

TEST_P(RowOpsTest, ActivationsAtTheEnds) {
  for (Activation act : kActivations) {
    Row x(5);
    const float values[] = {kInf, -kInf, kNan, 0.0f, -1e30f};
    std::copy(std::begin(values), std::end(values), x.data());
    Row y(5);
    ops().activate(act, x.data(), 5, y.data());
    EXPECT_EQ(y[0], kInf);
    EXPECT_EQ(y[1], 0.0f) << static_cast<int>(act);
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_EQ(y[3], 0.0f);
    EXPECT_EQ(y[4], 0.0f);
  }
}

TEST_P(RowOpsTest, GatedActivationsAndTails) {
  for (std::size_t n : sizes()) {
    for (Activation act : kActivations) {
      Row gate(n, random_);
      Row up(n, random_);
      Row plain(n);
      Row gated(n);
      ops().activate(act, gate.data(), n, plain.data());
      ops().activate_gated(act, gate.data(), up.data(), n, gated.data());
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_NEAR(plain[i], exact_activation(act, gate[i]), 1e-6 * std::abs(gate[i]));
        ASSERT_EQ(gated[i], plain[i] * up[i]);
      }
      ops().activate_gated(act, gate.data(), up.data(), n, gate.data());
      ASSERT_TRUE(std::equal(gate.data(), gate.data() + n, gated.data())) << "in place";
      ops().activate(act, up.data(), n, up.data());
      ASSERT_TRUE(plain.guards_survive() && gated.guards_survive() && gate.guards_survive() &&
                  up.guards_survive());
    }
  }
}

TEST_P(RowOpsTest, AddAndScaleRoundOnce) {
  for (std::size_t n : sizes()) {
    Row x(n, random_);
    Row y(n, random_);
    Row sum = y;
    ops().add(x.data(), n, sum.data());
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(sum[i], y[i] + x[i]);
    ops().scale(1.7f, n, y.data());
    ops().scale(1.0f / 3.0f, n, y.data());
    ASSERT_TRUE(sum.guards_survive() && y.guards_survive());
  }
}

TEST_P(RowOpsTest, SoftmaxMatchesExact) {
  for (std::size_t n : sizes()) {
    Row x(n, random_, 6.0f, 100.0f);
    if (n > 3) x[n / 2] = -kInf;
    Row y = x;
    ops().softmax(y.data(), n);
    const double max = *std::max_element(x.data(), x.data() + n);
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
    for (std::size_t i = 0; i < n; ++i) {
      const double exact = std::exp(x[i] - max) / sum;
      ASSERT_NEAR(y[i], exact, 4e-7 * exact) << "n " << n << " at " << i;
    }
    ASSERT_TRUE(y.guards_survive());
  }
}

// softmax({x, 0}) = exp(x) / (1 + exp(x)), which is exp(x) itself for x below about -17.
TEST_P(RowOpsTest, ExponentialWithinTwoUlp) {
  for (float x = -87.3f; x < -18.0f; x += 0.0037f) {
    Row pair(2);
    pair[0] = x;
    pair[1] = 0.0f;
    ops().softmax(pair.data(), 2);
    const double exact = std::exp(double{x});
    const double ulp = std::ldexp(1.0, std::ilogb(exact) - 23);
    ASSERT_NEAR(pair[0], exact, 2.0 * ulp) << x;
    ASSERT_EQ(pair[1], 1.0f);
  }
}

TEST_P(RowOpsTest, NanStaysInItsRow) {
  for (std::size_t n : {1, 7, 16, 33, 64}) {
    for (std::size_t at = 0; at < n; at += 3) {
      Row x(n, random_);
      Row ones(n);
      std::fill(ones.data(), ones.data() + n, 1.0f);
      x[at] = kNan;
      Row y(n);
      ops().rms_norm(x.data(), ones.data(), 0.0f, 1e-5f, n, y.data());
      for (std::size_t i = 0; i < n; ++i) ASSERT_TRUE(std::isnan(y[i]));
      ops().layer_norm(x.data(), ones.data(), nullptr, 1e-5f, n, y.data());
      for (std::size_t i = 0; i < n; ++i) ASSERT_TRUE(std::isnan(y[i]));
      y = x;
      ops().softmax(y.data(), n);
      for (std::size_t i = 0; i < n; ++i) ASSERT_TRUE(std::isnan(y[i]));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, RowOpsTest, ::testing::ValuesIn(runnable_row_kernels()),
                         [](const auto& test) { return std::string(test.param.isa); });

}  // namespace
}  // namespace halfbyte
