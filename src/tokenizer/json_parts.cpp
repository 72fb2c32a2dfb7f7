// One row a type name in each of the four tables. Field names and defaults are those of the
// tokenizers library's serialization.
#include "tokenizer/json_parts.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "tokenizer/text.h"

namespace halfbyte::json_parts {
namespace {

using Reader = void (*)(Element, TokenizerSpec&, int depth);
struct Row {
  std::string_view type;
  Reader read;
};

[[noreturn]] void bad_field(std::string_view file, std::string_view key) {
  fail_malformed(file,
                 "tokenizer: field \"" + std::string(key) + "\" is missing or of the wrong kind");
}

bool field(Element object, const char* key, Element& value) {
  return object.is_object() && object[key].get(value) == simdjson::SUCCESS && !value.is_null();
}

Element need(Element object, const char* key, std::string_view file) {
  Element value;
  if (!field(object, key, value)) bad_field(file, key);
  return value;
}

template <std::size_t N>
void dispatch(const std::array<Row, N>& rows, std::string_view what, Element value,
              TokenizerSpec& spec, int depth) {
  if (value.is_null()) return;
  if (depth > kMaxSequenceDepth) fail_malformed(spec.file, "tokenizer: Sequences nested too deep");
  const std::string_view type = need_text(value, "type", spec.file);
  for (const Row& row : rows) {
    if (row.type == type) return row.read(value, spec, depth);
  }
  fail_unsupported(spec.file, "tokenizer " + std::string(what) + " " + std::string(type));
}

// The steps of a Sequence, under `key`.
void each(Element value, const char* key, TokenizerSpec& spec, int depth, Reader read) {
  simdjson::dom::array steps;
  if (need(value, key, spec.file).get(steps) != simdjson::SUCCESS) bad_field(spec.file, key);
  for (const Element step : steps) read(step, spec, depth + 1);
}

template <typename T>
void add_step(std::vector<T>& steps, T step, std::string_view file) {
  if (steps.size() >= kMaxSteps) fail_unsupported(file, "a tokenizer of more than 256 steps");
  steps.push_back(std::move(step));
}

PatternSpec read_pattern(Element object, std::string_view file) {
  const Element pattern = need(object, "pattern", file);
  Element text;
  const bool is_regex = field(pattern, "Regex", text);
  std::string_view value;
  if ((!is_regex && !field(pattern, "String", text)) || text.get(value) != simdjson::SUCCESS) {
    bad_field(file, "pattern");
  }
  return {std::string(value), is_regex};
}

char32_t one_char(std::string_view text, const char* key, std::string_view file) {
  std::size_t i = 0;
  if (text.empty()) bad_field(file, key);
  const char32_t c = next_char(text, i);
  if (i != text.size()) bad_field(file, key);
  return c;
}

std::string decode_base64(std::string_view text, std::string_view file) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<std::uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<std::uint32_t>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      value = static_cast<std::uint32_t>(c - '0') + 52;
    } else if (c == '+' || c == '/') {
      value = c == '+' ? 62 : 63;
    } else if (c == '=') {
      break;
    } else {
      fail_malformed(file, "tokenizer: precompiled_charsmap is not base64");
    }
    bits = (bits << 6) | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(static_cast<unsigned char>(bits >> count));
    }
  }
  return out;
}

// Normalizers.

template <NormalizerKind kind>
void plain_normalizer(Element, TokenizerSpec& spec, int) {
  NormalizerSpec step;
  step.kind = kind;
  add_step(spec.normalizers, std::move(step), spec.file);
}

void strip_normalizer(Element value, TokenizerSpec& spec, int) {
  NormalizerSpec step;
  step.kind = NormalizerKind::kStrip;
  step.left = get_flag(value, "strip_left", true, spec.file);
  step.right = get_flag(value, "strip_right", true, spec.file);
  add_step(spec.normalizers, std::move(step), spec.file);
}

void replace_normalizer(Element value, TokenizerSpec& spec, int) {
  NormalizerSpec step;
  step.kind = NormalizerKind::kReplace;
  step.pattern = read_pattern(value, spec.file);
  step.content = need_text(value, "content", spec.file);
  add_step(spec.normalizers, std::move(step), spec.file);
}

void prepend_normalizer(Element value, TokenizerSpec& spec, int) {
  NormalizerSpec step;
  step.kind = NormalizerKind::kPrepend;
  step.content = need_text(value, "prepend", spec.file);
  add_step(spec.normalizers, std::move(step), spec.file);
}

void precompiled_normalizer(Element value, TokenizerSpec& spec, int) {
  NormalizerSpec step;
  step.kind = NormalizerKind::kPrecompiled;
  step.content = decode_base64(get_text(value, "precompiled_charsmap", "", spec.file), spec.file);
  if (!step.content.empty()) add_step(spec.normalizers, std::move(step), spec.file);
}

void bert_normalizer(Element value, TokenizerSpec& spec, int) {
  NormalizerSpec step;
  step.kind = NormalizerKind::kBert;
  step.clean = get_flag(value, "clean_text", true, spec.file);
  step.chinese = get_flag(value, "handle_chinese_chars", true, spec.file);
  step.lowercase = get_flag(value, "lowercase", true, spec.file);
  step.accents = get_flag(value, "strip_accents", step.lowercase, spec.file);
  add_step(spec.normalizers, std::move(step), spec.file);
}

void normalizer_sequence(Element value, TokenizerSpec& spec, int depth) {
  each(value, "normalizers", spec, depth, read_normalizer);
}

constexpr std::array<Row, 14> kNormalizers = {{
    {"NFC", plain_normalizer<NormalizerKind::kNfc>},
    {"NFD", plain_normalizer<NormalizerKind::kNfd>},
    {"NFKC", plain_normalizer<NormalizerKind::kNfkc>},
    {"NFKD", plain_normalizer<NormalizerKind::kNfkd>},
    {"Lowercase", plain_normalizer<NormalizerKind::kLowercase>},
    {"StripAccents", plain_normalizer<NormalizerKind::kStripAccents>},
    {"Nmt", plain_normalizer<NormalizerKind::kNmt>},
    {"ByteLevel", plain_normalizer<NormalizerKind::kByteLevel>},
    {"Strip", strip_normalizer},
    {"Replace", replace_normalizer},
    {"Prepend", prepend_normalizer},
    {"Precompiled", precompiled_normalizer},
    {"BertNormalizer", bert_normalizer},
    {"Sequence", normalizer_sequence},
}};

// Pre-tokenizers.

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

PrependScheme read_prepend_scheme(Element value, std::string_view file) {
  if (!get_flag(value, "add_prefix_space", true, file)) return PrependScheme::kNever;
  const std::string_view name = get_text(value, "prepend_scheme", "always", file);
  if (name == "always") return PrependScheme::kAlways;
  if (name == "first") return PrependScheme::kFirst;
  if (name == "never") return PrependScheme::kNever;
  fail_unsupported(file, "tokenizer prepend_scheme " + std::string(name));
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

// Post-processors. Each wraps what the ones before it made.

TokenId read_id(Element value, std::string_view file) {
  std::uint64_t id = 0;
  if (value.get(id) != simdjson::SUCCESS || id >= kMaxPieces) bad_field(file, "id");
  return static_cast<TokenId>(id);
}

void wrap(TokenizerSpec& spec, const std::vector<TemplateItem>& outer) {
  if (spec.post.empty()) spec.post.push_back({true, 0});
  std::vector<TemplateItem> out;
  for (const TemplateItem& item : outer) {
    if (item.is_text) {
      out.insert(out.end(), spec.post.begin(), spec.post.end());
    } else {
      out.push_back(item);
    }
    if (out.size() > kMaxSteps) fail_unsupported(spec.file, "a post-processor of that size");
  }
  spec.post = std::move(out);
}

void no_post_processor(Element, TokenizerSpec&, int) {}

void template_processing(Element value, TokenizerSpec& spec, int) {
  simdjson::dom::array single;
  if (need(value, "single", spec.file).get(single) != simdjson::SUCCESS) {
    bad_field(spec.file, "single");
  }
  std::vector<TemplateItem> items;
  for (const Element piece : single) {
    Element inner;
    if (field(piece, "Sequence", inner)) {
      // "B" is the second text of a pair, which a single text has not.
      if (get_text(inner, "id", "A", spec.file) == "A") items.push_back({true, 0});
      continue;
    }
    const Element token = need(piece, "SpecialToken", spec.file);
    const Element known = need(value, "special_tokens", spec.file);
    const std::string name(need_text(token, "id", spec.file));
    const Element entry = need(known, name.c_str(), spec.file);
    simdjson::dom::array ids;
    if (need(entry, "ids", spec.file).get(ids) != simdjson::SUCCESS) bad_field(spec.file, "ids");
    for (const Element id : ids) items.push_back({false, read_id(id, spec.file)});
  }
  wrap(spec, items);
}

void class_and_separator(Element value, TokenizerSpec& spec, int) {
  const auto id_of = [&](const char* key) {
    Element id;
    if (need(value, key, spec.file).at(1).get(id) != simdjson::SUCCESS) bad_field(spec.file, key);
    return read_id(id, spec.file);
  };
  wrap(spec, {{false, id_of("cls")}, {true, 0}, {false, id_of("sep")}});
}

void post_processor_sequence(Element value, TokenizerSpec& spec, int depth) {
  each(value, "processors", spec, depth, read_post_processor);
}

constexpr std::array<Row, 5> kPostProcessors = {{
    {"ByteLevel", no_post_processor},
    {"TemplateProcessing", template_processing},
    {"BertProcessing", class_and_separator},
    {"RobertaProcessing", class_and_separator},
    {"Sequence", post_processor_sequence},
}};

// Decoders.

template <DecoderKind kind>
void plain_decoder(Element, TokenizerSpec& spec, int) {
  DecoderSpec step;
  step.kind = kind;
  add_step(spec.decoders, std::move(step), spec.file);
}

void metaspace_decoder(Element value, TokenizerSpec& spec, int) {
  DecoderSpec step;
  step.kind = DecoderKind::kMetaspace;
  step.content = get_text(value, "replacement", "\xE2\x96\x81", spec.file);
  step.strips_first = read_prepend_scheme(value, spec.file) != PrependScheme::kNever;
  add_step(spec.decoders, std::move(step), spec.file);
}

void strip_decoder(Element value, TokenizerSpec& spec, int) {
  DecoderSpec step;
  step.kind = DecoderKind::kStrip;
  step.content = need_text(value, "content", spec.file);
  step.start = get_count(value, "start", 0, spec.file);
  step.stop = get_count(value, "stop", 0, spec.file);
  add_step(spec.decoders, std::move(step), spec.file);
}

void replace_decoder(Element value, TokenizerSpec& spec, int) {
  DecoderSpec step;
  step.kind = DecoderKind::kReplace;
  step.pattern = read_pattern(value, spec.file);
  step.content = need_text(value, "content", spec.file);
  add_step(spec.decoders, std::move(step), spec.file);
}

void bpe_decoder(Element value, TokenizerSpec& spec, int) {
  DecoderSpec step;
  step.kind = DecoderKind::kBpeSuffix;
  step.content = get_text(value, "suffix", "</w>", spec.file);
  add_step(spec.decoders, std::move(step), spec.file);
}

void decoder_sequence(Element value, TokenizerSpec& spec, int depth) {
  each(value, "decoders", spec, depth, read_decoder);
}

constexpr std::array<Row, 8> kDecoders = {{
    {"ByteLevel", plain_decoder<DecoderKind::kByteLevel>},
    {"ByteFallback", plain_decoder<DecoderKind::kByteFallback>},
    {"Fuse", plain_decoder<DecoderKind::kFuse>},
    {"Metaspace", metaspace_decoder},
    {"Strip", strip_decoder},
    {"Replace", replace_decoder},
    {"BPEDecoder", bpe_decoder},
    {"Sequence", decoder_sequence},
}};

}  // namespace

std::string_view get_text(Element object, const char* key, std::string_view fallback,
                          std::string_view file) {
  Element value;
  if (!field(object, key, value)) return fallback;
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) bad_field(file, key);
  return text;
}

bool get_flag(Element object, const char* key, bool fallback, std::string_view file) {
  Element value;
  if (!field(object, key, value)) return fallback;
  bool flag = false;
  if (value.get(flag) != simdjson::SUCCESS) bad_field(file, key);
  return flag;
}

std::uint64_t get_count(Element object, const char* key, std::uint64_t fallback,
                        std::string_view file) {
  Element value;
  if (!field(object, key, value)) return fallback;
  std::uint64_t count = 0;
  if (value.get(count) != simdjson::SUCCESS) bad_field(file, key);
  return count;
}

std::string_view need_text(Element object, const char* key, std::string_view file) {
  std::string_view text;
  if (need(object, key, file).get(text) != simdjson::SUCCESS) bad_field(file, key);
  return text;
}

void read_normalizer(Element value, TokenizerSpec& spec, int depth) {
  dispatch(kNormalizers, "normalizer", value, spec, depth);
}

void read_pre_tokenizer(Element value, TokenizerSpec& spec, int depth) {
  dispatch(kPreTokenizers, "pre-tokenizer", value, spec, depth);
}

void read_post_processor(Element value, TokenizerSpec& spec, int depth) {
  dispatch(kPostProcessors, "post-processor", value, spec, depth);
}

void read_decoder(Element value, TokenizerSpec& spec, int depth) {
  dispatch(kDecoders, "decoder", value, spec, depth);
}

}  // namespace halfbyte::json_parts
