// Normalized text to words, step by step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/regex.h"
#include "tokenizer/spec.h"

namespace halfbyte {

// Words: spans of a text that the steps rewrite.
struct Words {
  std::string text;
  std::vector<Span> spans;
  bool at_start = false;  // the first span starts where the whole input starts
};

class PreTokenizer {
 public:
  PreTokenizer(const std::vector<PreTokenizerSpec>& steps, std::string_view file);
  ~PreTokenizer();
  // In: one span over all of the text. Out: the words, in order, none of them empty.
  void apply(Words& words, MatchScratch& scratch) const;

 private:
  struct Step;
  std::vector<Step> steps_;
};

}  // namespace halfbyte
