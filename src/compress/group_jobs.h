// What formats that store matrices in groups with zero points (formats/group_layout.h) ask of all
// matrices of blocks.
#pragma once

#include <vector>

#include "compress/job.h"
#include "compress/target.h"
#include "formats/group_layout.h"

namespace halfbyte {

// The layout of a target's matrices, nullptr where they are stored as they are.
const GroupLayout* layout_of(const Target& target);

// A tensor that is stored in the target's layout.
bool in_groups(const Target& target, const TensorJob& job);
GroupDims dims_of(const TensorJob& job);

// One type for all, and sides that fill whole words. (Readers fuse q, k and v, and gate and up: of
// one type they always can.) Fails with kUsage naming what to choose.
void check_group_jobs(const Target& target, const std::vector<TensorJob>& jobs);

// True if all matrices are copied from a source whose zeros are all in the middle.
bool zeros_in_the_middle(const Target& target, const std::vector<TensorJob>& jobs);

}  // namespace halfbyte
