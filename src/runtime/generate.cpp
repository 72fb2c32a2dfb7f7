#include "runtime/generate.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/error.h"
#include "runtime/lookup.h"

namespace halfbyte {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Text on its way out: holds back what may be the beginning of a stop string.
class StopFilter {
 public:
  StopFilter(const std::vector<std::string>& stops, std::string& text, const TextSink& sink)
      : stops_(stops), text_(text), sink_(sink) {}

  // True when the text has ended, by a stop string or because the sink wants no more.
  bool push(const std::string& piece) {
    pending_ += piece;
    std::size_t end = std::string::npos;
    for (const std::string& stop : stops_) {
      if (!stop.empty()) end = std::min(end, pending_.find(stop));
    }
    if (end != std::string::npos) {
      pending_.resize(end);
      flush();
      return true;
    }
    return !emit(pending_.size() - possible_stop());
  }
  void flush() { emit(pending_.size()); }

 private:
  // Length of the longest end of the pending text that begins a stop string.
  std::size_t possible_stop() const {
    std::size_t longest = 0;
    for (const std::string& stop : stops_) {
      for (std::size_t n = std::min(stop.size(), pending_.size()); n > longest; --n) {
        if (pending_.ends_with(std::string_view(stop).substr(0, n))) longest = n;
      }
    }
    return longest;
  }
  bool emit(std::size_t count) {
    if (count == 0) return true;
    const std::string_view ready = std::string_view(pending_).substr(0, count);
    text_ += ready;
    const bool go_on = !sink_ || sink_(ready);
    pending_.erase(0, go_on ? count : pending_.size());  // a sink that refused is not called again
    return go_on;
  }

  const std::vector<std::string>& stops_;
  std::string& text_;
  const TextSink& sink_;
  std::string pending_;
};

// Reads one chosen token after the other, and with it those that are likely to follow. As long as
// they are the ones that are chosen, their logits are there already.
class Reader {
 public:
  Reader(Session& session, const GenerateOptions& options, Generation& result)
      : session_(session),
        lookup_(options.lookup),
        vocab_(session.model().spec().vocab),
        result_(result),
        logits_((1 + (lookup_ ? DraftLength::kMost : 0)) * vocab_) {}

  // Where the prompt's logits go.
  float* first_logits() { return logits_.data(); }
  void start(std::span<const TokenId> earlier, std::span<const TokenId> prompt) {
    start_ = session_.position();
    if (!lookup_) return;
    index_.push(earlier);
    index_.push(prompt);
  }
  std::span<const float> logits() const {
    return std::span(logits_).subspan(row_ * vocab_, vocab_);
  }
  // Tokens read, without those ahead.
  std::uint64_t position() const { return start_ + row_; }

  // `left` more tokens are wanted after this one.
  void push(TokenId token, std::uint64_t left) {
    ++result_.decoded;
    if (lookup_) index_.push(token);
    if (row_ < draft_.size() && draft_[row_] == token) {
      ++row_;
      ++result_.accepted;
      return;
    }
    settle();
    if (lookup_) propose(left);
    std::vector<TokenId> tokens = {token};
    tokens.insert(tokens.end(), draft_.begin(), draft_.end());
    session_.append(tokens, tokens.size(), logits_.data(), Phase::decode);
    ++start_;
  }
  // Forgets what was read ahead and not chosen.
  void settle() {
    if (!draft_.empty()) length_.judge(draft_.size(), row_);
    start_ = position();
    session_.rewind(start_);
    draft_.clear();
    row_ = 0;
  }

 private:
  void propose(std::uint64_t left) {
    const std::uint64_t room = session_.context() - session_.position() - 1;
    const std::size_t most = length_.next();
    if (most > 0) draft_ = index_.propose(std::min<std::uint64_t>({most, room, left}));
    result_.drafted += draft_.size();
  }

  Session& session_;
  bool lookup_;
  std::size_t vocab_;
  Generation& result_;
  LookupIndex index_;
  DraftLength length_;
  std::vector<float> logits_;   // after the last token that was pushed and read, and the draft's
  std::vector<TokenId> draft_;  // read ahead after that token
  std::size_t row_ = 0;         // of the draft that were chosen since
  std::uint64_t start_ = 0;     // tokens read without the draft
};

// Reads the prompt and leaves the logits of what follows it.
void prefill(Session& session, std::span<const TokenId> prompt, float* logits) {
  const ModelSpec& spec = session.model().spec();
  if (spec.encoder) {
    session.encode(prompt, {});
    const auto start = static_cast<TokenId>(std::max<std::int64_t>(0, spec.decoder_start));
    session.append({&start, 1}, 1, logits);
    return;
  }
  if (prompt.empty()) fail_usage("the prompt is empty");
  session.append(prompt, 1, logits);
}

}  // namespace

Tokenizer need_tokenizer(const Model& model) {
  const Checkpoint& checkpoint = model.files().checkpoint();
  std::optional<Tokenizer> tokenizer = Tokenizer::from_checkpoint(checkpoint);
  if (!tokenizer) fail_malformed(checkpoint.path(), "the model brings no tokenizer");
  return *std::move(tokenizer);
}

std::vector<TokenId> end_tokens(const Model& model, const Tokenizer& tokenizer) {
  std::vector<TokenId> ids = tokenizer.end_ids();
  for (const std::int64_t id : model.spec().eos) ids.push_back(static_cast<TokenId>(id));
  return ids;
}

Generation generate(Session& session, const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                    const GenerateOptions& options, const TextSink& sink) {
  const Model& model = session.model();
  if (!model.spec().decoder || !model.spec().has_head)
    fail_usage("this model does not generate text; see 'embed'");
  if (!model.spec().encoder && session.position() + prompt.size() >= session.context()) {
    fail_usage(fmt::format("the prompt has {} tokens, the context is {} (see --ctx)",
                           session.position() + prompt.size(), session.context()));
  }
  Generation result;
  result.prompt_tokens = prompt.size();
  Reader reader(session, options, result);
  const auto prefill_start = Clock::now();
  prefill(session, prompt, reader.first_logits());
  result.prefill_seconds = seconds_since(prefill_start);

  const std::vector<TokenId> ends = end_tokens(model, tokenizer);
  std::vector<TokenId> history(prompt.begin(), prompt.end());
  Sampler sampler(options.sampling);
  StreamDecoder decoder(tokenizer);
  StopFilter filter(options.stop, result.text, sink);
  bool cut = false;  // by a stop string or the sink
  const auto decode_start = Clock::now();
  reader.start(options.earlier, prompt);
  while (result.tokens.size() < options.max_tokens) {
    const TokenId id = sampler.sample(reader.logits(), history);
    if (!options.ignore_end && std::find(ends.begin(), ends.end(), id) != ends.end()) {
      result.finish = FinishReason::stop;
      break;
    }
    result.tokens.push_back(id);
    history.push_back(id);
    cut = filter.push(decoder.push(id));
    if (cut) {
      result.finish = FinishReason::stop;
      break;
    }
    const std::uint64_t left = options.max_tokens - result.tokens.size();
    if (left == 0 || reader.position() == session.context()) break;
    reader.push(id, left - 1);
  }
  reader.settle();
  result.decode_seconds = seconds_since(decode_start);
  if (!cut) filter.push(decoder.finish());
  filter.flush();
  return result;
}

}  // namespace halfbyte
