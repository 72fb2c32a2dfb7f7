// w4a8 against inputs with one scale a row (generic/linear_token.inl comes first). A few rows meet
// the 4-bit codes where they lie; for many, a slab of panels is turned into those of w8a8 once, and
// is multiplied as these are.

// All inputs of R rows and `Panels` panels.
template <int Panels, int R>
HALFBYTE_INLINE void sum_inputs(RowInt4, const PackedMatrix& w, std::uint64_t panel,
                                const TokenTile& tile, Sums<Panels * kParts, R>& sums) {
  constexpr int kVectors = Panels * kParts;
  const std::byte* const from = panel_at<RowInt4>(w, panel);
  const std::size_t bytes = RowInt4::panel_bytes(w.k);
  for (std::size_t group = 0; group < w.k / 32; ++group) {
    const std::int8_t* inputs = tile.codes + group / 2 * tile.step + group % 2 * 32;
    unroll<kVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
      const std::byte* weights = from + v / kParts * bytes;
      if constexpr (v % kParts == 0) {
        const std::byte* ahead = weights + kPanelHeader + group * RowInt4::kGroupBytes + kAhead;
        for (std::size_t at = 0; at < RowInt4::kGroupBytes; at += kLine) {
          __builtin_prefetch(ahead + at);
        }
      }
      typename V::Int codes[8];
      RowInt4::load<kCodeOffset>(weights, group, v % kParts, codes);
      unroll<8>([&](auto s) HALFBYTE_INLINE_LAMBDA {
        constexpr int kStep = decltype(s)::value;
        constexpr int kChain = kStep % kChains<kVectors, R>;
        unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
          sums[v][r][kChain] =
              V::template dot<8>(sums[v][r][kChain], codes[kStep],
                                 inputs + r * static_cast<int>(kTokenInputs) + 4 * kStep);
        });
      });
    });
  }
}

// Panels [begin, end) times up to kFewRows rows.
inline void panels_times_few(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                             const TokenRows& x, const LinearOutput& out) {
  constexpr int kRows = kStreamRows < kFewRows ? kStreamRows : kFewRows;
  std::uint64_t p = begin;
  for (; p + kStreams <= end; p += kStreams) {
    panels_times_block<RowInt4, kStreams, kRows>(w, p, x, 0, x.rows, out);
  }
  for (; p < end; ++p) panels_times_block<RowInt4, 1, kFewRows>(w, p, x, 0, x.rows, out);
}

// A panel as one of w8a8.
inline void widen_panel(const std::byte* panel, std::size_t k, std::byte* dst) {
  std::memcpy(dst, panel, kPanelHeader);
  dst += kPanelHeader;
  for (std::size_t group = 0; group < k / 32; ++group, dst += 8 * 64) {
    for (int part = 0; part < kParts; ++part) {
      typename V::Int codes[8];
      RowInt4::load<128>(panel, group, part, codes);
      unroll<8>([&](auto s) HALFBYTE_INLINE_LAMBDA {
        V::store(dst + 64 * s + part * 4 * V::kLanes, codes[s]);
      });
    }
  }
}

// Each slab is made in scratch, which must have room for it.
inline void multiply_slabs(RowInt4, const SlabProduct& product, const PackedMatrix& w,
                           std::uint64_t begin, std::uint64_t end, const TokenRows& x,
                           const LinearOutput& out, std::byte* scratch) {
  for (std::uint64_t p = begin; p < end; p += product.panels) {
    const std::uint64_t count = end - p < product.panels ? end - p : product.panels;
    for (std::uint64_t i = 0; i < count; ++i) {
      widen_panel(panel_at<RowInt4>(w, p + i), w.k, scratch + i * RowInt8::panel_bytes(w.k));
    }
    const PackedMatrix slab = {DType::w8a8, w.n - p * kPanel, w.k, scratch};
    product.multiply(slab, 0, count, x, {out.y + p * kPanel, out.stride});
  }
}

void linear_token_int4(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                       const TokenRows& x, const LinearOutput& out, std::byte* scratch) noexcept {
  if (x.rows <= kFewRows) return panels_times_few(w, begin, end, x, out);
  const SlabProduct product = {slab_panels(w.k, kTokenSlabBytes, kWidePanels), slab_times_rows};
  multiply_slabs(RowInt4{}, product, w, begin, end, x, out, scratch);
}
