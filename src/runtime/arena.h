// A block of zeroed, page-aligned memory that is only backed by pages once they are touched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace halfbyte {

class Arena {
 public:
  Arena() = default;
  // Large pages are asked for where all of it will be used: fewer of them to find makes long reads
  // faster. Fails with kFailed where the memory cannot be had.
  explicit Arena(std::uint64_t bytes, bool large_pages = false);
  ~Arena();
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // The next `count` values, 64-byte aligned.
  template <typename T>
  T* take(std::uint64_t count) {
    return reinterpret_cast<T*>(take_bytes(count * sizeof(T)));
  }
  std::uint64_t size() const { return size_; }

  // Bytes that take<T>(count) uses.
  template <typename T>
  static std::uint64_t cost(std::uint64_t count) {
    return (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
  }
  static constexpr std::uint64_t kAlignment = 64;

 private:
  std::byte* take_bytes(std::uint64_t bytes);

  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t used_ = 0;
};

}  // namespace halfbyte
