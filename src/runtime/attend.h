// One attention step's work, shared out to the threads of a region.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "kernels/row_ops.h"

namespace halfbyte {

// Up to so many rows, the keys are shared out too and not only rows and heads.
constexpr std::uint64_t kSharedKeysRows = 8;

// Floats that passes of up to `rows` rows need for the parts of the answer, with up to `length`
// keys.
std::uint64_t attention_parts_floats(std::uint64_t rows, std::uint64_t heads,
                                     std::uint64_t head_dim, std::uint64_t length);

// What a thread brings along.
struct AttentionThread {
  std::size_t index = 0;
  Team& team;
  std::byte* scratch = nullptr;  // attention_scratch_bytes, its own
  float* parts = nullptr;        // attention_parts_floats, all threads' together
};

// Called by every thread of the region. The outputs are there after the next barrier.
void attend(const AttentionOps& ops, const AttentionArgs& args, const AttentionThread& thread);

}  // namespace halfbyte
