// Helpers of isa/NAME/rows.cpp, which turns plain rows into rows of the registry.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "kernels/linear_rows.h"
#include "kernels/registry.h"

namespace halfbyte {

// `streams`: rows that are better where there is CpuFeature::read_streams.
std::vector<LinearKernel> linear_kernels(std::string_view isa, CpuFeatures needs,
                                         std::initializer_list<LinearRows> lists,
                                         LinearRows streams = {});

std::vector<PeakKernel> peak_kernels(CpuFeatures needs, const PeakRows& list);

inline CpuFeatures cpu_features(std::initializer_list<CpuFeature> features) {
  CpuFeatures set;
  for (const CpuFeature feature : features) set.bits |= static_cast<std::uint32_t>(feature);
  return set;
}

}  // namespace halfbyte
