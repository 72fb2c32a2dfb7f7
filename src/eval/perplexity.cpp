#include "eval/perplexity.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "base/error.h"
#include "runtime/divergence.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kRows =
    64;  // logits held at a time: a large vocabulary has a megabyte a row

std::size_t argmax(std::span<const float> x) {
  return static_cast<std::size_t>(std::max_element(x.begin(), x.end()) - x.begin());
}

// What one scored position gives.
struct Score {
  double nll = 0.0;
  double ref_nll = 0.0;
  double kld = 0.0;
  bool same_top = false;
};

class Scorer {
 public:
  Scorer(const Model& model, const Model* reference, const EvalOptions& options)
      : model_(model), own_(make(model, options)), own_logits_(kRows * model.spec().vocab) {
    if (reference == nullptr) return;
    ref_.emplace(make(*reference, options));
    ref_logits_.resize(kRows * reference->spec().vocab);
  }

  // Scores the predictions of tokens [first + 1, window.size()) made at positions [first, ...).
  void window(std::span<const TokenId> window, std::uint64_t first) {
    own_.rewind(0);
    if (ref_) ref_->rewind(0);
    advance(window.first(first), false);
    for (std::uint64_t begin = first; begin + 1 < window.size(); begin += kRows) {
      const std::uint64_t rows = std::min<std::uint64_t>(kRows, window.size() - 1 - begin);
      advance(window.subspan(begin, rows), true);
      score(window.subspan(begin + 1, rows));
    }
  }

  const std::vector<Score>& scores() const { return scores_; }

 private:
  static Session make(const Model& model, const EvalOptions& options) {
    SessionOptions session;
    session.context = options.context;
    session.kv = options.kv;
    return Session(model, session);
  }

  void advance(std::span<const TokenId> tokens, bool logits) {
    if (tokens.empty()) return;
    own_.append(tokens, tokens.size(), logits ? own_logits_.data() : nullptr);
    if (ref_) ref_->append(tokens, tokens.size(), logits ? ref_logits_.data() : nullptr);
  }

  void score(std::span<const TokenId> targets) {
    const std::size_t old = scores_.size();
    scores_.resize(old + targets.size());
    model_.pool().parallel_for(targets.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) scores_[old + i] = score_row(i, targets[i]);
    });
  }

  Score score_row(std::size_t row, TokenId target) const {
    const std::size_t vocab = model_.spec().vocab;
    const std::span<const float> own(own_logits_.data() + row * vocab, vocab);
    const double own_norm = log_sum_exp(own);
    Score score;
    score.nll = own_norm - own[static_cast<std::size_t>(target)];
    if (!ref_) return score;
    const std::span<const float> ref(ref_logits_.data() + row * vocab, vocab);
    const double ref_norm = log_sum_exp(ref);
    score.ref_nll = ref_norm - ref[static_cast<std::size_t>(target)];
    score.kld = kl_divergence(ref, ref_norm, own, own_norm);
    score.same_top = argmax(ref) == argmax(own);
    return score;
  }

  const Model& model_;
  Session own_;
  std::optional<Session> ref_;
  std::vector<float> own_logits_;
  std::vector<float> ref_logits_;
  std::vector<Score> scores_;
};

// The value that a share `q` of the sorted values does not pass, interpolated.
double quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Divergence summarize_divergence(const std::vector<Score>& scores) {
  Divergence result;
  std::vector<double> klds;
  double ref_nll = 0.0;
  double same = 0.0;
  for (const Score& score : scores) {
    klds.push_back(score.kld);
    ref_nll += score.ref_nll;
    same += score.same_top ? 1.0 : 0.0;
  }
  const auto count = static_cast<double>(scores.size());
  result.mean = std::accumulate(klds.begin(), klds.end(), 0.0) / count;
  // NaN, which broken weights give, goes last: sorting needs an order.
  std::sort(klds.begin(), klds.end(),
            [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; });
  result.median = quantile(klds, 0.5);
  result.p99 = quantile(klds, 0.99);
  result.top1_agreement = same / count;
  result.ref_perplexity = std::exp(ref_nll / count);
  return result;
}

EvalResult summarize(const std::vector<Score>& scores, bool with_reference) {
  EvalResult result;
  result.tokens = scores.size();
  const auto count = static_cast<double>(scores.size());
  double sum = 0.0;
  double squares = 0.0;
  for (const Score& score : scores) {
    sum += score.nll;
    squares += score.nll * score.nll;
  }
  const double mean = sum / count;
  result.perplexity = std::exp(mean);
  // Standard error of the mean, carried through the exponential.
  const double variance = std::max(0.0, squares / count - mean * mean);
  result.perplexity_stderr =
      count > 1 ? std::sqrt(variance / (count - 1)) * result.perplexity : 0.0;
  if (with_reference) result.divergence = summarize_divergence(scores);
  return result;
}

// The last token of a chunk is a target only, which no session checks.
void check_vocabulary(std::span<const TokenId> tokens, std::uint64_t vocab) {
  for (const TokenId token : tokens) {
    if (token >= 0 && static_cast<std::uint64_t>(token) < vocab) continue;
    fail_usage(fmt::format("token {} is not in the vocabulary of {}", token, vocab));
  }
}

// Every chunk has equally many scores.
std::vector<double> by_chunk(const std::vector<Score>& scores, std::uint64_t chunks) {
  const std::size_t size = scores.size() / chunks;
  std::vector<double> result;
  for (std::size_t begin = 0; begin < scores.size(); begin += size) {
    double sum = 0.0;
    for (std::size_t i = begin; i < begin + size; ++i) sum += scores[i].nll;
    result.push_back(std::exp(sum / static_cast<double>(size)));
  }
  return result;
}

}  // namespace

EvalResult evaluate(const Model& model, const Model* reference, const Tokenizer& tokenizer,
                    std::span<const TokenId> tokens, const EvalOptions& options) {
  if (!model.spec().has_head || model.spec().encoder)
    fail_usage("perplexity needs a decoder-only model");
  if (reference != nullptr && reference->spec().vocab != model.spec().vocab) {
    fail_usage(fmt::format("the reference has {} tokens, the model {}", reference->spec().vocab,
                           model.spec().vocab));
  }
  if (options.context < 4) fail_usage("--ctx must be at least 4");
  const auto start = std::chrono::steady_clock::now();
  const bool halves = options.convention == Convention::llamacpp;
  const bool bos = tokenizer.adds_bos() && tokenizer.bos().has_value();
  std::vector<TokenId> text;
  if (bos) text.push_back(*tokenizer.bos());
  text.insert(text.end(), tokens.begin(), tokens.end());
  check_vocabulary(text, model.spec().vocab);
  std::uint64_t chunks = text.size() / options.context;
  if (chunks == 0) {
    fail_usage(
        fmt::format("the text has {} tokens, a chunk needs {}", text.size(), options.context));
  }
  if (options.chunks != 0) chunks = std::min(chunks, options.chunks);
  Scorer scorer(model, reference, options);
  for (std::uint64_t i = 0; i < chunks; ++i) {
    if (options.progress) options.progress("evaluating", i, chunks);
    std::vector<TokenId> window(
        text.begin() + static_cast<std::ptrdiff_t>(i * options.context),
        text.begin() + static_cast<std::ptrdiff_t>((i + 1) * options.context));
    if (halves && bos) window[0] = *tokenizer.bos();
    scorer.window(window, halves ? options.context / 2 : 0);
  }
  if (options.progress) options.progress("evaluating", chunks, chunks);
  EvalResult result = summarize(scorer.scores(), reference != nullptr);
  result.chunk_perplexity = by_chunk(scorer.scores(), chunks);
  result.chunks = chunks;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace halfbyte
