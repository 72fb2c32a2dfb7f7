#include "cli/bench_limits.h"

#include <algorithm>
#include <cmath>

namespace halfbyte {

namespace {

constexpr double kSeconds = 0.2;  // each measurement

constexpr std::size_t index(PeakKind kind) {
  return static_cast<std::size_t>(kind);
}

PeakKind kind_of(const LinearKernel& kernel) {
  if (kernel.int8 != nullptr || kernel.token != nullptr) return PeakKind::int8;
  return kernel.bf16 != nullptr ? PeakKind::bf16 : PeakKind::f32;
}

// Products of `rows` rows with every matrix (and `head_rows` with the head), and one reading of
// those that a pass of `pass_rows` rows meets: of experts a part, if all are used alike.
void add_weights(const Model& model, bool prefill, double rows, double head_rows, double pass_rows,
                 Work& work) {
  const Plan& plan = model.plan();
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    const WeightRef& ref = plan.weights[i];
    const bool head = plan.head == static_cast<int>(i);
    if (ref.kind != WeightKind::matrix && !head) continue;
    const Weight& weight = model.weights()[static_cast<int>(i)];
    // A few rows of logits are decoded whatever the phase.
    const LinearKernel& kernel =
        *(prefill && !head ? weight.kernels.prefill : weight.kernels.decode);
    const double operations = 2.0 * static_cast<double>(ref.n) * static_cast<double>(ref.k) *
                              (head ? head_rows : rows) * ref.share;
    const double met = 1.0 - std::pow(1.0 - ref.share, pass_rows);
    work.operations[index(kind_of(kernel))] += operations;
    work.weight_operations += operations;
    work.weight_bytes +=
        met * static_cast<double>(weight.matrix.panels() * weight.matrix.panel_bytes());
  }
}

// Keys that all layers together show the token at `position`.
double visible_keys(const StackSpec& stack, std::uint64_t position) {
  double keys = 0.0;
  for (const LayerSpec& layer : stack.layers) {
    const std::uint64_t all = position + 1;
    keys +=
        static_cast<double>(layer.window == 0 ? all : std::min<std::uint64_t>(all, layer.window));
  }
  return keys;
}

// Bytes of one key and one value of all heads of a layer.
double bytes_of_key(const Session& session) {
  const auto layers = static_cast<double>(session.model().spec().decoder->layers.size());
  return static_cast<double>(session.kv_bytes()) / static_cast<double>(session.context()) / layers;
}

// Attention multiplies q.k and then weights times v.
double attention_operations(const StackSpec& stack, double keys) {
  return 4.0 * stack.heads * stack.head_dim * keys;
}

// Bytes that each thread reads to see how fast `bytes` come that are read for every token: as many,
// since part of what exceeds a cache stays in it; but no more than show the speed of memory.
std::uint64_t read_set(double bytes, const CacheSizes& caches, std::size_t threads) {
  const auto share = static_cast<std::uint64_t>(bytes) / threads / kReadUnit * kReadUnit;
  return std::clamp(share, kReadUnit, working_set(MemoryLevel::memory, caches, threads));
}

}  // namespace

Work prefill_work(const Session& session, std::uint64_t depth, std::uint64_t tokens) {
  const Model& model = session.model();
  const StackSpec& stack = *model.spec().decoder;
  Work work;
  add_weights(model, tokens > 1, static_cast<double>(tokens), 1.0, static_cast<double>(tokens),
              work);
  double keys = 0.0;
  for (std::uint64_t i = 0; i < tokens; ++i) keys += visible_keys(stack, depth + i);
  const AttentionKernel& attention = *model.attention(session.kv_type()).prefill;
  const PeakKind kind = attention.compute == Compute::bf16 ? PeakKind::bf16 : PeakKind::f32;
  work.operations[index(kind)] += attention_operations(stack, keys);
  work.bytes = work.weight_bytes + visible_keys(stack, depth + tokens - 1) * bytes_of_key(session);
  return work;
}

Work decode_work(const Session& session, std::uint64_t depth, std::uint64_t tokens,
                 std::uint64_t batch) {
  const Model& model = session.model();
  const StackSpec& stack = *model.spec().decoder;
  Work work;
  const auto steps = static_cast<double>(tokens);
  const auto rows = static_cast<double>(tokens * batch);
  add_weights(model, false, rows, rows, static_cast<double>(batch), work);
  work.weight_bytes *= steps;
  double keys = 0.0;
  for (std::uint64_t i = 0; i < tokens; ++i) keys += visible_keys(stack, depth + i);
  keys *= static_cast<double>(batch);
  work.operations[index(PeakKind::f32)] += attention_operations(stack, keys);
  work.bytes = work.weight_bytes + keys * bytes_of_key(session);
  return work;
}

Limits measure_limits(const Session& session, std::uint64_t depth, std::uint64_t batch) {
  const Model& model = session.model();
  const CacheSizes caches = read_cache_sizes();
  const Work prefill = prefill_work(session, depth, 2);
  const Work decode = decode_work(session, depth, 1, batch);
  Limits limits;
  for (const PeakKind kind : {PeakKind::f32, PeakKind::bf16, PeakKind::int8}) {
    if (prefill.operations[index(kind)] + decode.operations[index(kind)] == 0.0) continue;
    const PeakKernel* const kernel = select_peak(kind, model.features());
    if (kernel == nullptr) continue;
    limits.operations[index(kind)] = measure_multiply(*kernel, model.pool(), kSeconds);
  }
  limits.level = level_of(static_cast<std::uint64_t>(decode.bytes), caches);
  const std::size_t threads = model.pool().size();
  limits.read = measure_read(*select_peak(PeakKind::read, model.features()),
                             read_set(decode.bytes, caches, threads), model.pool(), kSeconds);
  return limits;
}

Json limits_json(const Limits& limits) {
  Json gops = Json::object();
  for (const PeakKind kind : {PeakKind::f32, PeakKind::bf16, PeakKind::int8}) {
    const double rate = limits.operations[index(kind)];
    if (rate > 0.0) gops[std::string(name_of(kind))] = rate / 1e9;
  }
  return {{"gops", gops}, {"read_gbps", limits.read / 1e9}, {"read_from", name_of(limits.level)}};
}

std::optional<Bound> bound_of(const Work& work, const Limits& limits) {
  double compute = 0.0;
  for (std::size_t i = 0; i < work.operations.size(); ++i) {
    if (work.operations[i] == 0.0) continue;
    if (limits.operations[i] == 0.0) return std::nullopt;
    compute += work.operations[i] / limits.operations[i];
  }
  if (limits.read == 0.0) return std::nullopt;
  const double reading = work.bytes / limits.read;
  return Bound{std::max(compute, reading), compute > reading};
}

}  // namespace halfbyte
