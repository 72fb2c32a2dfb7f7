// sentencepiece's precompiled character map: a double-array trie over UTF-8 bytes, and the
// NUL-ended replacements that it points to (sentencepiece's normalizer; Aoe 1989 for the trie).
//
// Blob: u32 bytes of the trie, its u32 units, replacements. A unit: bits 10-30 offset (shifted by 8
// more where bit 9 is set), bit 8 "a value follows", bits 0-7 and 31 the label; a value unit has
// bit 31 set and the value in bits 0-30.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace halfbyte {

class CharsMap {
 public:
  // Checks the whole blob; fails with kMalformed.
  CharsMap(std::string_view blob, std::string_view file);

  struct Match {
    std::size_t length = 0;  // bytes of text that are replaced; 0 where nothing matches
    std::string_view replacement;
  };
  Match longest(std::string_view text) const;   // as sentencepiece normalizes
  Match shortest(std::string_view text) const;  // as the tokenizers library looks up

 private:
  Match find(std::string_view text, bool first) const;
  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace halfbyte
