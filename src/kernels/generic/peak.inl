// Peak loops over an instruction set's own steps. Included inside an anonymous namespace, after
// unroll.inl.

// Chains of one step each, so many that the step's latency is hidden; returns the sum of all lanes,
// which `store` writes to an array of `Lanes` elements.
template <int Chains, int Lanes, typename Element, typename Vector, typename Step, typename Store>
HALFBYTE_INLINE double run_chains(std::uint64_t iterations, Vector zero, const Step& step,
                                  const Store& store) {
  Vector sums[Chains];
  unroll<Chains>([&](auto i) HALFBYTE_INLINE_LAMBDA {
    // To the compiler each begins with a value of its own; it would compute equal chains once.
    Vector start = zero;
    __asm__ volatile("" : "+m"(start));
    sums[i] = start;
  });
  for (std::uint64_t n = 0; n < iterations; ++n) {
    unroll<Chains>([&](auto i) HALFBYTE_INLINE_LAMBDA { sums[i] = step(sums[i]); });
  }
  double total = 0.0;
  unroll<Chains>([&](auto i) HALFBYTE_INLINE_LAMBDA {
    Element lanes[Lanes];
    store(lanes, sums[i]);
    for (const Element lane : lanes) total += static_cast<double>(lane);
  });
  return total;
}

// `Streams` equal parts side by side, up to sixteen vectors of `Bytes` of each in turn, into four
// chains; more than one stream is prefetched.
template <int Bytes, int Streams, typename Vector, typename Load, typename Xor, typename Store>
HALFBYTE_INLINE std::uint64_t read_streams(const std::byte* data, std::size_t bytes, Vector zero,
                                           const Load& load, const Xor& exclusive_or,
                                           const Store& store) {
  constexpr int kVectors = 1024 / Bytes < 16 ? 1024 / Bytes : 16;
  constexpr std::size_t kAhead = 2048;
  const std::size_t part = bytes / Streams;
  Vector chains[4] = {zero, zero, zero, zero};
  for (std::size_t at = 0; at < part; at += kVectors * std::size_t{Bytes}) {
    for (std::size_t stream = 0; stream < Streams; ++stream) {
      const std::byte* const from = data + stream * part + at;
      unroll<kVectors>([&](auto i) HALFBYTE_INLINE_LAMBDA {
        const std::byte* const p = from + std::size_t{i} * Bytes;
        if constexpr (Streams > 1 && decltype(i)::value * Bytes % 64 == 0)
          __builtin_prefetch(p + kAhead);
        chains[i % 4] = exclusive_or(chains[i % 4], load(p));
      });
    }
  }
  std::uint64_t words[Bytes / 8];
  store(words,
        exclusive_or(exclusive_or(chains[0], chains[1]), exclusive_or(chains[2], chains[3])));
  std::uint64_t total = 0;
  for (const std::uint64_t word : words) total ^= word;
  return total;
}

template <int Bytes, typename Vector, typename Load, typename Xor, typename Store>
HALFBYTE_INLINE std::uint64_t read_all(const std::byte* data, std::size_t bytes, bool far,
                                       Vector zero, const Load& load, const Xor& exclusive_or,
                                       const Store& store) {
  return far ? read_streams<Bytes, 4>(data, bytes, zero, load, exclusive_or, store)
             : read_streams<Bytes, 1>(data, bytes, zero, load, exclusive_or, store);
}
