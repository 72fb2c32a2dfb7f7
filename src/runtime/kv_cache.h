// Keys and values of every layer, [layer][k or v][kv_heads][capacity][head_dim], as f32, f16 or
// q8_0.
#pragma once

#include <cstdint>

#include "kernels/row_ops.h"
#include "model/spec.h"
#include "runtime/arena.h"

namespace halfbyte {

class KvCache {
 public:
  KvCache() = default;
  // Fails with kUsage where the type does not fit the head dimension, with kFailed without memory.
  KvCache(const StackSpec& stack, std::uint64_t capacity, DType dtype);

  static std::uint64_t bytes(const StackSpec& stack, std::uint64_t capacity, DType dtype);

  DType dtype() const { return dtype_; }
  std::uint64_t capacity() const { return capacity_; }
  std::uint64_t bytes() const { return arena_.size(); }
  CacheView keys(std::uint32_t layer) const { return view(2 * std::uint64_t{layer}); }
  CacheView values(std::uint32_t layer) const { return view(2 * std::uint64_t{layer} + 1); }

 private:
  CacheView view(std::uint64_t plane) const;

  DType dtype_ = DType::f16;
  std::uint64_t capacity_ = 0;
  std::uint64_t position_bytes_ = 0;
  std::uint64_t plane_bytes_ = 0;
  std::byte* data_ = nullptr;
  Arena arena_;
};

}  // namespace halfbyte
