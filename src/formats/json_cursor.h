// A cursor over JSON text that builds no tree: for headers of up to 100 MB of a known form.
//
// Strict JSON (RFC 8259) in UTF-8. Every failure is kMalformed naming the file and the byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace halfbyte {

class JsonCursor {
 public:
  // `base` is added to reported offsets. Fails if `text` is not UTF-8.
  JsonCursor(std::string_view text, std::string_view file, std::uint64_t base = 0);

  // Skips white space; true, and past it, if `c` is next.
  bool accept(char c);
  void expect(char c);
  // After an element of an object or array: true if another follows, false past the closing `end`.
  bool next_element(char end);
  std::string string(std::uint64_t max_bytes);  // decoded
  std::uint64_t unsigned_integer();             // plain digits, below 2^64
  void skip_value(int depth = 0);               // any value, nested up to 64 deep
  void expect_end();

  std::uint64_t offset() const { return base_ + position_; }
  [[noreturn]] void fail(std::string_view what) const;

 private:
  void skip_space();
  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  char take();
  void append_escape(std::string& out);
  std::uint32_t hex4();
  void skip_members(char end, int depth);
  void skip_scalar();

  std::string_view text_;
  std::string_view file_;
  std::uint64_t base_;
  std::uint64_t position_ = 0;
};

}  // namespace halfbyte
