// spiece.model: sentencepiece's ModelProto, in the protobuf wire format. Only the fields that
// change how text is encoded are read; unknown ones are skipped, every length is checked.
#include <cmath>

#include "base/error.h"
#include "tokenizer/sources.h"

namespace halfbyte {
namespace {

// Fields of one message: number, wire type, and the value.
class Message {
 public:
  Message(ByteView all, std::string_view file, std::uint64_t start) : in_(all, file, start) {}

  // The next field; false at the end.
  bool next() {
    if (in_.left() == 0) return false;
    const std::uint64_t tag = varint();
    number = tag >> 3;
    wire_ = tag & 7;
    if (wire_ == 0) {
      value = varint();
    } else if (wire_ == 1) {
      in_.take(8, "field");
    } else if (wire_ == 2) {
      const std::uint64_t size = varint();
      base = in_.offset();
      bytes = in_.take(size, "field");
    } else if (wire_ == 5) {
      fixed = in_.read<float>("field");
    } else {
      in_.fail("wire type of a field");
    }
    return true;
  }
  bool is(std::uint64_t wanted, std::uint64_t wire) const {
    return number == wanted && wire_ == wire;
  }
  bool is_bytes(std::uint64_t wanted) const { return is(wanted, 2); }
  bool is_number(std::uint64_t wanted) const { return is(wanted, 0); }
  bool is_float(std::uint64_t wanted) const { return is(wanted, 5); }

  std::uint64_t number = 0;
  std::uint64_t value = 0;
  float fixed = 0;
  ByteView bytes;
  std::uint64_t base = 0;

 private:
  std::uint64_t varint() {
    std::uint64_t result = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = in_.read<std::uint8_t>("number");
      result |= static_cast<std::uint64_t>(byte & 0x7Fu) << shift;
      if (byte < 0x80) return result;
    }
    in_.fail("number of more than 64 bits");
  }
  ByteReader in_;
  std::uint64_t wire_ = 0;
};

struct Trainer {
  std::uint64_t model_type = 1;
  bool whitespace_as_suffix = false;
  bool byte_fallback = false;
  std::string bos = "<s>";
  std::string eos = "</s>";
  std::string pad = "<pad>";
};

constexpr std::string_view kModelTypes[] = {"?", "unigram", "BPE", "word", "char"};

void read_piece(Message message, TokenizerSpec& spec) {
  std::string_view text;
  float score = 0;
  std::uint64_t type = 1;
  while (message.next()) {
    if (message.is_bytes(1)) text = as_text(message.bytes);
    if (message.is_float(2)) score = message.fixed;
    if (message.is_number(3)) type = message.value;
  }
  const auto id = static_cast<TokenId>(spec.scores.size());
  if (spec.scores.size() >= kMaxPieces) {
    fail_unsupported(spec.file, "a vocabulary of more than 2^22 pieces");
  }
  if (text.size() > kMaxPieceBytes) fail_unsupported(spec.file, "a piece of more than 64 KiB");
  if (type < 1 || type > 6 || std::isnan(score) || !is_valid_utf8(text)) {
    fail_malformed(spec.file, "piece " + std::to_string(id));
  }
  spec.vocab.set(id, text);
  spec.scores.push_back(score);
  spec.types.push_back(static_cast<PieceType>(type));
}

Trainer read_trainer(Message message) {
  Trainer trainer;
  while (message.next()) {
    if (message.is_number(3)) trainer.model_type = message.value;
    if (message.is_number(24)) trainer.whitespace_as_suffix = message.value != 0;
    if (message.is_number(35)) trainer.byte_fallback = message.value != 0;
    if (message.is_bytes(46)) trainer.bos = as_text(message.bytes);
    if (message.is_bytes(47)) trainer.eos = as_text(message.bytes);
    if (message.is_bytes(48)) trainer.pad = as_text(message.bytes);
  }
  return trainer;
}

void read_normalizer(Message message, NormalizerSpec& step) {
  while (message.next()) {
    if (message.is_bytes(2)) step.content = as_text(message.bytes);
    if (message.is_number(3)) step.add_dummy_prefix = message.value != 0;
    if (message.is_number(4)) step.remove_extra_whitespaces = message.value != 0;
    if (message.is_number(5)) step.escape_whitespaces = message.value != 0;
  }
}

void list_special_pieces(TokenizerSpec& spec, NormalizerSpec& step) {
  for (std::size_t i = 0; i < spec.types.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string text(spec.vocab.text(id));
    if (spec.types[i] == PieceType::kUserDefined) step.kept.push_back(text);
    if (spec.types[i] == PieceType::kUnknown && !spec.unk) spec.unk = spec.model_unk = id;
    if (spec.types[i] != PieceType::kControl && spec.types[i] != PieceType::kUnknown) continue;
    AddedToken token;
    token.text = text;
    token.special = true;
    add_token(spec, std::move(token), 0);
  }
}

std::optional<TokenId> control_piece(const TokenizerSpec& spec, std::string_view text) {
  const TokenId id = spec.vocab.find(text);
  if (id < 0 || spec.types[static_cast<std::size_t>(id)] != PieceType::kControl) {
    return std::nullopt;
  }
  return id;
}

void add_decoder(TokenizerSpec& spec, const NormalizerSpec& step) {
  DecoderSpec decoder;
  decoder.kind = DecoderKind::kSentencePiece;
  decoder.strips_first = step.add_dummy_prefix || step.remove_extra_whitespaces;
  decoder.strips_all = step.remove_extra_whitespaces;
  spec.decoders.push_back(decoder);
}

}  // namespace

TokenizerSpec read_sentencepiece(ByteView bytes, std::string_view file) {
  TokenizerSpec spec;
  spec.source = TokenizerSource::kSentencePiece;
  spec.kind = TokenizerKind::kSentencePieceBpe;
  spec.file = file;
  Trainer trainer;
  NormalizerSpec step;
  step.kind = NormalizerKind::kSentencePiece;
  step.add_dummy_prefix = step.remove_extra_whitespaces = step.escape_whitespaces = true;
  Message model(bytes, file, 0);
  while (model.next()) {
    if (!model.is_bytes(model.number)) continue;
    Message inner(model.bytes, file, model.base);
    if (model.number == 1) read_piece(inner, spec);
    if (model.number == 2) trainer = read_trainer(inner);
    if (model.number == 3) read_normalizer(inner, step);
  }
  if (spec.scores.empty()) fail_malformed(file, "no pieces: not a sentencepiece model");
  if (trainer.model_type != 2) {
    const auto type = trainer.model_type < std::size(kModelTypes) ? trainer.model_type : 0;
    fail_unsupported(file, "sentencepiece model type " + std::string(kModelTypes[type]));
  }
  step.whitespace_as_suffix = trainer.whitespace_as_suffix;
  spec.byte_fallback = trainer.byte_fallback;
  spec.fuse_unk = true;
  spec.match_user_defined = true;
  spec.match_added = false;
  list_special_pieces(spec, step);
  spec.bos = control_piece(spec, trainer.bos);
  spec.eos = control_piece(spec, trainer.eos);
  spec.pad = control_piece(spec, trainer.pad);
  set_adds_bos(spec, true);
  add_decoder(spec, step);
  spec.gguf_space_prefix = step.add_dummy_prefix;
  spec.normalizers.push_back(std::move(step));
  return spec;
}

}  // namespace halfbyte
