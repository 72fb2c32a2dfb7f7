// Quantizing to 8 bits with one scale a row, bit for bit as the reference does it. Included inside
// an anonymous namespace, after generic/row_ops.inl.

// What a row's scale is taken from.
struct Peaks {
  std::uint32_t all;   // bits of the largest magnitude
  std::uint32_t kept;  // without outliers
};

// Marks a group's outliers; returns the bits of the largest magnitude among the others.
inline std::uint32_t mark_outliers(const float* x, std::uint32_t limit, std::uint32_t& word) {
  std::uint32_t kept = 0;
  for (std::size_t i = 0; i < kGroup; ++i) {
    const std::uint32_t bits = magnitude_bits(x[i]);
    const bool out = bits >= limit;
    word |= static_cast<std::uint32_t>(out) << i;
    kept = !out && bits > kept ? bits : kept;
  }
  return kept;
}

// words: [k/32], nullptr where there are no outliers.
inline Peaks find_peaks(const float* x, std::size_t k, float outliers, std::uint32_t* words) {
  const std::uint32_t limit = words != nullptr ? magnitude_bits(outliers) : 0xFFFFFFFFu;
  Peaks peaks = {0, 0};
  for (std::size_t i = 0; i < k; i += kGroup) {
    const std::uint32_t bits = max_magnitude_bits32(x + i);
    peaks.all = bits > peaks.all ? bits : peaks.all;
    std::uint32_t word = 0;
    const std::uint32_t kept = bits >= limit ? mark_outliers(x + i, limit, word) : bits;
    peaks.kept = kept > peaks.kept ? kept : peaks.kept;
    if (words != nullptr) words[i / kGroup] = word;
  }
  return peaks;
}

inline void clear_codes(std::uint32_t word, std::int8_t* codes) {
  for (; word != 0; word &= word - 1) codes[__builtin_ctz(word)] = 0;
}

// Groups of 32 codes: group g at first + g / 2 * step + g % 2 * 32.
struct CodePlace {
  std::int8_t* first;
  std::size_t step;
};
inline CodePlace code_place(const TokenRows& out, std::size_t row) {
  const std::size_t block = row / kTokenRows * kTokenRows;
  const std::size_t left = out.rows - block;
  const std::size_t steps = (out.k + kTokenInputs - 1) / kTokenInputs;
  return {out.codes + (block * steps + row - block) * kTokenInputs,
          (left < kTokenRows ? left : kTokenRows) * kTokenInputs};
}

void quantize_token(const float* x, std::size_t row, float outliers,
                    const TokenRows& out) noexcept {
  const std::size_t groups = out.k / kGroup;
  std::uint32_t* words = out.outliers == nullptr ? nullptr : out.outliers + row * groups;
  const Peaks peaks = find_peaks(x, out.k, outliers, words);
  const bool finite = peaks.all < kInfinityBits;
  float largest = 0.0f;
  std::memcpy(&largest, &peaks.kept, sizeof largest);
  const float ratio = largest > 0.0f ? 127.0f / largest : kLargest;
  const float inverse = ratio < kLargest ? ratio : kLargest;
  const CodePlace place = code_place(out, row);
  std::int32_t sum = 0;
  for (std::size_t g = 0; g < groups + groups % 2; ++g) {
    std::int8_t* codes = place.first + g / 2 * place.step + g % 2 * kGroup;
    if (g == groups || !finite) {
      std::memset(codes, 0, kGroup);
      if (g < groups && words != nullptr) words[g] = 0;
      continue;
    }
    quantize32(x + g * kGroup, inverse, codes);
    if (words != nullptr) clear_codes(words[g], codes);
    sum += sum_codes16(codes) + sum_codes16(codes + 16);
  }
  out.sums[row] = sum;
  out.scales[row] = finite ? largest / 127.0f : __builtin_nanf("");
}
