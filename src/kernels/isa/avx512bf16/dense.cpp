// Dense products in bfloat16 (contract: kernels/dense.h): VDPBF16PS.
//
// Both operands are packed as pairs of inputs, [pairs][outputs] words of 2 x bfloat16: a block of B
// stays in the L2 cache while the rows of A pass, kRowTile at a time.
#include "kernels/isa/avx512bf16/dense.h"

#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"

namespace halfbyte {
namespace {

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/isa/avx512bf16/words.inl"
// clang-format on

constexpr std::size_t kLanes = 16;
constexpr std::size_t kRowTile = 8;
constexpr int kVectors = 3;
constexpr std::size_t kPanelColumns = kVectors * kLanes;
constexpr std::size_t kPairWords = 2;  // bfloat16 numbers of a pair
constexpr std::size_t kBlockWords = kDenseDepth * (kDenseColumns + kPanelColumns);
// A packed row of pairs is written as a whole vector, past the last row's end.
static_assert((kBlockWords + kDenseDepth * kRowTile + kLanes * kPairWords) * 2 <
              kDenseScratchBytes);

__mmask16 first_lanes(std::size_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFFu : (1u << count) - 1u);
}

// One operand as seen from its outputs (rows of A, columns of B).
struct Outputs {
  const float* data;
  std::size_t output_stride;
  std::size_t input_stride;
  std::size_t count;  // of outputs

  // kLanes outputs from `output` on at one input; zero past the last.
  __m512 load(std::size_t output, std::size_t input) const {
    const std::size_t there = output < count ? count - output : 0;
    const float* from = data + output * output_stride + input * input_stride;
    if (output_stride == 1) return _mm512_maskz_loadu_ps(first_lanes(there), from);
    alignas(64) float lanes[kLanes] = {};
    for (std::size_t i = 0; i < kLanes && i < there; ++i) lanes[i] = from[i * output_stride];
    return _mm512_load_ps(lanes);
  }
};

// to[pair][Width] pairs of the outputs from `output` on; an odd last input is paired with zero.
template <std::size_t Width>
void pack(const Outputs& outputs, std::size_t output, std::size_t depth, std::uint16_t* to) {
  for (std::size_t p = 0; p < depth; p += 2, to += Width * kPairWords) {
    for (std::size_t lane = 0; lane < Width; lane += kLanes) {
      const __m512 even = outputs.load(output + lane, p);
      const __m512 odd = p + 1 < depth ? outputs.load(output + lane, p + 1) : _mm512_setzero_ps();
      store_bf16_pairs(to + lane * kPairWords, even, odd);
    }
  }
}

HALFBYTE_INLINE __m512bh as_pairs(__m512i bits) {
  __m512bh result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

// c [rows, columns] of one tile += or -= the products of `pairs` pairs.
void multiply_tile(const std::uint16_t* a, const std::uint16_t* b, std::size_t pairs, float* c,
                   std::size_t stride, std::size_t rows, std::size_t columns, bool subtract) {
  __m512 sums[kRowTile][kVectors];
  unroll<kRowTile>([&](auto r) HALFBYTE_INLINE_LAMBDA {
    unroll<kVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA { sums[r][v] = _mm512_setzero_ps(); });
  });
  for (std::size_t p = 0; p < pairs; ++p) {
    __m512bh weights[kVectors];
    unroll<kVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
      weights[v] = as_pairs(_mm512_loadu_si512(b + v * kLanes * kPairWords));
    });
    unroll<kRowTile>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      std::int32_t pair;
      std::memcpy(&pair, a + r * kPairWords, sizeof(pair));
      const __m512bh input = as_pairs(_mm512_set1_epi32(pair));
      unroll<kVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], input, weights[v]);
      });
    });
    a += kRowTile * kPairWords;
    b += kPanelColumns * kPairWords;
  }
  unroll<kRowTile>([&](auto r) HALFBYTE_INLINE_LAMBDA {
    if (static_cast<std::size_t>(r) >= rows) return;
    unroll<kVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
      const std::size_t begin = v * kLanes;
      if (columns <= begin) return;
      const __mmask16 lanes = first_lanes(columns - begin);
      float* to = c + r * stride + begin;
      const __m512 old = _mm512_maskz_loadu_ps(lanes, to);
      const __m512 sum = subtract ? _mm512_sub_ps(old, sums[r][v]) : _mm512_add_ps(old, sums[r][v]);
      _mm512_mask_storeu_ps(to, lanes, sum);
    });
  });
}

// All rows of A with a packed block of B: `columns` outputs from `column` on.
void multiply_block(const DenseProduct& t, const Outputs& a, std::size_t depth, std::size_t column,
                    std::size_t columns, const std::uint16_t* block, std::uint16_t* packed_rows) {
  const std::size_t pairs = (depth + 1) / 2;
  for (std::size_t i = 0; i < t.m; i += kRowTile) {
    const std::size_t rows = t.m - i < kRowTile ? t.m - i : kRowTile;
    pack<kRowTile>({a.data, a.output_stride, a.input_stride, i + rows}, i, depth, packed_rows);
    float* c = t.c + i * t.stride + column;
    for (std::size_t j = 0; j < columns; j += kPanelColumns) {
      multiply_tile(packed_rows, block + j * pairs * kPairWords, pairs, c + j, t.stride, rows,
                    columns - j, t.subtract);
    }
  }
}

}  // namespace

void avx512bf16_dense_multiply(const DenseProduct& t, std::byte* scratch) noexcept {
  auto* block = reinterpret_cast<std::uint16_t*>(scratch);
  std::uint16_t* packed_rows = block + kBlockWords;
  for (std::size_t p = 0; p < t.k; p += kDenseDepth) {
    const std::size_t depth = t.k - p < kDenseDepth ? t.k - p : kDenseDepth;
    const Outputs a = {t.a.data + p * t.a.column_stride, t.a.row_stride, t.a.column_stride, t.m};
    const Outputs b = {t.b.data + p * t.b.row_stride, t.b.column_stride, t.b.row_stride, t.n};
    for (std::size_t j = 0; j < t.n; j += kDenseColumns) {
      const std::size_t columns = t.n - j < kDenseColumns ? t.n - j : kDenseColumns;
      for (std::size_t i = 0; i < columns; i += kPanelColumns) {
        pack<kPanelColumns>(b, j + i, depth, block + i * ((depth + 1) / 2) * kPairWords);
      }
      multiply_block(t, a, depth, j, columns, block, packed_rows);
    }
  }
}

}  // namespace halfbyte
