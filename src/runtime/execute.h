// Running the steps of a plan: one loop, on all threads of one parallel region.
//
// Every thread walks the same list; a step splits its work by rows, heads or panels, and a barrier
// follows where data crosses threads. Nothing here depends on the number of threads.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "kernels/registry.h"
#include "runtime/kv_cache.h"
#include "runtime/model.h"
#include "runtime/profile.h"
#include "runtime/relative_bias.h"
#include "runtime/rope_table.h"
#include "runtime/workspace.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {

// Keys and values of an encoder's output for each decoder layer: f32 [layers][length][2 * kv].
struct CrossMemory {
  float* data = nullptr;
  std::uint64_t length = 0;
  std::uint64_t row = 0;  // floats a position of one layer
  const std::uint8_t* mask = nullptr;

  float* layer(std::uint32_t index) const { return data + index * length * row; }
};

// Consecutive rows of a pass that belong to one sequence, and what only they see.
struct Segment {
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  std::uint64_t first_position = 0;  // of first_row
  const KvCache* cache = nullptr;    // nullptr: the rows' own keys and values (encoders)
  const RopeTable* ropes = nullptr;
  const RelativeBias* bias = nullptr;
  const std::uint8_t* key_mask = nullptr;
  CrossMemory cross = {};

  std::uint64_t position(std::uint64_t row) const { return first_position + row - first_row; }
};

// Sees what linear steps multiply. Called on every thread of the pass's region, between barriers,
// with all rows of the step's input after its prologue: x [rows, k], `stride` floats from row to
// row. Threads must share the work out by what they write, or meet at barriers of their own.
class InputTap {
 public:
  virtual ~InputTap() = default;
  virtual void see(const Step& step, const float* x, std::uint64_t stride, std::uint64_t rows,
                   std::uint64_t k, std::size_t thread, Team& team) = 0;
};

// What one pass over some rows works with. Matrices meet all rows together; positions, caches and
// attention are the segments' own.
struct Pass {
  ModelView model;
  Workspace& workspace;
  const StackPlan& stack;
  Phase phase = Phase::prefill;  // which kernels run; the number of rows does not decide it
  std::uint64_t rows = 0;
  const TokenId* tokens = nullptr;         // [rows]
  std::span<const Segment> segments = {};  // in order, without gaps: [0, rows)
  Profile* profile = nullptr;              // nullptr: nothing is timed
  InputTap* tap = nullptr;                 // nullptr: nobody looks
};

// Logits of rows [first, rows) of the pass.
struct LogitRequest {
  std::uint64_t first = 0;
  float* logits = nullptr;  // [rows - first, vocab]; nullptr for none
};

// Embeds the tokens, runs the stack, computes the logits asked for.
void run_pass(const Pass& pass, const LogitRequest& request);

// The parts of a pass. embed: the residual buffer's rows from the tokens. steps: the stack's steps
// [begin, end), on and to the residual buffer.
void run_embed(const Pass& pass);
void run_steps(const Pass& pass, std::size_t begin, std::size_t end);
// Steps [begin, last), and of the linear step `last` only what the tap sees.
void run_steps_to_inputs(const Pass& pass, std::size_t begin, std::size_t last);
// The logits of the residual buffer's rows, which it uses up.
void run_head(const Pass& pass, const LogitRequest& request);

// The decoder's cross_store steps among [begin, end) over the encoder's output, [length, width],
// into `cross`. pass.workspace must have room for cross.length rows.
void run_cross_store(const Pass& pass, const CrossMemory& cross, const float* encoded,
                     std::size_t begin = 0, std::size_t end = SIZE_MAX);

}  // namespace halfbyte
