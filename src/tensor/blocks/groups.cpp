// The types with zero points (tensor/group_types.h): their blocks, decoding, rounding to nearest.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/group_types.h"

namespace halfbyte::blocks {

namespace {

constexpr std::size_t kRun = 32;    // elements whose bit planes lie together
constexpr std::size_t kHeader = 3;  // scale and zero
constexpr std::size_t kMostGroup = 128;
constexpr float kLargestHalf = 65504.0f;

template <unsigned kBits>
constexpr unsigned kHalf = 1u << (kBits - 1);
template <unsigned kBits>
constexpr float kTop = static_cast<float>((1u << kBits) - 1u);

// The element that field `field` of byte `byte` of a plane holds.
template <unsigned kWidth>
constexpr std::size_t element(std::size_t byte, std::size_t field) {
  if (kWidth == 4) return byte + 16 * field;
  return byte / 4 * (32 / kWidth) + 4 * field + byte % 4;
}

// The planes of kWidth bits of a run's codes, which are `shift` bits above the lowest one.
template <unsigned kWidth>
void put_plane(const std::uint8_t* codes, unsigned shift, std::uint8_t* plane) {
  for (std::size_t b = 0; b < 4 * kWidth; ++b) {
    unsigned byte = 0;
    for (std::size_t f = 0; f < 8 / kWidth; ++f) {
      const unsigned code = codes[element<kWidth>(b, f)];
      byte |= ((code >> shift) & ((1u << kWidth) - 1u)) << (kWidth * f);
    }
    plane[b] = static_cast<std::uint8_t>(byte);
  }
}
template <unsigned kWidth>
void add_plane(const std::uint8_t* plane, unsigned shift, std::uint8_t* codes) {
  for (std::size_t b = 0; b < 4 * kWidth; ++b) {
    for (std::size_t f = 0; f < 8 / kWidth; ++f) {
      const unsigned bits = (unsigned{plane[b]} >> (kWidth * f)) & ((1u << kWidth) - 1u);
      std::uint8_t& code = codes[element<kWidth>(b, f)];
      code = static_cast<std::uint8_t>(code | bits << shift);
    }
  }
}

// Codes from and to a block, after its header.
template <unsigned kBits>
void pack_codes(std::size_t group, const std::uint8_t* codes, std::uint8_t* planes) {
  constexpr unsigned kLow = kBits == 3 ? 2 : kBits;
  for (std::size_t i = 0; i < group; i += kRun, codes += kRun, planes += 4 * kBits) {
    put_plane<kLow>(codes, 0, planes);
    if constexpr (kBits != kLow) put_plane<kBits - kLow>(codes, kLow, planes + 4 * kLow);
  }
}
template <unsigned kBits>
void unpack_codes(std::size_t group, const std::uint8_t* planes, std::uint8_t* codes) {
  constexpr unsigned kLow = kBits == 3 ? 2 : kBits;
  std::memset(codes, 0, group);
  for (std::size_t i = 0; i < group; i += kRun, codes += kRun, planes += 4 * kBits) {
    add_plane<kLow>(planes, 0, codes);
    if constexpr (kBits != kLow) add_plane<kBits - kLow>(planes + 4 * kLow, kLow, codes);
  }
}

void store_scale(GroupScale scale, std::uint8_t* block) {
  store(block, scale.scale);
  block[2] = scale.zero;
}
GroupScale load_scale(const std::uint8_t* block) {
  return {load<std::uint16_t>(block), block[2]};
}

// The nearest integer, ties to even, of |v| < 2^22, without a call: vectors of them.
float round_even(float v) {
  constexpr float kShift = 0x1.8p23f;
  return (v + kShift) - kShift;
}
// NaN becomes low.
float clamp(float v, float low, float high) {
  const float above = v > low ? v : low;
  return above < high ? above : high;
}

struct Range {
  float low = 0.0f;  // not above 0
  float high = 0.0f;
};
// NaNs are passed over.
Range range_of(const float* x, std::size_t n) {
  Range range;
  for (std::size_t i = 0; i < n; ++i) {
    range.low = x[i] < range.low ? x[i] : range.low;
    range.high = x[i] > range.high ? x[i] : range.high;
  }
  return range;
}

// Of a group of zeros (or of what a half cannot scale) GPTQ makes one from -1 to 1.
template <unsigned kBits>
GroupScale scale_of_range(Range range, bool symmetric) {
  std::uint16_t scale =
      float_to_half(std::min((range.high - range.low) / kTop<kBits>, kLargestHalf));
  if (half_to_float(scale) == 0.0f) {
    range = {-1.0f, 1.0f};
    scale = float_to_half(2.0f / kTop<kBits>);
  }
  if (symmetric) return {scale, static_cast<std::uint8_t>(kHalf<kBits>)};
  const float zero = round_even(clamp(-range.low / half_to_float(scale), 0.0f, kTop<kBits>));
  return {scale, static_cast<std::uint8_t>(zero)};
}

template <unsigned kBits>
GroupScale fit(const float* x, std::size_t n, ScaleRules rules) {
  Range range = range_of(x, n);
  if (rules.symmetric) {
    range.high = std::max(range.high, -range.low);
    range.low = -range.high;
  }
  const GroupScale scale = scale_of_range<kBits>(range, rules.symmetric);
  if (!rules.positive_zeros || scale.zero != 0) return scale;
  range.low = -range.high / (kTop<kBits> - 1.0f);  // one code below 0
  return {scale_of_range<kBits>(range, false).scale, 1};
}

template <unsigned kBits>
void round_codes(GroupScale scale, const float* x, std::size_t n, std::uint8_t* codes) {
  const float d = half_to_float(scale.scale);
  const auto zero = static_cast<float>(scale.zero);
  for (std::size_t i = 0; i < n; ++i) {
    const float steps = round_even(clamp(x[i] / d, -zero, kTop<kBits> - zero));
    codes[i] = static_cast<std::uint8_t>(static_cast<int>(steps + zero));
  }
}

template <unsigned kBits>
void encode(std::size_t group, ScaleRules rules, const float* src, std::byte* dst, std::size_t n) {
  auto* block = reinterpret_cast<std::uint8_t*>(dst);
  const std::size_t sharing = rules.by_row ? n : group;  // elements
  std::array<std::uint8_t, kMostGroup> codes;
  GroupScale scale;
  for (std::size_t i = 0; i < n; i += group, block += group_block_bytes(kBits, group)) {
    if (i % sharing == 0) scale = fit<kBits>(src + i, sharing, rules);
    round_codes<kBits>(scale, src + i, group, codes.data());
    store_scale(scale, block);
    pack_codes<kBits>(group, codes.data(), block + kHeader);
  }
}

template <unsigned kBits>
void decode(std::size_t group, const std::byte* src, float* dst, std::size_t n) {
  const auto* block = reinterpret_cast<const std::uint8_t*>(src);
  std::array<std::uint8_t, kMostGroup> codes;
  for (std::size_t i = 0; i < n; i += group, block += group_block_bytes(kBits, group)) {
    unpack_codes<kBits>(group, block + kHeader, codes.data());
    const GroupScale scale = load_scale(block);
    const float d = half_to_float(scale.scale);
    constexpr int kOffset = kHalf<kBits>;
    const float min = d * static_cast<float>(scale.zero - kOffset);
    for (std::size_t j = 0; j < group; ++j) {
      dst[i + j] = d * static_cast<float>(codes[j] - kOffset) - min;
    }
  }
}

struct Codec {
  void (*pack)(std::size_t group, const std::uint8_t* codes, std::uint8_t* planes);
  void (*unpack)(std::size_t group, const std::uint8_t* planes, std::uint8_t* codes);
  void (*encode)(std::size_t group, ScaleRules rules, const float* src, std::byte* dst,
                 std::size_t n);
};
template <unsigned kBits>
constexpr Codec kCodec = {pack_codes<kBits>, unpack_codes<kBits>, encode<kBits>};

const Codec& codec_of(const GroupType& type) {
  switch (type.bits) {
    case 2:
      return kCodec<2>;
    case 3:
      return kCodec<3>;
    case 4:
      return kCodec<4>;
    default:
      return kCodec<8>;
  }
}

}  // namespace

template <unsigned kBits, std::size_t kGroup>
void decode_groups(const std::byte* src, float* dst, std::size_t n) {
  decode<kBits>(kGroup, src, dst, n);
}
template <unsigned kBits, std::size_t kGroup>
void encode_groups(const float* src, std::byte* dst, std::size_t n) {
  encode<kBits>(kGroup, {}, src, dst, n);
}

#define HALFBYTE_GROUP(bits, group)                                                \
  template void decode_groups<bits, group>(const std::byte*, float*, std::size_t); \
  template void encode_groups<bits, group>(const float*, std::byte*, std::size_t);
#define HALFBYTE_GROUPS(bits) \
  HALFBYTE_GROUP(bits, 32) HALFBYTE_GROUP(bits, 64) HALFBYTE_GROUP(bits, 128)
HALFBYTE_GROUPS(2)
HALFBYTE_GROUPS(3)
HALFBYTE_GROUPS(4)
HALFBYTE_GROUPS(8)
#undef HALFBYTE_GROUPS
#undef HALFBYTE_GROUP

}  // namespace halfbyte::blocks

namespace halfbyte {

namespace {

constexpr auto kTypes = std::to_array<GroupType>({
    {DType::w2g32, 2, 32},
    {DType::w2g64, 2, 64},
    {DType::w2g128, 2, 128},
    {DType::w3g32, 3, 32},
    {DType::w3g64, 3, 64},
    {DType::w3g128, 3, 128},
    {DType::w4g32, 4, 32},
    {DType::w4g64, 4, 64},
    {DType::w4g128, 4, 128},
    {DType::w8g32, 8, 32},
    {DType::w8g64, 8, 64},
    {DType::w8g128, 8, 128},
});

}  // namespace

std::span<const GroupType> all_group_types() {
  return kTypes;
}

const GroupType* find_group_type(DType dtype) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const GroupType& type) { return type.dtype == dtype; });
  return found == kTypes.end() ? nullptr : found;
}

const GroupType* find_group_type(unsigned bits, std::size_t group) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const GroupType& type) {
    return type.bits == bits && type.group == group;
  });
  return found == kTypes.end() ? nullptr : found;
}

void pack_group(const GroupType& type, GroupScale scale, const std::uint8_t* codes,
                std::byte* dst) {
  auto* block = reinterpret_cast<std::uint8_t*>(dst);
  blocks::store_scale(scale, block);
  blocks::codec_of(type).pack(type.group, codes, block + blocks::kHeader);
}

GroupScale unpack_group(const GroupType& type, const std::byte* block, std::uint8_t* codes) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(block);
  blocks::codec_of(type).unpack(type.group, bytes + blocks::kHeader, codes);
  return blocks::load_scale(bytes);
}

GroupScale scale_of_group(const std::byte* block) {
  return blocks::load_scale(reinterpret_cast<const std::uint8_t*>(block));
}

void encode_groups(const GroupType& type, ScaleRules rules, const float* src, std::byte* dst,
                   std::size_t n) {
  blocks::codec_of(type).encode(type.group, rules, src, dst, n);
}

}  // namespace halfbyte
