// Norms, rope, activations, softmax, quantizing and storing rows, written once over the vocabulary
// of an ISA's vec.h (included in an anonymous namespace, after generic/math.inl). Contracts:
// kernels/row_ops.h.

constexpr std::size_t kGroup = 32;  // inputs that share a scale
constexpr std::size_t kHalfBytes = 2;
constexpr std::uint32_t kInfinityBits = 0x7F800000u;
constexpr float kLargest = __FLT_MAX__;

// The next kLanes of n remaining floats, or what is left of them (then zeros).
inline Vec load_some(const float* p, std::size_t n) {
  return n >= kLanes ? load(p) : load_first(p, n);
}
inline void store_some(float* p, Vec v, std::size_t n) {
  if (n >= kLanes) {
    store(p, v);
  } else {
    store_first(p, v, n);
  }
}

inline float inverse_deviation(double mean_square, float eps) {
  return static_cast<float>(1.0 / root(mean_square + double{eps}));
}

void rms_norm(const float* x, const float* weight, float offset, float eps, std::size_t n,
              float* y) noexcept {
  Sum squares;
  for (std::size_t i = 0; i < n; i += kLanes) sum_add_square(squares, load_some(x + i, n - i));
  const Vec inverse = set1(inverse_deviation(total(squares) / static_cast<double>(n), eps));
  const Vec shift = set1(offset);
  for (std::size_t i = 0; i < n; i += kLanes) {
    const Vec w = weight != nullptr ? load_some(weight + i, n - i) : set1(1.0f);
    const Vec normal = mul(load_some(x + i, n - i), inverse);
    store_some(y + i, mul(normal, add(shift, w)), n - i);
  }
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, std::size_t n,
                float* y) noexcept {
  Sum sum;
  for (std::size_t i = 0; i < n; i += kLanes) sum_add(sum, load_some(x + i, n - i));
  // The mean in two parts, so that rows far from zero keep their precision.
  const double mean = total(sum) / static_cast<double>(n);
  const auto high = static_cast<float>(mean);
  const Vec mean_high = set1(high);
  const Vec mean_low = set1(static_cast<float>(mean - double{high}));
  Sum squares;
  for (std::size_t i = 0; i < n; i += kLanes) {
    Vec d = sub(sub(load_some(x + i, n - i), mean_high), mean_low);
    if (n - i < kLanes) d = select(lanes(0, n - i), d, set1(0.0f));
    sum_add_square(squares, d);
  }
  const Vec inverse = set1(inverse_deviation(total(squares) / static_cast<double>(n), eps));
  for (std::size_t i = 0; i < n; i += kLanes) {
    const Vec d = sub(sub(load_some(x + i, n - i), mean_high), mean_low);
    const Vec w = weight != nullptr ? load_some(weight + i, n - i) : set1(1.0f);
    const Vec b = bias != nullptr ? load_some(bias + i, n - i) : set1(0.0f);
    store_some(y + i, fma(mul(d, inverse), w, b), n - i);
  }
}

// One head; pairs (i, i + half).
void rotate_halves(float* x, std::size_t half, const float* cos_sin) noexcept {
  for (std::size_t i = 0; i < half; i += kLanes) {
    const Vec cosine = load_some(cos_sin + i, half - i);
    const Vec sine = load_some(cos_sin + half + i, half - i);
    const Vec a = load_some(x + i, half - i);
    const Vec b = load_some(x + half + i, half - i);
    store_some(x + i, fnma(b, sine, mul(a, cosine)), half - i);
    store_some(x + half + i, fma(a, sine, mul(b, cosine)), half - i);
  }
}

// One head; pairs (2i, 2i + 1).
void rotate_neighbours(float* x, std::size_t half, const float* cos_sin) noexcept {
  std::size_t i = 0;
  for (; i + kLanes / 2 <= half; i += kLanes / 2) {
    const Vec v = load(x + 2 * i);
    const Vec turned = mul(swap_pairs(v), load_twice(cos_sin + half + i));
    store(x + 2 * i, fma_subtract_even(v, load_twice(cos_sin + i), turned));
  }
  for (; i < half; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = a * cos_sin[i] - b * cos_sin[half + i];
    x[2 * i + 1] = b * cos_sin[i] + a * cos_sin[half + i];
  }
}

void rope(float* x, std::size_t heads, std::size_t head_dim, std::size_t rotary_dim,
          const float* cos_sin, bool interleaved) noexcept {
  const auto rotate = interleaved ? rotate_neighbours : rotate_halves;
  for (std::size_t head = 0; head < heads; ++head)
    rotate(x + head * head_dim, rotary_dim / 2, cos_sin);
}

template <class Act>
void activate_with(const float* x, std::size_t n, float* y) noexcept {
  for (std::size_t i = 0; i < n; i += kLanes)
    store_some(y + i, Act::apply(load_some(x + i, n - i)), n - i);
}

template <class Act>
void gate_with(const float* gate, const float* up, std::size_t n, float* y) noexcept {
  for (std::size_t i = 0; i < n; i += kLanes) {
    const Vec value = Act::apply(load_some(gate + i, n - i));
    store_some(y + i, mul(value, load_some(up + i, n - i)), n - i);
  }
}

// In the order of Activation.
constexpr void (*kActivate[])(const float*, std::size_t, float*) noexcept = {
    activate_with<Relu>, activate_with<Gelu>, activate_with<GeluTanh>, activate_with<Silu>,
    activate_with<QuickGelu>};
constexpr void (*kGate[])(const float*, const float*, std::size_t, float*) noexcept = {
    gate_with<Relu>, gate_with<Gelu>, gate_with<GeluTanh>, gate_with<Silu>, gate_with<QuickGelu>};

void activate(Activation act, const float* x, std::size_t n, float* y) noexcept {
  kActivate[static_cast<std::size_t>(act)](x, n, y);
}

void activate_gated(Activation act, const float* gate, const float* up, std::size_t n,
                    float* y) noexcept {
  kGate[static_cast<std::size_t>(act)](gate, up, n, y);
}

void add_rows(const float* x, std::size_t n, float* y) noexcept {
  for (std::size_t i = 0; i < n; i += kLanes)
    store_some(y + i, add(load_some(y + i, n - i), load_some(x + i, n - i)), n - i);
}

void scale_row(float s, std::size_t n, float* y) noexcept {
  for (std::size_t i = 0; i < n; i += kLanes)
    store_some(y + i, mul(load_some(y + i, n - i), set1(s)), n - i);
}

void softmax(float* x, std::size_t n) noexcept {
  Vec top = set1(-kInfinity);
  for (std::size_t i = 0; i < n; i += kLanes) {
    const Vec v = load_some(x + i, n - i);
    top = max(top, n - i >= kLanes ? v : select(lanes(0, n - i), v, top));
  }
  const Vec highest = set1(reduce_max(top));
  Sum sum;
  for (std::size_t i = 0; i < n; i += kLanes) {
    Vec v = exp_nonpositive(sub(load_some(x + i, n - i), highest));
    if (n - i < kLanes) v = select(lanes(0, n - i), v, set1(0.0f));
    store_some(x + i, v, n - i);
    sum_add(sum, v);
  }
  scale_row(static_cast<float>(1.0 / total(sum)), n, x);
}

// Codes of 32 inputs of that largest magnitude; returns the scale. The formula is that of the
// reference, bit for bit.
inline float quantize_group(const float* x, std::uint32_t max_bits, std::int8_t* codes) {
  if (max_bits >= kInfinityBits) {
    std::memset(codes, 0, kGroup);
    return __builtin_nanf("");
  }
  float largest = 0.0f;
  std::memcpy(&largest, &max_bits, sizeof largest);
  const float ratio = largest > 0.0f ? 127.0f / largest : kLargest;
  quantize32(x, ratio < kLargest ? ratio : kLargest, codes);
  return largest / 127.0f;
}

inline std::uint32_t magnitude_bits(float x) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return bits & 0x7FFFFFFFu;
}

// Leaves the largest magnitudes of the groups, as f32, where their scales go; returns that above
// which one is an outlier.
inline float find_maxima(const float* x, std::size_t groups, const QuantizedRow& to) {
  float sum = 0.0f;
  for (std::size_t group = 0; group < groups; ++group) {
    const std::uint32_t bits = max_magnitude_bits32(x + group * kGroup);
    float max = 0.0f;
    std::memcpy(&max, &bits, sizeof max);
    to.scales[group * to.stride] = max;
    sum += max;
  }
  return kOutlierRatio * sum / static_cast<float>(groups);
}

// inputs = 32 of x without the first of magnitude `max`; returns its place.
inline std::size_t without_largest(const float* x, float max, float* inputs) {
  std::memcpy(inputs, x, kGroup * sizeof(float));
  std::size_t i = 0;
  while (magnitude_bits(inputs[i]) != magnitude_bits(max)) ++i;
  inputs[i] = 0.0f;
  return i;
}

void quantize_groups(const float* x, std::size_t row, const QuantizedRows& out) noexcept {
  const QuantizedRow to = quantized_row(out, row);
  const std::size_t groups = out.k / kGroup;
  const float limit = find_maxima(x, groups, to);
  Outlier* outlier = to.outliers;
  std::int8_t* dst = to.codes;
  for (std::size_t group = 0; group < groups; ++group) {
    alignas(64) float inputs[kGroup];
    alignas(64) std::int8_t codes[kGroup];
    const float* src = x + group * kGroup;
    float& scale = to.scales[group * to.stride];
    std::uint32_t max_bits = magnitude_bits(scale);
    if (scale > limit) {
      const std::size_t place = without_largest(src, scale, inputs);
      *outlier++ = {static_cast<std::uint32_t>(group * kGroup + place), src[place]};
      src = inputs;
      max_bits = max_magnitude_bits32(inputs);
    }
    scale = quantize_group(src, max_bits, codes);
    to.sums[2 * group * to.stride] = sum_codes16(codes);
    to.sums[(2 * group + 1) * to.stride] = sum_codes16(codes + 16);
    for (std::size_t i = 0; i < kGroup; i += 4, dst += 4 * to.stride)
      std::memcpy(dst, codes + i, 4);
  }
  *outlier = {static_cast<std::uint32_t>(out.k), 0.0f};
}

void store_halves(const float* x, std::size_t n, std::byte* dst) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_half(dst + i * kHalfBytes, load(x + i));
  if (i == n) return;
  std::byte rest[kLanes * kHalfBytes];
  store_half(rest, load_first(x + i, n - i));
  std::memcpy(dst + i * kHalfBytes, rest, (n - i) * kHalfBytes);
}

// q8_0: f16 scale, then 32 codes.
void store_q8(const float* x, std::size_t n, std::byte* dst) {
  for (std::size_t i = 0; i < n; i += kGroup, dst += kHalfBytes + kGroup) {
    std::int8_t codes[kGroup];
    std::byte scale[kLanes * kHalfBytes];
    store_half(scale, set1(quantize_group(x + i, max_magnitude_bits32(x + i), codes)));
    std::memcpy(dst, scale, kHalfBytes);
    std::memcpy(dst + kHalfBytes, codes, kGroup);
  }
}

void store_bf16(const float* x, std::size_t row, const Bf16Rows& out) noexcept {
  constexpr std::size_t kStep = kBf16Rows * kBf16Inputs;
  const std::size_t steps = (out.k + kBf16Inputs - 1) / kBf16Inputs;
  std::uint16_t* dst = out.words + row / kBf16Rows * steps * kStep + row % kBf16Rows * kBf16Inputs;
  for (std::size_t i = 0; i < out.k; i += kBf16Inputs, dst += kStep) {
    for (std::size_t j = 0; j < kBf16Inputs; j += kLanes) {
      const std::size_t left = i + j < out.k ? out.k - i - j : 0;
      store_words(dst + j, load_some(x + i + j, left));
    }
  }
}

void store_cache(const float* x, std::size_t n, DType dtype, std::byte* dst) noexcept {
  if (dtype == DType::f32) {
    std::memcpy(dst, x, n * sizeof(float));
  } else if (dtype == DType::f16) {
    store_halves(x, n, dst);
  } else {
    store_q8(x, n, dst);
  }
}
