// Dense products of every ISA against sums in f64: shapes around the tiles, both orders of both
// operands; and the same bits however C is shared out.
#include "kernels/dense.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "support/amx_emulator.h"

namespace halfbyte {
namespace {

struct Case {
  std::size_t m;
  std::size_t n;
  std::size_t k;
  bool a_transposed = false;
  bool b_transposed = false;
  bool subtract = false;
};

// A matrix in memory of its size exactly (so that the sanitizer sees any read outside), stored
// [rows, columns] or transposed.
struct Matrix {
  std::vector<float> values;
  DenseOperand view;
  Matrix(std::size_t rows, std::size_t columns, bool stored_transposed, std::mt19937& random)
      : values(rows * columns) {
    std::normal_distribution<float> normal;
    for (float& value : values) value = normal(random);
    view = stored_transposed ? DenseOperand{values.data(), 1, rows}
                             : DenseOperand{values.data(), columns, 1};
  }
};

float at(const DenseOperand& x, std::size_t i, std::size_t j) {
  return x.data[i * x.row_stride + j * x.column_stride];
}

struct Scratch {
  alignas(64) std::byte bytes[kDenseScratchBytes];
};

// Of the sum of the products' sizes. bfloat16 has 8 bits: a factor is off by up to 2^-8 of itself.
double bound(const DenseKernel& kernel) {
  constexpr double kFactor = 1.0 + 0x1p-8;
  return kernel.compute == Compute::bf16 ? kFactor * kFactor - 1.0 + 3e-6 : 3e-6;
}

std::byte* scratch() {
  static Scratch memory;
  return memory.bytes;
}

std::vector<const DenseKernel*> kernels() {
  std::vector<const DenseKernel*> list;
  for (const IsaRows* isa : all_isas()) {
    for (const DenseKernel& kernel : isa->dense) {
      if (test::features_to_test().includes(kernel.needs)) list.push_back(&kernel);
    }
  }
  return list;
}

DenseProduct product_of(const Case& c, const Matrix& a, const Matrix& b, std::vector<float>& out) {
  return {a.view, b.view, out.data(), c.n, c.m, c.n, c.k, c.subtract};
}

void expect_product(const DenseKernel& kernel, const Case& c) {
  std::mt19937 random(static_cast<std::uint32_t>(c.m + 7 * c.n + 31 * c.k));
  const Matrix a(c.m, c.k, c.a_transposed, random);
  const Matrix b(c.k, c.n, c.b_transposed, random);
  const Matrix start(c.m, c.n, false, random);
  std::vector<float> out = start.values;
  kernel.multiply(product_of(c, a, b, out), scratch());
  for (std::size_t i = 0; i < c.m; ++i) {
    for (std::size_t j = 0; j < c.n; ++j) {
      double sum = 0.0;
      double size = 1.0;
      for (std::size_t p = 0; p < c.k; ++p) {
        const double term = static_cast<double>(at(a.view, i, p)) * at(b.view, p, j);
        sum += term;
        size += std::abs(term);
      }
      const double wanted = start.values[i * c.n + j] + (c.subtract ? -sum : sum);
      ASSERT_NEAR(out[i * c.n + j], wanted, bound(kernel) * size)
          << kernel.isa << ' ' << c.m << 'x' << c.n << 'x' << c.k << " at " << i << ',' << j;
    }
  }
}

TEST(DenseTest, ShapesAndOrders) {
  constexpr std::size_t kShapes[][3] = {{1, 1, 1},    {1, 16, 4},   {6, 16, 7},    {8, 32, 256},
                                        {9, 33, 257}, {5, 270, 3},  {13, 47, 600}, {65, 64, 128},
                                        {16, 15, 2},  {3, 300, 260}};
  for (const DenseKernel* kernel : kernels()) {
    for (const auto& [m, n, k] : kShapes) {
      for (const int bits : {0, 1, 2, 3, 4, 7}) {
        expect_product(*kernel, {m, n, k, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0});
      }
    }
  }
}

TEST(DenseTest, NothingOfNothing) {
  float c = 3.0f;
  for (const DenseKernel* kernel : kernels()) {
    for (const std::size_t m : {0, 1}) {
      kernel->multiply({{&c, 1, 1}, {&c, 1, 1}, &c, 1, m, 1 - m, m}, scratch());
      kernel->multiply({{nullptr, 1, 1}, {nullptr, 1, 1}, &c, 1, 1, 1, 0}, scratch());
    }
    EXPECT_EQ(c, 3.0f);
  }
}

TEST(DenseTest, BitsDoNotDependOnTheTiles) {
  std::mt19937 random(5);
  const Case c = {401, 395, 300, true, false};
  const Matrix a(c.m, c.k, c.a_transposed, random);
  const Matrix b(c.k, c.n, c.b_transposed, random);
  for (const DenseKernel* kernel : kernels()) {
    std::vector<float> whole(c.m * c.n);
    std::vector<float> tiled = whole;
    std::vector<float> narrow = whole;
    kernel->multiply(product_of(c, a, b, whole), scratch());
    const DenseProduct tiles = product_of(c, a, b, tiled);
    for (std::size_t t = dense_tiles(tiles, DensePart::all); t-- > 0;) {
      kernel->multiply(dense_tile(tiles, DensePart::all, t), scratch());
    }
    for (std::size_t row = 0; row < c.m; row += 77) {
      const std::size_t rows = std::min<std::size_t>(77, c.m - row);
      kernel->multiply(dense_window(product_of(c, a, b, narrow), row, rows, 0, c.n), scratch());
    }
    EXPECT_EQ(std::memcmp(whole.data(), tiled.data(), whole.size() * sizeof(float)), 0);
    EXPECT_EQ(std::memcmp(whole.data(), narrow.data(), whole.size() * sizeof(float)), 0);
  }
}

// The Gram matrix of x [rows, k] with a stride: each triangle's tiles hold it, and cover it.
TEST(DenseTest, GramMatrixByTriangles) {
  constexpr std::size_t kRows = 20;
  constexpr std::size_t kSize = 400;
  constexpr std::size_t kStride = 411;
  std::mt19937 random(6);
  const Matrix x(kRows, kStride, false, random);
  const DenseOperand view = x.view;
  for (const DenseKernel* kernel : kernels()) {
    for (const DensePart part : {DensePart::lower, DensePart::upper}) {
      std::vector<float> gram(kSize * kSize);
      const DenseProduct all = {transposed(view), view, gram.data(), kSize, kSize, kSize, kRows};
      EXPECT_EQ(dense_tiles(all, part), 6U);
      for (std::size_t t = 0; t < dense_tiles(all, part); ++t) {
        kernel->multiply(dense_tile(all, part, t), scratch());
      }
      for (std::size_t i = 0; i < kSize; i += 3) {
        for (std::size_t j = 0; j <= i; ++j) {
          double wanted = 0.0;
          double size = 1.0;
          for (std::size_t r = 0; r < kRows; ++r) {
            const double term = static_cast<double>(at(view, r, i)) * at(view, r, j);
            wanted += term;
            size += std::abs(term);
          }
          const std::size_t index = part == DensePart::lower ? i * kSize + j : j * kSize + i;
          ASSERT_NEAR(gram[index], wanted, bound(*kernel) * size)
              << kernel->isa << ' ' << i << ',' << j;
        }
      }
    }
  }
}

TEST(DenseTest, NanStaysInItsRow) {
  std::mt19937 random(7);
  const Case c = {20, 40, 300};
  Matrix a(c.m, c.k, false, random);
  const Matrix b(c.k, c.n, false, random);
  a.values[3 * c.k + 299] = std::numeric_limits<float>::quiet_NaN();
  for (const DenseKernel* kernel : kernels()) {
    std::vector<float> out(c.m * c.n);
    kernel->multiply(product_of(c, a, b, out), scratch());
    for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(std::isnan(out[i]), i / c.n == 3);
  }
}

TEST(DenseTest, EveryCpuHasOne) {
  EXPECT_EQ(select_dense({}).isa, "scalar");
#if defined(__x86_64__)
  EXPECT_EQ(select_dense({~0u}).isa, "avx512vnni");
  EXPECT_EQ(select_dense({~0u}, Compute::bf16).isa, "avx512bf16");
  EXPECT_EQ(select_dense({}, Compute::bf16).isa, "scalar");
  // Where vectors of bfloat16 are slower than f32, f32 it is.
  CpuFeatures slow = {~0u};
  slow.bits &= ~static_cast<std::uint32_t>(CpuFeature::fast_bf16);
  EXPECT_EQ(select_dense(slow, Compute::bf16).isa, "avx512vnni");
  EXPECT_EQ(select_dense({static_cast<std::uint32_t>(CpuFeature::avx2)}).isa, "avx2");
#endif
}

}  // namespace
}  // namespace halfbyte
