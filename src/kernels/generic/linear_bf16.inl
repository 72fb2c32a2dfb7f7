// Linear kernels in bfloat16 for any vector type V and any product of tiles (included inside an
// anonymous namespace after generic/linear_layouts.inl, an ISA's words.inl, generic/bf16_job.inl
// and an ISA's tiles.inl).
//
// A slab of panels is decoded once to bfloat16 pairs, panel by panel [input pairs][16 outputs][2],
// which is both a VDPBF16PS operand and a row of an AMX tile. All rows pass over it while it stays
// in the L2 cache. Sums of earlier inputs wait in y. No scale is left to apply: weights are rounded
// once, from scale * (code - offset) - min in f32.

constexpr std::size_t kPanelWords = kBf16SlabInputs * kPanel;  // from one of a slab to the next

// Inputs [first, first + count) of one panel as f32 vectors, two inputs at a time.
template <Layout L>
struct QuantizedBlocks {
  static void decode(const Blocks<L>& blocks, const std::byte* block, std::size_t groups,
                     std::uint16_t* dst) {
    for (std::size_t i = 0; i < groups; i += blocks.groups, block += blocks.bytes) {
      for (std::size_t sub = 0; sub < blocks.groups; ++sub, dst += kStepWords) {
        decode_group(block, sub, dst);
      }
    }
  }
  static HALFBYTE_INLINE void decode_group(const std::byte* block, std::size_t sub,
                                           std::uint16_t* dst) {
    Group group;
    load_group<L>(block, sub, 0, group);
    typename V::Float shift[2];  // -scale * offset - min
    unroll<L.halves()>([&](auto h) HALFBYTE_INLINE_LAMBDA {
      shift[h] = V::mul(group.scales[h], V::broadcast(-static_cast<float>(L.start_offset())));
      if constexpr (L.has_min) shift[h] = V::sub(shift[h], group.mins[h]);
    });
    unroll<8>([&](auto s) HALFBYTE_INLINE_LAMBDA {
      constexpr int h = decltype(s)::value * L.halves() / 8;
      unroll<2>([&](auto pair) HALFBYTE_INLINE_LAMBDA {
        constexpr int byte = 2 * decltype(pair)::value;
        const auto weight = [&](auto b) HALFBYTE_INLINE_LAMBDA {
          const typename V::Float code = byte_to_float<decltype(b)::value>(group.codes[s]);
          return V::multiply_add(group.scales[h], code, shift[h]);
        };
        store_bf16_pairs(dst + (2 * s + pair) * 2 * kPanel, weight(Constant<byte>{}),
                         weight(Constant<byte + 1>{}));
      });
    });
  }
};

template <Layout L>
struct QuantizedPanel {
  static void decode(const PackedMatrix& w, std::uint64_t panel, std::size_t first,
                     std::size_t count, std::uint16_t* dst) {
    const auto matrix = matrix_of<L>(w);
    QuantizedBlocks<L.shared()>::decode(matrix.blocks, matrix.block(panel, first / 32), count / 32,
                                        dst);
  }
};

// f16 and bf16 weights; inputs past the end are zero.
template <typename Weights>
struct FloatPanel {
  static void decode(const PackedMatrix& w, std::uint64_t panel, std::size_t first,
                     std::size_t count, std::uint16_t* dst) {
    const std::byte* from = w.data + (panel * w.k + first) * kPanel * Weights::kBytes;
    const std::size_t whole = (count + kStepInputs - 1) / kStepInputs * kStepInputs;
    for (std::size_t i = 0; i < whole; i += 2, dst += 2 * kPanel) {
      const auto input = [&](std::size_t at) HALFBYTE_INLINE_LAMBDA {
        return at < count ? Weights::load(from + at * kPanel * Weights::kBytes) : V::zero();
      };
      store_bf16_pairs(dst, input(i), input(i + 1));
    }
  }
};
struct F16Words {
  static constexpr std::size_t kBytes = 2;
  static HALFBYTE_INLINE typename V::Float load(const std::byte* p) { return V::load_halves(p); }
};
struct Bf16Words {
  static constexpr std::size_t kBytes = 2;
  static HALFBYTE_INLINE typename V::Float load(const std::byte* p) { return V::load_bfloats(p); }
};

// Inputs [first, first + count) of panels [begin, end), decoded.
struct Bf16Slab {
  std::uint16_t* words;
  std::uint64_t begin;
  std::uint64_t end;
  std::size_t first;
  std::size_t count;
};

// All rows over the slab: for each tile of rows, which stays in the L1 cache, all panels.
inline void slab_times_rows(const PackedMatrix& w, const Bf16Slab& slab, const Bf16Rows& x,
                            const LinearOutput& out) {
  const std::size_t steps = (x.k + kStepInputs - 1) / kStepInputs;
  Job job{};
  job.a_block = steps * kTileWords;
  job.b_panel = kPanelWords;
  job.steps = (slab.count + kStepInputs - 1) / kStepInputs;
  job.stride = out.stride;
  job.add = slab.first != 0;
  for (std::size_t row = 0; row < x.rows; row += Tiles::kRows) {
    job.a = x.words + row / kBf16Rows * job.a_block + slab.first / kStepInputs * kTileWords +
            row % kBf16Rows * kStepInputs;
    job.rows = x.rows - row < Tiles::kRows ? x.rows - row : Tiles::kRows;
    for (std::uint64_t p = slab.begin; p < slab.end; p += 2) {
      job.panels = slab.end - p < 2 ? 1 : 2;
      job.b = slab.words + (p - slab.begin) * kPanelWords;
      job.y = out.y + row * out.stride + p * kPanel;
      const std::size_t left = static_cast<std::size_t>(w.n - p * kPanel);
      job.columns = left < job.panels * kPanel ? left : job.panels * kPanel;
      Tiles::multiply(job);
    }
  }
}

template <typename Panel>
void linear_bf16(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end, const Bf16Rows& x,
                 const LinearOutput& out, std::byte* scratch) noexcept {
  [[maybe_unused]] const Tiles tiles;  // sets the tile registers up and gives them back
  Bf16Slab slab = {reinterpret_cast<std::uint16_t*>(scratch), begin, begin, 0, 0};
  for (; slab.begin < end; slab.begin = slab.end) {
    slab.end = end - slab.begin < kBf16SlabPanels ? end : slab.begin + kBf16SlabPanels;
    for (slab.first = 0; slab.first < w.k; slab.first += slab.count) {
      const auto left = static_cast<std::size_t>(w.k - slab.first);
      slab.count = left < kBf16SlabInputs ? left : kBf16SlabInputs;
      for (std::uint64_t p = slab.begin; p < slab.end; ++p) {
        Panel::decode(w, p, slab.first, slab.count, slab.words + (p - slab.begin) * kPanelWords);
      }
      slab_times_rows(w, slab, x, out);
    }
  }
}

constexpr LinearRow kBf16KernelRows[] = {
    {HALFBYTE_ISA_NAME ".f16.bf16.prefill", DType::f16, true, nullptr, nullptr,
     linear_bf16<FloatPanel<F16Words>>},
    {HALFBYTE_ISA_NAME ".bf16.bf16.prefill", DType::bf16, true, nullptr, nullptr,
     linear_bf16<FloatPanel<Bf16Words>>},
#define HALFBYTE_QUANTIZED(type)                                                     \
  {HALFBYTE_ISA_NAME "." #type ".bf16.prefill", DType::type, true, nullptr, nullptr, \
   linear_bf16<QuantizedPanel<k_##type>>},
#include "kernels/quantized_types.inc"
#undef HALFBYTE_QUANTIZED
};
