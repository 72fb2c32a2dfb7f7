// The pre-tokenizers of a tokenizer.json.
#include "tokenizer/json/steps.h"

namespace halfbyte::json_parts {
namespace {

constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kBehaviors = {{
    {"Removed", SplitBehavior::kRemoved},
    {"Isolated", SplitBehavior::kIsolated},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous},
}};

SplitBehavior read_behavior(Element value, std::string_view fallback, std::string_view file) {
  const std::string_view name = get_text(value, "behavior", fallback, file);
  for (const auto& [key, behavior] : kBehaviors) {
    if (key == name) return behavior;
  }
  fail_unsupported(file, "tokenizer split behavior " + std::string(name));
}

void add_split(TokenizerSpec& spec, SplitMatch match, SplitBehavior behavior) {
  PreTokenizerSpec step;
  step.match = match;
  step.behavior = behavior;
  add_step(spec.pre_tokenizers, std::move(step), spec.file);
}

void byte_level(Element value, TokenizerSpec& spec, int) {
  PreTokenizerSpec step;
  step.kind = PreTokenizerKind::kByteLevel;
  step.add_prefix_space = get_flag(value, "add_prefix_space", true, spec.file);
  step.use_regex = get_flag(value, "use_regex", true, spec.file);
  add_step(spec.pre_tokenizers, std::move(step), spec.file);
}

void split(Element value, TokenizerSpec& spec, int) {
  PreTokenizerSpec step;
  step.pattern = read_pattern(value, spec.file);
  step.behavior = read_behavior(value, "", spec.file);
  step.invert = get_flag(value, "invert", false, spec.file);
  add_step(spec.pre_tokenizers, std::move(step), spec.file);
}

void digits(Element value, TokenizerSpec& spec, int) {
  const bool each_one = get_flag(value, "individual_digits", false, spec.file);
  add_split(spec, SplitMatch::kDigit,
            each_one ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

void punctuation(Element value, TokenizerSpec& spec, int) {
  add_split(spec, SplitMatch::kPunctuation, read_behavior(value, "Isolated", spec.file));
}

void white_space_split(Element, TokenizerSpec& spec, int) {
  add_split(spec, SplitMatch::kWhiteSpace, SplitBehavior::kRemoved);
}

// \w here is that of Rust's regex library, which counts the joiners in.
void white_space(Element, TokenizerSpec& spec, int) {
  PreTokenizerSpec step;
  step.pattern = {R"([\w\x{200C}\x{200D}]+|[^\w\x{200C}\x{200D}\s]+)", true};
  step.behavior = SplitBehavior::kRemoved;
  step.invert = true;
  add_step(spec.pre_tokenizers, std::move(step), spec.file);
}

void bert_pre_tokenizer(Element, TokenizerSpec& spec, int) {
  add_split(spec, SplitMatch::kWhiteSpace, SplitBehavior::kRemoved);
  add_split(spec, SplitMatch::kPunctuation, SplitBehavior::kIsolated);
}

void char_delimiter(Element value, TokenizerSpec& spec, int) {
  PreTokenizerSpec step;
  step.match = SplitMatch::kChar;
  step.behavior = SplitBehavior::kRemoved;
  step.character = one_char(need_text(value, "delimiter", spec.file), "delimiter", spec.file);
  add_step(spec.pre_tokenizers, std::move(step), spec.file);
}

void metaspace(Element value, TokenizerSpec& spec, int) {
  PreTokenizerSpec step;
  step.kind = PreTokenizerKind::kMetaspace;
  step.character =
      one_char(get_text(value, "replacement", "\xE2\x96\x81", spec.file), "replacement", spec.file);
  step.prepend = read_prepend_scheme(value, spec.file);
  step.split = get_flag(value, "split", true, spec.file);
  add_step(spec.pre_tokenizers, std::move(step), spec.file);
}

void pre_tokenizer_sequence(Element value, TokenizerSpec& spec, int depth) {
  each(value, "pretokenizers", spec, depth, read_pre_tokenizer);
}

constexpr std::array<Row, 10> kPreTokenizers = {{
    {"ByteLevel", byte_level},
    {"Split", split},
    {"Digits", digits},
    {"Punctuation", punctuation},
    {"Whitespace", white_space},
    {"WhitespaceSplit", white_space_split},
    {"Metaspace", metaspace},
    {"BertPreTokenizer", bert_pre_tokenizer},
    {"CharDelimiterSplit", char_delimiter},
    {"Sequence", pre_tokenizer_sequence},
}};

}  // namespace

void read_pre_tokenizer(Element value, TokenizerSpec& spec, int depth) {
  dispatch(kPreTokenizers, "pre-tokenizer", value, spec, depth);
}

}  // namespace halfbyte::json_parts
