#include "runtime/kv_cache.h"

#include <fmt/format.h>

#include "base/error.h"

namespace halfbyte {

namespace {

std::uint64_t position_bytes(const StackSpec& stack, DType dtype) {
  const auto bytes = row_bytes(dtype, stack.head_dim);
  if (!bytes) {
    fail_usage(fmt::format("a {} KV cache needs heads of a multiple of {}, this model has {}",
                           name(dtype), info(dtype).block, stack.head_dim));
  }
  return *bytes;
}

}  // namespace

std::uint64_t KvCache::bytes(const StackSpec& stack, std::uint64_t capacity, DType dtype) {
  return 2 * stack.layers.size() * stack.kv_heads * capacity * position_bytes(stack, dtype);
}

KvCache::KvCache(const StackSpec& stack, std::uint64_t capacity, DType dtype)
    : dtype_(dtype),
      capacity_(capacity),
      position_bytes_(position_bytes(stack, dtype)),
      plane_bytes_(stack.kv_heads * capacity * position_bytes_),
      arena_(Arena::cost<std::byte>(bytes(stack, capacity, dtype))) {
  data_ = arena_.take<std::byte>(bytes(stack, capacity, dtype));
}

CacheView KvCache::view(std::uint64_t plane) const {
  return {dtype_, data_ + plane * plane_bytes_, capacity_ * position_bytes_, position_bytes_};
}

}  // namespace halfbyte
