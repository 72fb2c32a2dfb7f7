// Products of tiles with VDPBF16PS: 8 rows x 2 panels of sums in registers, a pair of inputs
// broadcast to all outputs. Included inside an anonymous namespace after generic/bf16_job.inl.

struct Tiles {
  static constexpr std::size_t kRows = 8;

  static void multiply(const Job& job) {
    multiply(job, [] {});
  }
  // Calls beside() after each step.
  template <class Beside>
  static HALFBYTE_INLINE void multiply(const Job& job, const Beside& beside) {
    const bool whole = job.rows == kRows && job.columns == job.panels * kPanel;
    if (job.panels == 2) {
      whole ? run<2, true>(job, beside) : run<2, false>(job, beside);
    } else {
      whole ? run<1, true>(job, beside) : run<1, false>(job, beside);
    }
  }

 private:
  static __mmask16 lanes(const Job& job, std::size_t panel) {
    const std::size_t left = job.columns - panel * kPanel;
    return static_cast<__mmask16>(left >= kPanel ? 0xFFFFu : (1u << left) - 1u);
  }
  template <bool Whole>
  static HALFBYTE_INLINE __m512 load_sum(const Job& job, const float* y, std::size_t r,
                                         std::size_t p) {
    if constexpr (Whole) return _mm512_loadu_ps(y);
    return r < job.rows ? _mm512_maskz_loadu_ps(lanes(job, p), y) : _mm512_setzero_ps();
  }
  template <bool Whole>
  static HALFBYTE_INLINE void store_sum(const Job& job, float* y, std::size_t r, std::size_t p,
                                        __m512 sum) {
    if constexpr (Whole) return _mm512_storeu_ps(y, sum);
    if (r < job.rows) _mm512_mask_storeu_ps(y, lanes(job, p), sum);
  }

  // All kRows rows are computed; those that do not exist are not stored.
  template <int Panels, bool Whole, class Beside>
  static void run(const Job& job, const Beside& beside) {
    __m512 sums[kRows][Panels];
    unroll<kRows>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      unroll<Panels>([&](auto p) HALFBYTE_INLINE_LAMBDA {
        const float* y = job.y + r * job.stride + p * kPanel;
        sums[r][p] = job.add ? load_sum<Whole>(job, y, r, p) : _mm512_setzero_ps();
      });
    });
    const std::uint16_t* a = job.a;
    const std::uint16_t* b = job.b;
    for (std::size_t step = 0; step < job.steps; ++step, a += kTileWords, b += kStepWords) {
      for (std::size_t pair = 0; pair < kStepInputs / 2; ++pair) {
        __m512bh weights[Panels];
        unroll<Panels>([&](auto p) HALFBYTE_INLINE_LAMBDA {
          weights[p] = words(_mm512_loadu_si512(b + p * job.b_panel + pair * 2 * kPanel));
        });
        unroll<kRows>([&](auto r) HALFBYTE_INLINE_LAMBDA {
          std::int32_t inputs;
          std::memcpy(&inputs, a + r * kStepInputs + 2 * pair, sizeof(inputs));
          const __m512bh both = words(_mm512_set1_epi32(inputs));
          unroll<Panels>([&](auto p) HALFBYTE_INLINE_LAMBDA {
            sums[r][p] = _mm512_dpbf16_ps(sums[r][p], both, weights[p]);
          });
        });
      }
      beside();
    }
    // The addresses of sums are made again: g++ 12 would keep all of them through the loop, in
    // vector registers, and moves from there wait behind the products.
    float* y = job.y;
    std::size_t stride = job.stride;
    asm("" : "+r"(y), "+r"(stride));
    unroll<kRows>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      unroll<Panels>([&](auto p) HALFBYTE_INLINE_LAMBDA {
        store_sum<Whole>(job, y + r * stride + p * kPanel, r, p, sums[r][p]);
      });
    });
  }

  static HALFBYTE_INLINE __m512bh words(__m512i bits) {
    __m512bh result;
    std::memcpy(&result, &bits, sizeof(result));
    return result;
  }
};
