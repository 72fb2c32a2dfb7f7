// The stages. The reference is the tokenizers library (decoders/), and sentencepiece for its own.
#include "tokenizer/decoder.h"

#include <utility>

#include "base/bytes.h"

namespace halfbyte {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kSpaceMark = "\xE2\x96\x81";    // U+2581

// Hands on whole characters; ill-formed bytes become U+FFFD.
class RepairStage : public DecoderStage {
 public:
  void push(const DecodedPiece& piece) override {
    held_ += piece.text;
    std::string out;
    std::string_view rest = held_;
    while (!rest.empty()) {
      std::size_t bad = 0;
      const std::size_t n = valid_char(rest, bad);
      if (n == 0 && bad == 0) break;
      out += n == 0 ? kReplacement : rest.substr(0, n);
      rest.remove_prefix(n == 0 ? bad : n);
    }
    held_ = std::string(rest);
    if (!out.empty()) next_->push({out, PieceType::kNormal});
  }
  void finish() override {
    if (!held_.empty()) next_->push({kReplacement, PieceType::kNormal});
    held_.clear();
    next_->finish();
  }

 private:
  std::string held_;
};

// Bytes of a token in byte-level spelling; a token with any other character stands for itself.
class ByteLevelStage : public DecoderStage {
 public:
  void push(const DecodedPiece& piece) override {
    std::string bytes;
    for (std::size_t i = 0; i < piece.text.size();) {
      const int byte = char_to_byte(next_char(piece.text, i));
      if (byte < 0) return next_->push(piece);
      bytes += static_cast<char>(byte);
    }
    next_->push({bytes, piece.type});
  }
};

// "<0x0A>" is a byte. A run of bytes that is not UTF-8 becomes one U+FFFD for each.
class ByteFallbackStage : public DecoderStage {
 public:
  void push(const DecodedPiece& piece) override {
    if (const int byte = value(piece.text); byte >= 0) {
      run_ += static_cast<char>(byte);
      return;
    }
    flush();
    next_->push(piece);
  }
  void finish() override {
    flush();
    next_->finish();
  }

  static int value(std::string_view text) {
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
    const int high = digit(text[3]);
    const int low = digit(text[4]);
    if (text[3] == '+') return low;  // the reference parses a sign as well
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }

 private:
  static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  }
  void flush() {
    if (run_.empty()) return;
    const std::string run = std::exchange(run_, {});
    if (is_valid_utf8(run)) return next_->push({run, PieceType::kByte});
    for (std::size_t i = 0; i < run.size(); ++i) next_->push({kReplacement, PieceType::kByte});
  }
  std::string run_;
};

class ReplaceStage : public DecoderStage {
 public:
  ReplaceStage(const DecoderSpec& spec, std::string_view file)
      : pattern_(spec.pattern, file), content_(spec.content) {}
  void push(const DecodedPiece& piece) override {
    next_->push({replace_all(piece.text, pattern_, content_, scratch_), piece.type});
  }

 private:
  Pattern pattern_;
  std::string content_;
  MatchScratch scratch_;
};

class MetaspaceStage : public DecoderStage {
 public:
  explicit MetaspaceStage(const DecoderSpec& spec)
      : mark_(spec.content), strips_first_(spec.strips_first) {}
  void push(const DecodedPiece& piece) override {
    std::string out;
    for (std::size_t i = 0; i < piece.text.size();) {
      const std::string_view one = piece.text.substr(i, char_bytes(piece.text[i]));
      i += one.size();
      if (one != mark_) {
        out += one;
      } else if (!first_ || !strips_first_) {
        out += ' ';
      }
    }
    first_ = false;
    next_->push({out, piece.type});
  }

 private:
  std::string mark_;
  bool strips_first_;
  bool first_ = true;
};

// Strips up to `start` and `stop` times a character from the ends of a piece.
std::string_view stripped(std::string_view text, const DecoderSpec& spec) {
  const std::string& c = spec.content;
  std::size_t count = 0;
  while (count < spec.start && !c.empty() && text.starts_with(c)) {
    text.remove_prefix(c.size());
    ++count;
  }
  count = 0;
  while (count < spec.stop && !c.empty() && text.ends_with(c)) {
    text.remove_suffix(c.size());
    ++count;
  }
  return text;
}

class StripStage : public DecoderStage {
 public:
  explicit StripStage(const DecoderSpec& spec) : spec_(spec) {}
  void push(const DecodedPiece& piece) override {
    next_->push({stripped(piece.text, spec_), piece.type});
  }

 private:
  DecoderSpec spec_;
};

// Strips the start of the whole text, which comes in stretches.
class StripStartStage : public DecoderStage {
 public:
  explicit StripStartStage(const DecoderSpec& spec) : content_(spec.content), left_(spec.start) {}
  void push(const DecodedPiece& piece) override {
    std::string_view text = piece.text;
    while (left_ > 0 && !text.empty()) {
      if (content_.empty() || !text.starts_with(content_)) {
        left_ = 0;
        break;
      }
      text.remove_prefix(content_.size());
      --left_;
    }
    if (!text.empty()) next_->push({text, piece.type});
  }

 private:
  std::string content_;
  std::size_t left_;
};

// Collects all stretches of a fused text into one piece, for a stage that must see it whole.
class GatherStage : public DecoderStage {
 public:
  void push(const DecodedPiece& piece) override { text_ += piece.text; }
  void finish() override {
    next_->push({text_, PieceType::kNormal});
    text_.clear();
    next_->finish();
  }

 private:
  std::string text_;
};

// The suffix that ends a word is a space, except behind the last word.
class BpeSuffixStage : public DecoderStage {
 public:
  explicit BpeSuffixStage(const DecoderSpec& spec) : suffix_(spec.content) {}
  void push(const DecodedPiece& piece) override {
    hand_on(" ");
    held_ = piece.text;
    holds_ = true;
  }
  void finish() override {
    hand_on("");
    next_->finish();
  }

 private:
  void hand_on(std::string_view space) {
    if (!holds_) return;
    std::string out;
    std::size_t at = 0;
    while (!suffix_.empty()) {
      const std::size_t found = held_.find(suffix_, at);
      if (found == std::string::npos) break;
      out.append(held_, at, found - at).append(space);
      at = found + suffix_.size();
    }
    out.append(held_, at);
    holds_ = false;
    next_->push({out, PieceType::kNormal});
  }
  std::string suffix_;
  std::string held_;
  bool holds_ = false;
};

class JoinStage : public DecoderStage {
 public:
  void push(const DecodedPiece& piece) override {
    if (!first_) next_->push({" ", PieceType::kNormal});
    first_ = false;
    next_->push(piece);
  }

 private:
  bool first_ = true;
};

// sentencepiece's decoder: bytes of an ill-formed character are one U+FFFD each, unknown pieces are
// shown as " ⁇ ", and the space that encoding put in front is taken away.
class SentencePieceStage : public DecoderStage {
 public:
  explicit SentencePieceStage(const DecoderSpec& spec)
      : strips_first_(spec.strips_first), strips_all_(spec.strips_all) {}
  void push(const DecodedPiece& piece) override {
    if (piece.type == PieceType::kByte) {
      if (const int byte = ByteFallbackStage::value(piece.text); byte >= 0) {
        run_ += static_cast<char>(byte);
        return emit_bytes(false);
      }
    }
    emit_bytes(true);
    if (piece.type == PieceType::kControl) return emit(piece.text);
    if (piece.type == PieceType::kUnknown) return emit(" \xE2\x81\x87 ");
    std::string_view text = piece.text;
    if (at_start_ && strips_first_ && text.starts_with(kSpaceMark)) {
      text.remove_prefix(kSpaceMark.size());
      if (!strips_all_) at_start_ = false;
    }
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      const std::string_view one = text.substr(i, char_bytes(text[i]));
      out += one == kSpaceMark ? " " : one;
      i += one.size();
    }
    emit(out);
  }
  void finish() override {
    emit_bytes(true);
    next_->finish();
  }

 private:
  void emit(std::string_view text) {
    if (text.empty()) return;
    at_start_ = false;
    next_->push({text, PieceType::kNormal});
  }
  void emit_bytes(bool all) {
    while (!run_.empty()) {
      std::size_t bad = 0;
      const std::size_t n = valid_char(run_, bad);
      if (n == 0 && bad == 0 && !all) return;
      emit(n == 0 ? std::string(kReplacement) : run_.substr(0, n));
      run_.erase(0, n == 0 ? 1 : n);
    }
  }
  bool strips_first_;
  bool strips_all_;
  bool at_start_ = true;
  std::string run_;
};

class SinkStage : public DecoderStage {
 public:
  explicit SinkStage(std::string& text) : text_(text) {}
  void push(const DecodedPiece& piece) override { text_ += piece.text; }
  void finish() override {}

 private:
  std::string& text_;
};

std::unique_ptr<DecoderStage> make_stage(const DecoderSpec& spec, bool fused,
                                         std::string_view file) {
  switch (spec.kind) {
    case DecoderKind::kByteLevel:
      return std::make_unique<ByteLevelStage>();
    case DecoderKind::kMetaspace:
      return std::make_unique<MetaspaceStage>(spec);
    case DecoderKind::kByteFallback:
      return std::make_unique<ByteFallbackStage>();
    case DecoderKind::kStrip:
      if (fused && spec.stop == 0) return std::make_unique<StripStartStage>(spec);
      return std::make_unique<StripStage>(spec);
    case DecoderKind::kReplace:
      return std::make_unique<ReplaceStage>(spec, file);
    case DecoderKind::kBpeSuffix:
      return std::make_unique<BpeSuffixStage>(spec);
    case DecoderKind::kJoinWithSpaces:
      return std::make_unique<JoinStage>();
    case DecoderKind::kSentencePiece:
      return std::make_unique<SentencePieceStage>(spec);
    case DecoderKind::kFuse:
    case DecoderKind::kWordPiece:
      break;
  }
  return nullptr;
}

}  // namespace

DecoderChain::DecoderChain(const TokenizerSpec& spec) {
  bool fused = false;
  for (const DecoderSpec& step : spec.decoders) {
    const bool streams = step.kind == DecoderKind::kStrip && step.stop == 0;
    if (fused && !streams && step.kind != DecoderKind::kFuse) {
      stages_.push_back(std::make_unique<GatherStage>());
    }
    if (auto stage = make_stage(step, fused, spec.file)) stages_.push_back(std::move(stage));
    if (step.kind == DecoderKind::kByteLevel) stages_.push_back(std::make_unique<RepairStage>());
    fused = fused || step.kind == DecoderKind::kFuse || step.kind == DecoderKind::kByteLevel;
  }
  stages_.push_back(std::make_unique<RepairStage>());
  stages_.push_back(std::make_unique<SinkStage>(text_));
  for (std::size_t i = 0; i + 1 < stages_.size(); ++i) stages_[i]->set_next(stages_[i + 1].get());
}

DecoderChain::~DecoderChain() = default;

// Stages step by characters, so a piece of a GGUF file that is not UTF-8 is repaired before them.
void DecoderChain::push(const DecodedPiece& piece) {
  if (is_valid_utf8(piece.text)) return stages_.front()->push(piece);
  stages_.front()->push({repair_utf8(piece.text), piece.type});
}
void DecoderChain::finish() {
  stages_.front()->finish();
}
std::string DecoderChain::take() {
  return std::exchange(text_, {});
}

}  // namespace halfbyte
