// The registry: every kernel is a row; one selector chooses among them.
//
// Each folder isa/NAME/ exports its rows. Tests and benches walk all_isas(); the scalar rows are
// the reference that the others must match.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "kernels/cpu_features.h"
#include "kernels/dense.h"
#include "kernels/linear.h"
#include "kernels/peak.h"
#include "kernels/row_ops.h"
#include "tensor/dtype.h"

namespace halfbyte {

// Few rows (1 to 4) or many. Both kinds of kernels take any number and, computing alike, give the
// same results.
enum class Phase : std::uint8_t { decode, prefill };

// How inputs meet the weights. int8: of quantized matrices; float matrices compute in f32 then.
// bf16: of all but f32 matrices, in prefill, where the CPU has such instructions; what it does not
// serve computes in f32.
enum class Compute : std::uint8_t { int8, bf16, f32 };

struct LinearKernel {
  std::string_view name;  // "avx512vnni.q4_k.decode"
  std::string_view isa;   // its folder
  CpuFeatures needs;
  DType weight;
  Phase phase;
  // Exactly one of the four is set.
  LinearInt8 int8 = nullptr;
  LinearF32 f32 = nullptr;
  LinearBf16 bf16 = nullptr;
  LinearToken token = nullptr;  // counts as Compute::int8
};

struct RowKernel {
  std::string_view isa;
  CpuFeatures needs;
  RowOps ops;
};

// Its operands are taken as they are, f32, or rounded to bfloat16.
struct DenseKernel {
  std::string_view isa;
  CpuFeatures needs;
  Compute compute;
  DenseMultiply multiply;
};

// Its products are in f32, or in bfloat16, which is for prefill.
struct AttentionKernel {
  std::string_view isa;
  CpuFeatures needs;
  Compute compute;
  AttentionOps ops;
};

// A loop that shows what the processor can do at most (kernels/peak.h).
struct PeakKernel {
  std::string_view name;
  CpuFeatures needs;
  PeakKind kind;
  double operations;
  // Exactly one of the two is set.
  PeakMultiply multiply = nullptr;
  PeakRead read = nullptr;
};

// What one ISA folder brings: its rows, in isa/NAME/rows.cpp as `const IsaRows& NAME_rows()` in
// namespace halfbyte.
struct IsaRows {
  std::string_view name;
  int rank;  // of two rows that could run, the higher rank runs, of one folder the later one
  std::span<const LinearKernel> linear;
  std::span<const RowKernel> rows;
  std::span<const AttentionKernel> attention;
  std::span<const PeakKernel> peaks = {};
  std::span<const DenseKernel> dense = {};
};

std::span<const IsaRows* const> all_isas();  // in ascending rank

// The row that runs for this weight type, phase and CPU; never nullptr for a type that can be
// packed, since the scalar rows need nothing.
const LinearKernel* select_linear(DType weight, Phase phase, Compute compute, CpuFeatures features);

// The kernels of one matrix.
struct LinearChoice {
  const LinearKernel* decode = nullptr;   // few rows
  const LinearKernel* batch = nullptr;    // many rows, the same bits as `decode`
  const LinearKernel* prefill = nullptr;  // many rows, perhaps with inputs of another kind
  float outliers = kNoOutliers;           // the type's, for kernels that take TokenRows
};
// nullopt: what suits the weights' type and the CPU (docs/performance.md has the figures behind
// it). bf16 is for prefill; decoding, bound by memory, stays with int8.
LinearChoice choose_linear(DType weight, std::optional<Compute> compute, CpuFeatures features);

// bf16 where it is faster than f32 (in tiles, or in fast vectors): for who may round.
Compute rounded_compute(CpuFeatures features);

const RowKernel& select_rows(CpuFeatures features);
// bf16 where the CPU has fast vectors of it: otherwise f32.
const DenseKernel& select_dense(CpuFeatures features, Compute compute = Compute::f32);

// The attention of a cache of rounded keys and values, or of one in f32, which keeps f32 products;
// so do Compute::f32 and, unless bf16 is asked for, CPUs that are slow with it.
struct AttentionChoice {
  const AttentionKernel* decode = nullptr;
  const AttentionKernel* prefill = nullptr;
};
AttentionChoice choose_attention(DType cache, std::optional<Compute> compute, CpuFeatures features);

// nullptr where the CPU has no instruction of that kind; f32, int8 and read are everywhere.
const PeakKernel* select_peak(PeakKind kind, CpuFeatures features);

}  // namespace halfbyte
