// The pass of GPTQ against plain NumPy (tools/make_gptq_golden.py), and what follows from its
// formula.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>

#include <gtest/gtest.h>

#include "compress/gptq_pass.h"
#include "gptq_case.h"

namespace halfbyte {
namespace {

using test::GptqCase;

constexpr std::size_t kRows = 12;
constexpr std::size_t kSize = 128;
constexpr std::size_t kBlock = 32;

struct Golden {
  GptqCase problem{kRows, kSize, 1};
  std::vector<float> scales;
  std::vector<float> natural;
  std::vector<float> descending;
};

Golden read_golden() {
  std::ifstream file(HALFBYTE_TEST_DATA
                     "/gptq/"
                     "q4_0.bin",
                     std::ios::binary);
  EXPECT_TRUE(file);
  Golden golden;
  const auto read = [&](std::vector<float>& to, std::size_t count) {
    to.resize(count);
    file.read(reinterpret_cast<char*>(to.data()),
              static_cast<std::streamsize>(count * sizeof(float)));
    EXPECT_TRUE(file);
  };
  read(golden.problem.weights, kRows * kSize);
  read(golden.problem.hessian, kSize * kSize);
  read(golden.scales, kRows * kSize / kBlock);
  read(golden.natural, kRows * kSize);
  read(golden.descending, kRows * kSize);
  return golden;
}

// The values after a pass with the given scales, by block.
std::vector<float> pass(const GptqCase& c, const std::vector<float>& scales, bool descending) {
  ThreadPool pool(1);
  DenseWorkers workers(pool, select_dense(detect_cpu_features()).multiply);
  std::vector<float> h = c.hessian;
  const GptqHessian hessian(workers, h.data(), c.k, {.damping = 0.01, .descending = descending});
  const Grid& grid = *find_grid(DType::q4_0);
  const GptqContext context = {workers, 0, hessian, grid};
  GptqRows rows(context, c.weights.data(), c.n);
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const float none = 0.0f;
    grid.project(&scales[i], &none, nullptr, rows.block(0, i * kBlock));
  }
  gptq_pass(context, hessian.importance(), false, rows);
  std::vector<float> values(c.n * c.k);
  for (std::size_t row = 0; row < c.n; ++row) rows.decode(row, values.data() + row * c.k);
  return values;
}

TEST(GptqGoldenTest, GivesWhatNumpyGives) {
  const Golden golden = read_golden();
  for (const bool descending : {false, true}) {
    const std::vector<float>& wanted = descending ? golden.descending : golden.natural;
    const std::vector<float> values = pass(golden.problem, golden.scales, descending);
    const double error = golden.problem.error_of(wanted);
    EXPECT_GT(error, 0.0);
    EXPECT_NEAR(golden.problem.error_of(values), error, 0.01 * error);
    std::size_t same = 0;
    for (std::size_t i = 0; i < values.size(); ++i) same += values[i] == wanted[i] ? 1 : 0;
    EXPECT_GE(same, values.size() * 98 / 100) << "roundings near a half may differ, few others";
  }
}

// Columns that change places within their blocks change nothing where the order is by H's diagonal.
TEST(GptqGoldenTest, DescendingOrderFollowsThePermutation) {
  const Golden golden = read_golden();
  std::vector<std::size_t> from(kSize);
  std::iota(from.begin(), from.end(), 0U);
  std::mt19937 random(3);
  for (std::size_t b = 0; b < kSize; b += kBlock) {
    std::shuffle(from.begin() + static_cast<std::ptrdiff_t>(b),
                 from.begin() + static_cast<std::ptrdiff_t>(b + kBlock), random);
  }
  GptqCase moved = golden.problem;
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = 0; j < kSize; ++j) {
      moved.hessian[i * kSize + j] = golden.problem.hessian[from[i] * kSize + from[j]];
    }
    for (std::size_t row = 0; row < kRows; ++row) {
      moved.weights[row * kSize + i] = golden.problem.weights[row * kSize + from[i]];
    }
  }
  const std::vector<float> values = pass(golden.problem, golden.scales, true);
  const std::vector<float> moved_values = pass(moved, golden.scales, true);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(moved_values[i], values[i / kSize * kSize + from[i % kSize]]) << i;
  }
}

}  // namespace
}  // namespace halfbyte
