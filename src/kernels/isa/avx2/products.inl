// Products of the integer kernels, as in generic/linear_int8_products.inl, without VNNI: sums of
// pairs are added up in 16 bits while they fit. Included inside an anonymous namespace, after
// generic/linear_layouts.inl.

template <int Bits, int First, int Count, int R>
HALFBYTE_INLINE void add_products(const Group (&group)[1], const std::int8_t* x, std::size_t stride,
                                  typename V::Int (&dots)[1][R]) {
  constexpr int kRun = V::kRun<Bits> < Count ? V::kRun<Bits> : Count;
  unroll<Count / kRun>([&](auto j) HALFBYTE_INLINE_LAMBDA {
    typename V::Int pairs[R];
    unroll<kRun>([&](auto i) HALFBYTE_INLINE_LAMBDA {
      constexpr int kStep = First + decltype(j)::value * kRun + decltype(i)::value;
      const std::int8_t* at = x + 4 * kStep * stride;
      unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
        const typename V::Int products = V::multiply<Bits>(group[0].codes[kStep], at + 4 * r);
        pairs[r] = decltype(i)::value == 0 ? products : _mm256_add_epi16(pairs[r], products);
        // In this order: g++ would gather the products of all steps first, in memory.
        asm volatile("" : "+x"(pairs[r]));
      });
    });
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      dots[0][r] = V::add_int(dots[0][r], V::add_pairs(pairs[r]));
    });
  });
}
