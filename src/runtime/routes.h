// Which experts take which rows of a pass.
//
// A route step leaves this behind; the linear steps of the experts after it read it. Every row is
// taken by as many experts, and, where there is one, by the shared expert, whose index comes last.
#pragma once

#include <cstdint>
#include <span>

#include "model/spec.h"
#include "runtime/arena.h"

namespace halfbyte {

// Rows of a pass that one expert takes, in ascending order, and what its outputs are weighted by.
struct ExpertRows {
  std::span<const std::uint32_t> rows;
  const float* weights = nullptr;
};

class Routes {
 public:
  static std::uint64_t cost(const ExpertSpec& spec, std::uint64_t rows);
  // In `arena`, for up to `rows` rows.
  void take(Arena& arena, const ExpertSpec& spec, std::uint64_t rows);

  // One row's experts, from the router's outputs: the softmax over all experts, of which the
  // largest are used, the first of equal ones first. The outputs are used up. Rows may be chosen
  // for at the same time.
  void choose(const ExpertSpec& spec, std::uint64_t row, float* outputs);
  // Once all of [0, rows) are chosen for.
  void sort(const ExpertSpec& spec, std::uint64_t rows);
  ExpertRows of(int expert) const;

 private:
  std::uint64_t slots_ = 0;          // experts of a row
  std::uint32_t* chosen_ = nullptr;  // [rows, slots]
  float* chosen_weights_ = nullptr;  // [rows, slots]
  std::uint32_t* begins_ = nullptr;  // [experts + 1]: of each one's rows, in `rows_`
  std::uint32_t* rows_ = nullptr;    // [rows * slots]
  float* weights_ = nullptr;         // [rows * slots]
};

}  // namespace halfbyte
