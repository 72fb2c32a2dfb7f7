// halfbyte bench --machine: this machine's measured peaks, as JSON and as a table.
#pragma once

#include "base/json.h"
#include "cli/options.h"

namespace halfbyte {

// Every multiply row that the CPU has and the widest read row, on one thread and on all; about five
// seconds.
Json measure_machine(const RuntimeOptions& options);
void print_machine(const Json& body);

}  // namespace halfbyte
