// Products of tiles with VDPBF16PS: 8 rows x 2 panels of sums in registers, a pair of inputs
// broadcast to all outputs. Included inside an anonymous namespace after generic/bf16_job.inl.

struct Tiles {
  static constexpr std::size_t kRows = 8;

  static void multiply(const Job& job) { job.panels == 2 ? run<2>(job) : run<1>(job); }

 private:
  static __mmask16 lanes(const Job& job, std::size_t panel) {
    const std::size_t left = job.columns - panel * kPanel;
    return static_cast<__mmask16>(left >= kPanel ? 0xFFFFu : (1u << left) - 1u);
  }

  // All kRows rows are computed; those that do not exist are not stored.
  template <int Panels>
  static void run(const Job& job) {
    __m512 sums[kRows][Panels];
    unroll<kRows>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      unroll<Panels>([&](auto p) HALFBYTE_INLINE_LAMBDA {
        const float* y = job.y + r * job.stride + p * kPanel;
        const bool wanted = job.add && static_cast<std::size_t>(r) < job.rows;
        sums[r][p] = wanted ? _mm512_maskz_loadu_ps(lanes(job, p), y) : _mm512_setzero_ps();
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
    }
    unroll<kRows>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      if (static_cast<std::size_t>(r) >= job.rows) return;
      unroll<Panels>([&](auto p) HALFBYTE_INLINE_LAMBDA {
        _mm512_mask_storeu_ps(job.y + r * job.stride + p * kPanel, lanes(job, p), sums[r][p]);
      });
    });
  }

  static HALFBYTE_INLINE __m512bh words(__m512i bits) {
    __m512bh result;
    std::memcpy(&result, &bits, sizeof(result));
    return result;
  }
};
