#include "tokenizer/word_encoder.h"

#include "base/error.h"
#include "tokenizer/bpe.h"
#include "tokenizer/spm_bpe.h"

namespace halfbyte {

std::unique_ptr<WordEncoder> WordEncoder::create(const TokenizerSpec& spec) {
  switch (spec.kind) {
    case TokenizerKind::kBpe:
      return std::make_unique<Bpe>(spec);
    case TokenizerKind::kSentencePieceBpe:
      return std::make_unique<SentencePieceBpe>(spec);
    case TokenizerKind::kUnigram:
    case TokenizerKind::kWordPiece:
      break;
  }
  fail_unsupported(spec.file, "tokenizer model " + std::string(tokenizer_kind_name(spec.kind)));
}

ByteFallback::ByteFallback(const TokenizerSpec& spec) : ids_(256, Vocab::kNone) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string name = "<0x00>";
  for (unsigned b = 0; b < 256; ++b) {
    name[3] = kDigits[b >> 4];
    name[4] = kDigits[b & 15];
    ids_[b] = spec.vocab.find(name);
  }
}

bool ByteFallback::append(std::string_view bytes, std::vector<TokenId>& ids) const {
  for (const char c : bytes) {
    if (ids_[static_cast<unsigned char>(c)] < 0) return false;
  }
  for (const char c : bytes) ids.push_back(ids_[static_cast<unsigned char>(c)]);
  return true;
}

}  // namespace halfbyte
