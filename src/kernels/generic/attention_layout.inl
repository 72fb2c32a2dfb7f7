// What every implementation of attention agrees on: which keys a row sees, the key tile, the parts
// of a row's answer, and the scratch of a thread. Included inside each file's anonymous namespace,
// so that nothing here is shared between objects that are compiled with different flags.

// Keys enter the online softmax in tiles that start at multiples of this, whatever rows and heads
// are computed together: so a row's result does not depend on them.
constexpr std::size_t kKeyTile = 64;
static_assert(kAttentionChunk % kKeyTile == 0);
// Query rows (positions x heads of one KV head) that share a decoded tile of keys and values.
constexpr std::size_t kBlockQueries = 288;
constexpr std::size_t kMaxLanes = 16;      // of any ISA
constexpr std::size_t kMaxRowTile = 8;     // query rows in registers, of any ISA
constexpr std::size_t kMaxStepRows = 32;   // query rows that go through a tile together
constexpr std::size_t kQ8BlockBytes = 34;  // f16 scale, 32 codes
constexpr std::size_t kQ8Block = 32;

constexpr std::size_t padded_dim(std::size_t head_dim) {
  return (head_dim + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
}

// What some keys give a row: the sum of exp(score - max) * value, [padded_dim]; then the sum of
// exp(score - max) and max.
constexpr std::size_t part_floats(std::size_t head_dim) {
  return padded_dim(head_dim) + kMaxLanes;
}

// Keys [begin, end).
struct KeyRange {
  std::size_t begin;
  std::size_t end;
};

// Offsets in floats of a thread's scratch; each part starts on 64 bytes. D = padded_dim. Where the
// products are in bfloat16, so are queries, keys and values, in less room.
struct AttentionLayout {
  std::size_t queries;  // [kBlockQueries][D], scaled
  std::size_t parts;    // [kBlockQueries][part_floats], of one chunk
  std::size_t totals;   // [kBlockQueries][part_floats], of the chunks so far
  std::size_t keys;     // [D][kKeyTile], a tile transposed
  std::size_t values;   // [kKeyTile][D]
  std::size_t staging;  // [kMaxLanes][D] floats, keys before they are transposed
  std::size_t scores;   // [2][kMaxStepRows][kKeyTile], of two steps
  std::size_t weights;  // the same in bfloat16
  std::size_t hidden;   // [kKeyTile], -inf for keys that key_mask hides, else 0
  std::size_t sums;     // [kBlockQueries], of one chunk, where parts get theirs at its end
  std::size_t maxima;   // [kBlockQueries]
  std::size_t ranges;   // [kBlockQueries] of KeyRange: the keys that each query sees
  std::size_t end;
};

constexpr AttentionLayout attention_layout(std::size_t head_dim) {
  const std::size_t dim = padded_dim(head_dim);
  AttentionLayout at{};
  at.parts = at.queries + kBlockQueries * dim;
  at.totals = at.parts + kBlockQueries * part_floats(head_dim);
  at.keys = at.totals + kBlockQueries * part_floats(head_dim);
  at.values = at.keys + kKeyTile * dim;
  at.staging = at.values + kKeyTile * dim;
  at.scores = at.staging + kMaxLanes * dim;
  at.weights = at.scores + 2 * kMaxStepRows * kKeyTile;
  at.hidden = at.weights + kMaxStepRows * kKeyTile;
  at.sums = at.hidden + kKeyTile;
  at.maxima = at.sums + kBlockQueries;
  at.ranges = at.maxima + kBlockQueries;
  at.end = at.ranges + kBlockQueries * sizeof(KeyRange) / sizeof(float);
  return at;
}

// The keys that `row` sees, before key_mask; begin == end if there are none.
constexpr KeyRange visible_keys(const AttentionArgs& args, std::size_t row) {
  const std::size_t position = args.first_position + row;
  KeyRange keys{0, args.length};
  if (args.causal && position + 1 < keys.end) keys.end = position + 1;
  if (args.window > 0) {
    if (position + 1 > args.window) keys.begin = position + 1 - args.window;
    if (!args.causal && position + args.window < keys.end) keys.end = position + args.window;
  }
  if (keys.begin > keys.end) keys.begin = keys.end;
  return keys;
}

// The chunks that hold them.
constexpr KeyRange chunks_of(KeyRange keys) {
  if (keys.begin == keys.end) return {0, 0};
  return {keys.begin / kAttentionChunk, (keys.end - 1) / kAttentionChunk + 1};
}

// The part of `keys` that lies in a chunk.
constexpr KeyRange in_chunk(KeyRange keys, std::size_t chunk) {
  const std::size_t first = chunk * kAttentionChunk;
  const std::size_t last = first + kAttentionChunk;
  const std::size_t begin = keys.begin > first ? keys.begin : first;
  const std::size_t end = keys.end < last ? keys.end : last;
  return {begin < end ? begin : end, end};
}

// Where the part of a head, row and chunk is.
inline float* part_of(const AttentionArgs& args, const AttentionParts& parts, std::size_t head,
                      std::size_t row, std::size_t chunk) {
  const std::size_t index = (head * args.rows + row) * parts.chunks + chunk - parts.first_chunk;
  return parts.data + index * part_floats(args.head_dim);
}
