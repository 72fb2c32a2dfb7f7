// JSON of untrusted files and of our own output. Keys keep their order.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

namespace halfbyte {

using Json = nlohmann::ordered_json;

// Parses `text` (UTF-8). Fails with kMalformed naming `file` and the byte on bad syntax, nesting
// deeper than 64, or a key that occurs twice in one object.
Json parse_json(std::string_view text, std::string_view file);

// The whole file, at most `max_bytes` (fails above that).
Json read_json_file(const std::string& path, std::uint64_t max_bytes = std::uint64_t{256} << 20);

}  // namespace halfbyte
