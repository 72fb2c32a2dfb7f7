#include "runtime/profile.h"

namespace halfbyte {

namespace {

struct OpName {
  StepClass step_class;
  std::string_view name;
};

constexpr OpName kOpNames[] = {
    {StepClass::memory, "embed"},           {StepClass::memory, "inputs attn_qkv"},
    {StepClass::linear, "linear attn_qkv"}, {StepClass::memory, "rotate"},
    {StepClass::memory, "store"},           {StepClass::matmul, "attention"},
    {StepClass::memory, "inputs attn_out"}, {StepClass::linear, "linear attn_out"},
    {StepClass::linear, "route"},           {StepClass::memory, "inputs ffn_up"},
    {StepClass::linear, "linear ffn_up"},   {StepClass::memory, "inputs ffn_down"},
    {StepClass::linear, "linear ffn_down"}, {StepClass::memory, "norm"},
    {StepClass::memory, "inputs head"},     {StepClass::linear, "linear head"},
    {StepClass::memory, "logits"},          {StepClass::other, "outside steps"},
};

constexpr std::size_t index(ProfiledOp op) {
  return static_cast<std::size_t>(op);
}

// Linear steps are told apart by their buffers; the head's alone stays within the residual.
ProfiledOp linear_op(const Step& step) {
  if (step.out == Buffer::qkv || step.op == Op::cross_store) return ProfiledOp::attn_qkv;
  if (step.in == Buffer::attended) return ProfiledOp::attn_out;
  if (step.in == Buffer::ffn) return ProfiledOp::ffn_down;
  return step.out == Buffer::ffn ? ProfiledOp::ffn_up : ProfiledOp::head;
}

}  // namespace

std::string_view name_of(StepClass step_class) {
  constexpr std::string_view kNames[] = {"Linear", "MatMul", "Memory", "Other"};
  return kNames[static_cast<std::size_t>(step_class)];
}

ProfiledOp op_of(const Step& step) {
  switch (step.op) {
    case Op::embed:
      return ProfiledOp::embed;
    case Op::norm:
      return ProfiledOp::norm;
    case Op::route:
      return ProfiledOp::route;
    case Op::rotate:
      return ProfiledOp::rotate;
    case Op::store:
      return ProfiledOp::store;
    case Op::attention:
    case Op::cross_attention:
      return ProfiledOp::attention;
    case Op::linear:
    case Op::cross_store:
      break;
  }
  return linear_op(step);
}

ProfiledOp inputs_of(const Step& step) {
  // Each stands before its step.
  return static_cast<ProfiledOp>(index(linear_op(step)) - 1);
}

void Profile::start(Phase phase) {
  phase_ = static_cast<std::size_t>(phase);
  last_ = Clock::now();
}

void Profile::stop() {
  lap(ProfiledOp::outside);
}

void Profile::lap(ProfiledOp op) {
  const Clock::time_point now = Clock::now();
  Cell& cell = cells_[phase_][index(op)];
  ++cell.calls;
  cell.time += now - last_;
  last_ = now;
}

std::vector<ProfileRow> Profile::rows(Phase phase) const {
  std::vector<ProfileRow> rows;
  for (std::size_t i = 0; i < kOps; ++i) {
    const Cell& cell = cells_[static_cast<std::size_t>(phase)][i];
    if (cell.calls == 0) continue;
    rows.push_back({kOpNames[i].step_class, kOpNames[i].name, cell.calls,
                    std::chrono::duration<double>(cell.time).count()});
  }
  return rows;
}

double Profile::seconds(Phase phase) const {
  double total = 0.0;
  for (const ProfileRow& row : rows(phase)) total += row.seconds;
  return total;
}

}  // namespace halfbyte
