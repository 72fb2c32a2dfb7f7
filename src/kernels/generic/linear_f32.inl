// Linear kernels in f32 for any vector type V (generic/linear_layouts.inl and
// generic/row_codes.inl come first).
//
// Each y is one chain of fused multiply-adds over ascending inputs, however many rows or panels are
// computed together. Float weights have a decode kernel that reads packed memory; prefill, and the
// quantized types (to judge what 8-bit inputs cost), decode slabs of kSlabPanels x kSlabInputs
// weights to f32 first. Sums of earlier slabs wait in y.

// Reading packed floats [k][16].
struct F32Weights {
  static constexpr std::size_t kBytes = 4;
  static HALFBYTE_INLINE typename V::Float load(const std::byte* p) {
    return V::load_f32(reinterpret_cast<const float*>(p));
  }
};
struct F16Weights {
  static constexpr std::size_t kBytes = 2;
  static HALFBYTE_INLINE typename V::Float load(const std::byte* p) { return V::load_halves(p); }
};
struct Bf16Weights {
  static constexpr std::size_t kBytes = 2;
  static HALFBYTE_INLINE typename V::Float load(const std::byte* p) { return V::load_bfloats(p); }
};

// Decode: `Vectors` runs of kLanes outputs from `panel` on, R rows of x.
template <typename Weights, int Vectors, int R>
void stream_panels(const PackedMatrix& w, std::uint64_t panel, const float* x, std::size_t x_stride,
                   float* y, std::size_t y_stride) {
  const std::size_t panel_bytes = w.k * kPanel * Weights::kBytes;
  const std::byte* weights = w.data + panel * panel_bytes;
  typename V::Float sums[Vectors][R];
  unroll<Vectors * R>([&](auto i) HALFBYTE_INLINE_LAMBDA { sums[i / R][i % R] = V::zero(); });
  for (std::size_t i = 0; i < w.k; ++i, weights += kPanel * Weights::kBytes) {
    unroll<Vectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
      const typename V::Float weight = Weights::load(weights + v / kParts * panel_bytes +
                                                     v % kParts * V::kLanes * Weights::kBytes);
      unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
        sums[v][r] = V::multiply_add(weight, V::broadcast(x[r * x_stride + i]), sums[v][r]);
      });
    });
  }
  unroll<Vectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
    const std::uint64_t p = panel + v / kParts;
    const std::size_t count = part_outputs(w, p, v % kParts);
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      float* to = y + r * y_stride + p * kPanel + v % kParts * V::kLanes;
      if (count != 0) V::store_some(to, sums[v][r], count);
    });
  });
}

// Enough sums at once to hide the latency of a multiply-add.
constexpr int kStreams = 4;

template <typename Weights>
void linear_decode(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end, const float* x,
                   std::size_t x_stride, std::size_t rows, const LinearOutput& out,
                   std::byte* /*scratch*/) noexcept {
  constexpr std::uint64_t kTogether = kStreams / kParts;
  std::uint64_t p = begin;
  while (p < end) {
    const bool all = end - p >= kTogether;
    for (std::size_t m = 0; m < rows;) {
      const float* row = x + m * x_stride;
      float* y = out.y + m * out.stride;
      if (all && rows - m >= 2) {
        stream_panels<Weights, kStreams, 2>(w, p, row, x_stride, y, out.stride);
        m += 2;
      } else {
        all ? stream_panels<Weights, kStreams, 1>(w, p, row, x_stride, y, out.stride)
            : stream_panels<Weights, kParts, 1>(w, p, row, x_stride, y, out.stride);
        ++m;
      }
    }
    p += all ? kTogether : 1;
  }
}

// Inputs [first, first + count) of one panel to f32 [count][16].
template <typename Weights>
struct FloatSlab {
  static void decode(const PackedMatrix& w, std::uint64_t panel, std::size_t first,
                     std::size_t count, float* dst) {
    const std::byte* from = w.data + (panel * w.k + first) * kPanel * Weights::kBytes;
    for (std::size_t i = 0; i < count * kPanel; i += V::kLanes) {
      V::store_f32(dst + i, Weights::load(from + i * Weights::kBytes));
    }
  }
};

template <Layout L>
struct QuantizedBlocks {
  // scale * (code - offset) - min in two roundings, as the file's own decoder does it.
  static HALFBYTE_INLINE void decode_group(const std::byte* block, std::size_t sub, float* dst) {
    for (std::size_t part = 0; part < kParts; ++part) {
      Group group;
      load_group<L>(block, sub, part, group);
      unroll<8>([&](auto s) HALFBYTE_INLINE_LAMBDA {
        constexpr int h = decltype(s)::value * L.halves() / 8;
        unroll<4>([&](auto i) HALFBYTE_INLINE_LAMBDA {
          constexpr int byte = decltype(i)::value;
          const typename V::Float code =
              V::template code_to_float<byte, L.eight()>(group.codes[s], L.start_offset());
          typename V::Float weight = V::mul(group.scales[h], code);
          if constexpr (L.has_min) weight = V::sub(weight, group.mins[h]);
          V::store_f32(dst + (4 * s + i) * kPanel + part * V::kLanes, weight);
        });
      });
    }
  }
  static void decode(const Blocks<L>& blocks, const std::byte* block, std::size_t groups,
                     float* dst) {
    for (std::size_t i = 0; i < groups; i += blocks.groups, block += blocks.bytes) {
      for (std::size_t sub = 0; sub < blocks.groups; ++sub) {
        decode_group(block, sub, dst + (i + sub) * 32 * kPanel);
      }
    }
  }
};
template <Layout L>
struct QuantizedSlab {
  static void decode(const PackedMatrix& w, std::uint64_t panel, std::size_t first,
                     std::size_t count, float* dst) {
    const auto matrix = matrix_of<L>(w);
    QuantizedBlocks<L.shared()>::decode(matrix.blocks, matrix.block(panel, first / 32), count / 32,
                                        dst);
  }
};

// Types with a scale a row.
template <typename Codes>
struct RowScaledSlab {
  static void decode(const PackedMatrix& w, std::uint64_t panel, std::size_t first,
                     std::size_t count, float* dst) {
    const std::byte* at = w.data + panel * Codes::panel_bytes(w.k);
    for (int part = 0; part < kParts; ++part) {
      const typename V::Float scales = row_scales(at, part);
      for (std::size_t i = 0; i < count; i += 32) {
        typename V::Int codes[8];
        Codes::template load<kCodeOffset>(at, (first + i) / 32, part, codes);
        decode_group(codes, scales, dst + i * kPanel + part * V::kLanes);
      }
    }
  }
  static HALFBYTE_INLINE void decode_group(const typename V::Int* codes, typename V::Float scales,
                                           float* dst) {
    unroll<8>([&](auto s) HALFBYTE_INLINE_LAMBDA {
      unroll<4>([&](auto byte) HALFBYTE_INLINE_LAMBDA {
        const typename V::Float code =
            V::template code_to_float<decltype(byte)::value, true>(codes[s], kCodeOffset);
        V::store_f32(dst + (4 * s + byte) * kPanel, V::mul(scales, code));
      });
    });
  }
};

// A decoded slab, and the rows of x at its inputs in the order of use: [inputs][R].
struct FloatTile {
  float* weights;  // [panels][kSlabInputs][16]
  float* x;
  std::uint64_t begin;  // panels
  std::uint64_t end;
  std::size_t first;  // input
  std::size_t count;
};

// Adds the slab's inputs to `Vectors` runs of outputs, R rows.
template <int Vectors, int R>
void slab_product(const PackedMatrix& w, const FloatTile& t, std::uint64_t panel,
                  const LinearOutput& out, std::size_t first_row) {
  const float* weights = t.weights + (panel - t.begin) * kSlabInputs * kPanel;
  const float* x = t.x;
  typename V::Float sums[Vectors][R];
  const auto y_at = [&](std::size_t v, std::size_t r) {
    return out.y + (first_row + r) * out.stride + panel * kPanel + v * V::kLanes;
  };
  unroll<Vectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
    const std::size_t count = part_outputs(w, panel + v / kParts, v % kParts);
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      sums[v][r] = t.first == 0 || count == 0 ? V::zero() : V::load_some(y_at(v, r), count);
    });
  });
  for (std::size_t i = 0; i < t.count; ++i, weights += kPanel, x += R) {
    typename V::Float weight[Vectors];
    unroll<Vectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
      weight[v] =
          V::load_f32(weights + v / kParts * (kSlabInputs * kPanel) + v % kParts * V::kLanes);
    });
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      const typename V::Float input = V::broadcast(x[r]);
      unroll<Vectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
        sums[v][r] = V::multiply_add(weight[v], input, sums[v][r]);
      });
    });
  }
  unroll<Vectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
    const std::size_t count = part_outputs(w, panel + v / kParts, v % kParts);
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      if (count != 0) V::store_some(y_at(v, r), sums[v][r], count);
    });
  });
}

// Rows [row, ...) in tiles of R while there are enough, then in smaller tiles.
template <int R>
void slab_times_rows(const PackedMatrix& w, const FloatTile& t, const float* x,
                     std::size_t x_stride, std::size_t row, std::size_t rows,
                     const LinearOutput& out) {
  constexpr std::uint64_t kTogether = kParts == 1 ? 2 : 1;  // panels: two vectors of weights
  for (; row + R <= rows; row += R) {
    for (std::size_t r = 0; r < R; ++r) {
      const float* from = x + (row + r) * x_stride + t.first;
      for (std::size_t i = 0; i < t.count; ++i) t.x[i * R + r] = from[i];
    }
    std::uint64_t p = t.begin;
    for (; p + kTogether <= t.end; p += kTogether) {
      slab_product<kParts* static_cast<int>(kTogether), R>(w, t, p, out, row);
    }
    if (p < t.end) slab_product<kParts, R>(w, t, p, out, row);
  }
  if constexpr (R > 1) {
    constexpr int kNext = R > 8 ? 8 : R > 4 ? 4 : R / 2;
    if (row < rows) slab_times_rows<kNext>(w, t, x, x_stride, row, rows, out);
  }
}

template <typename SlabOf>
void linear_slabs(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end, const float* x,
                  std::size_t x_stride, std::size_t rows, const LinearOutput& out,
                  std::byte* scratch) noexcept {
  FloatTile t = {reinterpret_cast<float*>(scratch), nullptr, 0, 0, 0, 0};
  t.x = t.weights + kSlabPanels * kSlabInputs * kPanel;
  for (t.begin = begin; t.begin < end; t.begin = t.end) {
    t.end = end - t.begin < kSlabPanels ? end : t.begin + kSlabPanels;
    for (t.first = 0; t.first < w.k; t.first += t.count) {
      t.count = w.k - t.first < kSlabInputs ? static_cast<std::size_t>(w.k - t.first) : kSlabInputs;
      for (std::uint64_t p = t.begin; p < t.end; ++p) {
        SlabOf::decode(w, p, t.first, t.count, t.weights + (p - t.begin) * kSlabInputs * kPanel);
      }
      slab_times_rows<V::kFloatTileRows>(w, t, x, x_stride, 0, rows, out);
    }
  }
}

constexpr LinearRow kF32Rows[] = {
#define HALFBYTE_FLOAT(type, Weights)                                                           \
  {HALFBYTE_ISA_NAME "." #type ".decode", DType::type, false, nullptr, linear_decode<Weights>}, \
      {HALFBYTE_ISA_NAME "." #type ".prefill", DType::type, true, nullptr,                      \
       linear_slabs<FloatSlab<Weights>>},
    HALFBYTE_FLOAT(f32, F32Weights) HALFBYTE_FLOAT(f16, F16Weights)
        HALFBYTE_FLOAT(bf16, Bf16Weights)
#undef HALFBYTE_FLOAT
#define HALFBYTE_QUANTIZED(type)                                               \
  {HALFBYTE_ISA_NAME "." #type ".f32.decode", DType::type, false, nullptr,     \
   linear_slabs<QuantizedSlab<k_##type>>},                                     \
      {HALFBYTE_ISA_NAME "." #type ".f32.prefill", DType::type, true, nullptr, \
       linear_slabs<QuantizedSlab<k_##type>>},
#include "kernels/quantized_types.inc"
#undef HALFBYTE_QUANTIZED
#define HALFBYTE_ROW_SCALED(type, Codes)                                       \
  {HALFBYTE_ISA_NAME "." #type ".f32.decode", DType::type, false, nullptr,     \
   linear_slabs<RowScaledSlab<Codes>>},                                        \
      {HALFBYTE_ISA_NAME "." #type ".f32.prefill", DType::type, true, nullptr, \
       linear_slabs<RowScaledSlab<Codes>>},
#include "kernels/row_scaled_types.inc"
#undef HALFBYTE_ROW_SCALED
};
