// Products of the integer kernels with VPDPBUSD. Included inside an anonymous namespace, after
// generic/linear_layouts.inl.

// dots[p][r] += the products of steps [First, First + Count) of part p with the inputs of row r:
// those of step s are at x + 4 * (s * stride + r). Rows and parts are side by side, since one sum
// would wait for itself.
template <int Bits, int First, int Count, int P, int R>
HALFBYTE_INLINE void add_products(const Group (&group)[P], const std::int8_t* x, std::size_t stride,
                                  typename V::Int (&dots)[P][R]) {
  unroll<Count>([&](auto i) HALFBYTE_INLINE_LAMBDA {
    constexpr int kStep = First + decltype(i)::value;
    const std::int8_t* at = x + 4 * kStep * stride;
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      unroll<P>([&](auto p) HALFBYTE_INLINE_LAMBDA {
        dots[p][r] = V::template dot<Bits>(dots[p][r], group[p].codes[kStep], at + 4 * r);
      });
    });
  });
}
