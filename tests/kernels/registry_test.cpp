// Selection of kernels for CPUs that we have and do not have, by kernel name.
#include "kernels/registry.h"

#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/isa_rows.h"
#include "kernels/packed.h"

namespace halfbyte {
namespace {

std::string selected(DType weight, Phase phase, Compute compute, CpuFeatures features) {
  return std::string(select_linear(weight, phase, compute, features)->name);
}

TEST(RegistryTest, EveryPackedTypeHasAKernelOnEveryCpu) {
  for (const PackedFormat& format : all_packed_formats()) {
    for (const Phase phase : {Phase::decode, Phase::prefill}) {
      for (const Compute compute : {Compute::int8, Compute::f32}) {
        for (const CpuFeatures features : {CpuFeatures{}, CpuFeatures{~0u}}) {
          const LinearKernel* kernel = select_linear(format.dtype, phase, compute, features);
          ASSERT_NE(kernel, nullptr) << name(format.dtype);
          EXPECT_EQ(kernel->f32 != nullptr, compute == Compute::f32 || format.group == 0);
          EXPECT_EQ(kernel->int8 == nullptr && kernel->token == nullptr, kernel->f32 != nullptr);
        }
      }
    }
  }
  EXPECT_EQ(select_linear(DType::i64, Phase::decode, Compute::int8, {~0u}), nullptr);
}

TEST(RegistryTest, NamesAreUniqueAndRanksAscend) {
  std::set<std::string_view> names;
  int rank = -1;
  for (const IsaRows* isa : all_isas()) {
    EXPECT_GT(isa->rank, rank);
    rank = isa->rank;
    for (const LinearKernel& kernel : isa->linear) {
      EXPECT_TRUE(names.insert(kernel.name).second) << kernel.name;
      EXPECT_EQ(kernel.isa, isa->name);
      EXPECT_TRUE(kernel.name.starts_with(std::string(isa->name) + ".")) << kernel.name;
    }
  }
}

TEST(RegistryTest, NothingRunsWithoutItsFeatures) {
  EXPECT_EQ(selected(DType::q4_0, Phase::decode, Compute::int8, {}), "scalar.q4_0.decode");
  EXPECT_EQ(selected(DType::q4_0, Phase::decode, Compute::f32, {}), "scalar.q4_0.f32.decode");
  EXPECT_EQ(select_rows({}).isa, "scalar");
}

#if defined(__x86_64__)
TEST(RegistryTest, SelectsByTheFeaturesOfX86) {
  using enum CpuFeature;
  const CpuFeatures haswell = cpu_features({avx2});
  const CpuFeatures skylake_server = cpu_features({avx2, avx512});
  const CpuFeatures cascade_lake = cpu_features({avx2, avx512, avx512vnni});
  const CpuFeatures alder_lake = cpu_features({avx2, avxvnni});
  const CpuFeatures sapphire_rapids = {~0u};  // more than it has, but nothing more is chosen
  const auto q4_k = [](Phase phase, CpuFeatures cpu) {
    return selected(DType::q4_k, phase, Compute::int8, cpu);
  };
  EXPECT_EQ(q4_k(Phase::decode, haswell), "avx2.q4_k.decode");
  EXPECT_EQ(q4_k(Phase::prefill, skylake_server), "avx2.q4_k.prefill");
  EXPECT_EQ(q4_k(Phase::prefill, alder_lake), "avxvnni.q4_k.prefill");
  EXPECT_EQ(q4_k(Phase::decode, cascade_lake), "avx512vnni.q4_k.decode");
  // Decoding reads several streams of memory where those are faster.
  EXPECT_EQ(q4_k(Phase::decode, sapphire_rapids), "avx512vnni.q4_k.decode.streams");
  EXPECT_EQ(q4_k(Phase::decode, mask_to_isa(sapphire_rapids, "avx2")), "avx2.q4_k.decode.streams");
  EXPECT_EQ(q4_k(Phase::decode, mask_to_isa(sapphire_rapids, "avxvnni")),
            "avxvnni.q4_k.decode.streams");
  EXPECT_EQ(q4_k(Phase::prefill, mask_to_isa(sapphire_rapids, "avxvnni")), "avxvnni.q4_k.prefill");
  // Float weights compute in f32 whatever is asked for; 256-bit VNNI has nothing to add to them.
  EXPECT_EQ(selected(DType::f16, Phase::prefill, Compute::int8, alder_lake), "avx2.f16.prefill");
  EXPECT_EQ(select_rows(alder_lake).isa, "avx2");
  EXPECT_EQ(select_rows(cascade_lake).isa, "avx512vnni");
}

// VDPBF16PS may be there and slower than f32: only who asks for it gets it then.
TEST(Registry, Bf16IsTheDefaultOnlyWhereItIsFast) {
  using enum CpuFeature;
  const CpuFeatures slow = cpu_features({avx2, avx512, avx512vnni, avx512bf16, read_streams});
  const CpuFeatures fast = cpu_features({avx2, avx512, avx512vnni, avx512bf16, fast_bf16});
  const auto prefill = [](DType weight, std::optional<Compute> compute, CpuFeatures cpu) {
    return std::string(choose_linear(weight, compute, cpu).prefill->name);
  };
  for (const DType weight : {DType::f16, DType::bf16}) {
    const std::string f32 = fmt::format("avx512vnni.{}.prefill", name(weight));
    const std::string bf16 = fmt::format("avx512bf16.{}.bf16.prefill", name(weight));
    EXPECT_EQ(prefill(weight, std::nullopt, slow), f32);
    EXPECT_EQ(prefill(weight, std::nullopt, fast), bf16);
    EXPECT_EQ(prefill(weight, Compute::bf16, slow), bf16);
  }
  EXPECT_EQ(prefill(DType::q4_0, std::nullopt, fast), "avx512vnni.q4_0.prefill");
  EXPECT_EQ(choose_attention(DType::f16, std::nullopt, slow).prefill->isa, "avx512vnni");
  EXPECT_EQ(choose_attention(DType::f16, Compute::int8, slow).prefill->isa, "avx512vnni");
  EXPECT_EQ(choose_attention(DType::f16, Compute::bf16, slow).prefill->isa, "avx512bf16");
  EXPECT_EQ(rounded_compute(slow), Compute::f32);
  EXPECT_EQ(rounded_compute(fast), Compute::bf16);
  EXPECT_EQ(rounded_compute(cpu_features({avx2, avx512, amx_bf16})), Compute::bf16);
}

// Decoding and whatever must be exact multiply in f32.
TEST(Registry, AttentionOfPrefillIsBf16WhereItIsFast) {
  using enum CpuFeature;
  const CpuFeatures all = {~0u};
  CpuFeatures no_tiles = all;
  no_tiles.bits &= ~static_cast<std::uint32_t>(amx_bf16);
  const auto prefill = [](DType cache, std::optional<Compute> compute, CpuFeatures cpu) {
    const AttentionKernel& row = *choose_attention(cache, compute, cpu).prefill;
    return std::string(row.isa) + (row.compute == Compute::bf16 ? " bf16" : "");
  };
  EXPECT_EQ(prefill(DType::f16, std::nullopt, all), "amx bf16");
  EXPECT_EQ(prefill(DType::q8_0, Compute::int8, no_tiles), "avx512bf16 bf16");
  EXPECT_EQ(prefill(DType::f16, Compute::f32, all), "avx512vnni");
  EXPECT_EQ(prefill(DType::f32, Compute::bf16, all), "avx512vnni");
  EXPECT_EQ(prefill(DType::f16, std::nullopt, cpu_features({avx2})), "avx2");
  EXPECT_EQ(choose_attention(DType::f16, std::nullopt, all).decode->isa, "avx512vnni");
  EXPECT_EQ(choose_attention(DType::f16, std::nullopt, {}).decode->isa, "scalar");
}
// Types with a scale a row stay with integers, in tiles where there are such.
TEST(Registry, RowScaledTypesPrefillInIntegersEverywhere) {
  using enum CpuFeature;
  for (const DType type : {DType::w8a8, DType::int8, DType::w4a8}) {
    const LinearChoice all = choose_linear(type, std::nullopt, {~0u});
    EXPECT_EQ(all.prefill->isa, "amx");
    EXPECT_NE(all.prefill->token, nullptr);
    const CpuFeatures no_tiles = mask_to_isa({~0u}, "avx512vnni");
    EXPECT_EQ(choose_linear(type, std::nullopt, no_tiles).prefill->isa, "avx512vnni");
    EXPECT_EQ(choose_linear(type, std::nullopt, cpu_features({avx2, avxvnni})).decode->isa,
              "avxvnni");
    EXPECT_EQ(choose_linear(type, std::nullopt, {}).decode->isa, "scalar");
    EXPECT_NE(choose_linear(type, Compute::f32, {~0u}).prefill->f32, nullptr);
  }
  EXPECT_EQ(choose_linear(DType::int8, std::nullopt, {}).outliers, 6.0f);
  EXPECT_EQ(choose_linear(DType::w8a8, std::nullopt, {}).outliers, kNoOutliers);
  EXPECT_EQ(choose_linear(DType::w4a8, std::nullopt, {}).outliers, kNoOutliers);
}
#endif

}  // namespace
}  // namespace halfbyte
