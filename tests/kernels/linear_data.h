// Problems for the tests of packing and the linear kernels: matrices of arbitrary file bytes with
// moderate scales, and rows quantized as the contract says.
#pragma once

#include <cmath>
#include <cstring>
#include <new>
#include <random>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "base/half.h"
#include "kernels/linear.h"
#include "kernels/packed.h"
#include "kernels/reference/row_ops.h"
#include "tensor/view.h"

namespace halfbyte::testing {

// Memory that starts on a cache line. The page behind the line of its last byte cannot be touched,
// so that whoever reads or writes there ends the program, emulated tiles as well.
template <typename T>
class Aligned {
 public:
  explicit Aligned(std::size_t count) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t lines = (count * sizeof(T) + 63) / 64 * 64;
    const std::size_t bytes = (lines + page - 1) / page * page;
    size_ = bytes + page;
    base_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    std::byte* const end = static_cast<std::byte*>(base_) + bytes;
    if (::mprotect(end, page, PROT_NONE) != 0) throw std::bad_alloc();
    data_ = reinterpret_cast<T*>(end - lines);
  }
  ~Aligned() { ::munmap(base_, size_); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  T* get() { return data_; }

 private:
  void* base_ = nullptr;
  std::size_t size_ = 0;
  T* data_ = nullptr;
};

// Where the f16 scales of a file's block are (ggml's published layouts).
inline std::vector<std::size_t> scale_offsets(DType type) {
  switch (type) {
    case DType::q4_1:
    case DType::q5_1:
    case DType::q4_k:
    case DType::q5_k:
      return {0, 2};
    case DType::q2_k:
      return {80, 82};
    case DType::q3_k:
      return {108};
    case DType::q6_k:
      return {208};
    default:
      return {0};
  }
}

inline void put_half(std::byte* at, float value) {
  const std::uint16_t half = float_to_half(value);
  std::memcpy(at, &half, sizeof(half));
}

// A matrix in its file's format: every code equally likely, scales in +-[1/64, 1/32].
struct FileMatrix {
  std::vector<std::byte> bytes;
  TensorView view;

  FileMatrix(DType type, std::uint64_t n, std::uint64_t k, unsigned seed = 1) {
    std::minstd_rand random(seed);
    std::uniform_real_distribution<float> scale(1.0f / 64, 1.0f / 32);
    const auto value = [&] { return (random() % 2 == 0 ? 1.0f : -1.0f) * scale(random); };
    view = {"w", type, {n, k}, {}};
    bytes.resize(*tensor_bytes(type, view.shape));
    for (std::byte& byte : bytes) byte = std::byte(random() >> 7 & 255u);
    const std::size_t header = info(type).row_header;
    for (std::uint64_t row = 0; header != 0 && row < n; ++row) {
      const float f = value();
      std::memcpy(&bytes[row * *row_bytes(type, k)], &f, sizeof(f));
    }
    const std::size_t step = info(type).block_bytes;
    for (std::size_t i = 0; header == 0 && i < bytes.size(); i += step) {
      std::byte* block = bytes.data() + i;
      const float f = value();
      const std::uint16_t bfloat = float_to_bfloat16(f);
      if (type == DType::f32) {
        std::memcpy(block, &f, sizeof(f));
      } else if (type == DType::bf16) {
        std::memcpy(block, &bfloat, sizeof(bfloat));
      } else {
        for (const std::size_t at : scale_offsets(type)) put_half(block + at, value());
      }
    }
    view.data = bytes;
  }
};

struct Packed {
  Aligned<std::byte> bytes;
  PackedMatrix matrix;

  explicit Packed(const TensorView& source)
      : bytes(packed_bytes(source.dtype, source.rows(), source.columns())) {
    matrix = {source.dtype, source.rows(), source.columns(), bytes.get()};
    pack_panels(source, 0, matrix.panels(), bytes.get());
  }
};

// Rows of normal values, and the same quantized.
struct Inputs {
  std::size_t rows, k;
  std::vector<float> x;
  Aligned<std::int8_t> codes;
  std::vector<float> scales;
  std::vector<std::int32_t> sums;
  std::vector<Outlier> group_outliers;
  Aligned<std::uint16_t> words;
  Aligned<std::int8_t> token_bytes;
  std::vector<float> token_scales;
  std::vector<std::int32_t> token_sums;
  std::vector<std::uint32_t> outliers;  // empty: none are taken out

  Inputs(std::size_t m, std::size_t inputs, unsigned seed = 2)
      : rows(m),
        k(inputs),
        x(m * inputs),
        codes(m * inputs),
        scales(m * inputs / 32),
        sums(m * inputs / 16),
        group_outliers(outlier_places(m, inputs), Outlier{static_cast<std::uint32_t>(inputs), 0}),
        words(bf16_words(m, inputs)),
        token_bytes(token_codes(m, inputs)),
        token_scales(m),
        token_sums(m) {
    std::minstd_rand random(seed);
    std::normal_distribution<float> normal;
    for (float& f : x) f = normal(random);
    for (std::size_t g = 0; g < scales.size() && k % 32 == 0; ++g) quantize(g / (k / 32), g);
    for (std::size_t row = 0; row < rows; ++row) add_outliers(row);
    round();
  }
  // The rows as bfloat16 tiles. Rows that do not exist are NaN: no kernel may let them through.
  void round() {
    std::fill_n(words.get(), bf16_words(rows, k), std::uint16_t{0x7FC0});
    for (std::size_t row = 0; row < rows; ++row) {
      reference::store_bf16(x.data() + row * k, row, bf16());
    }
    by_token(kNoOutliers);
  }
  // The rows with one scale each, without inputs of at least this magnitude.
  void by_token(float limit) {
    if (k % 32 != 0) return;
    outliers.assign(limit < kNoOutliers ? rows * k / 32 : 0, 0u);
    for (std::size_t row = 0; row < rows; ++row) {
      reference::quantize_token(x.data() + row * k, row, limit, tokens());
    }
  }
  TokenRows tokens() {
    return {rows,
            k,
            token_bytes.get(),
            token_scales.data(),
            token_sums.data(),
            outliers.empty() ? nullptr : outliers.data(),
            x.data(),
            k};
  }
  // As kernels take it: outliers themselves, else scale * code.
  double by_token(std::size_t row, std::size_t i) {
    if (!outliers.empty() && (outliers[(row * k + i) / 32] >> i % 32 & 1u) != 0) {
      return static_cast<double>(x[row * k + i]);
    }
    const std::size_t block = row / kTokenRows * kTokenRows,
                      height = std::min(kTokenRows, rows - block);
    const std::size_t steps = (k + kTokenInputs - 1) / kTokenInputs;
    const std::size_t at = (block * steps + i / kTokenInputs * height + row - block) * kTokenInputs;
    return static_cast<double>(token_scales[row]) * token_bytes.get()[at + i % kTokenInputs];
  }
  Bf16Rows bf16() { return {rows, k, words.get()}; }
  QuantizedRows quantized() {
    return {rows, k, codes.get(), scales.data(), sums.data(), group_outliers.data()};
  }
  // As many outliers as there may be, at different inputs in the rows of a block.
  void crowd_outliers() {
    for (std::size_t row = 0; row < rows; ++row) {
      Outlier* at = quantized_row(quantized(), row).outliers;
      for (std::size_t group = 0; group < k / 32; ++group)
        *at++ = outlier_at(row, 32 * group + (7 * group + row) % 32);
    }
  }
  // What kernels add to the code of input i: the outlier there, or 0.
  float outlier(std::size_t row, std::size_t i) {
    const Outlier* at = quantized_row(quantized(), row).outliers;
    while (at->input < i) ++at;
    return at->input == i ? at->value : 0.0f;
  }
  // What quantized() holds of input i of a row.
  std::int8_t& code(std::size_t row, std::size_t i) {
    const QuantizedRow at = quantized_row(quantized(), row);
    return at.codes[i / 4 * 4 * at.stride + i % 4];
  }
  float& scale(std::size_t row, std::size_t i) {
    const QuantizedRow at = quantized_row(quantized(), row);
    return at.scales[i / 32 * at.stride];
  }
  std::int32_t& sum(std::size_t row, std::size_t i) {
    const QuantizedRow at = quantized_row(quantized(), row);
    return at.sums[i / 16 * at.stride];
  }

 private:
  // In every third group, some at the same input in several rows.
  void add_outliers(std::size_t row) {
    Outlier* at = quantized_row(quantized(), row).outliers;
    for (std::size_t group = row % 3; group < k / 32; group += 3)
      *at++ = outlier_at(row, 32 * group + (5 * group + row / 6) % 32);
  }
  Outlier outlier_at(std::size_t row, std::size_t input) const {
    return {static_cast<std::uint32_t>(input), 4.0f * x[row * k + input]};
  }
  void quantize(std::size_t row, std::size_t group) {
    float largest = 0;
    for (std::size_t i = group * 32; i < group * 32 + 32; ++i) {
      largest = std::max(largest, std::abs(x[i]));
    }
    for (std::size_t i = group * 32; i < group * 32 + 32; ++i) {
      const std::size_t input = i - row * k;
      scale(row, input) = largest / 127.0f;
      // The extreme value twice a group, so that integer sums reach far.
      const float value = i % 16 == 3 ? 127.0f : std::nearbyint(x[i] / (largest / 127.0f));
      code(row, input) = static_cast<std::int8_t>(value);
      sum(row, input) += code(row, input);
    }
  }
};

}  // namespace halfbyte::testing
