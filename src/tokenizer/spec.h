// A resolved tokenizer as plain data: what every source (tokenizer.json, spiece.model, GGUF keys)
// is read into, and what the engines and the GGUF writer work from. Nested Sequences are flattened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"

namespace halfbyte {

// Bounds on what a file may ask for.
inline constexpr std::size_t kMaxPieces = std::size_t{1} << 22;
inline constexpr std::size_t kMaxPieceBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxSteps = 256;  // normalizers, pre-tokenizers, decoders: of each
inline constexpr int kMaxSequenceDepth = 16;

struct AddedToken {
  TokenId id = 0;
  std::string text;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for in the normalized text
  bool special = false;
};

struct Merge {
  TokenId left = 0;
  TokenId right = 0;
  TokenId result = 0;
};

// A literal or an Oniguruma pattern.
struct PatternSpec {
  std::string text;
  bool is_regex = false;
};

enum class NormalizerKind : std::uint8_t {
  kNfc,
  kNfd,
  kNfkc,
  kNfkd,
  kLowercase,
  kStrip,
  kStripAccents,
  kReplace,
  kPrepend,
  kAppend,
  kNmt,
  kPrecompiled,
  kBert,
  kByteLevel,
  kSentencePiece,
};

struct NormalizerSpec {
  NormalizerKind kind = NormalizerKind::kNfc;
  PatternSpec pattern;            // kReplace
  std::vector<std::string> kept;  // kSentencePiece: texts that stay as they are
  std::string content;  // kReplace, kPrepend, kAppend: text; kPrecompiled, kSentencePiece: charsmap
  bool left = false;    // kStrip
  bool right = false;   // kStrip
  bool clean = false;   // kBert
  bool chinese = false;                   // kBert
  bool accents = false;                   // kBert: strip them
  bool lowercase = false;                 // kBert
  bool add_dummy_prefix = false;          // kSentencePiece
  bool remove_extra_whitespaces = false;  // kSentencePiece
  bool escape_whitespaces = false;        // kSentencePiece
  bool whitespace_as_suffix = false;      // kSentencePiece
};

enum class SplitBehavior : std::uint8_t {
  kRemoved,
  kIsolated,
  kMergedWithPrevious,
  kMergedWithNext,
  kContiguous,
};

// Which characters a split looks at.
enum class SplitMatch : std::uint8_t {
  kPattern,
  kDigit,
  kPunctuation,
  kWhiteSpace,
  kChar,
};

enum class PreTokenizerKind : std::uint8_t { kSplit, kByteLevel, kMetaspace };
enum class PrependScheme : std::uint8_t { kNever, kFirst, kAlways };

struct PreTokenizerSpec {
  PreTokenizerKind kind = PreTokenizerKind::kSplit;
  SplitMatch match = SplitMatch::kPattern;            // kSplit
  SplitBehavior behavior = SplitBehavior::kIsolated;  // kSplit
  bool invert = false;                                // kSplit
  PatternSpec pattern;                                // kSplit with kPattern
  char32_t character = 0;                             // kSplit with kChar; kMetaspace
  bool add_prefix_space = false;                      // kByteLevel
  bool use_regex = true;                              // kByteLevel
  PrependScheme prepend = PrependScheme::kAlways;     // kMetaspace
  bool split = true;                                  // kMetaspace
};

enum class DecoderKind : std::uint8_t {
  kByteLevel,
  kMetaspace,
  kByteFallback,
  kFuse,
  kStrip,
  kReplace,
  kBpeSuffix,
  kWordPiece,
  kSentencePiece,
  kJoinWithSpaces,  // what the reference does where the file names no decoder
};

struct DecoderSpec {
  DecoderKind kind = DecoderKind::kFuse;
  PatternSpec pattern;        // kReplace
  std::string content;        // kReplace: text; kStrip, kMetaspace: the character; kBpeSuffix,
                              // kWordPiece: the suffix or prefix
  std::size_t start = 0;      // kStrip
  std::size_t stop = 0;       // kStrip
  bool strips_first = false;  // kMetaspace, kSentencePiece: no space before the first word
  bool strips_all = false;    // kSentencePiece: nor more of them
  bool cleanup = false;       // kWordPiece
};

struct TemplateItem {
  bool is_text = false;  // the place of the text's own tokens
  TokenId id = 0;
};

enum class PieceType : std::uint8_t {  // as sentencepiece and GGUF number them
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

enum class TokenizerSource : std::uint8_t { kJson, kSentencePiece, kGguf };

struct TokenizerSpec {
  TokenizerSource source = TokenizerSource::kJson;
  TokenizerKind kind = TokenizerKind::kBpe;
  std::string file;

  Vocab vocab;
  std::vector<Merge> merges;         // kBpe, best first
  std::vector<float> scores;         // kSentencePieceBpe, by id
  std::vector<PieceType> types;      // by id; may be empty (tokenizer.json)
  std::optional<TokenId> model_unk;  // what the model puts for what it does not know
  bool fuse_unk = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
  bool match_user_defined =
      false;                // kSentencePieceBpe: user-defined pieces are whole from the start
  std::string word_prefix;  // kBpe: continuing_subword_prefix
  std::string word_suffix;  // kBpe: end_of_word_suffix

  std::vector<AddedToken> added;
  std::vector<std::int32_t> added_index;  // by id: index in `added`, or -1
  TokenId highest_added = -1;
  std::vector<NormalizerSpec> normalizers;
  std::vector<PreTokenizerSpec> pre_tokenizers;
  std::vector<TemplateItem> post;  // empty: the text's tokens alone
  std::vector<DecoderSpec> decoders;

  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::optional<TokenId> unk;
  std::optional<TokenId> pad;
  std::vector<TokenId> end_ids;
  std::string chat_template;

  // False for a bare spiece.model: sentencepiece never takes "<s>" in a text for the token.
  bool match_added = true;
  std::string source_json;  // tokenizer.json as it was read

  // What a GGUF file said, to be written back.
  std::string gguf_model;
  std::string gguf_pre;
  bool gguf_space_prefix = false;
  std::vector<std::pair<std::string, std::uint32_t>> gguf_ids;  // tokenizer.ggml.*_token_id
};

}  // namespace halfbyte
