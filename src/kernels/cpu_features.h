// What the CPU can do, as a value: kernels are selected from it, so selection for CPUs we do not
// have is tested like any function.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halfbyte {

// One bit a feature. A feature counts only when the operating system saves its registers too.
enum class CpuFeature : std::uint32_t {
  avx2 = 1u << 0,     // with FMA, F16C and BMI2
  avxvnni = 1u << 1,  // 256-bit dot products without AVX-512
  avx512 = 1u << 2,   // F, BW, DQ, VL
  avx512vnni = 1u << 3,
  avx512bf16 = 1u << 4,
  avx512fp16 = 1u << 5,
  amx_int8 = 1u << 6,
  amx_bf16 = 1u << 7,
  neon = 1u << 8,
  dotprod = 1u << 9,
  i8mm = 1u << 10,
  // What is not a matter of can: which of two ways is the faster one, known by the maker.
  fast_bf16 = 1u << 11,     // VDPBF16PS at the rate of an FMA: AMD's, not Intel's
  read_streams = 1u << 12,  // a core reads four streams of memory faster than one: Intel's
};

struct CpuFeatures {
  std::uint32_t bits = 0;

  bool has(CpuFeature feature) const { return (bits & static_cast<std::uint32_t>(feature)) != 0; }
  bool includes(CpuFeatures needed) const { return (bits & needed.bits) == needed.bits; }
  friend bool operator==(CpuFeatures, CpuFeatures) = default;
};

// Features of this machine. Asks the kernel for the AMX tile state where there is AMX.
CpuFeatures detect_cpu_features();

// The levels that `--isa` names, lowest first: scalar, avx2, avxvnni, avx512vnni, amx; neon, ...
std::vector<std::string_view> isa_levels();
// `features` without anything above the level. Fails with kUsage for an unknown name, listing the
// known ones.
CpuFeatures mask_to_isa(CpuFeatures features, std::string_view isa);
// The highest level whose features are all there: "avx512vnni".
std::string_view isa_level_of(CpuFeatures features);

}  // namespace halfbyte
