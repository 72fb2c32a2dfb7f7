#include "cli/jsonl.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/mapped_file.h"

namespace halfbyte {

void for_each_json_line(const std::string& path, const std::function<void(const Json&)>& use) {
  const std::string text = read_text_file(path, std::uint64_t{1} << 32);
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    use(parse_json(line, fmt::format("{} line {}", path, number)));
  }
}

}  // namespace halfbyte
