// How fast a phase could be here: its work against the machine's measured peaks (a roofline).
//
// Williams, Waterman, Patterson, "Roofline: an insightful visual performance model" (2009): a phase
// takes at least the time of its operations at the peak rate of their kind, and at least the time
// of reading its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/json.h"
#include "device/peaks.h"
#include "runtime/session.h"

namespace halfbyte {

// What a phase has to do. `operations` by PeakKind; a multiply-add counts as two.
struct Work {
  std::array<double, 3> operations{};  // f32, bf16, int8: products with weights and of attention
  double bytes = 0.0;                  // of weights and of keys and values
  double weight_operations = 0.0;      // without attention
  double weight_bytes = 0.0;
};

// Reading `tokens` tokens at once after `depth` others; the head meets the last of them only.
Work prefill_work(const Session& session, std::uint64_t depth, std::uint64_t tokens);
// Writing as many, one after another, in each of `batch` sequences together.
Work decode_work(const Session& session, std::uint64_t depth, std::uint64_t tokens,
                 std::uint64_t batch);

// The peaks that a model's phases need, 0 where they were not measured.
struct Limits {
  std::array<double, 3> operations{};  // a second, by PeakKind
  double read = 0.0;                   // bytes a second
  MemoryLevel level = MemoryLevel::memory;
};

// Measures those on the model's threads, in about a second. Reading is measured on as many bytes as
// a step of decoding `batch` sequences needs at `depth`.
Limits measure_limits(const Session& session, std::uint64_t depth, std::uint64_t batch);
Json limits_json(const Limits& limits);

struct Bound {
  double seconds = 0.0;
  bool by_compute = false;  // else by reading
};
// nullopt where a peak that it needs is not known.
std::optional<Bound> bound_of(const Work& work, const Limits& limits);

}  // namespace halfbyte
