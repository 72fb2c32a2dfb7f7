// Folds: places in a block where channels can be scaled without changing what the block computes.
// What makes a channel is divided by its scale, and the columns that read it are multiplied by it.
//
// They are found in the plan's steps, not by a family's name:
//   norm   a norm's weights and biases, and the matrices behind it: of a mixture of experts the
//          router's and those of all experts;
//   value  v's rows (in a fused matrix its v rows) and attention's output matrix. Query heads of a
//          group read the same KV head, so a channel of it has one scale in all of their columns;
//   up     the FFN's up rows and its down matrix: beside a gate the product is linear in up;
//   without
//          one only ReLU lets a positive factor through.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "compress/calibrate/block_task.h"

namespace halfbyte {

enum class FoldKind : std::uint8_t { norm, value, up };

// Rows of a matrix or elements of a vector that make the channels, one a channel.
struct Producer {
  int weight = kNoWeight;
  std::uint64_t row = 0;  // of channel 0
  float offset = 0.0f;    // the effective weight is `offset` more than the stored one
};

struct Fold {
  FoldKind kind = FoldKind::norm;
  std::uint64_t channels = 0;
  std::vector<Producer> producers = {};
  const Step* consumer = nullptr;         // of its pieces the columns are scaled, and of its inputs
  std::vector<const Step*> experts = {};  // as the consumer; they see some of its inputs each
  // Columns come in heads of `head` channels; `group` heads after each other read the same ones.
  std::uint64_t head = 1;
  std::uint64_t group = 1;

  std::vector<const Step*> consumers() const;
  std::uint64_t channel_of(std::uint64_t column) const {
    return column / (head * group) * head + column % head;
  }
};

// Of all folds that the block offers, in the order of its steps. A fold is left out where another
// step reads one of its weights.
std::vector<Fold> folds_of(const Plan& plan, const StackPlan& stack, const Block& block);

// The scales [channels], positive, go into the task's weights and its inputs' statistics.
void apply_fold(const Fold& fold, std::span<const float> scales, BlockTask& task);

// One value a column -> one a channel: the mean, or the largest, of the columns that read it.
std::vector<float> channel_means(const Fold& fold, std::span<const float> of_columns);
std::vector<float> channel_peaks(const Fold& fold, std::span<const float> of_columns);

// The pieces of the fold's consumers that will be quantized; scaling is of no use to the others.
std::vector<const Piece*> quantized_pieces(const Fold& fold, const BlockTask& task);

}  // namespace halfbyte
