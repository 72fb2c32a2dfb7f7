// Gram matrices of rounded inputs: the exact sums of their codes, near the inputs' own, and the
// same bits for any number of threads.
#include "compress/gram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "support/amx_emulator.h"

namespace halfbyte {
namespace {

struct Inputs {
  std::size_t rows, k, stride;
  std::vector<float> x;
};

// Columns of different sizes, one of zeros, a few large values.
Inputs random_inputs(std::size_t rows, std::size_t k) {
  Inputs in{rows, k, k + 3, {}};
  in.x.resize(rows * in.stride);
  std::mt19937 random(static_cast<std::uint32_t>(rows * 1000 + k));
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const std::size_t column = i % in.stride;
    in.x[i] = normal(random) * std::exp2(static_cast<float>(column % 7));
    if (column == 5) in.x[i] = 0.0f;
    if (random() % 500 == 0) in.x[i] *= 100.0f;
  }
  return in;
}

std::vector<float> gram_of(const Inputs& in, std::size_t threads, CpuFeatures features) {
  ThreadPool pool(threads);
  DenseWorkers workers(pool, select_dense(features).multiply);
  GramSum gram(in.k + 100, workers, features);
  std::vector<float> h(in.k * in.k, 0.5f);
  for (int time = 0; time < 2; ++time) {
    pool.run([&](std::size_t thread, Team& team) {
      gram.add(in.x.data(), in.stride, in.rows, in.k, h.data(), thread, team);
    });
  }
  return h;
}

// x as rounded: a scale a column and kGramRows rows.
std::vector<double> rounded(const Inputs& in) {
  std::vector<double> values(in.rows * in.k);
  for (std::size_t j = 0; j < in.k; ++j) {
    for (std::size_t begin = 0; begin < in.rows; begin += kGramRows) {
      const std::size_t end = std::min(in.rows, begin + kGramRows);
      float most = 0.0f;
      for (std::size_t r = begin; r < end; ++r) {
        most = std::max(most, std::fabs(in.x[r * in.stride + j]));
      }
      const float inverse = most > 0.0f ? 127.0f / most : 0.0f;
      for (std::size_t r = begin; r < end; ++r) {
        values[r * in.k + j] =
            double{std::nearbyint(in.x[r * in.stride + j] * inverse)} * double{most / 127.0f};
      }
    }
  }
  return values;
}

void expect_gram(const Inputs& in, const std::vector<float>& h) {
  const std::vector<double> x = rounded(in);
  for (std::size_t i = 0; i < in.k; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = 0.0;
      double size = 0.5;
      for (std::size_t r = 0; r < in.rows; ++r) {
        sum += x[r * in.k + i] * x[r * in.k + j];
        size += std::fabs(x[r * in.k + i] * x[r * in.k + j]);
      }
      ASSERT_NEAR(double{h[i * in.k + j]}, 0.5 + 2.0 * sum, 1e-6 * size) << i << ' ' << j;
    }
  }
}

TEST(GramTest, IsTheSumOfRoundedProducts) {
  for (const std::size_t k : {1, 15, 16, 17, 64, 255, 257, 300}) {
    for (const std::size_t rows : {1, 31, 33, 96}) {
      const Inputs in = random_inputs(rows, k);
      SCOPED_TRACE(testing::Message() << rows << " x " << k);
      expect_gram(in, gram_of(in, 2, detect_cpu_features()));
    }
  }
}

TEST(GramTest, LongInputsAreRoundedInBatches) {
  for (const std::size_t rows : {512, 513, 1100}) {
    const Inputs in = random_inputs(rows, 40);
    expect_gram(in, gram_of(in, 3, detect_cpu_features()));
  }
}

// A diagonal gains the squares of what was rounded, at most 1/4 of the scale's square each, and
// twice the products with the inputs themselves, which have no sign in common: 4 standard
// deviations.
TEST(GramTest, RoundingIsAsSmallAsItsScale) {
  const Inputs in = random_inputs(512, 64);
  const std::vector<float> h = gram_of(in, 2, detect_cpu_features());
  for (std::size_t j = 0; j < in.k; ++j) {
    double square = 0.0;
    double most = 0.0;
    for (std::size_t r = 0; r < in.rows; ++r) {
      const double x = double{in.x[r * in.stride + j]};
      square += x * x;
      most = std::max(most, std::fabs(x));
    }
    const double scale = most / 127.0;
    const double bound = static_cast<double>(in.rows) * scale * scale / 4.0 +
                         4.0 * 2.0 * scale * std::sqrt(square / 12.0) + 1e-6 * square;
    EXPECT_NEAR((double{h[j * in.k + j]} - 0.5) / 2.0, square, bound) << j;
  }
}

TEST(GramTest, BitsDoNotDependOnThreadsOrVectors) {
  const Inputs in = random_inputs(100, 300);
  const std::vector<float> one = gram_of(in, 1, detect_cpu_features());
  EXPECT_EQ(gram_of(in, 3, detect_cpu_features()), one);
  EXPECT_EQ(gram_of(in, 2, test::features_to_test()), one);  // in tiles, emulated or not
  CpuFeatures masked = detect_cpu_features();
  for (const IsaRows* isa : all_isas()) {
    if (isa->name != "avx2" || !masked.includes(isa->linear.front().needs)) continue;
    EXPECT_EQ(gram_of(in, 2, isa->linear.front().needs), one);
  }
}

// CPUs without vectors multiply in f32.
TEST(GramTest, ScalarIsNotRounded) {
  const Inputs in = random_inputs(20, 30);
  const std::vector<float> h = gram_of(in, 2, {});
  for (std::size_t i = 0; i < in.k; ++i) {
    double sum = 0.0;
    for (std::size_t r = 0; r < in.rows; ++r) {
      sum += double{in.x[r * in.stride + i]} * double{in.x[r * in.stride + i]};
    }
    EXPECT_NEAR(double{h[i * in.k + i]}, 0.5 + 2.0 * sum, 1e-5 * (1.0 + sum));
  }
}

}  // namespace
}  // namespace halfbyte
