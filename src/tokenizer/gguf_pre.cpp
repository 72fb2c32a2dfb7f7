// One row a name. The patterns are those of the published tokenizers, each in its own spelling, so
// that a tokenizer.json is recognized by comparing them.
#include "tokenizer/gguf_pre.h"

namespace halfbyte {
namespace {

#define HALFBYTE_CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define HALFBYTE_TAIL R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define HALFBYTE_OTHERS R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)" HALFBYTE_TAIL
#define HALFBYTE_WORDS R"(|[^\r\n\p{L}\p{N}]?\p{L}+)"
#define HALFBYTE_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define HALFBYTE_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define HALFBYTE_CASED(suffix)                                         \
  R"([^\r\n\p{L}\p{N}]?)" HALFBYTE_UPPER "*" HALFBYTE_LOWER "+" suffix \
  R"(|[^\r\n\p{L}\p{N}]?)" HALFBYTE_UPPER "+" HALFBYTE_LOWER "*" suffix
#define HALFBYTE_SLASHES R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)" HALFBYTE_TAIL

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    HALFBYTE_CONTRACTIONS HALFBYTE_WORDS R"(|\p{N}{1,3})" HALFBYTE_OTHERS;
constexpr std::string_view kJais2 = HALFBYTE_CONTRACTIONS HALFBYTE_WORDS
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S))"
    R"(|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";
constexpr std::string_view kQwen2 =
    HALFBYTE_CONTRACTIONS HALFBYTE_WORDS R"(|\p{N})" HALFBYTE_OTHERS;
constexpr std::string_view kQwen35 = HALFBYTE_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" HALFBYTE_TAIL;
constexpr std::string_view kUfakzeka = R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" HALFBYTE_OTHERS;
constexpr std::string_view kMiniCpm5 =
    HALFBYTE_CONTRACTIONS HALFBYTE_WORDS R"(|\p{N}+)" HALFBYTE_OTHERS;
constexpr std::string_view kSeedCoder =
    HALFBYTE_CONTRACTIONS HALFBYTE_WORDS R"(|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)" HALFBYTE_TAIL;
constexpr std::string_view kExaoneMoe = HALFBYTE_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?)"
    R"(|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*)"
    R"(|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken = HALFBYTE_CASED("") R"(|\p{N})" HALFBYTE_SLASHES;
constexpr std::string_view kGpt4o =
    HALFBYTE_CASED(HALFBYTE_CONTRACTIONS "?") R"(|\p{N}{1,3})" HALFBYTE_SLASHES;
constexpr std::string_view kYoutu =
    HALFBYTE_CASED(HALFBYTE_CONTRACTIONS "?") R"(|\p{N})" HALFBYTE_SLASHES;
// Latin and the like, but not Han: what Kimi's tiktoken file splits by.
#define HALFBYTE_NO_HAN(set) "[" set "&&[^\\p{Han}]]"
#define HALFBYTE_KIMI_UPPER HALFBYTE_NO_HAN(R"(\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M})")
#define HALFBYTE_KIMI_LOWER HALFBYTE_NO_HAN(R"(\p{Ll}\p{Lm}\p{Lo}\p{M})")
constexpr std::string_view kKimi =
    R"([\p{Han}]+|[^\r\n\p{L}\p{N}]?)" HALFBYTE_KIMI_UPPER "*" HALFBYTE_KIMI_LOWER
    "+" HALFBYTE_CONTRACTIONS R"(?|[^\r\n\p{L}\p{N}]?)" HALFBYTE_KIMI_UPPER "+" HALFBYTE_KIMI_LOWER
    "*" HALFBYTE_CONTRACTIONS R"(?|\p{N}{1,3})" HALFBYTE_OTHERS;
constexpr std::string_view kBloom = R"( ?[^(\s|[.,!?…。，、।۔،])]+)";
constexpr std::string_view kKana = "[一-龥぀-ゟ゠-ヿ]+";
constexpr std::string_view kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*)" HALFBYTE_TAIL;
constexpr std::string_view kSpark =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepSeekHan = "[一-龥ࠀ-一가-퟿]+";
// clang-format off
constexpr std::string_view kDeepSeekLetters =
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-"
    "Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ"
    "-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-"
    "𐳲𑢠-𑣟𞤀-𞥃]+";
// clang-format on
constexpr std::string_view kFalconPunctuation = R"([\p{P}\$\+<=>\^~\|`]+)";
// clang-format off
constexpr std::string_view kAsian =
    "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+";
// clang-format on

#define HALFBYTE_DEEPSEEK3 \
  { R"(\p{N}{1,3})", kKana, kDeepSeek3 }
#define HALFBYTE_DIGITS_GPT2 \
  { R"(\p{N})", kGpt2 }

// Where names share their patterns, the one to be written for a tokenizer.json comes first.
constexpr auto kRows = std::to_array<GgufPre>({
    {"llama-bpe", {kLlama3}, true, true},
    {"dbrx", {kLlama3}},
    {"llama3", {kLlama3}, true, true},
    {"llama-v3", {kLlama3}, true, true},
    {"falcon3", {kLlama3}, true, true},
    {"falcon-h1", {kLlama3}, true, true},
    {"pixtral", {kLlama3}, true, true},
    {"midm-2.0", {kLlama3}, true, true},
    {"lfm2", {kLlama3}, true, true},
    {"jina-v5-nano", {kLlama3}, true, true},
    {"smaug-bpe", {kLlama3}},
    {"chatglm-bpe", {kLlama3}},
    {"glm4", {kLlama3}, true},
    {"glm5", {kLlama3}, true},
    {"jais-2", {kJais2}},
    {"minicpm5", {R"(\p{N}{1,3})", kMiniCpm5}, true},
    {"qwen2", {kQwen2}},
    {"deepseek-r1-qwen", {kQwen2}},
    {"kormo", {kQwen2}},
    {"f2llmv2", {kQwen2}},
    {"megrez", {kQwen2}},
    {"stablelm2", {kQwen2}},
    {"hunyuan", {kQwen2}},
    {"solar-open", {kQwen2}},
    {"grok-2", {kQwen2}},
    {"laguna", {R"([^\n]+|[\n]+)", kQwen2}},
    {"qwen35", {kQwen35}},
    {"ufakzeka", {kUfakzeka}},
    {"seed-coder", {kSeedCoder}},
    {"exaone-moe", {kExaoneMoe}},
    {"bailingmoe", {kBailing}},
    {"bailingmoe2", {kBailing}},
    {"llada-moe", {kBailing}},
    {"tekken", {kTekken}, true, true},
    {"gpt-4o", {kGpt4o}},
    {"llama4", {kGpt4o}},
    {"kanana2", {kGpt4o}},
    {"talkie", {kGpt4o}},
    {"minimax-m2", {kGpt4o}},
    {"granite-embed-multi-97m", {kGpt4o}, true},
    {"tiny_aya", {R"(\d{1,3}(?=(?:\d{3})*\b))", kGpt4o}},
    {"cohere2moe", {R"(\d{1,3}(?=(?:\d{3})*\b))", kGpt4o}},
    {"youtu",
     {"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-"
      "ゟ゠-"
      "ヿ]"
      "+",
      kYoutu},
     true},
    {"kimi-k2", {kKimi}},
    {"deepseek-v3", HALFBYTE_DEEPSEEK3},
    {"hunyuan-dense", HALFBYTE_DEEPSEEK3},
    {"joyai-llm", HALFBYTE_DEEPSEEK3},
    {"hy_v4", HALFBYTE_DEEPSEEK3},
    {"spark2_5", {R"(\p{N}{1,3})", kKana, kSpark, R"(\p{N})"}},
    {"afmoe",
     {R"(\p{N}+)", R"(\A\p{N}{1,2}(?=(?:\p{N}{3})+\z)|\A\p{N}{1,2}\z|\p{N}{3})", kAsian,
      kDeepSeek3}},
    {"deepseek-llm",
     {R"([\r\n])", kDeepSeekLetters, R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", R"(\s+$)", kDeepSeekHan,
      R"(\p{N})"}},
    {"deepseek-coder", {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepSeekHan, R"(\p{N})"}},
    {"falcon", {kFalconPunctuation, kGpt2, "[0-9][0-9][0-9]"}},
    {"smollm", HALFBYTE_DIGITS_GPT2},
    {"starcoder", HALFBYTE_DIGITS_GPT2},
    {"refact", HALFBYTE_DIGITS_GPT2},
    {"command-r", HALFBYTE_DIGITS_GPT2},
    {"codeshell", HALFBYTE_DIGITS_GPT2},
    {"exaone", HALFBYTE_DIGITS_GPT2},
    {"minerva-7b", HALFBYTE_DIGITS_GPT2},
    {"minerva", HALFBYTE_DIGITS_GPT2},
    {"mellum2", HALFBYTE_DIGITS_GPT2},
    {"gpt-2", {kGpt2}},
    {"phi-2", {kGpt2}},
    {"mpt", {kGpt2}},
    {"olmo", {kGpt2}},
    {"jais", {kGpt2}},
    {"trillion", {kGpt2}},
    {"granite-docling", {kGpt2}},
    {"exaone4", {kGpt2}},
    {"gigachat", {kGpt2}},
    {"a.x-4.0", {kGpt2}},
    {"mellum", {kGpt2}},
    {"modern-bert", {kGpt2}},
    {"jina-es", {kGpt2}},
    {"jina-de", {kGpt2}},
    {"jina-v2-es", {kGpt2}},
    {"jina-v2-de", {kGpt2}},
    {"jina-v1-en", {kGpt2}},
    {"jina-v2-code", {kGpt2}},
    {"roberta-bpe", {kGpt2}},
    {"bloom", {kBloom}},
    {"poro-chat", {kBloom}},
    {"gpt3-finnish", {kBloom}},
    {"viking", {kBloom, R"(\p{N})"}},
    {"superbpe", {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}},
    {"chameleon",
     {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", R"(\p{N})",
      R"([\p{P}!-/:-@\[-`{-~])", kGpt2},
     false,
     true},
    {"default", {kFalconPunctuation, kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
    // Text with U+2581 for spaces is one word: the merges themselves know where words end.
    {"gemma4", {}, false, true, true},
    {"granite-embed-multi-311m", {}, false, true, true},
    {"sarvam-moe", {}, false, false, true},
});

// What a step of a tokenizer.json splits by, in the terms of the table.
std::string_view step_pattern(const PreTokenizerSpec& step) {
  if (step.kind == PreTokenizerKind::kByteLevel) return step.use_regex ? kGpt2 : "";
  if (step.kind != PreTokenizerKind::kSplit) return "?";
  if (step.match == SplitMatch::kDigit) {
    return step.behavior == SplitBehavior::kIsolated ? R"(\p{N})" : R"(\p{N}+)";
  }
  if (step.match == SplitMatch::kPunctuation && step.behavior == SplitBehavior::kContiguous) {
    return kFalconPunctuation;
  }
  // Isolated matches, and removed gaps of an inverted pattern, cut at the same places.
  const bool cuts = step.behavior == SplitBehavior::kIsolated ||
                    (step.behavior == SplitBehavior::kRemoved && step.invert);
  return step.match == SplitMatch::kPattern && step.pattern.is_regex && cuts
             ? std::string_view(step.pattern.text)
             : "?";
}

}  // namespace

const GgufPre* find_gguf_pre(std::string_view name) {
  for (const GgufPre& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string_view recognize_gguf_pre(const TokenizerSpec& spec) {
  std::array<std::string_view, 6> patterns;
  std::size_t count = 0;
  for (const PreTokenizerSpec& step : spec.pre_tokenizers) {
    const std::string_view pattern = step_pattern(step);
    if (pattern.empty()) continue;
    if (count == patterns.size()) return "default";
    patterns[count++] = pattern;
  }
  const GgufPre* found = nullptr;
  for (const GgufPre& row : kRows) {
    if (row.raw || row.patterns != patterns) continue;
    if (row.ignore_merges == spec.ignore_merges) return row.name;
    if (found == nullptr) found = &row;
  }
  return found != nullptr ? found->name : "default";
}

std::vector<PreTokenizerSpec> gguf_pre_steps(const GgufPre& row) {
  std::vector<PreTokenizerSpec> steps;
  for (const std::string_view pattern : row.patterns) {
    if (pattern.empty()) break;
    PreTokenizerSpec step;
    step.pattern = {std::string(pattern), true};
    steps.push_back(step);
  }
  if (row.raw) return steps;
  PreTokenizerSpec bytes;
  bytes.kind = PreTokenizerKind::kByteLevel;
  bytes.use_regex = false;
  steps.push_back(bytes);
  return steps;
}

}  // namespace halfbyte
