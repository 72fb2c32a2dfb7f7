// UTF-8 text: characters, repair, and the character classes that tokenizers use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace halfbyte {

// Bytes [begin, end) of some text.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The character at text[i] of well-formed UTF-8; moves i behind it.
char32_t next_char(std::string_view text, std::size_t& i);
// Bytes of the character that starts with `lead` (1..4).
std::size_t char_bytes(char lead);
void append_utf8(std::string& out, char32_t c);

// Length of a well-formed character at the start of `bytes`, or 0; then `bad` is how many bytes one
// U+FFFD stands for (the longest start of a character, WHATWG and Rust alike), or 0 if the bytes
// are only cut short by the end of `bytes`.
std::size_t valid_char(std::string_view bytes, std::size_t& bad);
// Ill-formed bytes as U+FFFD.
std::string repair_utf8(std::string_view bytes);

bool is_white_space(char32_t c);      // Unicode White_Space
bool is_word_char(char32_t c);        // \w: Alphabetic, M, Nd, Pc, Join_Control
bool is_number(char32_t c);           // N
bool is_punctuation(char32_t c);      // P, and all of ASCII's
bool is_mark(char32_t c);             // M
bool is_nonspacing_mark(char32_t c);  // Mn
bool is_chinese(char32_t c);          // the CJK blocks that BERT sets apart
bool is_control(char32_t c);          // what BERT's cleaning drops
bool is_inert(char32_t c);            // too new for the reference's normalization tables
char32_t to_lower(char32_t c);        // simple lower case

// An older character of the same kind and length, for one that system libraries may not know.
char32_t stand_in(char32_t c);

// The visible character that byte-level BPE writes for a byte, and back (-1: none).
char32_t byte_to_char(unsigned char byte);
int char_to_byte(char32_t c);

}  // namespace halfbyte
