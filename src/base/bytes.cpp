#include "base/bytes.h"

#include <fmt/format.h>

namespace halfbyte {

std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

std::optional<std::uint64_t> checked_align(std::uint64_t a, std::uint64_t alignment) {
  const std::uint64_t rest = a % alignment;
  return rest == 0 ? std::optional(a) : checked_add(a, alignment - rest);
}

namespace {

// Length of the well-formed sequence at the start of `text`, 0 if there is none (Unicode 15, table
// 3-7).
std::size_t utf8_sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](std::size_t i, unsigned lo = 0x80, unsigned hi = 0xBF) {
    return at(i) >= lo && at(i) <= hi;
  };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned lo = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned hi = lead == 0xED ? 0x9F : 0xBF;
    return tail(1, lo, hi) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned lo = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned hi = lead == 0xF4 ? 0x8F : 0xBF;
    return tail(1, lo, hi) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

ByteView ByteReader::take(std::uint64_t n, std::string_view what) {
  if (n > left()) {
    fail(fmt::format("{} needs {} bytes, {} are left", what, n, left()));
  }
  const ByteView view = bytes_.subspan(position_, n);
  position_ += n;
  return view;
}

void ByteReader::expect_records(std::uint64_t count, std::uint64_t min_bytes,
                                std::string_view what) const {
  if (min_bytes != 0 && count > left() / min_bytes) {
    fail(fmt::format("{} {} do not fit in the {} bytes left", count, what, left()));
  }
}

void ByteReader::fail(std::string_view what) const {
  fail_malformed(file_, std::string(what), offset());
}

}  // namespace halfbyte
