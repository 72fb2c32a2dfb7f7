#include "cli/bench_model.h"

#include <algorithm>
#include <chrono>

#include "cli/terminal.h"

namespace halfbyte {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kReadRows = 128;  // of a batch, to reach the depth

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Any tokens will do; the same ones each time.
std::vector<TokenId> some_tokens(std::uint64_t count, std::uint64_t vocab) {
  std::vector<TokenId> tokens;
  std::uint64_t state = 1;
  for (std::uint64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    tokens.push_back(static_cast<TokenId>((state >> 33) % vocab));
  }
  return tokens;
}

SessionOptions session_options(const BenchOptions& options, std::uint64_t context) {
  SessionOptions session = options.runtime.session_options();
  session.context = context;
  return session;
}

// `tokens` in each of `batch` sequences.
Json summary(std::uint64_t tokens, std::uint64_t batch, const std::vector<double>& rates,
             const Work& work, const Limits& limits) {
  const double rate = median(rates);
  const auto all = static_cast<double>(tokens * batch);
  const double seconds = all / rate;
  Json body = {{"tokens", tokens},
               {"tok_s", rates},
               {"tok_s_median", rate},
               {"gflops", work.weight_operations / seconds / 1e9},
               {"weight_gbps", work.weight_bytes / seconds / 1e9},
               {"fraction_of_limit", nullptr},
               {"limit_tok_s", nullptr},
               {"limited_by", nullptr}};
  if (const std::optional<Bound> bound = bound_of(work, limits)) {
    body["fraction_of_limit"] = bound->seconds / seconds;
    body["limit_tok_s"] = all / bound->seconds;
    body["limited_by"] = bound->by_compute ? "compute" : "read";
  }
  return body;
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Bench::Bench(const BenchOptions& options, const Model& model, std::uint64_t context)
    : options_(options),
      model_(model),
      session_(model, session_options(options, context)),
      logits_(model.spec().vocab) {}

void Bench::set_profile(Profile* profile) {
  profile_ = profile;
  if (profile == nullptr) session_.set_profile(nullptr);
}

double Bench::first_token() {
  session_.rewind(0);
  const auto tokens = some_tokens(1, model_.spec().vocab);
  const auto start = Clock::now();
  session_.append(tokens, 1, logits_.data());
  return seconds_since(start);
}

Rates Bench::measure(std::uint64_t depth) {
  Rates rates;
  for (std::uint64_t i = 0; i < options_.repetitions; ++i) {
    check_interrupt();
    if (options_.prompt > 0) rates.prefill.push_back(prefill(depth));
    if (options_.generate > 0)
      rates.decode.push_back(options_.batch > 1 ? decode_batch(depth) : decode(depth));
  }
  return rates;
}

void Bench::start_at(std::uint64_t depth) {
  if (session_.position() < depth) {
    session_.append(some_tokens(depth - session_.position(), model_.spec().vocab), 0, nullptr);
  } else {
    session_.rewind(depth);
  }
}

// The profile sees what is timed only, not the filling of the cache.
void Bench::start(Phase phase) {
  if (profile_ == nullptr) return;
  session_.set_profile(profile_);
  profile_->start(phase);
}

void Bench::stop() {
  if (profile_ == nullptr) return;
  profile_->stop();
  session_.set_profile(nullptr);
}

double Bench::prefill(std::uint64_t depth) {
  start_at(depth);
  const auto tokens = some_tokens(options_.prompt, model_.spec().vocab);
  const auto begin = Clock::now();
  start(Phase::prefill);
  session_.append(tokens, 1, logits_.data());
  stop();
  return static_cast<double>(options_.prompt) / seconds_since(begin);
}

double Bench::decode(std::uint64_t depth) {
  start_at(depth);
  const auto tokens = some_tokens(options_.generate + 1, model_.spec().vocab);
  if (depth == 0) session_.append({tokens.data(), 1}, 1, logits_.data());
  const auto begin = Clock::now();
  start(Phase::decode);
  for (std::uint64_t i = 0; i < options_.generate; ++i) {
    check_interrupt();
    session_.append({&tokens[i + 1], 1}, 1, logits_.data());
  }
  stop();
  return static_cast<double>(options_.generate) / seconds_since(begin);
}

double Bench::decode_batch(std::uint64_t depth) {
  const std::uint64_t vocab = model_.spec().vocab;
  Batch batch(model_, std::max(options_.batch, kReadRows), session_.context());
  std::vector<Sequence> sequences;
  std::vector<Turn> turns(options_.batch);
  const std::vector<TokenId> before = some_tokens(std::max<std::uint64_t>(1, depth), vocab);
  for (std::uint64_t i = 0; i < options_.batch; ++i) {
    sequences.emplace_back(model_, session_.context(), options_.runtime.session_options().kv);
    batch.append(sequences.back(), before, 0, nullptr);
  }
  const auto tokens = some_tokens(options_.generate * options_.batch, vocab);
  std::vector<float> logits(options_.batch * vocab);
  batch.set_profile(profile_);
  const auto begin = Clock::now();
  start(Phase::decode);
  for (std::uint64_t step = 0; step < options_.generate; ++step) {
    check_interrupt();
    for (std::uint64_t i = 0; i < options_.batch; ++i)
      turns[i] = {&sequences[i], {&tokens[step * options_.batch + i], 1}};
    batch.decode(turns, logits.data());
  }
  stop();
  return static_cast<double>(options_.generate * options_.batch) / seconds_since(begin);
}

Json Bench::prefill_json(const std::vector<double>& rates, std::uint64_t depth,
                         const Limits& limits) const {
  return summary(options_.prompt, 1, rates, prefill_work(session_, depth, options_.prompt), limits);
}

Json Bench::decode_json(const std::vector<double>& rates, std::uint64_t depth,
                        const Limits& limits) const {
  const std::uint64_t first = std::max<std::uint64_t>(depth, 1);
  return summary(options_.generate, options_.batch, rates,
                 decode_work(session_, first, options_.generate, options_.batch), limits);
}

Json ops_json(const Profile& profile) {
  Json list = Json::array();
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const double total = profile.seconds(phase);
    for (const ProfileRow& row : profile.rows(phase)) {
      list.push_back({{"phase", phase == Phase::prefill ? "prefill" : "decode"},
                      {"class", name_of(row.step_class)},
                      {"op", row.op},
                      {"calls", row.calls},
                      {"ms", row.seconds * 1e3},
                      {"share", row.seconds / total}});
    }
  }
  return list;
}

}  // namespace halfbyte
