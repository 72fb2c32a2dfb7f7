// Cosines and sines of every position, for each rope of a stack.
#pragma once

#include <cstdint>
#include <vector>

#include "model/spec.h"

namespace halfbyte {

class RopeTable {
 public:
  RopeTable() = default;
  // `stack` must outlive the table.
  explicit RopeTable(const StackSpec& stack) : stack_(&stack) {}

  // Makes positions [0, length) available. `longest` is the number of positions of the whole text
  // so far; it matters to dynamic scaling only, whose frequencies then change for new positions.
  void extend(std::uint64_t length, std::uint64_t longest);
  // Forgets positions from `length` on, where they depend on the text's length.
  void truncate(std::uint64_t length);
  void reset() { tables_.clear(); }
  // dim/2 cosines, then dim/2 sines.
  const float* at(std::uint32_t rope, std::uint64_t position) const {
    return tables_[rope].values.data() + position * stack_->ropes[rope].dim;
  }

 private:
  struct Table {
    std::uint64_t frequencies_for = 0;
    std::vector<float> frequencies;
    std::vector<float> values;
  };
  void extend_one(const RopeSpec& rope, Table& table, std::uint64_t length,
                  std::uint64_t longest) const;

  const StackSpec* stack_ = nullptr;
  std::vector<Table> tables_;
};

}  // namespace halfbyte
