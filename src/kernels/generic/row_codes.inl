// Reading the codes of types with one scale a row (kernels/packed.h), for any vector type V
// (generic/unroll.inl comes first). A panel begins with its scales; a group is 32 inputs, 8 steps.

constexpr std::size_t kPanelHeader = kPanel * sizeof(float);
constexpr int kCodeOffset = V::kSigned8 ? 0 : 128;  // of the codes that V multiplies with

HALFBYTE_INLINE typename V::Float row_scales(const std::byte* panel, int part) {
  return V::load_f32(reinterpret_cast<const float*>(panel) + part * V::kLanes);
}

// w8a8, int8: codes + 128.
struct RowInt8 {
  static constexpr std::size_t panel_bytes(std::uint64_t k) { return kPanelHeader + k * kPanel; }

  // `Offset` above what they mean, which must be kCodeOffset.
  template <int Offset>
  static HALFBYTE_INLINE void load(const std::byte* panel, std::size_t group, int part,
                                   typename V::Int* codes) {
    static_assert(Offset == kCodeOffset);
    const std::byte* at = panel + kPanelHeader + group * 8 * 64 + part * 4 * V::kLanes;
    unroll<8>([&](auto s)
                  HALFBYTE_INLINE_LAMBDA { codes[s] = V::from_unsigned(V::load(at + 64 * s)); });
  }
};

// w4a8: nibbles, and of each group the byte scale - 1 | zero << 4. As a nibble times the scale is
// at most 240, one multiplication of 16 bits serves two codes.
struct RowInt4 {
  static constexpr std::size_t kGroups = kPanel;                // bytes of a group's integers
  static constexpr std::size_t kGroupBytes = kGroups + 4 * 64;  // and of all its codes
  static constexpr std::size_t panel_bytes(std::uint64_t k) {
    return kPanelHeader + k / 32 * kGroupBytes;
  }

  // (nibble - zero) * scale + Offset, modulo 256.
  template <int Offset>
  static HALFBYTE_INLINE void load(const std::byte* panel, std::size_t group, int part,
                                   typename V::Int* codes) {
    constexpr std::int32_t kOne = 1, kDown = -Offset;
    const std::byte* at = panel + kPanelHeader + group * kGroupBytes;
    const typename V::Int both = V::load_bytes(at + part * V::kLanes);
    const typename V::Int scale = V::add_int(V::mask(both, 0x0F), V::broadcast_int(&kOne));
    const typename V::Int twice = V::or_masked(scale, V::template shift<16>(scale), 0xFF);
    const typename V::Int zero = V::multiply_halves(V::template shift<-4>(both), scale);
    const typename V::Int less = V::spread_bytes(V::add_int(zero, V::broadcast_int(&kDown)));
    at += kGroups + part * 4 * V::kLanes;
    unroll<4>([&](auto c) HALFBYTE_INLINE_LAMBDA {
      const typename V::Int chunk = V::load(at + 64 * c);
      const typename V::Int low = V::mask(chunk, 0x0F);
      const typename V::Int high = V::mask(V::template shift<-4>(chunk), 0x0F);
      codes[c] = V::subtract_bytes(V::multiply_halves(low, twice), less);
      codes[c + 4] = V::subtract_bytes(V::multiply_halves(high, twice), less);
    });
  }
};
