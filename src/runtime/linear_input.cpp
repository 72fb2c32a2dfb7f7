#include "runtime/linear_input.h"

#include <algorithm>

namespace halfbyte {

namespace {

// Outliers are read from the inputs themselves.
void choose_outliers(const InputKinds& kinds, LinearInput& input) {
  if (!kinds.has_outliers()) input.token.outliers = nullptr;
  input.token.x = input.f32;
  input.token.x_stride = input.stride;
}

}  // namespace

const LinearKernel& kernel_for(const Weight& weight, Phase phase, std::uint64_t rows) {
  if (phase == Phase::prefill) return *weight.kernels.prefill;
  // The int8 kernels share what they read among more rows.
  const bool floats = weight.kernels.decode->f32 != nullptr;
  const std::uint64_t streamed = floats ? kStreamedRows : kDecodeRows;
  return rows <= streamed ? *weight.kernels.decode : *weight.kernels.batch;
}

InputPreparer::InputPreparer(const Pass& pass, std::size_t thread, Team& team)
    : pass_(pass),
      ops_(pass.model.ops),
      space_(pass.workspace),
      scratch_(pass.workspace.thread(thread)),
      thread_(thread),
      team_(team) {}

void InputPreparer::norm(const NormRef& norm, const float* x, std::uint64_t n, float* y) const {
  const StackSpec& spec = pass_.stack.spec;
  const auto eps = static_cast<float>(spec.norm_eps);
  if (spec.norm == NormKind::rms) {
    ops_.rms_norm(x, weight(norm.weight).vector, spec.norm_offset, eps, n, y);
  } else {
    ops_.layer_norm(x, weight(norm.weight).vector, weight(norm.bias).vector, eps, n, y);
  }
}

InputKinds InputPreparer::kinds_of(const Step& step, Phase phase, std::uint64_t rows) const {
  InputKinds kinds;
  kinds.f32 = pass_.tap != nullptr;
  for (const Piece& piece : step.pieces) {
    const LinearKernel& kernel = kernel_for(weight(piece.weight), phase, rows);
    kinds.f32 |= kernel.f32 != nullptr;
    kinds.int8 |= kernel.int8 != nullptr;
    kinds.bf16 |= kernel.bf16 != nullptr;
    if (kernel.token == nullptr) continue;
    kinds.token = true;
    kinds.outliers = std::min(kinds.outliers, weight(piece.weight).kernels.outliers);
  }
  kinds.f32 |= kinds.has_outliers();
  return kinds;
}

InputRows InputPreparer::rows_of(const Step& step) const {
  InputRows rows{space_.buffer(step.in), space_.width(step.in), pass_.rows};
  if (step.expert == kNoExpert) return rows;
  const ExpertRows taken = space_.routes().of(step.expert);
  rows.count = taken.rows.size();
  if (step.in != Buffer::ffn) rows.places = taken.rows.data();
  return rows;
}

LinearInput InputPreparer::prepare(const Step& step, const InputRows& rows,
                                   const InputKinds& kinds) const {
  const std::uint64_t k = weight(step.pieces[0].weight).matrix.k;
  const LinearInput input =
      rows.count == 1 ? own(step, rows.row(0), k, kinds) : shared(step, rows, k, kinds);
  if (pass_.tap != nullptr) {
    pass_.tap->see(step, input.f32, input.stride, rows.count, k, thread_, team_);
  }
  return input;
}

// One input row after the step's prologue; `to` receives it where it is not the row itself.
const float* InputPreparer::transformed(const Step& step, const float* x, float* to) const {
  const StackSpec& spec = pass_.stack.spec;
  switch (step.prologue) {
    case Prologue::none:
      return x;
    case Prologue::norm:
      norm(step.norm, x, pass_.model.plan.spec.width, to);
      break;
    case Prologue::activation: {
      const std::uint64_t k = weight(step.pieces[0].weight).matrix.k;
      if (spec.gated) {
        ops_.activate_gated(spec.activation, x, x + k, k, to);
      } else {
        ops_.activate(spec.activation, x, k, to);
      }
      break;
    }
  }
  return to;
}

LinearInput InputPreparer::shared(const Step& step, const InputRows& rows, std::uint64_t k,
                                  const InputKinds& kinds) const {
  LinearInput input;
  input.int8 = space_.quantized(rows.count, k);
  input.token = space_.tokens(rows.count, k);
  input.bf16 = {rows.count, k, space_.bf16()};
  const bool in_place = step.prologue == Prologue::none && rows.places == nullptr;
  input.f32 = in_place ? rows.x : space_.staging();
  input.stride = in_place ? rows.stride : k;
  choose_outliers(kinds, input);
  // Rows of a block share cache lines of the quantized inputs.
  const std::size_t grain = rows.count >= kQuantizedRows * team_.size() ? kQuantizedRows : 1;
  const auto [begin, end] = split_range(rows.count, team_.size(), thread_, grain);
  for (std::size_t row = begin; row < end; ++row) {
    float* const to = kinds.f32 ? space_.staging() + row * k : scratch_.row;
    const float* const x = transformed(step, rows.row(row), to);
    // Rows from all over the buffer are brought together.
    if (kinds.f32 && x != to && !in_place) std::copy_n(x, k, to);
    convert(x, row, kinds, input);
  }
  team_.barrier();
  return input;
}

LinearInput InputPreparer::own(const Step& step, const float* x, std::uint64_t k,
                               const InputKinds& kinds) const {
  LinearInput input;
  input.f32 = transformed(step, x, scratch_.row);
  input.stride = k;
  input.int8 = scratch_.quantized;
  input.int8.rows = 1;
  input.int8.k = k;
  input.token = scratch_.token;
  input.token.rows = 1;
  input.token.k = k;
  input.bf16 = {1, k, scratch_.bf16};
  choose_outliers(kinds, input);
  convert(input.f32, 0, kinds, input);
  return input;
}

// A transformed row in the other forms.
void InputPreparer::convert(const float* x, std::uint64_t row, const InputKinds& kinds,
                            const LinearInput& input) const {
  if (kinds.int8) ops_.quantize_groups(x, row, input.int8);
  if (kinds.token) ops_.quantize_token(x, row, kinds.outliers, input.token);
  if (kinds.bf16) ops_.store_bf16(x, row, input.bf16);
}

}  // namespace halfbyte
