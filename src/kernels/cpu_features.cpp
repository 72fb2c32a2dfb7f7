// Detection by CPUID and XGETBV (Intel SDM vol. 1 ch. 13-14, vol. 2 CPUID) or the ELF hardware
// capabilities (Arm), and the levels that --isa names.
#include "kernels/cpu_features.h"

#include "base/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace halfbyte {
namespace {

using enum CpuFeature;

constexpr std::uint32_t bit(CpuFeature feature) {
  return static_cast<std::uint32_t>(feature);
}

struct Level {
  std::string_view name;
  std::uint32_t adds;   // allowed from this level on
  std::uint32_t needs;  // to be on this level
};

#if defined(__aarch64__)
constexpr Level kLevels[] = {
    {"scalar", 0, 0},
    {"neon", bit(neon), bit(neon)},
    {"dotprod", bit(dotprod), bit(neon) | bit(dotprod)},
    {"i8mm", bit(i8mm), bit(neon) | bit(dotprod) | bit(i8mm)},
};
#else
constexpr std::uint32_t kVnni512 = bit(avx2) | bit(avx512) | bit(avx512vnni);
constexpr Level kLevels[] = {
    {"scalar", 0, 0},
    {"avx2", bit(avx2) | bit(read_streams), bit(avx2)},
    {"avxvnni", bit(avxvnni), bit(avx2) | bit(avxvnni)},
    {"avx512vnni", kVnni512 | bit(avx512bf16) | bit(avx512fp16) | bit(fast_bf16), kVnni512},
    {"amx", bit(amx_int8) | bit(amx_bf16), kVnni512 | bit(amx_int8) | bit(amx_bf16)},
};
#endif

#if defined(__x86_64__)

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};
Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);
  return r;
}

// The register states that the operating system saves (XCR0).
std::uint64_t saved_states(const Registers& leaf1) {
  if (((leaf1.c >> 27) & 1u) == 0) return 0;  // no OSXSAVE
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

enum class Maker { intel, amd, other };
Maker maker() {
  const Registers zero = cpuid(0, 0);
  if (zero.b == signature_INTEL_ebx && zero.d == signature_INTEL_edx) return Maker::intel;
  if (zero.b == signature_AMD_ebx && zero.d == signature_AMD_edx) return Maker::amd;
  return Maker::other;
}

constexpr std::uint64_t kYmmStates = 0x6, kZmmStates = 0xE6, kTileStates = 0x60000;

// Linux hands out tile registers only on request (arch_prctl, ARCH_REQ_XCOMP_PERM).
bool request_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::uint32_t detect() {
  const Registers one = cpuid(1, 0), seven = cpuid(7, 0), seven1 = cpuid(7, 1);
  const std::uint64_t states = saved_states(one);
  const auto saved = [&](std::uint64_t mask) { return (states & mask) == mask; };
  const auto is_set = [](unsigned reg, int index) { return ((reg >> index) & 1u) != 0; };
  std::uint32_t bits = 0;
  const auto add_if = [&](bool present, CpuFeature feature) { bits |= present ? bit(feature) : 0; };

  const bool fma_f16c = is_set(one.c, 12) && is_set(one.c, 29);
  add_if(saved(kYmmStates) && fma_f16c && is_set(seven.b, 5) && is_set(seven.b, 8), avx2);
  if ((bits & bit(avx2)) == 0) return 0;
  add_if(maker() == Maker::intel, read_streams);
  add_if(is_set(seven1.a, 4), avxvnni);
  const bool f_dq_bw_vl =
      is_set(seven.b, 16) && is_set(seven.b, 17) && is_set(seven.b, 30) && is_set(seven.b, 31);
  if (saved(kZmmStates) && f_dq_bw_vl) {
    bits |= bit(avx512);
    add_if(is_set(seven.c, 11), avx512vnni);
    add_if(is_set(seven1.a, 5), avx512bf16);
    add_if(is_set(seven1.a, 5) && maker() == Maker::amd, fast_bf16);
    add_if(is_set(seven.d, 23), avx512fp16);
  }
  if (saved(kTileStates) && is_set(seven.d, 24) && request_tiles()) {
    add_if(is_set(seven.d, 25), amx_int8);
    add_if(is_set(seven.d, 22), amx_bf16);
  }
  return bits;
}

#elif defined(__aarch64__)

std::uint32_t detect() {
  constexpr unsigned long kAsimd = 1ul << 1, kDotprod = 1ul << 20;  // AT_HWCAP
  constexpr unsigned long kI8mm = 1ul << 13;                        // AT_HWCAP2
  const unsigned long caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
  std::uint32_t bits = 0;
  if ((caps & kAsimd) != 0) bits |= bit(neon);
  if ((caps & kDotprod) != 0) bits |= bit(dotprod);
  if ((caps2 & kI8mm) != 0) bits |= bit(i8mm);
  return bits;
}

#else

std::uint32_t detect() {
  return 0;
}

#endif

}  // namespace

CpuFeatures detect_cpu_features() {
  return {detect()};
}

std::vector<std::string_view> isa_levels() {
  std::vector<std::string_view> names;
  for (const Level& level : kLevels) names.push_back(level.name);
  return names;
}

CpuFeatures mask_to_isa(CpuFeatures features, std::string_view isa) {
  std::uint32_t allowed = 0;
  std::string known;
  for (const Level& level : kLevels) {
    allowed |= level.adds;
    if (level.name == isa) return {features.bits & allowed};
    known += (known.empty() ? "" : ", ") + std::string(level.name);
  }
  fail_usage("unknown instruction set '" + std::string(isa) + "' (known: " + known + ")");
}

std::string_view isa_level_of(CpuFeatures features) {
  std::string_view best = kLevels[0].name;
  for (const Level& level : kLevels) {
    if (features.includes({level.needs})) best = level.name;
  }
  return best;
}

}  // namespace halfbyte
