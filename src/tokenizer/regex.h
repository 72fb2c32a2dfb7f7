// Patterns of published tokenizers: written for Oniguruma (Ruby syntax), run by PCRE2.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/spec.h"
#include "tokenizer/text.h"

namespace halfbyte {

// Rewrites a pattern in Oniguruma's Ruby syntax so that PCRE2 (UTF, UCP, MULTILINE) finds the same:
// nested classes and &&, \w and \b by Unicode, \h as a hex digit, {n}+ as a repeat, (?m) as
// dot-all. Fails with kUnsupported on what has no counterpart, kMalformed on a broken class.
std::string translate_pattern(std::string_view pattern, std::string_view file);

// `text` with characters that PCRE2's Unicode tables do not know (or know otherwise) replaced by
// others of the same length and kind. Returns false, and leaves `out` alone, where there are none.
bool known_characters(std::string_view text, std::string& out);

// What matching needs besides the pattern; one for each thread of work, reused between patterns.
class MatchScratch {
 public:
  MatchScratch();
  ~MatchScratch();
  MatchScratch(const MatchScratch&) = delete;
  MatchScratch& operator=(const MatchScratch&) = delete;

 private:
  friend class Regex;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Regex {
 public:
  Regex(std::string_view pattern, std::string_view file);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // All matches in `text` (well-formed UTF-8), left to right; an empty match right behind another
  // match is passed over. Offsets are relative to `text`, and nothing outside of it is looked at.
  void find_all(std::string_view text, MatchScratch& scratch, std::vector<Span>& matches) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A literal or a regex.
class Pattern {
 public:
  Pattern(const PatternSpec& spec, std::string_view file);
  void find_all(std::string_view text, MatchScratch& scratch, std::vector<Span>& matches) const;

 private:
  std::string literal_;
  std::unique_ptr<Regex> regex_;
};

// `text` with every match of `pattern` replaced by `content`.
std::string replace_all(std::string_view text, const Pattern& pattern, std::string_view content,
                        MatchScratch& scratch);

}  // namespace halfbyte
