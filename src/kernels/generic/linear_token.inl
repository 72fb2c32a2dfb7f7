// Kernels of the types with one scale a row against inputs with one scale a row, for any vector
// type V (generic/row_codes.inl comes first). Both scales stay outside: inside there are loads and
// integer dot products alone, and 8-bit codes of weights and those of inputs are read where they
// lie. How codes are stored is a type, RowInt8 or RowInt4.
//
// One loop serves both phases. Integer sums are exact in any order, so y does not depend on how
// many rows or panels share a loop, nor on the instruction set.
//
// Defined before: kStreams, the panels that decoding reads at once, each its own stream through
// memory, and kAhead, the bytes that it asks for ahead.

constexpr std::size_t kLine = 64;
constexpr int kParts = static_cast<int>(kPanel) / V::kLanes;
constexpr int kUnit = static_cast<int>(kTokenInputs) / 4;  // steps of 4 inputs
// Rows and panels whose sums stay in registers: two vectors of weights share each broadcast input,
// since a 512-bit load takes as long as a dot product.
constexpr int kWideRows = V::kLanes == 16 ? 8 : 4;
constexpr int kWidePanels = V::kLanes == 16 ? 2 : 1;
constexpr int kFewRows = 4;  // up to here memory is what counts
constexpr int kStreamRows = V::kDecodeSums / (kStreams * kParts);  // with kStreams panels
constexpr int kHidden = 4;  // sums that hide a dot product's latency

template <typename Codes>
const std::byte* panel_at(const PackedMatrix& w, std::uint64_t panel) {
  return w.data + panel * Codes::panel_bytes(w.k);
}
// Panels of w8a8 that fit so many bytes of the cache: whole runs of `together`, at least one.
constexpr std::uint64_t slab_panels(std::uint64_t k, std::size_t bytes, std::uint64_t together) {
  const std::uint64_t fit = bytes / RowInt8::panel_bytes(k);
  return fit < together ? together : fit / together * together;
}

// Rows that follow each other in a block of the inputs: row r of step s at codes + s * step + 64 r.
struct TokenTile {
  const std::int8_t* codes;
  std::size_t step;
  std::size_t first_row;
};

inline TokenTile tile_at(const TokenRows& x, std::size_t row) {
  const std::size_t block = row / kTokenRows * kTokenRows;
  const std::size_t left = x.rows - block;
  const std::size_t steps = (x.k + kTokenInputs - 1) / kTokenInputs;
  return {x.codes + (block * steps + row - block) * kTokenInputs,
          (left < kTokenRows ? left : kTokenRows) * kTokenInputs, row};
}

// sums[part][row][chain]: chains are apart so that few rows do not wait for each dot product.
template <int Vectors, int R>
constexpr int kChains = Vectors* R >= kHidden ? 1 : kHidden / (Vectors * R);
template <int Vectors, int R>
using Sums = typename V::Int[Vectors][R][kChains<Vectors, R>];

// Adds `Steps` steps of R rows and `Vectors` parts, from a panel on.
template <int Vectors, int R, int Steps>
HALFBYTE_INLINE void add_steps(const std::byte* weights, std::size_t bytes,
                               const std::int8_t* codes, Sums<Vectors, R>& sums) {
  unroll<Steps>([&](auto s) HALFBYTE_INLINE_LAMBDA {
    constexpr int kStep = decltype(s)::value;
    constexpr int kChain = kStep % kChains<Vectors, R>;
    unroll<Vectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
      const std::byte* at = weights + v / kParts * bytes + kStep * 64 + v % kParts * 4 * V::kLanes;
      const typename V::Int code = V::from_unsigned(V::load(at));
      unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
        sums[v][r][kChain] = V::template dot<8>(
            sums[v][r][kChain], code, codes + r * static_cast<int>(kTokenInputs) + kStep * 4);
      });
    });
  });
}

// All inputs of R rows and `Panels` panels.
template <int Panels, int R>
HALFBYTE_INLINE void sum_inputs(RowInt8, const PackedMatrix& w, std::uint64_t panel,
                                const TokenTile& tile, Sums<Panels * kParts, R>& sums) {
  constexpr int kVectors = Panels * kParts;
  const std::size_t bytes = RowInt8::panel_bytes(w.k);
  const std::byte* weights = panel_at<RowInt8>(w, panel) + kPanelHeader;
  const std::int8_t* codes = tile.codes;
  for (std::size_t i = 0; i + kTokenInputs <= w.k; i += kTokenInputs) {
    if constexpr (R <= kFewRows) {
      for (std::size_t p = 0; p < Panels; ++p) {
        for (std::size_t at = 0; at < kUnit * 64; at += kLine) {
          __builtin_prefetch(weights + p * bytes + kAhead + at);
        }
      }
    }
    add_steps<kVectors, R, kUnit>(weights, bytes, codes, sums);
    weights += kUnit * 64;
    codes += tile.step;
  }
  if (w.k % kTokenInputs != 0) add_steps<kVectors, R, kUnit / 2>(weights, bytes, codes, sums);
}

// Outputs of a panel's part that exist.
inline std::size_t outputs_of(const PackedMatrix& w, std::uint64_t panel, int part) {
  const std::uint64_t column = panel * kPanel + static_cast<std::uint64_t>(part * V::kLanes);
  const std::uint64_t left = column < w.n ? w.n - column : 0;
  return left < V::kLanes ? static_cast<std::size_t>(left) : std::size_t{V::kLanes};
}

// y of one row in one part of a panel, from the exact sum. All kernels multiply in this order.
HALFBYTE_INLINE void store_outputs(typename V::Int sum, typename V::Float scales, float row_scale,
                                   float* y, std::size_t count) {
  const typename V::Float scale = V::mul(scales, V::broadcast(row_scale));
  V::store_some(y, V::mul(V::to_float(sum), scale), count);
}

template <typename Codes, int Panels, int R>
void panels_times_rows(const PackedMatrix& w, std::uint64_t panel, const TokenRows& x,
                       const TokenTile& tile, const LinearOutput& out) {
  constexpr int kVectors = Panels * kParts;
  constexpr int kCount = kChains<kVectors, R>;
  Sums<kVectors, R> sums;
  unroll<kVectors * R>([&](auto i) HALFBYTE_INLINE_LAMBDA {
    const std::int32_t start = -kCodeOffset * x.sums[tile.first_row + i % R];
    const std::int32_t zero = 0;
    unroll<kCount>([&](auto c) HALFBYTE_INLINE_LAMBDA {
      sums[i / R][i % R][c] = V::broadcast_int(c == 0 ? &start : &zero);
    });
  });
  sum_inputs<Panels, R>(Codes{}, w, panel, tile, sums);
  unroll<kVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
    const std::uint64_t p = panel + v / kParts;
    const std::size_t count = outputs_of(w, p, v % kParts);
    if (count == 0) return;
    const typename V::Float scales = row_scales(panel_at<Codes>(w, p), v % kParts);
    float* y = out.y + tile.first_row * out.stride + p * kPanel + v % kParts * V::kLanes;
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      unroll<kCount - 1>([&](auto c) HALFBYTE_INLINE_LAMBDA {
        sums[v][r][0] = V::add_int(sums[v][r][0], sums[v][r][c + 1]);
      });
      store_outputs(sums[v][r][0], scales, x.scales[tile.first_row + r], y + r * out.stride, count);
    });
  });
}

// Rows [row, end) of one block in tiles of R while there are enough, then in smaller ones.
template <typename Codes, int Panels, int R>
void panels_times_block(const PackedMatrix& w, std::uint64_t panel, const TokenRows& x,
                        std::size_t row, std::size_t end, const LinearOutput& out) {
  for (; row + R <= end; row += R) {
    panels_times_rows<Codes, Panels, R>(w, panel, x, tile_at(x, row), out);
  }
  if constexpr (R > 1) panels_times_block<Codes, Panels, R / 2>(w, panel, x, row, end, out);
}

// A slab of panels meets one block of rows after the other: it stays in the L2 cache.
inline void slab_times_rows(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                            const TokenRows& x, const LinearOutput& out) {
  for (std::size_t row = 0; row < x.rows; row += kTokenRows) {
    const std::size_t last = x.rows - row < kTokenRows ? x.rows : row + kTokenRows;
    const auto in_panels = [&]<int Panels, int R>(Constant<Panels>, Constant<R>, std::uint64_t p) {
      for (; p + Panels <= end; p += Panels) {
        panels_times_block<RowInt8, Panels, R>(w, p, x, row, last, out);
      }
      return p;
    };
    const std::uint64_t done =
        last - row > kFewRows ? in_panels(Constant<kWidePanels>{}, Constant<kWideRows>{}, begin)
                              : in_panels(Constant<kStreams>{}, Constant<kStreamRows>{}, begin);
    in_panels(Constant<1>{}, Constant<kWideRows>{}, done);
  }
}

// A row's outliers, ascending; returns their number.
inline std::size_t list_outliers(const TokenRows& x, std::size_t row, Outlier* list) {
  const std::uint32_t* words = x.outliers + row * (x.k / 32);
  const float* values = x.x + row * x.x_stride;
  std::size_t count = 0;
  for (std::size_t i = 0; i < x.k / 32; ++i) {
    for (std::uint32_t word = words[i]; word != 0; word &= word - 1) {
      const std::size_t input = i * 32 + static_cast<std::size_t>(__builtin_ctz(word));
      list[count++] = {static_cast<std::uint32_t>(input), values[input]};
    }
  }
  return count;
}

// Byte `byte` of each lane as the weight's code.
HALFBYTE_INLINE typename V::Float code_of(typename V::Int codes, std::uint32_t byte) {
  switch (byte) {
    case 0:
      return V::template code_to_float<0, true>(codes, kCodeOffset);
    case 1:
      return V::template code_to_float<1, true>(codes, kCodeOffset);
    case 2:
      return V::template code_to_float<2, true>(codes, kCodeOffset);
    default:
      return V::template code_to_float<3, true>(codes, kCodeOffset);
  }
}

// y += scale * the sum of code * outlier, for one row and panel.
inline void add_outliers(const PackedMatrix& w, std::uint64_t panel, const Outlier* list,
                         std::size_t count, float* y) {
  const std::byte* const scales = panel_at<RowInt8>(w, panel);
  unroll<kParts>([&](auto part) HALFBYTE_INLINE_LAMBDA {
    typename V::Float sum = V::zero();
    for (std::size_t i = 0; i < count; ++i) {
      const std::byte* at = scales + kPanelHeader + list[i].input / 4 * 64 + part * 4 * V::kLanes;
      const typename V::Float code = code_of(V::from_unsigned(V::load(at)), list[i].input % 4);
      sum = V::multiply_add(code, V::broadcast(list[i].value), sum);
    }
    const std::size_t outputs = outputs_of(w, panel, part);
    float* to = y + panel * kPanel + part * V::kLanes;
    if (outputs == 0) return;
    V::store_some(to, V::multiply_add(row_scales(scales, part), sum, V::load_some(to, outputs)),
                  outputs);
  });
}

// The same for panels [begin, end) and all rows that have outliers.
inline void add_all_outliers(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                             const TokenRows& x, const LinearOutput& out, std::byte* scratch) {
  if (x.outliers == nullptr) return;
  auto* list = reinterpret_cast<Outlier*>(scratch);
  for (std::size_t row = 0; row < x.rows; ++row) {
    const std::size_t count = list_outliers(x, row, list);
    if (count == 0) continue;
    for (std::uint64_t p = begin; p < end; ++p) {
      add_outliers(w, p, list, count, out.y + row * out.stride);
    }
  }
}

// What multiplies panels of w8a8 with all rows, and how many of them stay in the cache meanwhile.
struct SlabProduct {
  std::uint64_t panels;
  void (*multiply)(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                   const TokenRows& x, const LinearOutput& out);
};

inline void multiply_slabs(RowInt8, const SlabProduct& product, const PackedMatrix& w,
                           std::uint64_t begin, std::uint64_t end, const TokenRows& x,
                           const LinearOutput& out, std::byte* /*scratch*/) {
  for (std::uint64_t p = begin; p < end; p += product.panels) {
    product.multiply(w, p, end - p < product.panels ? end : p + product.panels, x, out);
  }
}

void linear_token(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end, const TokenRows& x,
                  const LinearOutput& out, std::byte* scratch) noexcept {
  constexpr std::uint64_t kTogether = kStreams > kWidePanels ? kStreams : kWidePanels;
  const SlabProduct product = {slab_panels(w.k, kTokenSlabBytes, kTogether), slab_times_rows};
  multiply_slabs(RowInt8{}, product, w, begin, end, x, out, scratch);
  add_all_outliers(w, begin, end, x, out, scratch);
}
