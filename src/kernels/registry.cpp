// Gathering the ISA folders' rows (the build lists the folders) and choosing among them.
#include "kernels/registry.h"

#include <algorithm>
#include <vector>

#include "kernels/isa_rows.h"
#include "kernels/packed.h"

namespace halfbyte {

#define HALFBYTE_ISA(name) const IsaRows& name##_rows();
#include "kernels/isa_list.inc"
#undef HALFBYTE_ISA

std::vector<LinearKernel> linear_kernels(std::string_view isa, CpuFeatures needs,
                                         std::initializer_list<LinearRows> lists,
                                         LinearRows streams) {
  std::vector<LinearKernel> kernels;
  const auto add = [&](const LinearRows& list) {
    for (const LinearRow& row : std::span(list.rows, list.count)) {
      const Phase phase = row.prefill ? Phase::prefill : Phase::decode;
      kernels.push_back(
          {row.name, isa, needs, row.weight, phase, row.int8, row.f32, row.bf16, row.token});
    }
  };
  for (const LinearRows& list : lists) add(list);
  needs.bits |= static_cast<std::uint32_t>(CpuFeature::read_streams);
  add(streams);
  return kernels;
}

std::vector<PeakKernel> peak_kernels(CpuFeatures needs, const PeakRows& list) {
  std::vector<PeakKernel> kernels;
  for (const PeakRow& row : std::span(list.rows, list.count)) {
    kernels.push_back({row.name, needs, row.kind, row.operations, row.multiply, row.read});
  }
  return kernels;
}

std::span<const IsaRows* const> all_isas() {
  static const std::vector<const IsaRows*> isas = [] {
    std::vector<const IsaRows*> list = {
#define HALFBYTE_ISA(name) &name##_rows(),
#include "kernels/isa_list.inc"
#undef HALFBYTE_ISA
    };
    std::ranges::sort(list, {}, &IsaRows::rank);
    return list;
  }();
  return isas;
}

namespace {

Compute compute_of(const LinearKernel& row) {
  if (row.int8 != nullptr || row.token != nullptr) return Compute::int8;
  return row.bf16 != nullptr ? Compute::bf16 : Compute::f32;
}

const LinearKernel* best_row(DType weight, Phase phase, Compute compute, CpuFeatures features) {
  const LinearKernel* best = nullptr;
  for (const IsaRows* isa : all_isas()) {
    for (const LinearKernel& row : isa->linear) {
      const bool fits = row.weight == weight && row.phase == phase && compute_of(row) == compute;
      if (fits && features.includes(row.needs)) best = &row;
    }
  }
  return best;
}

// Of a kind that is one row an ISA; the scalar row needs nothing, and is fit.
template <typename Row, typename Fits>
const Row& best_of(std::span<const Row> IsaRows::*rows, CpuFeatures features, const Fits& fits) {
  const Row* best = nullptr;
  for (const IsaRows* isa : all_isas()) {
    for (const Row& row : isa->*rows) {
      if (features.includes(row.needs) && fits(row)) best = &row;
    }
  }
  return *best;
}

bool bf16_is_fast(CpuFeatures features) {
  return rounded_compute(features) == Compute::bf16;
}

// Bfloat16 where it is the fastest: in tiles, and for float weights, which have no integer kernels,
// where vectors of it are fast.
Compute default_prefill(DType weight, CpuFeatures features) {
  const auto has = [&](Compute compute) {
    return best_row(weight, Phase::prefill, compute, features) != nullptr;
  };
  const bool fastest =
      features.has(CpuFeature::amx_bf16) || (bf16_is_fast(features) && !has(Compute::int8));
  return fastest && has(Compute::bf16) ? Compute::bf16 : Compute::int8;
}

float outliers_of(DType weight) {
  const PackedFormat* format = find_packed_format(weight);
  return format != nullptr ? format->outliers : kNoOutliers;
}

}  // namespace

const LinearKernel* select_linear(DType weight, Phase phase, Compute compute,
                                  CpuFeatures features) {
  const LinearKernel* best = best_row(weight, phase, compute, features);
  return best != nullptr ? best : best_row(weight, phase, Compute::f32, features);
}

LinearChoice choose_linear(DType weight, std::optional<Compute> compute, CpuFeatures features) {
  const Compute prefill = compute.value_or(default_prefill(weight, features));
  const Compute decode = prefill == Compute::bf16 ? Compute::int8 : prefill;
  return {select_linear(weight, Phase::decode, decode, features),
          select_linear(weight, Phase::prefill, decode, features),
          select_linear(weight, Phase::prefill, prefill, features), outliers_of(weight)};
}

Compute rounded_compute(CpuFeatures features) {
  const bool fast = features.has(CpuFeature::amx_bf16) || features.has(CpuFeature::fast_bf16);
  return fast ? Compute::bf16 : Compute::f32;
}

const RowKernel& select_rows(CpuFeatures features) {
  return best_of(&IsaRows::rows, features, [](const RowKernel&) { return true; });
}

const DenseKernel& select_dense(CpuFeatures features, Compute compute) {
  const bool rounds = compute == Compute::bf16 && features.has(CpuFeature::fast_bf16);
  return best_of(&IsaRows::dense, features, [rounds](const DenseKernel& row) {
    return row.compute == Compute::f32 || rounds;
  });
}

AttentionChoice choose_attention(DType cache, std::optional<Compute> compute,
                                 CpuFeatures features) {
  const bool exact = cache == DType::f32 || compute == Compute::f32 ||
                     (compute != Compute::bf16 && !bf16_is_fast(features));
  AttentionChoice choice;
  for (const IsaRows* isa : all_isas()) {
    for (const AttentionKernel& row : isa->attention) {
      if (!features.includes(row.needs)) continue;
      if (row.compute == Compute::f32) choice.decode = &row;
      if (row.compute == Compute::f32 || !exact) choice.prefill = &row;
    }
  }
  return choice;
}

const PeakKernel* select_peak(PeakKind kind, CpuFeatures features) {
  const PeakKernel* best = nullptr;
  for (const IsaRows* isa : all_isas()) {
    for (const PeakKernel& row : isa->peaks) {
      if (row.kind == kind && features.includes(row.needs)) best = &row;
    }
  }
  return best;
}

}  // namespace halfbyte
