#include "device/caches.h"

#include <algorithm>
#include <fstream>

namespace halfbyte {

namespace {

std::string first_word(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// "32768K", "32M"; 0 for anything else.
std::uint64_t parse_size(const std::string& text) {
  std::uint64_t value = 0;
  std::size_t at = 0;
  for (; at < text.size() && at < 12 && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + static_cast<std::uint64_t>(text[at] - '0');
  }
  if (at == text.size()) return value;
  if (at + 1 != text.size()) return 0;
  if (text[at] == 'K') return value << 10;
  return text[at] == 'M' ? value << 20 : 0;
}

}  // namespace

CacheSizes read_cache_sizes(const std::string& folder) {
  constexpr int kMostCaches = 16;
  CacheSizes sizes;
  std::uint64_t last = 0;
  for (int i = 0; i < kMostCaches; ++i) {
    const std::string cache = folder + "/index" + std::to_string(i) + "/";
    const std::string level = first_word(cache + "level");
    if (level.empty()) break;
    const std::uint64_t size = parse_size(first_word(cache + "size"));
    if (size == 0 || first_word(cache + "type") == "Instruction") continue;
    if (level == "1") sizes.l1 = size;
    if (level == "2") sizes.l2 = size;
    if (level >= "2") last = std::max(last, size);
  }
  if (last != 0) sizes.l3 = last;
  return sizes;
}

}  // namespace halfbyte
