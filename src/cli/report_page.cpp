#include "cli/report_page.h"

#include <algorithm>
#include <array>

namespace halfbyte {

namespace {

// JSON with nothing but ASCII, and without "<": there is no "</script>" nor "<!--".
std::string json_block(const Json& data) {
  std::string block;
  for (const char c : data.dump(-1, ' ', true, Json::error_handler_t::replace)) {
    if (c == '<') {
      block += "\\u003c";
    } else {
      block += c;
    }
  }
  return block;
}

struct Part {
  std::string_view name;
  std::string_view text;
};

}  // namespace

std::string report_page(const Json& data) {
  const std::string block = json_block(data);
  const std::array<Part, 5> parts = {{{"style", report_style()},
                                      {"license", d3_license()},
                                      {"library", d3_library()},
                                      {"data", block},
                                      {"script", report_script()}}};
  std::string page;
  std::string_view rest = report_template();
  for (std::size_t at = rest.find("{{"); at != std::string_view::npos; at = rest.find("{{")) {
    page += rest.substr(0, at);
    const std::size_t end = rest.find("}}", at);
    const std::string_view name = rest.substr(at + 2, end - at - 2);
    const auto* const part =
        std::find_if(parts.begin(), parts.end(), [&](const Part& row) { return row.name == name; });
    if (part != parts.end()) page += part->text;
    rest.remove_prefix(end + 2);
  }
  return page += rest;
}

}  // namespace halfbyte
