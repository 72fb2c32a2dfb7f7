// The chosen types on disk, so that a resumed run need not choose again.
#pragma once

#include <string>

#include "compress/allocate/allocate.h"

namespace halfbyte {

void write_choice(const std::string& path, const Allocation& allocation);
// Fails with kMalformed for anything but a choice that allocate() could have made for this request:
// each tensor that chooses, and no other, with a type that it can have, all within the budget.
Allocation read_choice(const std::string& path, const AllocationRequest& request);

}  // namespace halfbyte
