// PCRE2 with just-in-time code. What the JIT's stack cannot hold runs in the interpreter, whose
// frames are on the heap; a pattern that takes too many steps ends in an error, never in a hang.
#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <algorithm>
#include <new>

#include <pcre2.h>

#include "base/error.h"

namespace halfbyte {
namespace {

constexpr std::size_t kMaxPatternBytes = std::size_t{64} << 10;
constexpr std::uint32_t kMatchSteps = 200'000'000;
constexpr std::uint32_t kHeapKiB = 512u << 10;
constexpr std::size_t kJitStack = std::size_t{8} << 20;

std::string pcre_message(int code) {
  PCRE2_UCHAR text[160] = {};
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

template <typename T>
T* checked(T* p) {
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

struct MatchScratch::Impl {
  pcre2_match_data* data = checked(pcre2_match_data_create(1, nullptr));
  pcre2_match_context* context = checked(pcre2_match_context_create(nullptr));
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, kJitStack, nullptr);

  Impl() {
    pcre2_set_match_limit(context, kMatchSteps);
    pcre2_set_heap_limit(context, kHeapKiB);
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~Impl() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (stack != nullptr) pcre2_jit_stack_free(stack);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
};

MatchScratch::MatchScratch() : impl_(std::make_unique<Impl>()) {}
MatchScratch::~MatchScratch() = default;

struct Regex::Impl {
  pcre2_code* code = nullptr;
  bool jit = false;
  std::string file;

  Impl() = default;
  ~Impl() { pcre2_code_free(code); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  bool match(std::string_view text, std::size_t from, pcre2_match_data* data,
             pcre2_match_context* context) const;
};

Regex::Regex(std::string_view pattern, std::string_view file) : impl_(std::make_unique<Impl>()) {
  if (pattern.size() > kMaxPatternBytes) fail_unsupported(file, "a pattern of more than 64 KiB");
  const std::string translated = translate_pattern(pattern, file);
  impl_->file = file;
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Ruby's ^ and $ look at every line; only \n ends one.
  pcre2_compile_context* context = checked(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  impl_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                              &error, &offset, context);
  pcre2_compile_context_free(context);
  if (impl_->code == nullptr) {
    fail_unsupported(
        file, "pattern \"" + std::string(pattern.substr(0, 200)) + "\": " + pcre_message(error));
  }
  impl_->jit = pcre2_jit_compile(impl_->code, PCRE2_JIT_COMPLETE) == 0;
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

bool Regex::Impl::match(std::string_view text, std::size_t from, pcre2_match_data* data,
                        pcre2_match_context* context) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int result = PCRE2_ERROR_JIT_STACKLIMIT;
  if (jit) result = pcre2_jit_match(code, subject, text.size(), from, 0, data, context);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
    result = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                         context);
  }
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) fail_unsupported(file, "a pattern on this text: " + pcre_message(result));
  return true;
}

void Regex::find_all(std::string_view text, MatchScratch& scratch,
                     std::vector<Span>& matches) const {
  MatchScratch::Impl& work = *scratch.impl_;
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(work.data);
  std::size_t from = 0;
  std::size_t last_end = std::string_view::npos;
  while (from <= text.size()) {
    if (!impl_->match(text, from, work.data, work.context)) return;
    const Span span{std::min(found[0], found[1]), found[1]};  // \K may put the start behind the end
    if (span.begin == span.end && span.end == last_end) {
      from = span.end < text.size() ? span.end + char_bytes(text[span.end]) : span.end + 1;
      continue;
    }
    matches.push_back(span);
    from = last_end = span.end;
  }
}

Pattern::Pattern(const PatternSpec& spec, std::string_view file) {
  if (spec.is_regex) {
    regex_ = std::make_unique<Regex>(spec.text, file);
  } else {
    literal_ = spec.text;
  }
}

void Pattern::find_all(std::string_view text, MatchScratch& scratch,
                       std::vector<Span>& matches) const {
  if (regex_) return regex_->find_all(text, scratch, matches);
  if (literal_.empty()) return;
  for (std::size_t at = text.find(literal_); at != std::string_view::npos;
       at = text.find(literal_, at + literal_.size())) {
    matches.push_back({at, at + literal_.size()});
  }
}

std::string replace_all(std::string_view text, const Pattern& pattern, std::string_view content,
                        MatchScratch& scratch) {
  std::string known;
  std::vector<Span> matches;
  pattern.find_all(known_characters(text, known) ? std::string_view(known) : text, scratch,
                   matches);
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  for (const Span& match : matches) {
    out += text.substr(at, match.begin - at);
    out += content;
    at = match.end;
  }
  out += text.substr(at);
  return out;
}

}  // namespace halfbyte
