// Where the time of a pass goes: wall time of thread 0 for each kind of step, waiting for the other
// threads included.
//
// A stopwatch with laps: each lap gives the time since the one before to one kind of step, so that
// all of them add up to the time between start() and stop(). Session::set_profile attaches it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/registry.h"
#include "model/plan.h"

namespace halfbyte {

// What limits a step: products with weights, products of activations, moving memory.
enum class StepClass : std::uint8_t { linear, matmul, memory, other };
std::string_view name_of(StepClass step_class);  // "Linear", "MatMul", "Memory", "Other"

enum class ProfiledOp : std::uint8_t {
  embed,
  attn_qkv_inputs,  // of the linear steps: norm, activation, quantization of their input rows
  attn_qkv,
  rotate,
  store,
  attention,
  attn_out_inputs,
  attn_out,
  route,
  ffn_up_inputs,
  ffn_up,
  ffn_down_inputs,
  ffn_down,
  norm,
  head_inputs,
  head,
  logits,   // scaled and capped
  outside,  // of any step: starting threads, sessions, the caller
};

ProfiledOp op_of(const Step& step);
// The rows that enter a linear step.
ProfiledOp inputs_of(const Step& step);

struct ProfileRow {
  StepClass step_class = StepClass::other;
  std::string_view op;  // "linear attn_qkv"
  std::uint64_t calls = 0;
  double seconds = 0.0;
};

class Profile {
 public:
  // From start to stop everything counts for the phase.
  void start(Phase phase);
  void stop();
  // The time since the last lap (or start) was spent on `op`.
  void lap(ProfiledOp op);

  // What took any time, in the order of a pass.
  std::vector<ProfileRow> rows(Phase phase) const;
  double seconds(Phase phase) const;  // of all rows

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kOps = static_cast<std::size_t>(ProfiledOp::outside) + 1;
  struct Cell {
    std::uint64_t calls = 0;
    Clock::duration time{};
  };

  std::array<std::array<Cell, kOps>, 2> cells_{};
  std::size_t phase_ = 0;
  Clock::time_point last_;
};

}  // namespace halfbyte
