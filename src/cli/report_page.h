// The page of a report: one file that opens without a network.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace halfbyte {

// The page that shows `data` (what report/page.js reads). Nothing in it can end the block that it
// stands in; broken UTF-8 becomes U+FFFD.
std::string report_page(const Json& data);

// The page's parts, embedded when halfbyte is built: what lies in report/, and the D3 library.
std::string_view report_template();  // {{style}}, {{library}}, ... stand for the other parts
std::string_view report_style();
std::string_view report_script();
std::string_view d3_license();
std::string_view d3_library();

}  // namespace halfbyte
