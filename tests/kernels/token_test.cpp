// Types with a scale a row against inputs with a scale a row: quantizing them, outliers, and the
// extremes of codes, on every instruction set.
#include <limits>

#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "linear_data.h"
#include "row_ops_list.h"
#include "support/amx_emulator.h"

namespace halfbyte {
namespace {

using testing::Aligned;
using testing::FileMatrix;
using testing::Inputs;
using testing::Packed;

constexpr float kLimit = 6.0f;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Normal values, every seventeenth of some rows an outlier.
void put_outliers(Inputs& inputs, float size) {
  for (std::size_t i = 3; i < inputs.x.size(); i += 17) {
    if (i / inputs.k % 3 != 1) inputs.x[i] *= size;
  }
}

// As so many threads share the panels.
std::vector<float> run(const LinearKernel& kernel, const PackedMatrix& w, Inputs& inputs,
                       std::uint64_t threads = 1) {
  std::vector<float> y(inputs.rows * w.n);
  for (std::uint64_t thread = 0; thread < threads; ++thread) {
    Aligned<std::byte> scratch(linear_scratch_bytes(w.k));
    kernel.token(w, w.panels() * thread / threads, w.panels() * (thread + 1) / threads,
                 inputs.tokens(), {y.data(), w.n}, scratch.get());
  }
  return y;
}

// Those with tiles run in an emulator where the CPU has none.
std::vector<LinearKernel> runnable_kernels(std::initializer_list<DType> types) {
  std::vector<LinearKernel> kernels;
  for (const IsaRows* isa : all_isas()) {
    for (const LinearKernel& kernel : isa->linear) {
      const bool runs = kernel.token != nullptr && test::features_to_test().includes(kernel.needs);
      const bool wanted = std::find(types.begin(), types.end(), kernel.weight) != types.end();
      if (runs && wanted) kernels.push_back(kernel);
    }
  }
  return kernels;
}

std::string test_name(const ::testing::TestParamInfo<LinearKernel>& test) {
  std::string text(test.param.name);
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}

class TokenKernel : public ::testing::TestWithParam<LinearKernel> {};
INSTANTIATE_TEST_SUITE_P(
    Kernels, TokenKernel,
    ::testing::ValuesIn(runnable_kernels({DType::w8a8, DType::int8, DType::w4a8})), test_name);

class OutlierKernel : public ::testing::TestWithParam<LinearKernel> {};
INSTANTIATE_TEST_SUITE_P(Kernels, OutlierKernel,
                         ::testing::ValuesIn(runnable_kernels({DType::int8})), test_name);

// Integer sums and one order of products: there is nothing left to differ in.
void expect_bits_of_reference(const LinearKernel& kernel, std::uint64_t n, std::uint64_t k,
                              std::size_t rows, std::uint64_t threads = 1) {
  const DType type = kernel.weight;
  const LinearKernel& reference = *select_linear(type, Phase::decode, Compute::int8, CpuFeatures{});
  const FileMatrix file(type, n, k);
  const Packed packed(file.view);
  Inputs inputs(rows, k);
  put_outliers(inputs, 20.0f);
  inputs.by_token(find_packed_format(type)->outliers);
  EXPECT_EQ(run(kernel, packed.matrix, inputs, threads), run(reference, packed.matrix, inputs))
      << n << " x " << k << ", " << rows << " rows, " << threads << " threads";
}

TEST_P(TokenKernel, HasTheBitsOfTheReference) {
  for (const std::size_t rows : {1u, 2u, 3u, 4u, 5u, 16u, 17u, 40u}) {
    for (const std::uint64_t k : {32u, 64u, 96u, 544u}) {
      expect_bits_of_reference(GetParam(), 53, k, rows);
    }
  }
}

// Whole and half steps of 64 inputs, an odd number of panels.
TEST_P(TokenKernel, HasTheBitsOfTheReferenceForAnyNumberOfRows) {
  for (std::size_t rows = 1; rows <= 70; ++rows) {
    expect_bits_of_reference(GetParam(), 37, 96 + rows % 2 * 32, rows);
  }
}

// Panels that do not fit the cache at once, for their length or for their number, nor scratch, for
// their scales.
TEST_P(TokenKernel, HasTheBitsOfTheReferenceAcrossSlabs) {
  for (const std::size_t rows : {2u, 17u}) {
    expect_bits_of_reference(GetParam(), 69, 8192, rows);
    expect_bits_of_reference(GetParam(), 1061, 512, rows);
  }
  expect_bits_of_reference(GetParam(), 16400, 32, 17);
  expect_bits_of_reference(GetParam(), 37, 16416, 33);
}

TEST_P(TokenKernel, ThreadsDoNotChangeTheBits) {
  for (const std::uint64_t threads : {2u, 3u, 7u}) {
    expect_bits_of_reference(GetParam(), 117, 288, 43, threads);
  }
}

// A block's integers and codes of w4a8, or a code of the others, and what they stand for.
struct Extreme {
  std::byte integers;
  std::byte codes;
  float value;
};
Extreme extreme(DType type, bool high) {
  if (type != DType::w4a8)
    return {{}, high ? std::byte{127} : std::byte{128}, high ? 127.f : -128.f};
  if (high) return {std::byte{0x6D}, std::byte{0xFF}, 9 * 14};
  return {std::byte{0x8F}, std::byte{0x00}, -8 * 16};
}

TEST_P(TokenKernel, ExtremeCodesDoNotOverflow) {
  constexpr std::uint64_t k = kMaxTokenInputs;
  const DType type = GetParam().weight;
  FileMatrix file(type, 2, k);
  const float scale = 1.0f;
  for (std::uint64_t row = 0; row < 2; ++row) {
    const Extreme block = extreme(type, row == 1);
    std::byte* at = file.bytes.data() + row * *row_bytes(type, k);
    std::memcpy(at, &scale, sizeof(scale));
    at += sizeof(scale);
    const std::size_t step = info(type).block_bytes;
    std::fill_n(at, k / 32 * step, block.codes);
    for (std::uint64_t i = 0; type == DType::w4a8 && i < k / 32; ++i) at[i * step] = block.integers;
  }
  const Packed packed(file.view);
  constexpr std::size_t kRows = 17;  // a whole tile and a lone row
  Inputs inputs(kRows, k);
  for (std::size_t i = 0; i < inputs.x.size(); ++i) inputs.x[i] = i / k % 2 == 0 ? 127.f : -127.f;
  inputs.by_token(kNoOutliers);
  const std::vector<float> y = run(GetParam(), packed.matrix, inputs);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const float code = extreme(type, i % 2 == 1).value * (i / 2 % 2 == 0 ? 127.0f : -127.0f);
    ASSERT_EQ(y[i], code * static_cast<float>(k)) << i;
  }
}

// The point of LLM.int8(): a few large features take the resolution of all others, unless they are
// taken out.
TEST_P(OutlierKernel, OutliersTakenOutKeepTheOthersPrecise) {
  const std::uint64_t n = 64, k = 1024;
  std::vector<float> weights(n * k), row(k);
  std::minstd_rand random(5);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  for (float& w : weights) w = normal(random);
  std::vector<std::byte> bytes(n * *row_bytes(DType::int8, k));
  encode_whole_rows(info(DType::int8), weights.data(), bytes.data(), n, k);
  const Packed packed(TensorView{"w", DType::int8, {n, k}, bytes});
  Inputs inputs(20, k);  // tiles, where there are such
  for (std::size_t i = 5; i < inputs.x.size(); i += 256) inputs.x[i] = 90.0f;
  const auto error = [&](float limit) {
    inputs.by_token(limit);
    const std::vector<float> y = run(GetParam(), packed.matrix, inputs);
    double difference = 0.0, size = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      double exact = 0.0;
      for (std::size_t j = 0; j < k; ++j) {
        exact += double{weights[i % n * k + j]} * double{inputs.x[i / n * k + j]};
      }
      difference += (exact - double{y[i]}) * (exact - double{y[i]});
      size += exact * exact;
    }
    return std::sqrt(difference / size);
  };
  const double with = error(kLimit), without = error(kNoOutliers);
  EXPECT_LT(with, 0.01);
  EXPECT_GT(without, 3.0 * with);
}

class QuantizeToken : public ::testing::TestWithParam<RowKernel> {};

INSTANTIATE_TEST_SUITE_P(Isas, QuantizeToken, ::testing::ValuesIn(runnable_row_kernels()),
                         [](const auto& test) { return std::string(test.param.isa); });

struct Quantized {
  std::vector<std::int8_t> codes;
  std::vector<float> scales;
  std::vector<std::int32_t> sums;
  std::vector<std::uint32_t> outliers;
  TokenRows view;

  Quantized(std::size_t rows, std::size_t k, bool with_outliers)
      : codes(token_codes(rows, k), 99),
        scales(rows, -1.0f),
        sums(rows, -1),
        outliers(rows * k / 32, 77u) {
    view = {rows, k, codes.data(), scales.data(), sums.data()};
    if (with_outliers) view.outliers = outliers.data();
  }
  bool same(const Quantized& other) const {
    return codes == other.codes && sums == other.sums && outliers == other.outliers &&
           std::memcmp(scales.data(), other.scales.data(), scales.size() * sizeof(float)) == 0;
  }
};

TEST_P(QuantizeToken, HasTheBitsOfTheReference) {
  for (const std::size_t rows : {1u, 16u, 19u}) {
    for (const std::size_t k : {32u, 64u, 96u, 576u}) {
      Inputs inputs(rows, k);
      put_outliers(inputs, 30.0f);
      std::fill_n(inputs.x.begin(), rows > 1 ? k : 0, -0.0f);
      inputs.x[(rows - 1) * k + 7] = rows == 19 ? kNan : rows == 16 ? -kInf : 6.0f;
      for (const bool outliers : {false, true}) {
        Quantized expected(rows, k, outliers), actual(rows, k, outliers);
        for (std::size_t row = 0; row < rows; ++row) {
          reference::quantize_token(&inputs.x[row * k], row, kLimit, expected.view);
          GetParam().ops.quantize_token(&inputs.x[row * k], row, kLimit, actual.view);
        }
        EXPECT_TRUE(actual.same(expected)) << rows << " rows of " << k << ' ' << outliers;
      }
    }
  }
}

TEST_P(QuantizeToken, KeepsTheContract) {
  std::vector<float> x(64, 0.5f);
  x[3] = 1.0f;
  x[40] = -6.0f;
  Quantized q(1, 64, true);
  GetParam().ops.quantize_token(x.data(), 0, kLimit, q.view);
  EXPECT_EQ(q.outliers, (std::vector<std::uint32_t>{0u, 1u << 8}));
  EXPECT_EQ(q.scales[0], 1.0f / 127.0f);
  EXPECT_EQ(q.codes[40], 0);
  EXPECT_EQ(q.codes[3], 127);
  EXPECT_EQ(q.sums[0], 62 * 64 + 127);  // 63.5 goes to even
  x[5] = kNan;
  GetParam().ops.quantize_token(x.data(), 0, kLimit, q.view);
  EXPECT_TRUE(std::isnan(q.scales[0]));
  EXPECT_EQ(q.codes, std::vector<std::int8_t>(64, 0));
  EXPECT_EQ(q.outliers, (std::vector<std::uint32_t>{0u, 0u}));
}

}  // namespace
}  // namespace halfbyte
