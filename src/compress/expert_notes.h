// What there is to say about a mixture of experts that was calibrated: how many tokens each expert
// has seen.
#pragma once

#include <string>
#include <vector>

#include "compress/report.h"

namespace halfbyte {

// One line with the least, the median and the most tokens of an expert, and one that names the
// blocks with experts that saw too few (InputStats::starved); nothing for models without experts.
std::vector<std::string> expert_notes(const std::vector<LayerReport>& layers);

}  // namespace halfbyte
