// What a compression or a conversion did, for reports and --json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace halfbyte {

// One matrix or table as it was written.
struct LayerReport {
  std::string name;  // ours (GGUF's)
  DType type = DType::f32;
  double error = 0.0;  // rms of (written - source) over rms of the source; 0 where copied
  std::optional<std::uint64_t> tokens = std::nullopt;  // an expert's, in calibration
  bool starved = false;                                // so few that it was only rounded
};

struct CompressReport {
  std::uint64_t bytes_in = 0;    // of the source's weight files
  std::uint64_t bytes_out = 0;   // of all files written that hold weights or the tokenizer
  double bits_per_weight = 0.0;  // of the tensors written
  double seconds = 0.0;
  std::vector<LayerReport> layers;
  std::vector<std::string> notes;  // one line each: what did not go as asked, and why
};

}  // namespace halfbyte
