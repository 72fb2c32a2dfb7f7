// Files with one JSON object a line.
#pragma once

#include <functional>
#include <string>

#include "base/json.h"

namespace halfbyte {

// Calls `use` for each line that is not empty. Fails with kMalformed naming the file and the line.
void for_each_json_line(const std::string& path, const std::function<void(const Json&)>& use);

}  // namespace halfbyte
