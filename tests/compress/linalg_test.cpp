// Gram matrices and factors of symmetric matrices: against f64, and the same bits for any number of
// threads.
#include "compress/linalg.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/registry.h"

namespace halfbyte {
namespace {

DenseMultiply kernel() {
  return select_dense(detect_cpu_features()).multiply;
}

// X^T X + damping, of random x [rows, k], in the lower triangle, and the same in the upper one.
std::vector<float> random_gram(std::size_t k, std::size_t rows, float damping) {
  std::mt19937 random(static_cast<std::uint32_t>(k));
  std::normal_distribution<float> normal;
  std::vector<float> x(rows * k);
  for (float& value : x) value = normal(random);
  std::vector<float> h(k * k);
  ThreadPool pool(2);
  DenseWorkers workers(pool, kernel());
  add_gram(workers, gram_product(x.data(), k, rows, k, h.data()));
  for (std::size_t i = 0; i < k; ++i) {
    h[i * k + i] += damping;
    for (std::size_t j = 0; j < i; ++j) h[j * k + i] = h[i * k + j];
  }
  return h;
}

bool factor(std::vector<float>& h, std::size_t k, std::size_t threads) {
  ThreadPool pool(threads);
  DenseWorkers workers(pool, kernel());
  return factor_upper(workers, h.data(), k);
}

TEST(LinalgTest, FactorGivesTheMatrixBack) {
  for (const std::size_t k : {1, 2, 63, 64, 65, 200}) {
    const std::vector<float> h = random_gram(k, 2 * k + 3, 0.5f);
    std::vector<float> r = h;
    ASSERT_TRUE(factor(r, k, 2)) << k;
    for (std::size_t i = 0; i < k; ++i) {
      for (std::size_t j = i; j < k; ++j) {
        double sum = 0.0;
        for (std::size_t p = j; p < k; ++p) sum += static_cast<double>(r[i * k + p]) * r[j * k + p];
        ASSERT_NEAR(sum, h[i * k + j], 2e-6 * static_cast<double>(3 * k)) << k << ' ' << i;
      }
      for (std::size_t j = 0; j < i; ++j) ASSERT_EQ(r[i * k + j], h[i * k + j]) << "lower triangle";
    }
  }
}

TEST(LinalgTest, BitsDoNotDependOnThreads) {
  constexpr std::size_t kSize = 330;
  const std::vector<float> h = random_gram(kSize, 400, 0.5f);
  std::vector<float> one = h;
  ASSERT_TRUE(factor(one, kSize, 1));
  for (const std::size_t threads : {2, 3, 7}) {
    std::vector<float> r = h;
    ASSERT_TRUE(factor(r, kSize, threads));
    EXPECT_EQ(r, one) << threads;
  }
}

TEST(LinalgTest, RefusesWhatIsNotPositiveDefinite) {
  constexpr std::size_t kSize = 150;
  std::vector<float> singular = random_gram(kSize, 20, 0.0f);
  EXPECT_FALSE(factor(singular, kSize, 3));
  for (const float wrong : {-1.0f, 0.0f, std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t at : {0, 70, 149}) {
      std::vector<float> h = random_gram(kSize, 400, 1.0f);
      h[at * kSize + at] = wrong;
      EXPECT_FALSE(factor(h, kSize, 3)) << wrong << ' ' << at;
    }
  }
}

}  // namespace
}  // namespace halfbyte
