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
// `rules`: of all matrices together.
GroupDims dims_of(const TensorJob& job, ScaleRules rules);

// What the groups of each job keep to: what is asked, and of those copied, what they happen to.
// Those that would be copied but do not keep to what is asked are encoded anew.
void set_rules(const Target& target, ScaleRules asked, std::vector<TensorJob>& jobs);
// What all matrices in the target's layout keep to. By row only where that makes a difference.
ScaleRules common_rules(const Target& target, const std::vector<TensorJob>& jobs);

// One type for all (by row: one width), and sides that fill whole words. (Readers fuse q, k and v,
// and gate and up: of one type they always can.) Fails with kUsage naming what to choose.
void check_group_jobs(const Target& target, const std::vector<TensorJob>& jobs);

}  // namespace halfbyte
