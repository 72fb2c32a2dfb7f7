// The memory that one forward pass works in, planned once for a number of rows.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/linear.h"
#include "model/plan.h"
#include "runtime/arena.h"
#include "runtime/routes.h"

namespace halfbyte {

// What one thread has to itself.
struct ThreadScratch {
  std::byte* kernel = nullptr;    // scratch of linear and attention kernels
  float* row = nullptr;           // one row of the widest buffer
  std::uint16_t* bf16 = nullptr;  // a block of rows, the same
  QuantizedRows quantized;        // one row, for steps that each thread prepares for itself
  TokenRows token;                // the same
};

class Workspace {
 public:
  // Buffers for up to `rows` rows at a time, keys up to `length`, `threads` threads.
  Workspace(const Plan& plan, std::uint64_t rows, std::uint64_t length, std::size_t threads);

  std::uint64_t max_rows() const { return rows_; }
  float* buffer(Buffer which) const { return buffers_[static_cast<std::size_t>(which)]; }
  std::uint64_t width(Buffer which) const { return widths_[static_cast<std::size_t>(which)]; }
  float* staging() const { return staging_; }                  // [rows, widest k]
  std::uint16_t* bf16() const { return bf16_; }                // bf16_words(rows, widest k)
  float* attention_parts() const { return attention_parts_; }  // attention_parts_floats
  // For `rows` rows of k inputs.
  QuantizedRows quantized(std::uint64_t rows, std::uint64_t k) const;
  TokenRows tokens(std::uint64_t rows, std::uint64_t k) const;
  Routes& routes() { return routes_; }  // of models with experts
  const ThreadScratch& thread(std::size_t index) const { return threads_[index]; }
  std::uint64_t bytes() const { return arena_.size(); }

 private:
  static constexpr std::size_t kBuffers = 7;

  std::uint64_t rows_;
  std::uint64_t widths_[kBuffers] = {};
  float* buffers_[kBuffers] = {};
  float* staging_ = nullptr;
  std::uint16_t* bf16_ = nullptr;
  float* attention_parts_ = nullptr;
  QuantizedRows quantized_;
  TokenRows tokens_;
  Routes routes_;
  std::vector<ThreadScratch> threads_;
  Arena arena_;
};

}  // namespace halfbyte
