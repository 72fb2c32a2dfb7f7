// The decoders of a tokenizer.json.
#include "tokenizer/json/steps.h"

namespace halfbyte::json_parts {
namespace {

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

void read_decoder(Element value, TokenizerSpec& spec, int depth) {
  dispatch(kDecoders, "decoder", value, spec, depth);
}

}  // namespace halfbyte::json_parts
