// Byte views and checked arithmetic: what every parser reads files with.
//
// A size from a file is compared with the bytes that are left before anything is allocated or
// read. Sums and products of such sizes go through checked_add and checked_mul.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace halfbyte {

using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

// nullopt where the result does not fit in 64 bits.
std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b);
std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b);
// a rounded up to a multiple of `alignment` (any value > 0).
std::optional<std::uint64_t> checked_align(std::uint64_t a, std::uint64_t alignment);

inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// True if `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_valid_utf8(std::string_view text);

// A cursor over little-endian bytes. Every read checks the bytes left and fails with
// ErrorCode::kMalformed naming the file, the offset and what was being read.
class ByteReader {
 public:
  // `base` is added to reported offsets: where `bytes` starts in the file.
  ByteReader(ByteView bytes, std::string_view file, std::uint64_t base = 0)
      : bytes_(bytes), file_(file), base_(base) {}

  std::uint64_t offset() const { return base_ + position_; }
  std::uint64_t left() const { return bytes_.size() - position_; }
  const std::string_view& file() const { return file_; }

  template <typename T>
  requires std::is_arithmetic_v<T> T read(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  // The next n bytes, as a view into the file.
  ByteView take(std::uint64_t n, std::string_view what);
  // Fails unless `count` records of at least `min_bytes` each can still follow.
  void expect_records(std::uint64_t count, std::uint64_t min_bytes, std::string_view what) const;
  [[noreturn]] void fail(std::string_view what) const;

 private:
  ByteView bytes_;
  std::string_view file_;
  std::uint64_t base_;
  std::uint64_t position_ = 0;
};

}  // namespace halfbyte
