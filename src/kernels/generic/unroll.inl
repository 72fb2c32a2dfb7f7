// Unrolled loops. Included inside an anonymous namespace.

// fn(Constant<0>), ... fn(Constant<N - 1>): loops whose bodies need constants, or whose arrays must
// stay in registers.
template <int N>
struct Constant {
  static constexpr int value = N;
  constexpr operator int() const { return N; }
};
template <int I, int N, typename Fn>
HALFBYTE_INLINE void unroll_from(const Fn& fn) {
  if constexpr (I < N) {
    fn(Constant<I>{});
    unroll_from<I + 1, N>(fn);
  }
}
template <int N, typename Fn>
HALFBYTE_INLINE void unroll(const Fn& fn) {
  unroll_from<0, N>(fn);
}
