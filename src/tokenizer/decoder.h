// Pieces to text, as a chain of stages that also works on a sequence that still grows.
//
// The reference decodes a whole list of tokens, step by step. A stage here does the same but hands
// on what can no longer change, so that decode() and StreamDecoder share one code path.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/regex.h"
#include "tokenizer/spec.h"

namespace halfbyte {

// A piece, or (after a stage that fuses all pieces) the next stretch of the only one.
struct DecodedPiece {
  std::string_view text;
  PieceType type = PieceType::kNormal;
};

class DecoderStage {
 public:
  virtual ~DecoderStage() = default;
  virtual void push(const DecodedPiece& piece) = 0;
  virtual void finish() { next_->finish(); }
  void set_next(DecoderStage* next) { next_ = next; }

 protected:
  DecoderStage* next_ = nullptr;
};

class DecoderChain {
 public:
  explicit DecoderChain(const TokenizerSpec& spec);
  ~DecoderChain();
  void push(const DecodedPiece& piece);
  void finish();
  // Text that became final since the last call.
  std::string take();

 private:
  std::vector<std::unique_ptr<DecoderStage>> stages_;
  std::string text_;
};

}  // namespace halfbyte
