// Every linear kernel that this CPU runs, against sums in double precision and against itself.
#include "kernels/linear.h"

#include <gtest/gtest.h>

#include "base/half.h"
#include "kernels/registry.h"
#include "linear_data.h"
#include "support/amx_emulator.h"

namespace halfbyte {
namespace {

using testing::Aligned;
using testing::FileMatrix;
using testing::Inputs;
using testing::Packed;

std::vector<LinearKernel> runnable_kernels() {
  const CpuFeatures features = test::features_to_test();
  std::vector<LinearKernel> kernels;
  for (const IsaRows* isa : all_isas()) {
    for (const LinearKernel& kernel : isa->linear) {
      if (features.includes(kernel.needs)) kernels.push_back(kernel);
    }
  }
  return kernels;
}

constexpr float kUntouched = -12345.0f;

// y [rows][n + 3] of panels [begin, end); what no kernel may write is kUntouched.
std::vector<float> run(const LinearKernel& kernel, const PackedMatrix& w, std::uint64_t begin,
                       std::uint64_t end, Inputs& inputs) {
  const std::size_t stride = w.n + 3;
  std::vector<float> y(inputs.rows * stride, kUntouched);
  Aligned<std::byte> scratch(linear_scratch_bytes(w.k));
  const LinearOutput out = {y.data(), stride};
  if (kernel.int8 != nullptr) {
    kernel.int8(w, begin, end, inputs.quantized(), out, scratch.get());
  } else if (kernel.token != nullptr) {
    kernel.token(w, begin, end, inputs.tokens(), out, scratch.get());
  } else if (kernel.bf16 != nullptr) {
    kernel.bf16(w, begin, end, inputs.bf16(), out, scratch.get());
  } else {
    kernel.f32(w, begin, end, inputs.x.data(), w.k, inputs.rows, out, scratch.get());
  }
  return y;
}
std::vector<float> run(const LinearKernel& kernel, const PackedMatrix& w, Inputs& inputs) {
  return run(kernel, w, 0, w.panels(), inputs);
}

// The sum in double, and the sum of magnitudes that bounds rounding errors. Mins and scaled codes
// are summed apart, since kernels round them apart.
struct Exact {
  double sum = 0;
  double magnitude = 0;
  double words = 0;  // of the products alone
};

double rounded(float f) {
  return static_cast<double>(bfloat16_to_float(float_to_bfloat16(f)));
}

Exact exact(const LinearKernel& kernel, const float* weights, Inputs& inputs, std::size_t row) {
  Exact result;
  for (std::size_t i = 0; i < inputs.k; ++i) {
    const std::size_t at = row * inputs.k + i;
    double x = static_cast<double>(inputs.x[at]);
    double weight = static_cast<double>(weights[i]);
    if (kernel.int8 != nullptr) {
      x = static_cast<double>(inputs.scale(row, i)) * inputs.code(row, i) +
          static_cast<double>(inputs.outlier(row, i));
    } else if (kernel.token != nullptr) {
      x = inputs.by_token(row, i);
    } else if (kernel.bf16 != nullptr) {
      x = rounded(inputs.x[at]);
      weight = rounded(weights[i]);
    }
    result.sum += x * weight;
    result.magnitude += std::abs(x) * (std::abs(weight) + 2.0);
    result.words += std::abs(x * weight);
  }
  return result;
}

std::uint64_t inputs_of(DType type, std::uint64_t blocks) {
  const std::uint32_t block = info(type).block;
  return block == 1 ? 37 * blocks : block * blocks;
}

class LinearTest : public ::testing::TestWithParam<LinearKernel> {
 protected:
  void expect_exact(std::uint64_t n, std::uint64_t k, std::size_t rows) {
    Inputs inputs(rows, k);
    expect_exact(n, inputs);
  }
  void expect_exact(std::uint64_t n, Inputs& inputs) {
    const LinearKernel& kernel = GetParam();
    const std::size_t rows = inputs.rows, k = inputs.k;
    const FileMatrix file(kernel.weight, n, k);
    const Packed packed(file.view);
    const std::vector<float> y = run(kernel, packed.matrix, inputs);
    std::vector<float> weights(n * k);
    decode_rows(file.view, 0, n, weights.data());
    for (std::size_t m = 0; m < rows; ++m) {
      for (std::size_t o = 0; o < n; ++o) {
        const Exact e = exact(kernel, weights.data() + o * k, inputs, m);
        double bound = e.magnitude * 1.2e-7 * std::sqrt(static_cast<double>(k)) + 1e-30;
        // A weight next to the middle of two bfloat16 may go either way, depending on how the f32
        // that it was decoded to is rounded: once in 2^15 weights, by one part in 256.
        if (kernel.bf16 != nullptr) bound += e.words * 4e-3 / std::sqrt(static_cast<double>(k));
        ASSERT_NEAR(static_cast<double>(y[m * (n + 3) + o]), e.sum, bound)
            << kernel.name << " n " << n << " k " << k << " row " << m << " output " << o;
      }
      for (std::size_t o = n; o < n + 3; ++o) ASSERT_EQ(y[m * (n + 3) + o], kUntouched);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, LinearTest, ::testing::ValuesIn(runnable_kernels()),
                         [](const auto& test) {
                           std::string text(test.param.name);
                           std::replace(text.begin(), text.end(), '.', '_');
                           return text;
                         });

TEST_P(LinearTest, AgreesWithDoubleAtTheEdgesOfTiles) {
  for (const std::uint64_t n : {1u, 15u, 16u, 17u, 31u, 33u, 48u, 80u}) {
    for (const std::uint64_t blocks : {1u, 2u, 3u}) {
      expect_exact(n, inputs_of(GetParam().weight, blocks), n == 17 ? 5 : 2);
    }
  }
  for (const std::size_t rows : {1u, 3u, 4u, 6u, 7u, 8u, 9u, 16u, 17u, 35u}) {
    expect_exact(33, inputs_of(GetParam().weight, 1), rows);
  }
}

TEST_P(LinearTest, AgreesWithDoubleAcrossSlabsOfInputs) {
  const std::uint32_t block = info(GetParam().weight).block;
  expect_exact(17, (kSlabCodes + 2 * kSlabInputs) / block * block + block, 3);
  expect_exact(16 * kBf16SlabPanels + 17, (2 * kBf16SlabInputs) / block * block + block, 2);
}

TEST_P(LinearTest, ServesAsManyOutliersAsThereMayBe) {
  if (GetParam().int8 == nullptr) return;
  const std::uint32_t block = info(GetParam().weight).block;
  for (const std::size_t rows : {1u, 16u, 23u}) {
    Inputs inputs(rows, (2 * kSlabCodes) / block * block + block);
    inputs.crowd_outliers();
    expect_exact(17, inputs);
  }
}

TEST_P(LinearTest, RowsDoNotDependOnTheirNumberOrPhase) {
  const LinearKernel& kernel = GetParam();
  const std::uint32_t block = info(kernel.weight).block;
  const std::uint64_t n = 70;
  const std::uint64_t k = block == 1 ? 333 : (2 * kSlabCodes) / block * block + block;
  const FileMatrix file(kernel.weight, n, k);
  const Packed packed(file.view);
  Inputs inputs(23, k);
  const std::vector<float> together = run(kernel, packed.matrix, inputs);
  const Phase other = kernel.phase == Phase::decode ? Phase::prefill : Phase::decode;
  if (kernel.bf16 == nullptr) {  // which there is for prefill alone
    const Compute compute = kernel.f32 != nullptr ? Compute::f32 : Compute::int8;
    const LinearKernel* pair = select_linear(kernel.weight, other, compute, kernel.needs);
    ASSERT_NE(pair, nullptr);  // of this folder or one below it; the bits are what counts
    EXPECT_EQ(run(*pair, packed.matrix, inputs), together);
  }
  for (const std::size_t row : {0u, 5u, 17u, 19u, 21u, 22u}) {
    Inputs one(1, k);
    std::copy_n(inputs.x.data() + row * k, k, one.x.data());
    for (std::size_t i = 0; i < k && k % 32 == 0; ++i) {
      one.code(0, i) = inputs.code(row, i);
      one.scale(0, i) = inputs.scale(row, i);
      one.sum(0, i) = inputs.sum(row, i);
    }
    std::copy_n(quantized_row(inputs.quantized(), row).outliers, outlier_places(1, k),
                one.group_outliers.data());
    one.round();
    const std::vector<float> alone = run(kernel, packed.matrix, one);
    for (std::size_t o = 0; o < n; ++o) EXPECT_EQ(alone[o], together[row * (n + 3) + o]);
  }
}

TEST_P(LinearTest, PanelsAreIndependentAndStayInTheirColumns) {
  const LinearKernel& kernel = GetParam();
  const std::uint64_t n = 150, k = inputs_of(kernel.weight, 2);
  const FileMatrix file(kernel.weight, n, k);
  const Packed packed(file.view);
  Inputs inputs(23, k);  // a full block of rows, and some
  const std::vector<float> whole = run(kernel, packed.matrix, inputs);
  for (const auto& [begin, end] : {std::pair{0, 1}, {1, 3}, {3, 10}, {9, 10}, {4, 4}}) {
    const auto first = static_cast<std::uint64_t>(begin), last = static_cast<std::uint64_t>(end);
    const std::vector<float> y = run(kernel, packed.matrix, first, last, inputs);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::uint64_t column = i % (n + 3);
      const bool written = column >= 16 * first && column < std::min(n, 16 * last);
      ASSERT_EQ(y[i], written ? whole[i] : kUntouched) << column;
    }
  }
}

// Codes and inputs at their extremes: no integer sum may saturate.
TEST_P(LinearTest, ExtremeCodesDoNotSaturate) {
  const LinearKernel& kernel = GetParam();
  if (kernel.int8 == nullptr) return;
  const std::uint64_t n = 16, k = 256;
  for (const int fill : {0x00, 0xFF, 0x80, 0x7F, 0x0F, 0xF0}) {
    FileMatrix file(kernel.weight, n, k);
    const std::size_t step = info(kernel.weight).block_bytes;
    for (std::size_t i = 0; i < file.bytes.size(); i += step) {
      for (std::size_t j = 0; j < step; ++j) file.bytes[i + j] = std::byte(fill);
      for (const std::size_t at : testing::scale_offsets(kernel.weight)) {
        testing::put_half(file.bytes.data() + i + at, 0.03125f);
      }
    }
    const Packed packed(file.view);
    Inputs inputs(2, k);
    for (std::size_t row = 0; row < 2; ++row) {
      const int code = row == 0 ? 127 : -127;
      for (std::size_t i = 0; i < k; ++i) {
        inputs.code(row, i) = static_cast<std::int8_t>(code);
        inputs.sum(row, i) = 16 * code;
      }
      inputs.group_outliers[row * outlier_places(1, k)].input = k;  // none
    }
    std::vector<float> weights(n * k);
    decode_rows(file.view, 0, n, weights.data());
    const std::vector<float> y = run(kernel, packed.matrix, inputs);
    for (std::size_t m = 0; m < 2; ++m) {
      const Exact e = exact(kernel, weights.data(), inputs, m);
      ASSERT_NEAR(static_cast<double>(y[m * (n + 3)]), e.sum, e.magnitude * 4e-6) << fill;
    }
  }
}

}  // namespace
}  // namespace halfbyte
