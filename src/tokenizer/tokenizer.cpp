// The Tokenizer itself: text -> repaired -> added tokens -> normalized -> words -> ids, and back.
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "base/mapped_file.h"
#include "tokenizer/decoder.h"
#include "tokenizer/sources.h"
#include "tokenizer/state.h"

namespace halfbyte {
namespace {

constexpr std::size_t kMaxText = std::size_t{256} << 20;  // bytes of one encode call
constexpr std::size_t kMaxCachedWord = 64;

// Ids of words that were seen in this call: direct-mapped, dropped as a whole when it grows large.
class WordCache {
 public:
  explicit WordCache(std::size_t text_bytes) {
    if (text_bytes >= 1024)
      slots_.resize(std::bit_ceil(std::min<std::size_t>(text_bytes / 8, 1 << 15)));
  }
  // The slot of `word`, or nullptr where it is not cached at all.
  bool find(std::string_view word, std::vector<TokenId>& ids) {
    if (slots_.empty() || word.size() > kMaxCachedWord) return false;
    const Slot& slot = slots_[hash(word)];
    if (slot.text_bytes == 0 ||
        std::string_view(text_).substr(slot.text, slot.text_bytes) != word) {
      return false;
    }
    const auto first = ids_.begin() + static_cast<std::ptrdiff_t>(slot.ids);
    ids.insert(ids.end(), first, first + static_cast<std::ptrdiff_t>(slot.count));
    return true;
  }
  void keep(std::string_view word, const TokenId* ids, std::size_t count) {
    if (slots_.empty() || word.size() > kMaxCachedWord) return;
    if (text_.size() > kMaxBytes) {
      std::fill(slots_.begin(), slots_.end(), Slot{});
      text_.clear();
      ids_.clear();
    }
    slots_[hash(word)] = {
        static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(word.size()),
        static_cast<std::uint32_t>(ids_.size()), static_cast<std::uint32_t>(count)};
    text_ += word;
    ids_.insert(ids_.end(), ids, ids + count);
  }

 private:
  static constexpr std::size_t kMaxBytes = std::size_t{4} << 20;
  struct Slot {
    std::uint32_t text = 0;
    std::uint32_t text_bytes = 0;
    std::uint32_t ids = 0;
    std::uint32_t count = 0;
  };
  std::size_t hash(std::string_view word) const {
    return std::hash<std::string_view>{}(word) & (slots_.size() - 1);
  }
  std::vector<Slot> slots_;
  std::string text_;
  std::vector<TokenId> ids_;
};

// One encode call.
class Encoder {
 public:
  Encoder(const Tokenizer::State& state, bool parse_special, std::size_t text_bytes)
      : state_(state), parse_special_(parse_special), cache_(text_bytes) {}

  std::vector<TokenId> run(std::string_view text) {
    ids_.reserve(text.size() / 3 + 8);
    std::vector<Section> sections;
    state_.raw_tokens.split(text, parse_special_, sections);
    for (const Section& section : sections) {
      if (section.id >= 0) {
        ids_.push_back(section.id);
      } else {
        normalize(text.substr(section.span.begin, section.span.end - section.span.begin),
                  section.span.begin == 0);
      }
    }
    return std::move(ids_);
  }

 private:
  void normalize(std::string_view text, bool at_start) {
    std::string normalized(text);
    state_.normalizer.apply(normalized, matching_);
    if (state_.normalized_tokens.empty()) return split(std::move(normalized), at_start);
    std::vector<Section> sections;
    state_.normalized_tokens.split(normalized, parse_special_, sections);
    for (const Section& section : sections) {
      if (section.id >= 0) {
        ids_.push_back(section.id);
        continue;
      }
      const std::size_t begin = section.span.begin;
      split(normalized.substr(begin, section.span.end - begin), at_start && begin == 0);
    }
  }

  void split(std::string text, bool at_start) {
    if (text.empty()) return;
    Words words;
    words.spans = {{0, text.size()}};
    words.text = std::move(text);
    words.at_start = at_start;
    state_.pre_tokenizer.apply(words, matching_);
    for (const Span& span : words.spans) {
      if (span.begin != span.end) {
        word(std::string_view(words.text).substr(span.begin, span.end - span.begin));
      }
    }
  }

  void word(std::string_view text) {
    if (cache_.find(text, ids_)) return;
    const std::size_t before = ids_.size();
    state_.words->encode(text, scratch_, ids_);
    cache_.keep(text, ids_.data() + before, ids_.size() - before);
  }

  const Tokenizer::State& state_;
  bool parse_special_;
  WordCache cache_;
  MatchScratch matching_;
  WordScratch scratch_;
  std::vector<TokenId> ids_;
};

constexpr std::array<std::pair<TokenizerKind, std::string_view>, 4> kKinds = {{
    {TokenizerKind::kBpe, "bpe"},
    {TokenizerKind::kSentencePieceBpe, "spm"},
    {TokenizerKind::kUnigram, "unigram"},
    {TokenizerKind::kWordPiece, "wordpiece"},
}};

}  // namespace

std::string_view tokenizer_kind_name(TokenizerKind kind) {
  for (const auto& [key, name] : kKinds) {
    if (key == kind) return name;
  }
  return "";
}

Tokenizer::State::State(TokenizerSpec resolved)
    : spec(std::move(resolved)),
      normalizer(spec.normalizers, spec.file),
      pre_tokenizer(spec.pre_tokenizers, spec.file),
      words(WordEncoder::create(spec)),
      special(spec.vocab.size()) {
  // Of equal texts a special token counts before another.
  MatchScratch scratch;
  for (const bool wanted : {true, false}) {
    for (const AddedToken& token : spec.added) {
      if (token.special != wanted) continue;
      special[static_cast<std::size_t>(token.id)] = token.special;
      if (!spec.match_added) continue;
      if (!token.normalized) {
        raw_tokens.add(token, token.text);
        continue;
      }
      std::string text = token.text;
      normalizer.apply(text, scratch);
      normalized_tokens.add(token, text);
      if (text != token.text) normalized_texts[token.id] = std::move(text);
    }
  }
}

Tokenizer::Tokenizer(std::shared_ptr<const State> state)
    : state_(std::move(state)), chat_template_(state_->spec.chat_template) {}

Tokenizer Tokenizer::build(TokenizerSpec spec) {
  infer_from_template(spec);
  resolve_end_ids(spec);
  return Tokenizer(std::make_shared<const State>(std::move(spec)));
}

Tokenizer Tokenizer::from_json(std::string_view text, std::string_view config,
                               std::string_view file) {
  TokenizerSpec spec = read_tokenizer_json(text, file);
  if (!config.empty()) apply_tokenizer_config(spec, config, file);
  return build(std::move(spec));
}

Tokenizer Tokenizer::from_sentencepiece(ByteView bytes, std::string_view file) {
  return build(read_sentencepiece(bytes, file));
}

Tokenizer Tokenizer::from_gguf(const Metadata& metadata) {
  return build(read_gguf_tokenizer(metadata));
}

TokenizerKind Tokenizer::kind() const {
  return state_->spec.kind;
}
std::size_t Tokenizer::vocab_size() const {
  return state_->spec.vocab.size();
}
std::string_view Tokenizer::piece(TokenId id) const {
  return state_->spec.vocab.text(id);
}

std::optional<TokenId> Tokenizer::find_piece(std::string_view piece) const {
  const TokenId id = state_->spec.vocab.find(piece);
  return id < 0 ? std::nullopt : std::optional(id);
}

bool Tokenizer::is_special(TokenId id) const {
  return id >= 0 && static_cast<std::size_t>(id) < state_->special.size() &&
         state_->special[static_cast<std::size_t>(id)];
}

std::optional<TokenId> Tokenizer::bos() const {
  return state_->spec.bos;
}
std::optional<TokenId> Tokenizer::eos() const {
  return state_->spec.eos;
}
std::optional<TokenId> Tokenizer::unk() const {
  return state_->spec.unk;
}
std::optional<TokenId> Tokenizer::pad() const {
  return state_->spec.pad;
}
bool Tokenizer::adds_bos() const {
  return template_adds_bos(state_->spec);
}
const std::vector<TokenId>& Tokenizer::end_ids() const {
  return state_->spec.end_ids;
}
const std::string& Tokenizer::chat_template() const {
  return chat_template_;
}
void Tokenizer::set_chat_template(std::string source) {
  chat_template_ = std::move(source);
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  if (text.size() > kMaxText) fail_usage("text of more than 256 MiB at once");
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = repair_utf8(text);
  std::vector<TokenId> ids = Encoder(*state_, options.parse_special, text.size()).run(text);
  if (!options.add_special || state_->spec.post.empty()) return ids;
  std::vector<TokenId> out;
  out.reserve(ids.size() + state_->spec.post.size());
  for (const TemplateItem& item : state_->spec.post) {
    if (item.is_text) {
      out.insert(out.end(), ids.begin(), ids.end());
    } else {
      out.push_back(item.id);
    }
  }
  return out;
}

std::string Tokenizer::decode(const std::vector<TokenId>& ids, bool skip_special) const {
  StreamDecoder decoder(*this, skip_special);
  std::string out;
  for (const TokenId id : ids) out += decoder.push(id);
  return out + decoder.finish();
}

struct StreamDecoder::State {
  Tokenizer tokenizer;
  bool skip_special;
  DecoderChain chain;
};

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : state_(new State{tokenizer, skip_special, DecoderChain(tokenizer.state().spec)}) {}

StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::push(TokenId id) {
  const Tokenizer::State& tokenizer = state_->tokenizer.state();
  if (!tokenizer.spec.vocab.contains(id)) return "";
  if (state_->skip_special && tokenizer.special[static_cast<std::size_t>(id)]) return "";
  const auto index = static_cast<std::size_t>(id);
  const std::vector<PieceType>& types = tokenizer.spec.types;
  const PieceType type = index < types.size() ? types[index] : PieceType::kNormal;
  const auto normalized = tokenizer.normalized_texts.find(id);
  state_->chain.push({normalized != tokenizer.normalized_texts.end()
                          ? std::string_view(normalized->second)
                          : tokenizer.spec.vocab.text(id),
                      type});
  return state_->chain.take();
}

std::string StreamDecoder::finish() {
  state_->chain.finish();
  return state_->chain.take();
}

}  // namespace halfbyte
