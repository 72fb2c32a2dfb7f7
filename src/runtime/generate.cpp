#include "runtime/generate.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/error.h"

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

// Reads the prompt and leaves the logits of what follows it.
void prefill(Session& session, std::span<const TokenId> prompt, std::vector<float>& logits) {
  const ModelSpec& spec = session.model().spec();
  if (spec.encoder) {
    session.encode(prompt, {});
    const auto start = static_cast<TokenId>(std::max<std::int64_t>(0, spec.decoder_start));
    session.append({&start, 1}, 1, logits.data());
    return;
  }
  if (prompt.empty()) fail_usage("the prompt is empty");
  session.append(prompt, 1, logits.data());
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
  std::vector<float> logits(model.spec().vocab);
  const auto prefill_start = Clock::now();
  prefill(session, prompt, logits);
  result.prefill_seconds = seconds_since(prefill_start);

  const std::vector<TokenId> ends = end_tokens(model, tokenizer);
  std::vector<TokenId> history(prompt.begin(), prompt.end());
  Sampler sampler(options.sampling);
  StreamDecoder decoder(tokenizer);
  StopFilter filter(options.stop, result.text, sink);
  bool cut = false;  // by a stop string or the sink
  const auto decode_start = Clock::now();
  while (result.tokens.size() < options.max_tokens) {
    const TokenId id = sampler.sample(logits, history);
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
    if (result.tokens.size() == options.max_tokens || session.position() == session.context())
      break;
    session.append({&id, 1}, 1, logits.data());
    ++result.decoded;
  }
  result.decode_seconds = seconds_since(decode_start);
  if (!cut) filter.push(decoder.finish());
  filter.flush();
  return result;
}

}  // namespace halfbyte
