#include "base/json.h"

#include <set>
#include <vector>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/mapped_file.h"

namespace halfbyte {

namespace {

// ordered_json looks keys up one by one: more of them would take time that grows with their square.
constexpr std::size_t kMaxKeys = 16384;
constexpr int kMaxDepth = 64;

bool starts(Json::parse_event_t event) {
  return event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
}

// Checks nesting and duplicate keys while the parser runs; builds nothing itself.
class Checker {
 public:
  explicit Checker(std::string_view file) : file_(file) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    // `depth` counts the objects and arrays around the one that starts here.
    if (starts(event) && depth >= kMaxDepth) {
      fail_malformed(file_, fmt::format("JSON nested deeper than {}", kMaxDepth));
    }
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second) {
        fail_malformed(file_,
                       fmt::format("JSON key '{}' occurs twice in one object", key.substr(0, 80)));
      }
      if (keys_.back().size() > kMaxKeys) {
        fail_malformed(file_, fmt::format("a JSON object has more than {} keys", kMaxKeys));
      }
    }
    return true;
  }

 private:
  std::string_view file_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view file) {
  Checker checker(file);
  try {
    return Json::parse(text, [&checker](int depth, Json::parse_event_t event, Json& parsed) {
      return checker(depth, event, parsed);
    });
  } catch (const Json::parse_error& error) {
    // The parser counts bytes from 1.
    fail_malformed(file, "not valid JSON", error.byte == 0 ? 0 : error.byte - 1);
  } catch (const Json::exception&) {
    fail_malformed(file, "a JSON number is out of range");
  }
}

Json read_json_file(const std::string& path, std::uint64_t max_bytes) {
  return parse_json(read_text_file(path, max_bytes), path);
}

}  // namespace halfbyte
