// Text to normalized text, step by step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/regex.h"
#include "tokenizer/spec.h"

namespace halfbyte {

class Normalizer {
 public:
  Normalizer(const std::vector<NormalizerSpec>& steps, std::string_view file);
  ~Normalizer();
  bool empty() const { return steps_.empty(); }
  // `text` is well-formed UTF-8, and so is the result.
  void apply(std::string& text, MatchScratch& scratch) const;

 private:
  struct Step;
  std::vector<Step> steps_;
};

}  // namespace halfbyte
