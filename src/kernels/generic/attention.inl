// Attention with one pass over the keys and an online softmax (Milakov & Gimelshein 2018; tiled as
// in Dao et al. 2022, "FlashAttention"; the keys of few rows shared out by chunks as in Dao et al.
// 2023, "Flash-Decoding"), written once over the vocabulary of an ISA's vec.h. Included in an
// anonymous namespace, after generic/math.inl and the other generic/attention_*.inl.
//
// A block of query rows (positions x the heads of one KV head) goes through the chunks of keys that
// its rows see, and through each chunk in tiles of 64 keys. A tile is decoded to f32 once, its keys
// transposed: then scores = Q K^T and outputs += P V are the same small matrix product, with keys
// or channels in the lanes. One row (decode) takes the same path, and reads the cache as it is; so
// do all where an ISA multiplies codes. Every number of a row is computed by operations whose order
// depends on the row alone, so a row does not depend on what is computed with it.

// Leaves in w.parts what the keys, of one chunk, give the rows of the block.
void attend_chunk(const Worker& w, const Block& block, KeyRange keys) {
  const std::size_t count = block.queries();
  std::memset(w.parts, 0, count * w.part * sizeof(float));
  begin_chunk(w, count);
  for (std::size_t tile = keys.begin / kKeyTile * kKeyTile; tile < keys.end; tile += kKeyTile)
    attend_tile(w, block, {w.args, block.kv_head, tile, in_tile(keys, tile)});
  end_chunk(w, count);
}

// The parts of up to kLanes rows are taken into their totals.
struct Merge {
  std::size_t dim;
  std::size_t count = 0;
  float* totals[kLanes] = {};
  const float* parts[kLanes] = {};

  void add(float* total, const float* part) {
    totals[count] = total;
    parts[count] = part;
    if (++count == kLanes) flush();
  }
  void flush() {
    float old_factors[kLanes] = {};
    float new_factors[kLanes] = {};
    for (std::size_t i = 0; i < count; ++i) {
      float& max = max_of(totals[i], dim);
      const float before = max;
      const float other = parts[i][dim + 1];
      max = join_max(before, other);
      old_factors[i] = before - shift_of(max);
      new_factors[i] = other - shift_of(max);
    }
    store(old_factors, exp_nonpositive(load(old_factors)));
    store(new_factors, exp_nonpositive(load(new_factors)));
    for (std::size_t i = 0; i < count; ++i) {
      const float max = max_of(totals[i], dim);
      // The sum too, in the vector behind the outputs.
      for (std::size_t d = 0; d <= dim; d += kLanes) {
        const Vec before = mul(load(totals[i] + d), set1(old_factors[i]));
        store(totals[i] + d, fma(load(parts[i] + d), set1(new_factors[i]), before));
      }
      max_of(totals[i], dim) = max;
    }
    count = 0;
  }
};

// Takes w.parts, of one chunk, into the totals of the rows that see some of it.
void merge_chunk(const Worker& w, const Block& block, std::size_t chunk) {
  Merge merge{w.dim};
  for (std::size_t i = 0; i < block.queries(); ++i) {
    const KeyRange chunks = chunks_of(w.ranges[i]);
    if (chunk < chunks.begin || chunk >= chunks.end) continue;
    float* total = w.totals + i * w.part;
    const float* part = w.parts + i * w.part;
    if (chunk == chunks.begin) {
      std::memcpy(total, part, w.part * sizeof(float));
    } else {
      merge.add(total, part);
    }
  }
  merge.flush();
}

// out = a total divided by its sum.
void store_output(const AttentionArgs& args, const float* total, float* out) {
  const float gathered = total[padded_dim(args.head_dim)];
  const Vec sum = set1(gathered == 0.0f ? 1.0f : gathered);  // saw nothing: outputs are 0
  for (std::size_t d = 0; d < args.head_dim; d += kLanes) {
    const std::size_t left = args.head_dim - d;
    const Vec v = div(load(total + d), sum);
    if (left >= kLanes) {
      store(out + d, v);
    } else {
      store_first(out + d, v, left);
    }
  }
}

inline float* output_of(const AttentionArgs& args, std::size_t head, std::size_t row) {
  return args.out + row * args.out_stride + head * args.head_dim;
}

void attend_block(const Worker& w, const Block& block) {
  load_queries(w, block);
  const std::size_t count = block.queries();
  for (std::size_t i = 0; i < count; ++i)
    if (w.ranges[i].begin == w.ranges[i].end)
      std::memset(w.totals + i * w.part, 0, w.part * sizeof(float));
  const KeyRange keys = keys_of(w, block);
  const KeyRange chunks = chunks_of(keys);
  for (std::size_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    attend_chunk(w, block, in_chunk(keys, chunk));
    merge_chunk(w, block, chunk);
  }
  for (std::size_t i = 0; i < count; ++i)
    store_output(w.args, w.totals + i * w.part, output_of(w.args, block.head(i), block.row(i)));
}

// Cuts heads and rows into blocks of whole row tiles of one head where there is room: their rows
// see about the same keys. Calls body(block).
template <class Body>
void for_blocks(const AttentionArgs& args, KeyRange heads, KeyRange rows, const Body& body) {
  const std::size_t group = args.heads / args.kv_heads;
  for (std::size_t head = heads.begin; head < heads.end;) {
    const std::size_t group_end = smaller((head / group + 1) * group, heads.end);
    const std::size_t count = smaller(group_end - head, kBlockQueries);
    const std::size_t room = kBlockQueries / count;
    const std::size_t step = room > kRowTile ? room / kRowTile * kRowTile : room;
    for (std::size_t row = rows.begin; row < rows.end; row += step)
      body(Block{head / group, head, row, count, smaller(step, rows.end - row)});
    head += count;
  }
}

void attention(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
               std::size_t row_begin, std::size_t row_end, std::byte* scratch) noexcept {
  [[maybe_unused]] const Units units{};
  const Worker w = make_worker(args, scratch);
  for_blocks(args, {head_begin, head_end}, {row_begin, row_end},
             [&](const Block& block) { attend_block(w, block); });
}

void attention_part(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                    std::size_t chunk, const AttentionParts& parts, std::byte* scratch) noexcept {
  [[maybe_unused]] const Units units{};
  const Worker w = make_worker(args, scratch);
  for_blocks(args, {head_begin, head_end}, {0, args.rows}, [&](const Block& block) {
    load_queries(w, block);
    attend_chunk(w, block, in_chunk(keys_of(w, block), chunk));
    for (std::size_t i = 0; i < block.queries(); ++i)
      std::memcpy(part_of(args, parts, block.head(i), block.row(i), chunk), w.parts + i * w.part,
                  w.part * sizeof(float));
  });
}

void attention_merge(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                     const AttentionParts& parts) noexcept {
  const std::size_t dim = padded_dim(args.head_dim);
  for (std::size_t head = head_begin; head < head_end; ++head) {
    for (std::size_t row = 0; row < args.rows; ++row) {
      const KeyRange chunks = chunks_of(visible_keys(args, row));
      float* const out = output_of(args, head, row);
      if (chunks.begin == chunks.end) {
        std::memset(out, 0, args.head_dim * sizeof(float));
        continue;
      }
      float* const total = part_of(args, parts, head, row, chunks.begin);
      for (std::size_t chunk = chunks.begin + 1; chunk < chunks.end; ++chunk) {
        Merge merge{dim};
        merge.add(total, part_of(args, parts, head, row, chunk));
        merge.flush();
      }
      store_output(args, total, out);
    }
  }
}
