#include "runtime/execute.h"

#include <algorithm>
#include <cmath>

#include "runtime/attend.h"
#include "runtime/attention_args.h"
#include "runtime/linear_input.h"

namespace halfbyte {

namespace {

class Runner {
 public:
  Runner(const Pass& pass, std::size_t thread, Team& team)
      : pass_(pass),
        model_(pass.model),
        ops_(pass.model.ops),
        space_(pass.workspace),
        scratch_(pass.workspace.thread(thread)),
        spec_(pass.stack.spec),
        phase_(pass.phase),
        thread_(thread),
        team_(team),
        inputs_(pass, thread, team),
        profile_(thread == 0 ? pass.profile : nullptr) {
    lap(ProfiledOp::outside);
  }

  void embed() {
    for (const Step& step : model_.plan.embed) {
      step.op == Op::embed ? lookup(step) : norm(step);
      team_.barrier();
      lap(op_of(step));
    }
  }

  void run(const Step& step) {
    switch (step.op) {
      case Op::embed:
        lookup(step);
        break;
      case Op::linear:
        if (!linear(step)) return;
        break;
      case Op::route:
        route(step);
        break;
      case Op::norm:
        norm(step);
        break;
      case Op::rotate:
        rotate(step);
        lap(ProfiledOp::rotate);
        return;  // store takes the same heads on the same thread
      case Op::store:
        store(step);
        break;
      case Op::attention:
        attend_segments([&](const Segment& s) { return self_attention_args(pass_, step, s); });
        break;
      case Op::cross_store:
        return;  // done once, after the encoder
      case Op::cross_attention:
        attend_segments([&](const Segment& s) { return cross_attention_args(pass_, step, s); });
        break;
    }
    team_.barrier();
    lap(op_of(step));
  }

  void cross_store(const Step& step, const CrossMemory& cross, const float* encoded) {
    const LinearInput input = prepare(step, {encoded, spec_width(), cross.length});
    matrices(step, input, cross.length, cross.layer(step.layer), cross.row);
    team_.barrier();
  }

  void show_inputs(const Step& step) {
    const InputRows rows = inputs_.rows_of(step);
    if (rows.count > 0) inputs_.prepare(step, rows, {.f32 = true});
  }

  // Logits of a few rows are decoded even after a prefill: decoding the head's weights for them
  // would take longer than reading the whole prompt.
  void head(const LogitRequest& request) {
    const Plan& plan = model_.plan;
    const std::uint64_t rows = pass_.rows - request.first;
    if (rows <= kStreamedRows) phase_ = Phase::decode;
    Step step;
    step.prologue = plan.head_norm.weight == kNoWeight ? Prologue::none : Prologue::norm;
    step.norm = plan.head_norm;
    step.pieces.push_back({plan.head, plan.head_bias, 0});
    float* const hidden = space_.buffer(Buffer::residual) + request.first * spec_width();
    const LinearInput input = prepare(step, {hidden, spec_width(), rows});
    lap(ProfiledOp::head_inputs);
    matrices(step, input, rows, request.logits, plan.spec.vocab);
    team_.barrier();
    lap(ProfiledOp::head);
    finish_logits(request.logits, rows * plan.spec.vocab);
    lap(ProfiledOp::logits);
  }

 private:
  // Since the lap before, thread 0 did this.
  void lap(ProfiledOp op) const {
    if (profile_ != nullptr) profile_->lap(op);
  }
  std::uint64_t spec_width() const { return model_.plan.spec.width; }
  Range my_rows(std::uint64_t rows) const { return split_range(rows, team_.size(), thread_); }
  const Weight& weight(int index) const { return model_.weights[index]; }
  const Segment& segment_of(std::uint64_t row) const {
    return *(std::upper_bound(pass_.segments.begin(), pass_.segments.end(), row,
                              [](std::uint64_t r, const Segment& s) { return r < s.first_row; }) -
             1);
  }

  void lookup(const Step& step) {
    const std::uint64_t width = spec_width();
    const auto [begin, end] = my_rows(pass_.rows);
    const auto scale = static_cast<float>(model_.plan.spec.embedding_scale);
    for (std::size_t row = begin; row < end; ++row) {
      float* const x = space_.buffer(Buffer::residual) + row * width;
      const auto token = static_cast<std::uint64_t>(pass_.tokens[row]);
      model_.weights.lookup(step.pieces[0].weight, token, x);
      if (scale != 1.0f) ops_.scale(scale, width, x);
      for (std::size_t i = 1; i < step.pieces.size(); ++i) {
        // Positions come before token types, of which every row has type 0.
        const bool positions = i == 1 && model_.plan.spec.learned_positions > 0;
        model_.weights.lookup(step.pieces[i].weight, positions ? segment_of(row).position(row) : 0,
                              scratch_.row);
        ops_.add(scratch_.row, width, x);
      }
    }
  }

  void norm(const Step& step) {
    const std::uint64_t width = spec_width();
    const auto [begin, end] = my_rows(pass_.rows);
    for (std::size_t row = begin; row < end; ++row) {
      const float* const x = space_.buffer(step.in) + row * width;
      float* const y = space_.buffer(step.out) + row * width;
      if (step.accumulate) {
        inputs_.norm(step.norm, x, width, scratch_.row);
        ops_.add(scratch_.row, width, y);
      } else {
        inputs_.norm(step.norm, x, width, y);
      }
    }
  }

  // The scale of the hidden states before the head (T5) commutes with the head.
  void finish_logits(float* x, std::uint64_t count) {
    const auto scale = static_cast<float>(model_.plan.spec.logit_scale);
    const auto cap = static_cast<float>(model_.plan.spec.logit_softcap);
    const auto [begin, end] = split_range(count, team_.size(), thread_, 1024);
    if (scale != 1.0f && begin < end) ops_.scale(scale, end - begin, x + begin);
    if (cap == 0.0f) return;
    for (std::size_t i = begin; i < end; ++i) x[i] = cap * std::tanh(x[i] / cap);
  }

  LinearInput prepare(const Step& step, const InputRows& rows) {
    return inputs_.prepare(step, rows, inputs_.kinds_of(step, phase_, rows.count));
  }

  // The rows of the pass that a linear step takes: all, or its expert's.
  ExpertRows taken_rows(const Step& step) const {
    return step.expert == kNoExpert ? ExpertRows{} : space_.routes().of(step.expert);
  }

  // False where the step takes no row: then threads need not wait for each other.
  bool linear(const Step& step) {
    const ExpertRows taken = taken_rows(step);
    const InputRows rows = inputs_.rows_of(step);
    if (rows.count == 0) return false;
    const LinearInput input = prepare(step, rows);
    lap(inputs_of(step));
    const std::uint64_t stride = space_.width(step.out);
    if (!step.accumulate) {
      matrices(step, input, rows.count, space_.buffer(step.out), stride);
      return true;
    }
    // The branch buffer holds the product; each thread adds the columns that it has computed.
    matrices(step, input, rows.count, space_.buffer(Buffer::branch), stride);
    const Weight& w = weight(step.pieces[0].weight);
    const auto [begin, end] = split_range(w.matrix.panels(), team_.size(), thread_);
    const Range columns{begin * kPanel, std::min<std::uint64_t>(w.matrix.n, end * kPanel)};
    if (begin < end) add_columns(step, taken, rows.count, columns);
    return true;
  }

  // The product in the branch buffer to the step's output; an expert's is weighted, and goes to the
  // rows that it has taken.
  void add_columns(const Step& step, const ExpertRows& taken, std::uint64_t rows, Range columns) {
    const std::uint64_t stride = space_.width(step.out);
    const std::uint64_t count = columns.end - columns.begin;
    for (std::uint64_t i = 0; i < rows; ++i) {
      float* const from = space_.buffer(Buffer::branch) + i * stride + columns.begin;
      if (taken.weights != nullptr) ops_.scale(taken.weights[i], count, from);
      const std::uint64_t row = taken.weights != nullptr ? taken.rows[i] : i;
      ops_.add(from, count, space_.buffer(step.out) + row * stride + columns.begin);
    }
  }

  // The router's outputs, the experts of each row, the rows of each expert.
  void route(const Step& step) {
    const LinearInput input = prepare(step, inputs_.rows_of(step));
    float* const outputs = space_.buffer(step.out);
    const std::uint64_t stride = space_.width(step.out);
    matrices(step, input, pass_.rows, outputs, stride);
    team_.barrier();
    const auto [begin, end] = my_rows(pass_.rows);
    for (std::size_t row = begin; row < end; ++row) {
      space_.routes().choose(*spec_.experts, row, outputs + row * stride);
    }
    team_.barrier();
    if (thread_ == 0) space_.routes().sort(*spec_.experts, pass_.rows);
  }

  // All pieces' panels in one row, cut in as many equal parts as there are threads.
  void matrices(const Step& step, const LinearInput& input, std::uint64_t rows, float* y,
                std::uint64_t stride) {
    std::uint64_t total = 0;
    for (const Piece& piece : step.pieces) total += weight(piece.weight).matrix.panels();
    const Range mine = split_range(total, team_.size(), thread_);
    std::uint64_t first = 0;
    for (const Piece& piece : step.pieces) {
      const std::uint64_t panels = weight(piece.weight).matrix.panels();
      const std::uint64_t begin = std::max<std::uint64_t>(mine.begin, first) - first;
      const std::uint64_t end = std::min<std::uint64_t>(mine.end, first + panels) -
                                std::min<std::uint64_t>(mine.end, first);
      if (begin < end) matrix(piece, input, rows, begin, end, {y + piece.column, stride});
      first += panels;
    }
  }

  void matrix(const Piece& piece, const LinearInput& input, std::uint64_t rows, std::uint64_t begin,
              std::uint64_t end, const LinearOutput& out) const {
    const Weight& w = weight(piece.weight);
    const LinearKernel& kernel = kernel_for(w, phase_, rows);
    if (kernel.int8 != nullptr) {
      kernel.int8(w.matrix, begin, end, input.int8, out, scratch_.kernel);
    } else if (kernel.token != nullptr) {
      kernel.token(w.matrix, begin, end, input.token, out, scratch_.kernel);
    } else if (kernel.bf16 != nullptr) {
      kernel.bf16(w.matrix, begin, end, input.bf16, out, scratch_.kernel);
    } else {
      kernel.f32(w.matrix, begin, end, input.f32, input.stride, rows, out, scratch_.kernel);
    }
    if (piece.bias == kNoWeight || !weight(piece.bias).present) return;
    const std::uint64_t column = begin * kPanel;
    const std::uint64_t columns = std::min<std::uint64_t>(w.matrix.n, end * kPanel) - column;
    for (std::uint64_t row = 0; row < rows; ++row) {
      ops_.add(weight(piece.bias).vector + column, columns, out.y + row * out.stride + column);
    }
  }

  // Units of rotate and store: the kv heads' groups of each row, so that both split alike.
  Range my_head_units() const {
    return split_range(pass_.rows * spec_.kv_heads, team_.size(), thread_);
  }

  void rotate(const Step& step) {
    const std::uint64_t dim = spec_.head_dim;
    const std::uint64_t group = spec_.heads / spec_.kv_heads;
    const auto [begin, end] = my_head_units();
    for (std::size_t unit = begin; unit < end; ++unit) {
      const std::uint64_t row = unit / spec_.kv_heads;
      const std::uint64_t kv = unit % spec_.kv_heads;
      float* const base = space_.buffer(Buffer::qkv) + row * space_.width(Buffer::qkv);
      rotate_heads(step, row, base + kv * group * dim, group, step.norm.weight);
      rotate_heads(step, row, base + (spec_.heads + kv) * dim, 1, step.norm.bias);
    }
  }

  void rotate_heads(const Step& step, std::uint64_t row, float* x, std::uint64_t heads,
                    int norm_weight) const {
    const std::uint64_t dim = spec_.head_dim;
    for (std::uint64_t h = 0; norm_weight != kNoWeight && h < heads; ++h) {
      ops_.rms_norm(x + h * dim, weight(norm_weight).vector, spec_.norm_offset,
                    static_cast<float>(spec_.norm_eps), dim, x + h * dim);
    }
    if (spec_.position != PositionKind::rope) return;
    const std::uint32_t rope = spec_.layers[step.layer].rope;
    const Segment& segment = segment_of(row);
    ops_.rope(x, heads, dim, spec_.ropes[rope].dim, segment.ropes->at(rope, segment.position(row)),
              spec_.rope_interleaved);
  }

  void store(const Step& step) {
    const std::uint64_t dim = spec_.head_dim;
    const auto [begin, end] = my_head_units();
    for (std::size_t unit = begin; unit < end; ++unit) {
      const std::uint64_t row = unit / spec_.kv_heads;
      const std::uint64_t kv = unit % spec_.kv_heads;
      const Segment& segment = segment_of(row);
      if (segment.cache == nullptr) continue;
      const CacheView keys = segment.cache->keys(step.layer);
      const CacheView values = segment.cache->values(step.layer);
      const float* const base = space_.buffer(Buffer::qkv) + row * space_.width(Buffer::qkv);
      const std::uint64_t place =
          kv * keys.head_stride + segment.position(row) * keys.position_stride;
      ops_.store_cache(base + (spec_.heads + kv) * dim, dim, keys.dtype, keys.data + place);
      ops_.store_cache(base + (spec_.heads + spec_.kv_heads + kv) * dim, dim, values.dtype,
                       values.data + place);
    }
  }

  // One segment after the other: they share the counter and the memory for parts of the answer.
  template <typename ArgsOf>
  void attend_segments(const ArgsOf& args_of) {
    for (std::size_t i = 0; i < pass_.segments.size(); ++i) {
      if (i > 0) team_.barrier();
      const AttentionArgs args = args_of(pass_.segments[i]);
      const AttentionChoice& choice = model_.attention.of(args.keys.dtype);
      attend(phase_ == Phase::prefill ? choice.prefill->ops : choice.decode->ops, args,
             {thread_, team_, scratch_.kernel, space_.attention_parts()});
    }
  }

  const Pass& pass_;
  const ModelView& model_;
  const RowOps& ops_;
  Workspace& space_;
  const ThreadScratch& scratch_;
  const StackSpec& spec_;
  Phase phase_;
  std::size_t thread_;
  Team& team_;
  InputPreparer inputs_;
  Profile* profile_;
};

}  // namespace

void run_pass(const Pass& pass, const LogitRequest& request) {
  pass.model.pool.run([&](std::size_t thread, Team& team) {
    Runner runner(pass, thread, team);
    runner.embed();
    for (const Step& step : pass.stack.steps) runner.run(step);
    if (request.logits != nullptr) runner.head(request);
  });
}

void run_embed(const Pass& pass) {
  pass.model.pool.run([&](std::size_t thread, Team& team) { Runner(pass, thread, team).embed(); });
}

void run_steps(const Pass& pass, std::size_t begin, std::size_t end) {
  pass.model.pool.run([&](std::size_t thread, Team& team) {
    Runner runner(pass, thread, team);
    for (std::size_t i = begin; i < end; ++i) runner.run(pass.stack.steps[i]);
  });
}

void run_steps_to_inputs(const Pass& pass, std::size_t begin, std::size_t last) {
  pass.model.pool.run([&](std::size_t thread, Team& team) {
    Runner runner(pass, thread, team);
    for (std::size_t i = begin; i < last; ++i) runner.run(pass.stack.steps[i]);
    runner.show_inputs(pass.stack.steps[last]);
  });
}

void run_head(const Pass& pass, const LogitRequest& request) {
  pass.model.pool.run(
      [&](std::size_t thread, Team& team) { Runner(pass, thread, team).head(request); });
}

void run_cross_store(const Pass& pass, const CrossMemory& cross, const float* encoded,
                     std::size_t begin, std::size_t end) {
  const std::size_t last = std::min(end, pass.stack.steps.size());
  pass.model.pool.run([&](std::size_t thread, Team& team) {
    Runner runner(pass, thread, team);
    for (std::size_t i = begin; i < last; ++i) {
      const Step& step = pass.stack.steps[i];
      if (step.op == Op::cross_store) runner.cross_store(step, cross, encoded);
    }
  });
}

}  // namespace halfbyte
