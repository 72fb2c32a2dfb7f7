// One function a kind, in a table. The reference is the tokenizers library (normalizers/), and for
// kSentencePiece sentencepiece's own normalizer.
#include "tokenizer/normalizer.h"

#include <cstdlib>

#include <utf8proc.h>

#include "base/error.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/charsmap.h"

namespace halfbyte {

struct Normalizer::Step {
  NormalizerSpec spec;
  std::unique_ptr<Pattern> pattern;
  std::unique_ptr<CharsMap> charsmap;
  AddedTokenMatcher kept;
};

namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Visits the characters of `text` and keeps what `visit(c, out)` appends.
template <typename Visit>
void rewrite(std::string& text, Visit visit) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) visit(next_char(text, i), out);
  text = std::move(out);
}

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

std::string unicode_form(std::string_view text, int options) {
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (size < 0) throw Error(ErrorCode::kFailed, "", utf8proc_errmsg(size));
  return {reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size)};
}

// Characters that the reference's tables do not know stay as they are, and nothing moves past them.
void normalize_form(std::string& text, int options) {
  if (is_ascii(text)) return;
  std::string out;
  std::size_t done = 0;
  const auto flush = [&](std::size_t end) {
    if (done < end) out += unicode_form(std::string_view(text).substr(done, end - done), options);
  };
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    if (!is_inert(next_char(text, i))) continue;
    flush(begin);
    out.append(text, begin, i - begin);
    done = i;
  }
  flush(text.size());
  text = std::move(out);
}

// Full lower case by Unicode: only U+0130 becomes more than one character.
void lowercase(std::string& text) {
  rewrite(text, [](char32_t c, std::string& out) {
    if (c == 0x130) {
      out += "i\xCC\x87";
      return;
    }
    append_utf8(out, to_lower(c));
  });
}

void strip(std::string& text, bool left, bool right) {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool seen = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = i;
    if (is_white_space(next_char(text, i))) continue;
    if (!seen) begin = at;
    seen = true;
    end = i;
  }
  if (!seen) begin = end = left ? text.size() : 0;
  if (!seen && !left && !right) return;
  const std::size_t from = left ? begin : 0;
  const std::size_t to = right ? end : text.size();
  text = text.substr(from, to < from ? 0 : to - from);
}

// What sentencepiece's nmt rules drop, and what they take for a space.
bool nmt_drops(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}
bool nmt_space(char32_t c) {
  return c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
         c == 0xFFFD;
}

void nmt(std::string& text) {
  rewrite(text, [](char32_t c, std::string& out) {
    if (!nmt_drops(c)) append_utf8(out, nmt_space(c) ? U' ' : c);
  });
}

void bert_clean(std::string& text) {
  rewrite(text, [](char32_t c, std::string& out) {
    if (c == 0 || c == 0xFFFD || is_control(c)) return;
    append_utf8(out, is_white_space(c) ? U' ' : c);
  });
}

void bert(std::string& text, const NormalizerSpec& spec) {
  if (spec.clean) bert_clean(text);
  if (spec.chinese) {
    rewrite(text, [](char32_t c, std::string& out) {
      const bool chinese = is_chinese(c);
      if (chinese) out += ' ';
      append_utf8(out, c);
      if (chinese) out += ' ';
    });
  }
  if (spec.accents) {
    normalize_form(text, UTF8PROC_DECOMPOSE);
    rewrite(text, [](char32_t c, std::string& out) {
      if (!is_nonspacing_mark(c)) append_utf8(out, c);
    });
  }
  if (spec.lowercase) lowercase(text);
}

// The tokenizers library looks up whole short graphemes first, then single characters.
void precompiled(std::string& text, const CharsMap& map) {
  std::string out;
  out.reserve(text.size());
  const auto put_chars = [&](std::string_view grapheme) {
    for (std::size_t i = 0; i < grapheme.size();) {
      const std::string_view one = grapheme.substr(i, char_bytes(grapheme[i]));
      const CharsMap::Match match = map.shortest(one);
      out += match.length != 0 ? match.replacement : one;
      i += one.size();
    }
  };
  const auto put = [&](std::string_view grapheme) {
    const CharsMap::Match match = grapheme.size() < 6 ? map.shortest(grapheme) : CharsMap::Match{};
    if (match.length != 0) {
      out += match.replacement;
    } else {
      put_chars(grapheme);
    }
  };
  std::size_t begin = 0;
  utf8proc_int32_t state = 0;
  utf8proc_int32_t last = -1;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = i;
    const auto c = static_cast<utf8proc_int32_t>(next_char(text, i));
    if (last >= 0 && utf8proc_grapheme_break_stateful(last, c, &state)) {
      put(std::string_view(text).substr(begin, at - begin));
      begin = at;
    }
    last = c;
  }
  if (begin < text.size()) put(std::string_view(text).substr(begin));
  text = std::move(out);
}

void byte_level(std::string& text) {
  std::string out;
  out.reserve(text.size() * 2);
  for (const char c : text) append_utf8(out, byte_to_char(static_cast<unsigned char>(c)));
  text = std::move(out);
}

std::string mapped_text(std::string_view text, const CharsMap* map, const AddedTokenMatcher& kept) {
  if (map == nullptr) return std::string(text);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const AddedTokenMatcher::Match keep = kept.longest(text, i);
    const CharsMap::Match match =
        keep.token >= 0 ? CharsMap::Match{} : map->longest(text.substr(i));
    const std::size_t own = keep.token >= 0 ? keep.end - i : char_bytes(text[i]);
    const std::size_t n = match.length != 0 ? match.length : own;
    out += match.length != 0 ? match.replacement : text.substr(i, n);
    i += n;
  }
  return out;
}

// The character map, then spaces: runs collapse, the ends are trimmed, a dummy one is put in front
// (or behind), and all become U+2581, each as the model asks for.
void sentence_piece(std::string& text, const NormalizerSpec& spec, const CharsMap* map,
                    const AddedTokenMatcher& kept) {
  const std::string mapped = mapped_text(text, map, kept);
  const std::string_view space = spec.escape_whitespaces ? kSpaceMark : std::string_view(" ");
  const bool collapse = spec.remove_extra_whitespaces;
  std::size_t begin = 0;
  while (collapse && begin < mapped.size() && mapped[begin] == ' ') ++begin;
  const bool blank = text.empty() || (collapse && begin == mapped.size());
  text.clear();
  if (blank) return;
  if (spec.add_dummy_prefix && !spec.whitespace_as_suffix) text += space;
  bool after_space = collapse;
  for (; begin < mapped.size(); ++begin) {
    const char c = mapped[begin];
    const bool is_space = c == ' ';
    if (is_space && after_space && collapse) continue;
    after_space = is_space;
    if (is_space) {
      text += space;
    } else {
      text += c;
    }
  }
  while (collapse && text.ends_with(space)) text.resize(text.size() - space.size());
  if (spec.add_dummy_prefix && spec.whitespace_as_suffix) text += space;
}

}  // namespace

Normalizer::Normalizer(const std::vector<NormalizerSpec>& steps, std::string_view file) {
  for (const NormalizerSpec& spec : steps) {
    Step step{spec, nullptr, nullptr, {}};
    for (const std::string& kept : spec.kept) step.kept.add({}, kept);
    if (spec.kind == NormalizerKind::kReplace) {
      step.pattern = std::make_unique<Pattern>(spec.pattern, file);
    }
    const bool maps =
        spec.kind == NormalizerKind::kPrecompiled || spec.kind == NormalizerKind::kSentencePiece;
    if (maps && !spec.content.empty()) {
      step.charsmap = std::make_unique<CharsMap>(spec.content, file);
    }
    steps_.push_back(std::move(step));
  }
}

Normalizer::~Normalizer() = default;

void Normalizer::apply(std::string& text, MatchScratch& scratch) const {
  for (const Step& step : steps_) {
    const NormalizerSpec& spec = step.spec;
    switch (spec.kind) {
      case NormalizerKind::kNfc:
        normalize_form(text, UTF8PROC_COMPOSE);
        break;
      case NormalizerKind::kNfd:
        normalize_form(text, UTF8PROC_DECOMPOSE);
        break;
      case NormalizerKind::kNfkc:
        normalize_form(text, UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
        break;
      case NormalizerKind::kNfkd:
        normalize_form(text, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
        break;
      case NormalizerKind::kLowercase:
        lowercase(text);
        break;
      case NormalizerKind::kStrip:
        strip(text, spec.left, spec.right);
        break;
      case NormalizerKind::kStripAccents:
        rewrite(text, [](char32_t c, std::string& out) {
          if (!is_mark(c)) append_utf8(out, c);
        });
        break;
      case NormalizerKind::kReplace:
        text = replace_all(text, *step.pattern, spec.content, scratch);
        break;
      case NormalizerKind::kPrepend:
        if (!text.empty()) text.insert(0, spec.content);
        break;
      case NormalizerKind::kAppend:
        if (!text.empty()) text += spec.content;
        break;
      case NormalizerKind::kNmt:
        nmt(text);
        break;
      case NormalizerKind::kPrecompiled:
        if (step.charsmap) precompiled(text, *step.charsmap);
        break;
      case NormalizerKind::kBert:
        bert(text, spec);
        break;
      case NormalizerKind::kByteLevel:
        byte_level(text);
        break;
      case NormalizerKind::kSentencePiece:
        sentence_piece(text, spec, step.charsmap.get(), step.kept);
        break;
    }
  }
}

}  // namespace halfbyte
