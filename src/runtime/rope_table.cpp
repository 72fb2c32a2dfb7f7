#include "runtime/rope_table.h"

#include <cmath>

#include "model/rope.h"

namespace halfbyte {

void RopeTable::extend(std::uint64_t length, std::uint64_t longest) {
  if (stack_ == nullptr) return;
  tables_.resize(stack_->ropes.size());
  for (std::size_t i = 0; i < tables_.size(); ++i)
    extend_one(stack_->ropes[i], tables_[i], length, longest);
}

void RopeTable::truncate(std::uint64_t length) {
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const RopeSpec& rope = stack_->ropes[i];
    std::vector<float>& values = tables_[i].values;
    if (rope.scaling == RopeScaling::dynamic && values.size() > length * rope.dim)
      values.resize(length * rope.dim);
  }
}

void RopeTable::extend_one(const RopeSpec& rope, Table& table, std::uint64_t length,
                           std::uint64_t longest) const {
  std::uint64_t position = table.values.size() / rope.dim;
  if (position >= length) return;
  const std::uint64_t basis = rope.scaling == RopeScaling::dynamic ? longest : 1;
  if (table.frequencies_for != basis) {
    table.frequencies = rope_frequencies(rope, basis);
    table.frequencies_for = basis;
  }
  const float magnitude = rope_magnitude(rope);
  const std::size_t half = rope.dim / 2;
  table.values.resize(length * rope.dim);
  for (; position < length; ++position) {
    float* const row = table.values.data() + position * rope.dim;
    for (std::size_t i = 0; i < half; ++i) {
      // The angle in f32, as the reference library has it.
      const double angle = static_cast<float>(position) * table.frequencies[i];
      row[i] = static_cast<float>(std::cos(angle)) * magnitude;
      row[half + i] = static_cast<float>(std::sin(angle)) * magnitude;
    }
  }
}

}  // namespace halfbyte
