// The reference is the tokenizers library (pre_tokenizers/, and NormalizedString::split for what
// the behaviours mean).
#include "tokenizer/pre_tokenizer.h"

namespace halfbyte {

struct PreTokenizer::Step {
  PreTokenizerSpec spec;
  std::unique_ptr<Pattern> pattern;
};

namespace {

// GPT-2's pattern, which ByteLevel brings along.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct Part {
  Span span;
  bool matched = false;
};

bool char_matches(const PreTokenizerSpec& spec, char32_t c) {
  switch (spec.match) {
    case SplitMatch::kDigit:
      return is_number(c);
    case SplitMatch::kPunctuation:
      return is_punctuation(c);
    case SplitMatch::kWhiteSpace:
      return is_white_space(c);
    case SplitMatch::kChar:
      return c == spec.character;
    case SplitMatch::kPattern:
      break;
  }
  return false;
}

void find_chars(std::string_view text, const PreTokenizerSpec& spec, std::vector<Span>& matches) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    if (char_matches(spec, next_char(text, i))) matches.push_back({begin, i});
  }
}

// Matches and the gaps between them, over all of [0, size).
void to_parts(const std::vector<Span>& matches, std::size_t size, bool invert,
              std::vector<Part>& parts) {
  std::size_t at = 0;
  for (const Span& match : matches) {
    if (at != match.begin) parts.push_back({{at, match.begin}, invert});
    parts.push_back({match, !invert});
    at = match.end;
  }
  if (at != size) parts.push_back({{at, size}, invert});
}

// Joins parts from left to right: a part is added to the one before where `joins(part, previous)`.
template <typename Joins>
void join_forward(std::vector<Part>& parts, Joins joins) {
  std::size_t n = 0;
  bool previous = false;
  for (const Part& part : parts) {
    if (n > 0 && joins(part.matched, previous)) {
      parts[n - 1].span.end = part.span.end;
    } else {
      parts[n++] = part;
    }
    previous = part.matched;
  }
  parts.resize(n);
}

void behave(std::vector<Part>& parts, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kRemoved:
      std::erase_if(parts, [](const Part& part) { return part.matched; });
      break;
    case SplitBehavior::kContiguous:
      join_forward(parts, [](bool matched, bool previous) { return matched == previous; });
      break;
    case SplitBehavior::kMergedWithPrevious:
      join_forward(parts, [](bool matched, bool previous) { return matched && !previous; });
      break;
    case SplitBehavior::kMergedWithNext: {
      // The same from the right.
      std::vector<Part> kept;
      bool previous = false;
      for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        if (part->matched && !previous && !kept.empty()) {
          kept.back().span.begin = part->span.begin;
        } else {
          kept.push_back(*part);
        }
        previous = part->matched;
      }
      parts.assign(kept.rbegin(), kept.rend());
      break;
    }
  }
}

void split(Words& words, const PreTokenizerSpec& spec, const Pattern* pattern,
           MatchScratch& scratch) {
  std::string known;
  std::string_view subject = words.text;
  if (pattern != nullptr && known_characters(words.text, known)) subject = known;
  std::vector<Span> out;
  std::vector<Span> matches;
  std::vector<Part> parts;
  for (const Span& word : words.spans) {
    const std::string_view text = subject.substr(word.begin, word.end - word.begin);
    matches.clear();
    parts.clear();
    if (pattern != nullptr) {
      pattern->find_all(text, scratch, matches);
    } else {
      find_chars(text, spec, matches);
    }
    to_parts(matches, text.size(), spec.invert, parts);
    behave(parts, spec.behavior);
    for (const Part& part : parts) {
      if (part.span.begin == part.span.end) continue;
      out.push_back({word.begin + part.span.begin, word.begin + part.span.end});
    }
  }
  words.at_start = words.at_start && !out.empty() && out[0].begin == 0;
  words.spans = std::move(out);
}

// Rewrites every word: `write(word, first, out)` appends what stands for it.
template <typename Write>
void rewrite_words(Words& words, Write write) {
  std::string out;
  out.reserve(words.text.size() + words.text.size() / 2);
  bool first = words.at_start;
  for (Span& word : words.spans) {
    const std::size_t begin = out.size();
    write(std::string_view(words.text).substr(word.begin, word.end - word.begin), first, out);
    word = {begin, out.size()};
    first = false;
  }
  words.text = std::move(out);
}

void byte_level(Words& words, const PreTokenizerSpec& spec, const Pattern* pattern,
                MatchScratch& scratch) {
  if (spec.add_prefix_space) {
    rewrite_words(words, [](std::string_view word, bool, std::string& out) {
      if (word[0] != ' ') out += ' ';
      out += word;
    });
  }
  if (pattern != nullptr) split(words, spec, pattern, scratch);
  rewrite_words(words, [](std::string_view word, bool, std::string& out) {
    for (const char c : word) append_utf8(out, byte_to_char(static_cast<unsigned char>(c)));
  });
}

void metaspace(Words& words, const PreTokenizerSpec& spec, MatchScratch& scratch) {
  std::string mark;
  append_utf8(mark, spec.character);
  rewrite_words(words, [&](std::string_view word, bool first, std::string& out) {
    const bool wanted =
        spec.prepend == PrependScheme::kAlways || (spec.prepend == PrependScheme::kFirst && first);
    if (wanted && word[0] != ' ' && !word.starts_with(mark)) out += mark;
    for (const char c : word) {
      if (c == ' ') {
        out += mark;
      } else {
        out += c;
      }
    }
  });
  if (!spec.split) return;
  PreTokenizerSpec by_mark;
  by_mark.match = SplitMatch::kChar;
  by_mark.character = spec.character;
  by_mark.behavior = SplitBehavior::kMergedWithNext;
  split(words, by_mark, nullptr, scratch);
}

}  // namespace

PreTokenizer::PreTokenizer(const std::vector<PreTokenizerSpec>& steps, std::string_view file) {
  for (const PreTokenizerSpec& spec : steps) {
    Step step{spec, nullptr};
    if (spec.kind == PreTokenizerKind::kSplit && spec.match == SplitMatch::kPattern) {
      step.pattern = std::make_unique<Pattern>(spec.pattern, file);
    }
    if (spec.kind == PreTokenizerKind::kByteLevel && spec.use_regex) {
      step.pattern = std::make_unique<Pattern>(PatternSpec{std::string(kGpt2Pattern), true}, file);
    }
    steps_.push_back(std::move(step));
  }
}

PreTokenizer::~PreTokenizer() = default;

void PreTokenizer::apply(Words& words, MatchScratch& scratch) const {
  for (const Step& step : steps_) {
    switch (step.spec.kind) {
      case PreTokenizerKind::kSplit:
        split(words, step.spec, step.pattern.get(), scratch);
        break;
      case PreTokenizerKind::kByteLevel:
        byte_level(words, step.spec, step.pattern.get(), scratch);
        break;
      case PreTokenizerKind::kMetaspace:
        metaspace(words, step.spec, scratch);
        break;
    }
  }
}

}  // namespace halfbyte
