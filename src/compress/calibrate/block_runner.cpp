#include "compress/calibrate/block_runner.h"

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>

#include "base/half.h"
#include "kernels/registry.h"
#include "runtime/relative_bias.h"
#include "runtime/rope_table.h"
#include "runtime/workspace.h"

namespace halfbyte {

namespace {

// Samples run together while they have no more rows than this: what is decoded from the weights,
// and each write of a Gram matrix, then serves more rows.
constexpr std::uint64_t kRowsTogether = 1024;

void add_blocks(const StackPlan& stack, bool encoder, std::vector<Block>& blocks) {
  const std::size_t layers = stack.spec.layers.size();
  std::size_t begin = 0;
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    std::size_t end = begin;
    // The final norm counts as layer 0, so it ends the last layer but where that is layer 0, too.
    while (end < stack.steps.size() && stack.steps[end].layer == layer) ++end;
    blocks.push_back({blocks.size(), encoder, layer, begin, end});
    begin = end;
  }
}

void add_weight(std::vector<int>& weights, int weight) {
  if (weight != kNoWeight && std::find(weights.begin(), weights.end(), weight) == weights.end()) {
    weights.push_back(weight);
  }
}

void add_weights(std::vector<int>& weights, std::span<const Step> steps) {
  for (const Step& step : steps) {
    add_weight(weights, step.norm.weight);
    add_weight(weights, step.norm.bias);
    for (const Piece& piece : step.pieces) {
      add_weight(weights, piece.weight);
      add_weight(weights, piece.bias);
    }
  }
}

// bfloat16 rows of all samples, one after the other.
class Stream {
 public:
  Stream(std::string path, std::span<const Sample> samples, std::uint64_t width)
      : path_(std::move(path)), width_(width), begins_(1, 0) {
    for (const Sample& sample : samples) begins_.push_back(begins_.back() + sample.size());
  }

  void read(std::size_t sample, float* rows) {
    words_.resize(count(sample));
    file().read_at(place(sample), std::as_writable_bytes(std::span(words_)));
    std::transform(words_.begin(), words_.end(), rows, bfloat16_to_float);
  }
  void write(std::size_t sample, const float* rows) {
    words_.resize(count(sample));
    std::transform(rows, rows + words_.size(), words_.begin(), float_to_bfloat16);
    file().write_at(place(sample), std::as_bytes(std::span(words_)));
  }
  void sync() { file().sync(); }

 private:
  std::size_t count(std::size_t sample) const {
    return (begins_[sample + 1] - begins_[sample]) * width_;
  }
  std::uint64_t place(std::size_t sample) const {
    return begins_[sample] * width_ * sizeof(std::uint16_t);
  }
  ScratchFile& file() {
    if (!file_) file_ = std::make_unique<ScratchFile>(path_);
    return *file_;
  }

  std::string path_;
  std::uint64_t width_;
  std::vector<std::uint64_t> begins_;  // rows before each sample
  std::unique_ptr<ScratchFile> file_;
  std::vector<std::uint16_t> words_;
};

std::uint64_t longest(std::span<const Sample> samples) {
  std::uint64_t rows = 0;
  for (const Sample& sample : samples) rows = std::max<std::uint64_t>(rows, sample.size());
  return rows;
}

// Runs of samples, in order.
std::vector<Range> batches_of(std::span<const Sample> samples, std::uint64_t max_rows) {
  std::vector<Range> batches;
  std::uint64_t rows = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    rows += samples[i].size();
    if (batches.empty() || rows > max_rows) {
      batches.push_back({i, i});
      rows = samples[i].size();
    }
    batches.back().end = i + 1;
  }
  return batches;
}

std::uint64_t rows_of(std::span<const Sample> samples) {
  return std::accumulate(samples.begin(), samples.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Sample& one) { return sum + one.size(); });
}

// Of steps [begin, end) the last one that multiplies; a block has some.
std::size_t last_linear(const StackPlan& stack, std::size_t begin, std::size_t end) {
  std::size_t last = end - 1;
  while (last > begin && stack.steps[last].op != Op::linear) --last;
  return last;
}

// A decoder after an encoder reads what it should have said, one token late.
std::vector<Sample> delayed(std::span<const Sample> samples, const ModelSpec& spec) {
  std::vector<Sample> result(samples.begin(), samples.end());
  const auto start = static_cast<TokenId>(std::max<std::int64_t>(spec.decoder_start, 0));
  for (Sample& sample : result) {
    sample.insert(sample.begin(), start);
    sample.pop_back();
  }
  return result;
}

}  // namespace

std::vector<Block> blocks_of(const Plan& plan) {
  std::vector<Block> blocks;
  if (!plan.encoder.steps.empty()) add_blocks(plan.encoder, true, blocks);
  if (!plan.decoder.steps.empty()) add_blocks(plan.decoder, false, blocks);
  return blocks;
}

std::vector<int> weights_of(const Plan& plan, const Block& block) {
  const StackPlan& stack = block.encoder ? plan.encoder : plan.decoder;
  std::vector<int> weights;
  add_weights(weights, std::span(stack.steps).subspan(block.begin, block.end - block.begin));
  return weights;
}

StackPlan head_norm_of(const Plan& plan) {
  StackPlan tail{.spec = plan.spec.main_stack(), .steps = {}};
  Step step{.op = Op::norm, .in = Buffer::residual, .out = Buffer::branch};
  step.norm = plan.head_norm;
  tail.steps.push_back(step);
  return tail;
}

struct BlockRunner::Impl {
  const ModelFiles& files;
  std::span<const Sample> samples;
  std::vector<Sample> decoder_samples;  // of an encoder-decoder
  ThreadPool& pool;
  CpuFeatures features;
  std::function<void()> tick;
  Plan plan;
  const RowOps& ops;
  std::vector<Range> batches;  // of samples, that run together
  Workspace workspace;
  std::array<Stream, 2> streams;  // before block i: streams[i % 2]
  Stream encoded;                 // the encoder's output
  RopeTable ropes;
  RelativeBias bias;
  std::vector<float> memory;  // of one encoder output
  std::vector<float> cross;   // keys and values of all layers

  Impl(const ModelFiles& source, std::span<const Sample> all, const std::string& folder,
       ThreadPool& threads, CpuFeatures cpu, std::function<void()> after_sample)
      : files(source),
        samples(all),
        pool(threads),
        features(cpu),
        tick(std::move(after_sample)),
        plan(make_plan(source.spec())),
        ops(select_rows(cpu).ops),
        // Each sample has an encoder's output of its own.
        batches(batches_of(all, two_stacks() ? 0 : kRowsTogether)),
        workspace(plan, most_rows(), longest(all), threads.size()),
        streams{Stream(folder + "/stream.0", all, plan.spec.width),
                Stream(folder + "/stream.1", all, plan.spec.width)},
        encoded(folder + "/encoded", all, plan.spec.width) {
    if (two_stacks()) decoder_samples = delayed(all, plan.spec);
  }

  bool two_stacks() const { return plan.spec.encoder && plan.spec.decoder; }
  const StackPlan& stack_of(const Block& block) const {
    return block.encoder ? plan.encoder : plan.decoder;
  }
  const std::vector<TokenId>& tokens(const Block& block, std::size_t sample) const {
    return two_stacks() && !block.encoder ? decoder_samples[sample] : samples[sample];
  }

  Weights load(std::optional<Compute> compute, const std::vector<int>& wanted,
               std::optional<DType> rounded = std::nullopt) const {
    return {
        files,
        plan,
        {features,
         compute,
         {},
         [&](int index) { return std::find(wanted.begin(), wanted.end(), index) != wanted.end(); },
         rounded},
        pool};
  }

  std::uint64_t most_rows() const {
    std::uint64_t most = 0;
    for (const Range& batch : batches) most = std::max(most, rows_of(of(batch)));
    return most;
  }
  std::span<const Sample> of(const Range& batch) const {
    return samples.subspan(batch.begin, batch.end - batch.begin);
  }

  // What all samples of a stack share: positions and biases by distance.
  void begin_stack(const StackPlan& stack) {
    const std::uint64_t rows = longest(samples);
    ropes = RopeTable(stack.spec);
    ropes.extend(rows, rows);
    if (stack.relative_bias == kNoWeight) return;
    const Weights table = load(std::nullopt, {stack.relative_bias});
    bias = make_relative_bias(stack.spec, table[stack.relative_bias].vector, rows);
  }

  Segment segment(const StackPlan& stack, std::size_t sample, std::uint64_t first_row) {
    Segment one;
    one.first_row = first_row;
    one.rows = samples[sample].size();
    one.ropes = &ropes;
    if (stack.relative_bias != kNoWeight) one.bias = &bias;
    return one;
  }

  // The encoder's output for a sample, and the block's own keys and values of it.
  CrossMemory cross_memory(const Pass& pass, const Block& block, std::size_t sample) {
    const std::uint64_t rows = samples[sample].size();
    const StackSpec& spec = pass.stack.spec;
    CrossMemory cross_of_sample;
    cross_of_sample.length = rows;
    cross_of_sample.row = 2 * std::uint64_t{spec.kv_heads} * spec.head_dim;
    cross.resize(spec.layers.size() * rows * cross_of_sample.row);
    cross_of_sample.data = cross.data();
    memory.resize(rows * plan.spec.width);
    encoded.read(sample, memory.data());
    run_cross_store(pass, cross_of_sample, memory.data(), block.begin, block.end);
    return cross_of_sample;
  }

  // Runs `work` on the pass of each batch, whose rows are for the residual buffer.
  template <typename Work>
  void for_batches(const ModelView& model, const StackPlan& stack, const Block& block,
                   InputTap* tap, const Work& work) {
    for (const Range& batch : batches) {
      std::vector<Segment> segments;
      std::vector<TokenId> ids;
      for (std::size_t i = batch.begin; i < batch.end; ++i) {
        segments.push_back(segment(stack, i, ids.size()));
        ids.insert(ids.end(), tokens(block, i).begin(), tokens(block, i).end());
      }
      Pass pass{.model = model, .workspace = workspace, .stack = stack};
      pass.rows = ids.size();
      pass.tokens = ids.data();
      pass.segments = segments;
      pass.tap = tap;
      work(pass, segments, batch);
    }
  }

  void read(Stream& stream, const Range& batch) {
    float* to = workspace.buffer(Buffer::residual);
    for (std::size_t i = batch.begin; i < batch.end; ++i) {
      stream.read(i, to);
      to += samples[i].size() * plan.spec.width;
    }
  }
  void write(Stream& stream, const Range& batch) {
    const float* from = workspace.buffer(Buffer::residual);
    for (std::size_t i = batch.begin; i < batch.end; ++i) {
      stream.write(i, from);
      from += samples[i].size() * plan.spec.width;
    }
  }

  void embed(const Block& block) {
    std::vector<int> wanted;
    add_weights(wanted, plan.embed);
    const Weights weights = load(std::nullopt, wanted);
    const ModelView model{plan, weights, ops, pool, {Compute::f32, features}};
    for_batches(model, stack_of(block), block, nullptr,
                [&](const Pass& pass, auto&, const Range& batch) {
                  run_embed(pass);
                  write(streams[block.index % 2], batch);
                });
    streams[block.index % 2].sync();
  }

  // Keys and values lie in f32, but unless all is to be exact they are multiplied as rounded ones.
  AttentionChoices attention_of(std::optional<Compute> compute) const {
    AttentionChoices choices(compute, features);
    choices.plain = choices.rounded;
    return choices;
  }

  void run(const Block& block, const BlockPass& asked) {
    const StackPlan& stack = stack_of(block);
    const Weights weights = load(asked.compute, weights_of(plan, block), asked.rounded);
    const ModelView model{plan, weights, ops, pool, attention_of(asked.compute)};
    const std::size_t end = std::min(block.end, asked.end);
    const bool crosses = two_stacks() && !block.encoder;
    for_batches(model, stack, block, asked.tap,
                [&](const Pass& pass, std::vector<Segment>& segments, const Range& batch) {
                  if (crosses) segments[0].cross = cross_memory(pass, block, batch.begin);
                  read(streams[block.index % 2], batch);
                  if (asked.keep) {
                    run_steps(pass, block.begin, end);
                    write(streams[(block.index + 1) % 2], batch);
                  } else {
                    run_steps_to_inputs(pass, block.begin, last_linear(stack, block.begin, end));
                  }
                  for (std::size_t i = batch.begin; i < batch.end; ++i) tick();
                });
  }

  // The encoder's last norm, once its last block is done.
  void finish_encoder(const Block& block) {
    const StackPlan& stack = plan.encoder;
    std::vector<int> wanted;
    add_weights(wanted, std::span(stack.steps).subspan(block.end));
    const Weights weights = load(std::nullopt, wanted);
    const ModelView model{plan, weights, ops, pool, {Compute::f32, features}};
    for_batches(model, stack, block, nullptr, [&](const Pass& pass, auto&, const Range& batch) {
      read(streams[(block.index + 1) % 2], batch);
      run_steps(pass, block.end, stack.steps.size());
      write(encoded, batch);
    });
    encoded.sync();
  }
};

BlockRunner::BlockRunner(const ModelFiles& files, std::span<const Sample> samples,
                         const std::string& folder, ThreadPool& pool, CpuFeatures features,
                         std::function<void()> tick)
    : impl_(std::make_unique<Impl>(files, samples, folder, pool, features, std::move(tick))) {}

BlockRunner::~BlockRunner() = default;

const Plan& BlockRunner::plan() const {
  return impl_->plan;
}

const StackPlan& BlockRunner::stack_of(const Block& block) const {
  return impl_->stack_of(block);
}

void BlockRunner::begin(const Block& block) {
  impl_->begin_stack(impl_->stack_of(block));
  if (block.begin == 0) impl_->embed(block);
}

void BlockRunner::run(const Block& block, const BlockPass& pass) {
  impl_->run(block, pass);
}

void BlockRunner::read(const Block& block, std::size_t sample, float* rows) {
  impl_->streams[block.index % 2].read(sample, rows);
}

void BlockRunner::finish(const Block& block) {
  const StackPlan& stack = impl_->stack_of(block);
  impl_->streams[(block.index + 1) % 2].sync();
  const bool last = block.layer + 1 == stack.spec.layers.size();
  if (block.encoder && last && impl_->two_stacks()) impl_->finish_encoder(block);
}

void BlockRunner::for_head_inputs(
    const std::function<void(const float* x, std::uint64_t rows)>& see) {
  const Plan& plan = impl_->plan;
  const std::size_t stream = blocks_of(plan).size() % 2;
  const StackPlan tail = head_norm_of(plan);
  const bool normed = plan.head_norm.weight != kNoWeight;
  std::vector<int> wanted;
  add_weights(wanted, tail.steps);
  const Weights weights = impl_->load(std::nullopt, wanted);
  const ModelView model{plan, weights, impl_->ops, impl_->pool, {Compute::f32, impl_->features}};
  impl_->for_batches(model, tail, {}, nullptr, [&](const Pass& pass, auto&, const Range& batch) {
    impl_->read(impl_->streams[stream], batch);
    if (normed) run_steps(pass, 0, 1);
    see(impl_->workspace.buffer(normed ? Buffer::branch : Buffer::residual), pass.rows);
  });
}

}  // namespace halfbyte
