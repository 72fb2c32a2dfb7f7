// Elementary functions on vectors (included in an anonymous namespace, after an ISA's vec.h). NaN
// in gives NaN out. The polynomials are relative minimax fits, made for these ranges.

constexpr float kInfinity = __builtin_huge_valf();

// x[i] = a[0] + a[1] x + ...
template <std::size_t N>
inline Vec polynomial(const float (&a)[N], Vec x) {
  Vec y = set1(a[N - 1]);
  for (std::size_t i = N - 1; i-- > 0;) y = fma(y, x, set1(a[i]));
  return y;
}

constexpr float kSmallestExponent = -87.33654f;  // ln(2^-126)

// e^x = y * 2^n for x in [kSmallestExponent, 100]; exp(0) is exactly 1.
struct Power {
  Vec y;
  Vec n;
};
inline Power exp_parts(Vec x) {
  // (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2
  static constexpr float kTail[] = {0.49999994f, 0.1666652f, 0.041668393f, 0.008368784f,
                                    0.0013814478f};
  const Vec n = round_even(mul(x, set1(1.44269504f)));
  // ln(2) in two parts: n times the first is exact.
  const Vec r = fnma(n, set1(1.42860677e-06f), fnma(n, set1(0.693145752f), x));
  return {add(set1(1.0f), fma(mul(r, r), polynomial(kTail, r), r)), n};
}

// e^x within 2 ulp. Results below 2^-126 are 0 (exactly, as for -inf), since subnormal weights
// would only slow the sums down.
inline Vec exp(Vec x) {
  const Power p = exp_parts(min(set1(100.0f), max(set1(kSmallestExponent), x)));
  return select(less(x, set1(kSmallestExponent)), set1(0.0f), times_large_power(p.y, p.n));
}
// The same for x <= 0, in fewer steps.
inline Vec exp_nonpositive(Vec x) {
  const Power p = exp_parts(max(set1(kSmallestExponent), x));
  return select(less(x, set1(kSmallestExponent)), set1(0.0f), times_power(p.y, p.n));
}

// Relative error below 1e-6.
inline Vec tanh(Vec x) {
  // (tanh x - x) / x^3 in x^2, on |x| <= 0.6; beyond, 1 - 2 / (e^2x + 1) loses nothing.
  static constexpr float kTail[] = {-0.333333f, 0.13331924f, -0.05378382f, 0.02079593f,
                                    -0.005895106f};
  const Vec size = abs(x);
  const Vec square = mul(x, x);
  const Vec small = fma(mul(square, x), polynomial(kTail, square), x);
  const Vec large = sub(set1(1.0f), div(set1(2.0f), add(exp(add(size, size)), set1(1.0f))));
  return select(less(size, set1(0.6f)), small, copy_sign(large, x));
}

// x * sigmoid(u): relative error about 1e-7 (1 + |u|), from the rounding of u.
inline Vec times_sigmoid(Vec x, Vec u) {
  return div(x, add(set1(1.0f), exp(sub(set1(0.0f), u))));
}

// Activations (tensor/activation.h). Where x is large and negative they are 0, also at -inf: x is
// bounded below where the other factor has long been 0.
struct Relu {
  static Vec apply(Vec x) { return max(set1(0.0f), x); }
};
struct Gelu {
  // x * Phi(x), relative error below 1e-6 on both sides. Phi(-a) = e^(-a^2/2) * P(t),
  // t = 1 / (1 + 0.35 a), with the rounding of a^2 made good.
  static Vec apply(Vec value) {
    static constexpr float kTail[] = {0.13962126f,  0.13986433f, 0.11981563f,
                                      0.10557421f,  -0.0232623f, 0.15939046f,
                                      -0.25589955f, 0.14405958f, -0.029163657f};
    const Vec x = max(set1(-20.0f), value);
    const Vec a = min(set1(20.0f), abs(x));
    const Vec t = div(set1(1.0f), fma(set1(0.35f), a, set1(1.0f)));
    const Vec square = mul(a, a);
    const Vec lost = fma(a, a, sub(set1(0.0f), square));
    const Vec power = exp(mul(set1(-0.5f), square));
    const Vec density = fnma(mul(set1(0.5f), lost), power, power);
    const Vec tail = mul(density, mul(t, polynomial(kTail, t)));
    return mul(x, select(less(x, set1(0.0f)), tail, sub(set1(1.0f), tail)));
  }
};
struct GeluTanh {
  // 0.5 (1 + tanh u) = sigmoid(2u), which keeps its precision for negative u.
  static Vec apply(Vec value) {
    const Vec x = max(set1(-150.0f), value);
    const Vec inner = fma(mul(set1(0.044715f), mul(x, x)), x, x);
    return times_sigmoid(x, mul(set1(1.59576912f), inner));
  }
};
struct Silu {
  static Vec apply(Vec value) {
    const Vec x = max(set1(-150.0f), value);
    return times_sigmoid(x, x);
  }
};
struct QuickGelu {
  static Vec apply(Vec value) {
    const Vec x = max(set1(-150.0f), value);
    return times_sigmoid(x, mul(set1(1.702f), x));
  }
};
