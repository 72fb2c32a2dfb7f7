// The normalizers of a tokenizer.json.
#include "tokenizer/json/steps.h"

namespace halfbyte::json_parts {
namespace {

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

}  // namespace

void read_normalizer(Element value, TokenizerSpec& spec, int depth) {
  dispatch(kNormalizers, "normalizer", value, spec, depth);
}

}  // namespace halfbyte::json_parts
