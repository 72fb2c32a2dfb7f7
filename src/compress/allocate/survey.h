// What a method makes of each group, tried on the original's blocks one after another.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compress/allocate/groups.h"
#include "compress/allocate/probe.h"
#include "compress/calibrate/quantize.h"
#include "compress/methods.h"

namespace halfbyte {

struct SurveyRequest {
  const ModelFiles& source;
  const Recipe& recipe;
  const CalibrationOptions& calibration;
  const std::string& folder;  // for files that a later calibration writes anew
  const std::vector<Group>& groups;
  const std::vector<std::size_t>& probed;  // the option of each group that is tried
};

struct SurveyedGroup {
  std::size_t group = 0;
  Changes changes;             // as the method leaves it in that type, among the original's tensors
  std::vector<double> errors;  // squared, of its outputs in each of its types, once transformed
};

// Calls `see` with each group that the recipe does more to than to round it. Blocks see what the
// original ones give; one block's Gram matrices are in memory at a time. Does not depend on the
// number of threads.
void survey(const SurveyRequest& request, ThreadPool& pool,
            const std::function<void(const SurveyedGroup&)>& see);

}  // namespace halfbyte
