// The text that a model is calibrated on, as samples of token ids.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace halfbyte {

using Sample = std::vector<TokenId>;

struct SampleOptions {
  std::uint64_t tokens = 65536;  // over all samples: 128 x 512, as in the AWQ paper
  std::uint64_t length = 512;    // of a sample
};

// `text` is tokenized once and cut into samples, which are taken evenly from all over it; each
// begins with BOS where the tokenizer adds one. Fails with kUsage where the text is too short for
// one sample.
std::vector<Sample> samples_of_text(const Tokenizer& tokenizer, std::string_view text,
                                    const SampleOptions& options, std::string_view file);

// One sample a line, ids separated by spaces or commas, with or without brackets around them; cut
// to options.length. Fails with kMalformed naming file and line, also for ids outside [0, vocab).
std::vector<Sample> samples_of_ids(std::string_view lines, std::uint64_t vocab,
                                   const SampleOptions& options, std::string_view file);

// A digest of all ids, for telling whether two runs saw the same.
std::string digest_of(std::span<const Sample> samples);

}  // namespace halfbyte
