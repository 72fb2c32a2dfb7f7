// Peak loops over an instruction set's own steps. Included inside an anonymous namespace, after
// unroll.inl.

// Chains of one step each, so many that the step's latency is hidden; returns the sum of all lanes,
// which `store` writes to an array of `Lanes` elements.
template <int Chains, int Lanes, typename Element, typename Vector, typename Step, typename Store>
HALFBYTE_INLINE double run_chains(std::uint64_t iterations, Vector zero, const Step& step,
                                  const Store& store) {
  Vector sums[Chains];
  unroll<Chains>([&](auto i) HALFBYTE_INLINE_LAMBDA { sums[i] = zero; });
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

// Sixteen vectors of `Bytes` at a time, into four chains.
template <int Bytes, typename Vector, typename Load, typename Xor, typename Store>
HALFBYTE_INLINE std::uint64_t read_all(const std::byte* data, std::size_t bytes, Vector zero,
                                       const Load& load, const Xor& exclusive_or,
                                       const Store& store) {
  constexpr int kVectors = 1024 / Bytes < 16 ? 1024 / Bytes : 16;
  Vector chains[4] = {zero, zero, zero, zero};
  for (std::size_t at = 0; at < bytes; at += kVectors * std::size_t{Bytes}) {
    unroll<kVectors>([&](auto i) HALFBYTE_INLINE_LAMBDA {
      chains[i % 4] = exclusive_or(chains[i % 4], load(data + at + std::size_t{i} * Bytes));
    });
  }
  std::uint64_t words[Bytes / 8];
  store(words,
        exclusive_or(exclusive_or(chains[0], chains[1]), exclusive_or(chains[2], chains[3])));
  std::uint64_t total = 0;
  for (const std::uint64_t word : words) total ^= word;
  return total;
}
