#include "model/plan.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "base/error.h"
#include "model/families.h"
#include "model/names.h"

namespace halfbyte {

namespace {

class Planner {
 public:
  explicit Planner(const ModelSpec& spec) : family_(find_family(spec.family)) {
    if (family_ == nullptr)
      fail_unsupported("", fmt::format("family '{}' is not known", spec.family));
    plan_.spec = spec;
  }

  Plan make() {
    const ModelSpec& spec = plan_.spec;
    embed();
    const bool both = spec.encoder && spec.decoder;
    if (spec.encoder) stack(plan_.encoder, *spec.encoder, both ? "enc." : "");
    if (spec.decoder) stack(plan_.decoder, *spec.decoder, both ? "dec." : "");
    head(both ? "dec." : "");
    return std::move(plan_);
  }

 private:
  int weight(std::string name, WeightKind kind, std::uint64_t n, std::uint64_t k,
             bool optional = false) {
    const auto [place, fresh] = index_.emplace(name, static_cast<int>(plan_.weights.size()));
    if (!fresh) return place->second;
    plan_.weights.push_back({std::move(name), kind, n, k, optional});
    return place->second;
  }
  int table(const std::string& name, std::uint64_t n) {
    return weight(name + ".weight", WeightKind::table, n, plan_.spec.width);
  }
  NormRef norm(const std::string& name, std::uint64_t n, NormKind kind) {
    NormRef ref;
    ref.weight = weight(name + ".weight", WeightKind::vector, n, 1);
    if (kind == NormKind::layer) ref.bias = weight(name + ".bias", WeightKind::vector, n, 1);
    return ref;
  }
  WeightRef& ref(const Piece& piece) {
    return plan_.weights[static_cast<std::size_t>(piece.weight)];
  }
  Piece piece(const std::string& name, std::uint64_t n, std::uint64_t k, std::uint64_t column) {
    Piece p;
    p.weight = weight(name + ".weight", WeightKind::matrix, n, k);
    p.bias = weight(name + ".bias", WeightKind::vector, n, 1, true);
    p.column = column;
    return p;
  }

  // A matrix without a bias.
  Piece matrix(const std::string& name, std::uint64_t n, std::uint64_t k, std::uint64_t column) {
    return {.weight = weight(name + ".weight", WeightKind::matrix, n, k), .column = column};
  }

  void embed() {
    const ModelSpec& spec = plan_.spec;
    Step step{.op = Op::embed, .out = Buffer::residual};
    step.pieces.push_back({.weight = table("token_embd", spec.vocab)});
    if (spec.learned_positions > 0) {
      step.pieces.push_back({.weight = table("position_embd", spec.learned_positions)});
    }
    if (spec.token_types > 0)
      step.pieces.push_back({.weight = table("token_types", spec.token_types)});
    plan_.embed.push_back(step);
    if (!spec.embedding_norm) return;
    Step normed{.op = Op::norm};
    normed.norm = norm("token_embd_norm", spec.width, spec.main_stack().norm);
    plan_.embed.push_back(normed);
  }

  void stack(StackPlan& out, const StackSpec& spec, const std::string& prefix) {
    out.spec = spec;
    for (std::uint32_t i = 0; i < spec.layers.size(); ++i) {
      const std::string block = fmt::format("{}blk.{}.", prefix, i);
      attention(out, block, i);
      if (spec.cross_attention) cross_attention(out, block, i);
      spec.has_experts(i) ? experts(out, block, i) : ffn(out, block, i);
    }
    if (spec.position == PositionKind::relative) {
      out.relative_bias = weight(prefix + "blk.0.attn_rel_b.weight", WeightKind::vector,
                                 std::uint64_t{spec.relative_buckets} * spec.heads, 1);
    }
    const bool has_own_end = spec.final_norm && !spec.causal;
    if (!has_own_end) return;  // a decoder's last norm belongs to the head
    Step last{.op = Op::norm};
    last.norm = norm(prefix + "output_norm", plan_.spec.width, spec.norm);
    out.steps.push_back(last);
  }

  Step linear(std::uint32_t layer, Buffer in, Buffer out) const {
    return {.op = Op::linear, .layer = layer, .in = in, .out = out};
  }

  // A branch's first step reads the residual, normed where the stack norms first.
  void branch_input(Step& step, const StackSpec& spec, const std::string& name) {
    if (!spec.pre_norm) return;
    step.prologue = Prologue::norm;
    step.norm = norm(name, plan_.spec.width, spec.norm);
  }

  // A branch's last step adds to the residual; post-norm stacks norm the sum, sandwich stacks the
  // branch.
  void branch_output(StackPlan& out, Step step, const std::string& post_norm,
                     const std::string& sandwich) {
    const StackSpec& spec = out.spec;
    step.out = spec.sandwich_norm ? Buffer::branch : Buffer::residual;
    step.accumulate = !spec.sandwich_norm;
    const std::uint32_t layer = step.layer;
    out.steps.push_back(std::move(step));
    if (spec.sandwich_norm) {
      Step added{.op = Op::norm, .layer = layer, .in = Buffer::branch, .accumulate = true};
      added.norm = norm(sandwich, plan_.spec.width, spec.norm);
      out.steps.push_back(added);
    }
    if (!spec.pre_norm) {
      Step normed{.op = Op::norm, .layer = layer};
      normed.norm = norm(post_norm, plan_.spec.width, spec.norm);
      out.steps.push_back(normed);
    }
  }

  void attention(StackPlan& out, const std::string& block, std::uint32_t layer) {
    const StackSpec& spec = out.spec;
    const BlockNames& names = family_->block;
    const std::uint64_t width = plan_.spec.width;
    const std::uint64_t q = std::uint64_t{spec.heads} * spec.head_dim;
    const std::uint64_t kv = std::uint64_t{spec.kv_heads} * spec.head_dim;
    Step in = linear(layer, Buffer::residual, Buffer::qkv);
    branch_input(in, spec, block + std::string(names.attn_norm));
    if (fused_qkv()) {
      in.pieces.push_back(piece(block + "attn_qkv", q + 2 * kv, width, 0));
    } else {
      in.pieces.push_back(piece(block + "attn_q", q, width, 0));
      in.pieces.push_back(piece(block + "attn_k", kv, width, q));
      in.pieces.push_back(piece(block + "attn_v", kv, width, q + kv));
    }
    out.steps.push_back(std::move(in));
    if (spec.qk_norm || spec.position == PositionKind::rope) {
      Step rotate{.op = Op::rotate, .layer = layer, .in = Buffer::qkv, .out = Buffer::qkv};
      if (spec.qk_norm) {
        rotate.norm.weight =
            weight(block + "attn_q_norm.weight", WeightKind::vector, spec.head_dim, 1);
        rotate.norm.bias =
            weight(block + "attn_k_norm.weight", WeightKind::vector, spec.head_dim, 1);
      }
      out.steps.push_back(rotate);
    }
    out.steps.push_back({.op = Op::store, .layer = layer, .in = Buffer::qkv});
    out.steps.push_back(
        {.op = Op::attention, .layer = layer, .in = Buffer::qkv, .out = Buffer::attended});
    Step last = linear(layer, Buffer::attended, Buffer::residual);
    last.pieces.push_back(piece(block + std::string(names.attn_out), width, q, 0));
    branch_output(out, std::move(last), block + std::string(names.attn_norm),
                  block + std::string(names.post_attn_norm));
  }

  // Which families fuse q, k and v is told by their name rules.
  bool fused_qkv() const {
    return std::any_of(family_->names.begin(), family_->names.end(),
                       [](const NameRule& rule) { return rule.name == "blk.{}.attn_qkv"; });
  }

  void cross_attention(StackPlan& out, const std::string& block, std::uint32_t layer) {
    const StackSpec& spec = out.spec;
    const std::uint64_t width = plan_.spec.width;
    const std::uint64_t q = std::uint64_t{spec.heads} * spec.head_dim;
    const std::uint64_t kv = std::uint64_t{spec.kv_heads} * spec.head_dim;
    Step store{.op = Op::cross_store, .layer = layer};
    store.pieces.push_back(piece(block + "cross_attn_k", kv, width, 0));
    store.pieces.push_back(piece(block + "cross_attn_v", kv, width, kv));
    out.steps.push_back(std::move(store));
    Step in = linear(layer, Buffer::residual, Buffer::qkv);
    branch_input(in, spec, block + "cross_attn_norm");
    in.pieces.push_back(piece(block + "cross_attn_q", q, width, 0));
    out.steps.push_back(std::move(in));
    out.steps.push_back(
        {.op = Op::cross_attention, .layer = layer, .in = Buffer::qkv, .out = Buffer::attended});
    Step last = linear(layer, Buffer::attended, Buffer::residual);
    last.pieces.push_back(piece(block + "cross_attn_o", width, q, 0));
    branch_output(out, std::move(last), block + "cross_attn_norm", block + "cross_attn_post_norm");
  }

  void ffn(StackPlan& out, const std::string& block, std::uint32_t layer) {
    const StackSpec& spec = out.spec;
    const std::uint64_t width = plan_.spec.width;
    Step in = linear(layer, Buffer::residual, Buffer::ffn);
    branch_input(in, spec, block + std::string(family_->block.ffn_norm));
    if (spec.gated) in.pieces.push_back(piece(block + "ffn_gate", spec.ffn, width, 0));
    in.pieces.push_back(piece(block + "ffn_up", spec.ffn, width, spec.gated ? spec.ffn : 0));
    out.steps.push_back(std::move(in));
    Step last = linear(layer, Buffer::ffn, Buffer::residual);
    last.prologue = Prologue::activation;
    last.pieces.push_back(piece(block + "ffn_down", width, spec.ffn, 0));
    branch_output(out, std::move(last), block + std::string(family_->block.ffn_norm),
                  block + std::string(family_->block.post_ffn_norm));
  }

  // The router, then one expert after the other, which are in the order that their outputs are
  // added in.
  void experts(StackPlan& out, const std::string& block, std::uint32_t layer) {
    const ExpertSpec& spec = *out.spec.experts;
    Step normed{.op = Op::norm, .layer = layer, .out = Buffer::mixed};
    normed.norm =
        norm(block + std::string(family_->block.ffn_norm), plan_.spec.width, out.spec.norm);
    out.steps.push_back(normed);
    out.steps.push_back(router(spec, block, layer));
    const double share = static_cast<double>(spec.used) / spec.count;
    for (std::uint32_t i = 0; i < spec.count; ++i) {
      expert(out, layer, static_cast<int>(i), {block, fmt::format(".{}", i), spec.ffn, share});
    }
    if (spec.shared_ffn > 0) {
      expert(out, layer, static_cast<int>(spec.count), {block, "_shexp", spec.shared_ffn, 1.0});
    }
  }

  Step router(const ExpertSpec& spec, const std::string& block, std::uint32_t layer) {
    Step step{.op = Op::route, .layer = layer, .in = Buffer::mixed, .out = Buffer::routes};
    step.pieces.push_back(matrix(block + "ffn_gate_inp", spec.count, plan_.spec.width, 0));
    if (spec.shared_ffn > 0) {
      step.pieces.push_back(matrix(block + "ffn_gate_inp_shexp", 1, plan_.spec.width, spec.count));
    }
    for (const Piece& piece : step.pieces) ref(piece).exact = true;
    return step;
  }

  struct ExpertNames {
    const std::string& block;
    std::string suffix;
    std::uint64_t ffn;
    double share;
  };
  void expert(StackPlan& out, std::uint32_t layer, int index, const ExpertNames& names) {
    const std::uint64_t width = plan_.spec.width;
    const auto named = [&](const char* part) { return names.block + part + names.suffix; };
    Step in = linear(layer, Buffer::mixed, Buffer::ffn);
    in.pieces.push_back(matrix(named("ffn_gate"), names.ffn, width, 0));
    in.pieces.push_back(matrix(named("ffn_up"), names.ffn, width, names.ffn));
    Step last = linear(layer, Buffer::ffn, Buffer::residual);
    last.prologue = Prologue::activation;
    last.accumulate = true;
    last.pieces.push_back(matrix(named("ffn_down"), width, names.ffn, 0));
    for (Step* step : {&in, &last}) {
      step->expert = index;
      for (const Piece& piece : step->pieces) ref(piece).share = names.share;
      out.steps.push_back(std::move(*step));
    }
  }

  void head(const std::string& prefix) {
    const ModelSpec& spec = plan_.spec;
    if (!spec.has_head) return;
    if (spec.decoder && spec.decoder->final_norm) {
      plan_.head_norm = norm(prefix + "output_norm", spec.width, spec.decoder->norm);
    }
    if (spec.tied_head) {
      plan_.head = weight("token_embd.weight", WeightKind::table, spec.vocab, spec.width);
    } else {
      plan_.head = weight("output.weight", WeightKind::matrix, spec.vocab, spec.width);
      plan_.head_bias = weight("output.bias", WeightKind::vector, spec.vocab, 1, true);
    }
  }

  Plan plan_;
  std::unordered_map<std::string, int> index_;  // of plan_.weights, by name
  const Family* family_;
};

std::uint64_t widest_ffn(const StackSpec& spec) {
  std::uint64_t widest = spec.ffn;
  if (!spec.experts) return widest;
  if (spec.experts->dense_layers.empty()) widest = 0;
  return std::max(
      {widest, std::uint64_t{spec.experts->ffn}, std::uint64_t{spec.experts->shared_ffn}});
}

std::uint64_t width_in(const StackSpec& spec, std::uint64_t width, Buffer buffer) {
  const std::uint64_t q = std::uint64_t{spec.heads} * spec.head_dim;
  const std::uint64_t kv = std::uint64_t{spec.kv_heads} * spec.head_dim;
  switch (buffer) {
    case Buffer::residual:
    case Buffer::branch:
      return width;
    case Buffer::qkv:
      return q + 2 * kv;
    case Buffer::attended:
      return q;
    case Buffer::ffn:
      return widest_ffn(spec) * (spec.gated ? 2 : 1);
    case Buffer::mixed:
      return spec.experts ? width : 0;
    case Buffer::routes:
      return spec.experts ? std::uint64_t{spec.experts->count} + 1 : 0;
  }
  return 0;
}

constexpr std::string_view kOpNames[] = {"embed",     "linear",      "route",
                                         "norm",      "rotate",      "store",
                                         "attention", "cross_store", "cross_attention"};
constexpr std::string_view kBufferNames[] = {"residual", "qkv",   "attended", "ffn",
                                             "branch",   "mixed", "routes"};

}  // namespace

Plan make_plan(const ModelSpec& spec) {
  return Planner(spec).make();
}

std::uint64_t Plan::width_of(Buffer buffer) const {
  std::uint64_t width = 0;
  if (spec.encoder) width = std::max(width, width_in(*spec.encoder, spec.width, buffer));
  if (spec.decoder) width = std::max(width, width_in(*spec.decoder, spec.width, buffer));
  return width;
}

std::uint64_t Plan::widest_input() const {
  std::uint64_t widest = spec.width;
  for (const WeightRef& ref : weights) {
    if (ref.kind != WeightKind::vector) widest = std::max(widest, ref.k);
  }
  return widest;
}

std::string to_string(const Plan& plan, const Step& step) {
  std::string line = fmt::format("blk {:3}  {:15} {:>8} -> {:8}", step.layer,
                                 kOpNames[static_cast<std::size_t>(step.op)],
                                 kBufferNames[static_cast<std::size_t>(step.in)],
                                 kBufferNames[static_cast<std::size_t>(step.out)]);
  if (step.accumulate) line += " +=";
  if (step.norm.weight != kNoWeight)
    line += " " + plan.weights[static_cast<std::size_t>(step.norm.weight)].name;
  for (const Piece& piece : step.pieces) {
    line += " " + plan.weights[static_cast<std::size_t>(piece.weight)].name;
  }
  return line;
}

}  // namespace halfbyte
