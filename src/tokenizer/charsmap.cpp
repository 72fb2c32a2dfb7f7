#include "tokenizer/charsmap.h"

#include <cstring>

#include "base/bytes.h"

namespace halfbyte {
namespace {

std::uint32_t offset_of(std::uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}
std::uint32_t label_of(std::uint32_t unit) {
  return unit & ((1u << 31) | 0xFFu);
}
bool has_value(std::uint32_t unit) {
  return (unit & (1u << 8)) != 0;
}
std::uint32_t value_of(std::uint32_t unit) {
  return unit & ((1u << 31) - 1);
}

}  // namespace

CharsMap::CharsMap(std::string_view blob, std::string_view file) {
  ByteReader reader(as_bytes(blob), file);
  const auto size = reader.read<std::uint32_t>("size of the character map");
  if (size % 4 != 0 || size < 4) reader.fail("character map: size of the trie");
  const ByteView trie = reader.take(size, "character map");
  units_.resize(size / 4);
  std::memcpy(units_.data(), trie.data(), size);
  replacements_ = std::string(as_text(reader.take(reader.left(), "replacements")));
  if (!is_valid_utf8(replacements_)) fail_malformed(file, "character map: not UTF-8");
  if (replacements_.empty() || replacements_.back() != '\0') replacements_ += '\0';
}

CharsMap::Match CharsMap::find(std::string_view text, bool first) const {
  Match best;
  std::size_t node = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0) break;
    node ^= byte;
    if (node >= units_.size()) break;
    const std::uint32_t unit = units_[node];
    if (label_of(unit) != byte) break;
    node ^= offset_of(unit);
    if (!has_value(unit)) continue;
    if (node >= units_.size()) break;
    const std::uint32_t value = value_of(units_[node]);
    if (value >= replacements_.size()) break;
    // A replacement starts at a character: one that points into the middle counts as none.
    if ((static_cast<unsigned char>(replacements_[value]) & 0xC0u) == 0x80u) break;
    best = {i + 1, std::string_view(replacements_.data() + value)};
    if (first) break;
  }
  return best;
}

CharsMap::Match CharsMap::longest(std::string_view text) const {
  return find(text, false);
}
CharsMap::Match CharsMap::shortest(std::string_view text) const {
  return find(text, true);
}

}  // namespace halfbyte
