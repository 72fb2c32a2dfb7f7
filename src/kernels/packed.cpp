// The layout table, and packing and reading whole matrices by it.
#include "kernels/packed.h"

#include <vector>

#include "base/half.h"
#include "kernels/packed_blocks.h"

namespace halfbyte {
namespace {

PackedFormat floats(DType dtype, std::uint32_t bytes, const BlockPacker& packer) {
  return {dtype, 1, 16 * bytes, 0, 0, 0, false, SubScale::none, false, packer.pack, packer.unpack};
}

// 16 outputs: f16 scales [, f16 mins] [, sub-scales [, sub-mins]], 64 bytes a bit of 32 codes.
PackedFormat blocks(DType dtype, std::uint32_t block, std::uint32_t group, std::int32_t offset,
                    std::uint32_t bits, bool has_min, SubScale sub, bool table,
                    const BlockPacker& packer) {
  std::uint32_t bytes = (has_min ? 64u : 32u) + block / 32 * bits * 64;
  if (sub != SubScale::none) bytes += block / group * 16;
  if (sub == SubScale::u8) bytes += block / group * 16;
  return {dtype,   block, bytes, group,       offset,       bits,
          has_min, sub,   table, packer.pack, packer.unpack};
}

// One scale and one zero point for the whole block.
template <std::uint32_t kBits, std::uint32_t kBlock>
PackedFormat with_zero_points(DType dtype) {
  constexpr std::size_t kWords = kBlock * kBits / 32;
  const BlockPacker packer = group_packer<kWords>();
  return {dtype,          kBlock, 48 + 64 * kWords, 32,           1 << (kBits - 1), kBits, true,
          SubScale::zero, false,  packer.pack,      packer.unpack};
}

// A scale a row before all blocks, which hold a signed byte an input, as it is or as `bits`.
PackedFormat row_scaled(DType dtype, std::uint32_t bits, SubScale sub, const BlockPacker& packer,
                        float outliers = kNoOutliers) {
  const std::uint32_t bytes = bits * 64 + (sub == SubScale::row_integers ? 16u : 0u);
  return {dtype,
          32,
          bytes,
          32,
          128,
          bits,
          false,
          sub,
          false,
          packer.pack,
          packer.unpack,
          outliers,
          16 * sizeof(float)};
}

std::uint32_t read_word(const std::byte* p) {
  return packing::load_word(p);
}
float read_half(const std::byte* p) {
  std::uint16_t h;
  std::memcpy(&h, p, sizeof(h));
  return half_to_float(h);
}

// Offsets in a block.
std::size_t sub_scales_at(const PackedFormat& f) {
  return f.has_min && f.sub_scale != SubScale::zero ? 64 : 32;
}
std::size_t codes_at(const PackedFormat& f) {
  return f.block_bytes - f.block / 32 * f.bits * 64;
}

// Step s of a group's plane of the given width: 4 codes of output o, a byte each.
std::uint32_t plane_word(const std::byte* plane, unsigned width, std::size_t s, std::size_t o) {
  const std::size_t chunks = width;  // of 64 bytes; 8 / width steps share a chunk
  switch (width) {
    case 8:
      return read_word(plane + 64 * s + 4 * o);
    case 4:
      return (read_word(plane + 64 * (s % chunks) + 4 * o) >> (4 * (s / chunks))) & 0x0F0F0F0Fu;
    case 2:
      return (read_word(plane + 64 * (s / 4) + 4 * o) >> (2 * (s % 4))) & 0x03030303u;
    default:
      return (read_word(plane + 4 * o) >> s) & 0x01010101u;
  }
}

// The planes that make up codes of `bits`: the low one, then the high one (0: there is none).
struct Planes {
  unsigned low;
  unsigned high;
};
Planes planes_of(std::uint32_t bits) {
  const unsigned low = bits >= 8 ? 8u : bits >= 4 ? 4u : 2u;
  return {low, bits - low};
}

struct GroupScale {
  float scale;
  float min;
};
float read_float(const std::byte* p) {
  float value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

const std::byte* block_at(const PackedFormat& f, const std::byte* panel, std::size_t index) {
  return panel + f.panel_header + index * f.block_bytes;
}

GroupScale group_scale(const PackedFormat& f, const std::byte* panel, const std::byte* block,
                       std::size_t g, std::size_t o) {
  if (f.panel_header != 0) return {read_float(panel + 4 * o), 0.0f};
  const float d = read_half(block + 2 * o);
  if (f.sub_scale == SubScale::zero) {
    const int zero = std::to_integer<int>(block[sub_scales_at(f) + o]);
    return {d, d * static_cast<float>(zero - f.offset)};
  }
  const float m = f.has_min ? read_half(block + 32 + 2 * o) : 0.0f;
  if (f.sub_scale == SubScale::none) return {d, f.has_min ? -m : 0.0f};  // the file adds its min
  const std::byte* sub = block + sub_scales_at(f) + 16 * g + o;
  const unsigned code = std::to_integer<unsigned>(*sub);
  switch (f.sub_scale) {
    case SubScale::i8:
      return {d * static_cast<float>(static_cast<std::int8_t>(code)), 0.0f};
    case SubScale::nibbles:
      return {d * static_cast<float>(code & 15u), m * static_cast<float>(code >> 4)};
    default: {
      const std::byte sub_min = sub[16 * (f.block / f.group)];
      return {d * static_cast<float>(code),
              m * static_cast<float>(std::to_integer<unsigned>(sub_min))};
    }
  }
}

// What the 4-bit codes of w4a8 stand for, + 128 in 8 bits.
void scale_codes(std::byte integers, std::uint8_t* four) {
  const int scale = std::to_integer<int>(integers & std::byte{15}) + 1;
  const int zero = std::to_integer<int>(integers >> 4);
  for (std::size_t i = 0; i < 4; ++i) {
    four[i] = static_cast<std::uint8_t>((four[i] - zero) * scale + 128);
  }
}

void decode_float_block(const PackedFormat& f, const std::byte* block, std::size_t begin,
                        std::size_t end, float* dst) {
  for (std::size_t o = begin; o < end; ++o) {
    std::uint16_t half = 0;
    if (f.dtype == DType::f32) {
      std::memcpy(dst + o, block + 4 * o, 4);
      continue;
    }
    std::memcpy(&half, block + 2 * o, 2);
    dst[o] = f.dtype == DType::f16 ? half_to_float(half) : bfloat16_to_float(half);
  }
}

const PackedFormat& format_of(DType dtype, std::uint64_t k) {
  const PackedFormat* format = find_packed_format(dtype);
  if (format == nullptr) fail_unsupported("", "weights of type " + std::string(name(dtype)));
  if (k % format->block != 0) {
    fail_unsupported("", "a " + std::string(name(dtype)) + " matrix of " + std::to_string(k) +
                             " inputs (not a multiple of " + std::to_string(format->block) + ")");
  }
  if (format->panel_header != 0 && k > kMaxTokenInputs) {
    fail_unsupported("", "a " + std::string(name(dtype)) + " matrix of " + std::to_string(k) +
                             " inputs (more than " + std::to_string(kMaxTokenInputs) + ")");
  }
  return *format;
}

std::uint64_t bytes_of_panel(const PackedFormat& format, std::uint64_t k) {
  return format.panel_header + k / format.block * format.block_bytes;
}

}  // namespace

std::span<const PackedFormat> all_packed_formats() {
  using enum DType;
  constexpr SubScale kNone = SubScale::none;
  constexpr SubScale kU8 = SubScale::u8;
  constexpr SubScale kI8 = SubScale::i8;
  static const PackedFormat table[] = {
      floats(f32, 4, kPackF32),
      floats(f16, 2, kPackHalf),
      floats(bf16, 2, kPackHalf),
      //     type  block group offset bits min    sub-scales        table
      blocks(q4_0, 32, 32, 8, 4, false, kNone, false, kPackQ4_0),
      blocks(q4_1, 32, 32, 0, 4, true, kNone, false, kPackQ4_1),
      blocks(q5_0, 32, 32, 16, 5, false, kNone, false, kPackQ5_0),
      blocks(q5_1, 32, 32, 0, 5, true, kNone, false, kPackQ5_1),
      blocks(q8_0, 32, 32, 128, 8, false, kNone, false, kPackQ8_0),
      blocks(q2_k, 256, 16, 0, 2, true, SubScale::nibbles, false, kPackQ2K),
      blocks(q3_k, 256, 16, 4, 3, false, kI8, false, kPackQ3K),
      blocks(q4_k, 256, 32, 0, 4, true, kU8, false, kPackQ4K),
      blocks(q5_k, 256, 32, 0, 5, true, kU8, false, kPackQ5K),
      blocks(q6_k, 256, 16, 32, 6, false, kI8, false, kPackQ6K),
      blocks(iq4_nl, 32, 32, 128, 4, false, kNone, true, kPackQ4_0),
      blocks(iq4_xs, 256, 32, 128, 4, false, kI8, true, kPackIq4Xs),
      with_zero_points<2, 32>(w2g32),
      with_zero_points<2, 64>(w2g64),
      with_zero_points<2, 128>(w2g128),
      with_zero_points<3, 32>(w3g32),
      with_zero_points<3, 64>(w3g64),
      with_zero_points<3, 128>(w3g128),
      with_zero_points<4, 32>(w4g32),
      with_zero_points<4, 64>(w4g64),
      with_zero_points<4, 128>(w4g128),
      with_zero_points<8, 32>(w8g32),
      with_zero_points<8, 64>(w8g64),
      with_zero_points<8, 128>(w8g128),
      row_scaled(w8a8, 8, SubScale::row, kPackRowInt8),
      row_scaled(int8, 8, SubScale::row, kPackRowInt8, 6.0f),  // the limit of LLM.int8()
      row_scaled(w4a8, 4, SubScale::row_integers, kPackRowInt4),
  };
  return table;
}

const PackedFormat* find_packed_format(DType dtype) {
  for (const PackedFormat& format : all_packed_formats()) {
    if (format.dtype == dtype) return &format;
  }
  return nullptr;
}

std::uint64_t PackedMatrix::panel_bytes() const {
  const PackedFormat* format = find_packed_format(dtype);
  return format == nullptr ? 0 : bytes_of_panel(*format, k);
}

std::uint64_t packed_bytes(DType dtype, std::uint64_t n, std::uint64_t k) {
  const PackedFormat& format = format_of(dtype, k);
  const std::uint64_t panels = n / kPanel + (n % kPanel != 0 ? 1 : 0);
  const auto blocks = checked_mul(k / format.block, format.block_bytes);
  const auto panel = blocks ? checked_add(*blocks, format.panel_header) : std::nullopt;
  const auto bytes = panel ? checked_mul(*panel, panels) : std::nullopt;
  if (!bytes) fail_unsupported("", "a matrix larger than memory can be");
  return *bytes;
}

void pack_panels(const TensorView& source, std::uint64_t begin, std::uint64_t end, std::byte* dst) {
  const std::uint64_t n = source.rows(), k = source.columns();
  const PackedFormat& format = format_of(source.dtype, k);
  const std::uint64_t count = k / format.block, panel_bytes = bytes_of_panel(format, k);
  std::vector<std::byte> zeros;
  for (std::uint64_t p = begin; p < end; ++p, dst += panel_bytes) {
    const std::byte* rows[kPanel];
    for (std::uint64_t o = 0; o < kPanel; ++o) {
      const std::uint64_t row = p * kPanel + o;
      if (row >= n && zeros.empty()) zeros.resize(*row_bytes(source.dtype, k));
      rows[o] = row < n ? source.row(row).data() : zeros.data();
    }
    format.pack(rows, dst, count);
  }
}

void unpack_panels(const PackedMatrix& packed, std::uint64_t begin, std::uint64_t end,
                   std::byte* dst) {
  const PackedFormat& format = format_of(packed.dtype, packed.k);
  const std::uint64_t bytes = *row_bytes(packed.dtype, packed.k);
  std::vector<std::byte> padding;
  for (std::uint64_t p = begin; p < end; ++p) {
    std::byte* rows[kPanel];
    for (std::uint64_t o = 0; o < kPanel; ++o) {
      const std::uint64_t row = p * kPanel + o;
      if (row >= packed.n) padding.resize(bytes);  // all rows past n share it
      rows[o] = row < packed.n ? dst + (row - begin * kPanel) * bytes : padding.data();
    }
    format.unpack(packed.panel(p), rows, packed.k / format.block);
  }
}

void unpack_row(const PackedMatrix& packed, std::uint64_t row, float* dst) {
  const PackedFormat& format = format_of(packed.dtype, packed.k);
  const std::byte* const panel = packed.panel(row / kPanel);
  const std::size_t o = row % kPanel;
  float values[kMaxBlock * kPanel];
  for (std::uint64_t i = 0; i < packed.k; i += format.block) {
    decode_block(format, panel, i / format.block, o, o + 1, values);
    for (std::size_t j = 0; j < format.block; ++j) dst[i + j] = values[j * kPanel + o];
  }
}

void decode_codes(const PackedFormat& format, const std::byte* panel, std::size_t index,
                  std::size_t begin, std::size_t end, std::uint8_t* codes, float* scales,
                  float* mins) noexcept {
  const std::byte* const block = block_at(format, panel, index);
  for (std::size_t g = 0; g < format.block / format.group; ++g) {
    for (std::size_t o = begin; o < end; ++o) {
      const GroupScale group = group_scale(format, panel, block, g, o);
      scales[g * kPanel + o] = group.scale;
      mins[g * kPanel + o] = group.min;
    }
  }
  const Planes planes = planes_of(format.bits);
  const std::byte* plane = block + codes_at(format);
  for (std::size_t step = 0; step < format.block / 4; ++step) {
    if (step != 0 && step % 8 == 0) plane += std::size_t{64} * format.bits;
    for (std::size_t o = begin; o < end; ++o) {
      std::uint32_t word = plane_word(plane, planes.low, step % 8, o);
      if (planes.high != 0) {
        const std::byte* high = plane + std::size_t{64} * planes.low;
        word |= plane_word(high, planes.high, step % 8, o) << planes.low;
      }
      std::uint8_t* four = codes + (step * kPanel + o) * 4;
      std::memcpy(four, &word, sizeof(word));
      if (format.sub_scale == SubScale::row_integers) scale_codes(block[o], four);
      if (!format.table) continue;
      for (std::size_t i = 0; i < 4; ++i) four[i] = kIq4Codes[four[i]];
    }
  }
}

void decode_block(const PackedFormat& format, const std::byte* panel, std::size_t index,
                  std::size_t begin, std::size_t end, float* dst) noexcept {
  if (format.group == 0) {
    return decode_float_block(format, block_at(format, panel, index), begin, end, dst);
  }
  std::uint8_t codes[kMaxBlock * kPanel];
  float scales[kMaxGroups * kPanel], mins[kMaxGroups * kPanel];
  decode_codes(format, panel, index, begin, end, codes, scales, mins);
  for (std::size_t i = 0; i < format.block; ++i) {
    const std::size_t group = i / format.group * kPanel;
    for (std::size_t o = begin; o < end; ++o) {
      const int code = codes[(i / 4 * kPanel + o) * 4 + i % 4] - format.offset;
      dst[i * kPanel + o] = scales[group + o] * static_cast<float>(code) - mins[group + o];
    }
  }
}

}  // namespace halfbyte
