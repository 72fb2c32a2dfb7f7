#include "compress/calibrate/quantize.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/calibrate/block_runner.h"
#include "compress/calibrate/block_task.h"
#include "compress/calibrate/head_inputs.h"
#include "compress/calibrate/matrix_values.h"
#include "compress/rtn.h"
#include "kernels/registry.h"

namespace halfbyte {

namespace {

using Types = std::unordered_map<std::string, DType>;

// What weights become for a run whose outputs nobody keeps. A solver's statistics bear errors of a
// percent, and no products are faster than those of bytes; the transforms' search for scales bears
// them less (docs/decisions/0024-gram-int8.md).
constexpr DType kRough = DType::int8;

// Steps [begin, end) of a stack whose matrices are quantized on what one run has seen.
struct Stage {
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::vector<Stage> stages_of(const StackPlan& stack, const Block& block, bool sequential) {
  if (!sequential) return {{block.begin, block.end}};
  std::vector<Stage> stages;
  for (std::size_t i = block.begin; i < block.end; ++i) {
    // A router is not quantized: what follows it need not wait for it.
    if (stack.steps[i].pieces.empty() || stack.steps[i].op == Op::route) continue;
    const bool routed = i > block.begin && stack.steps[i - 1].op == Op::route;
    stages.push_back({routed ? i - 1 : i, i + 1});
  }
  return stages;
}

class Quantizer {
 public:
  Quantizer(ModelFiles& files, const Recipe& recipe, const Types& types,
            const CalibrationOptions& options, BlockStore& store, ThreadPool& pool,
            const ProgressSink& progress, std::vector<std::string>& notes)
      : files_(files),
        recipe_(recipe),
        types_(types),
        options_(options),
        store_(store),
        pool_(pool),
        workers_(pool, select_dense(options.features).multiply),
        rough_workers_(pool, select_dense(options.features, Compute::bf16).multiply),
        progress_(progress),
        notes_(notes),
        runner_(files, options.samples, store.folder(), pool, options.features, [this] { tick(); }),
        blocks_(blocks_of(runner_.plan())) {
    for (const Sample& sample : options.samples) tokens_ += sample.size();
    if (recipe.needs_gram())
      gram_.emplace(runner_.plan().widest_input(), workers_, options.features);
  }

  void run() {
    for (std::size_t i = 0; i < store_.blocks(); ++i) store_.apply(i, files_);
    done_ = passes_before(std::min(store_.blocks(), blocks_.size())) * options_.samples.size();
    total_ = passes_before(blocks_.size()) * options_.samples.size();
    for (std::size_t i = store_.blocks(); i < blocks_.size(); ++i) quantize(blocks_[i]);
    if (store_.blocks() == blocks_.size()) quantize_tables();
  }

 private:
  // Runs over the samples that the blocks before `end` take.
  std::size_t passes_before(std::size_t end) const {
    const bool surveyed = options_.sequential && !recipe_.transforms.empty();
    std::size_t passes = end * ((surveyed ? 1 : 0) + (options_.original_inputs ? 0 : 1));
    for (const Block& block : std::span(blocks_).first(end)) {
      passes += stages_of(runner_.stack_of(block), block, options_.sequential).size();
    }
    return passes;
  }

  void tick() {
    ++done_;
    if (progress_) progress_("calibrating", done_, total_);
  }

  const WeightRef& ref(int weight) const {
    return runner_.plan().weights[static_cast<std::size_t>(weight)];
  }

  void quantize(const Block& block) {
    const StackPlan& stack = runner_.stack_of(block);
    runner_.begin(block);
    results_.clear();
    const std::vector<ModelTensor> sources = sources_of(block);
    BlockWeights weights(files_, runner_.plan(), pool_);
    bool transformed = recipe_.transforms.empty();
    const std::vector<Stage> stages = stages_of(stack, block, options_.sequential);
    for (const Stage& stage : stages) {
      if (!transformed && options_.sequential) {
        StatsTap all = watch(block, {block.begin, block.end}, false);
        transform(stack, block, all, weights);
        transformed = true;
      }
      const bool last = stage.end == stages.back().end;
      StatsTap inputs = watch(block, stage, options_.original_inputs && last);
      if (!transformed) transform(stack, block, inputs, weights);
      transformed = true;
      if (recipe_.refiner != nullptr) load_all(block, weights);
      for (std::size_t i = stage.begin; i < stage.end; ++i) solve(stack.steps[i], inputs);
    }
    if (recipe_.refiner != nullptr) refine(stack, block, weights);
    if (!options_.original_inputs) runner_.run(block, {.compute = std::nullopt, .keep = true});
    runner_.finish(block);
    store_.commit(results_);
    store_.apply(block.index, files_);
    results_.clear();
    for (const ModelTensor& tensor : sources) release_pages(files_, tensor);
  }

  // The block's tensors as the files hold them.
  std::vector<ModelTensor> sources_of(const Block& block) const {
    std::vector<ModelTensor> sources;
    for (const int weight : weights_of(runner_.plan(), block)) {
      const ModelTensor* tensor = files_.find(ref(weight).name);
      if (tensor != nullptr) sources.push_back(*tensor);
    }
    return sources;
  }

  // What the files hold now, before its codes take its place.
  void load_all(const Block& block, BlockWeights& weights) const {
    for (const int weight : weights_of(runner_.plan(), block)) {
      if (weights.has(weight)) weights.values(weight);
    }
  }

  void refine(const StackPlan& stack, const Block& block, BlockWeights& weights) {
    RefineTask task{.plan = runner_.plan(),
                    .stack = stack,
                    .block = block,
                    .weights = weights,
                    .rows = {},
                    .read = [&](std::size_t i, float* rows) { runner_.read(block, i, rows); },
                    .matrices = {},
                    .folder = store_.folder(),
                    .ops = select_rows(options_.features).ops,
                    .workers = rough_workers_,
                    .rules = recipe_.rules};
    for (const Sample& sample : options_.samples) task.rows.push_back(sample.size());
    for (const int weight : weights_of(runner_.plan(), block)) {
      const auto kept = std::find_if(results_.begin(), results_.end(), [&](const auto& tensor) {
        return tensor.name == ref(weight).name && is_quantized(tensor.dtype);
      });
      if (kept != results_.end()) task.matrices.push_back({weight, kept->dtype, kept->rows});
    }
    if (!task.matrices.empty()) recipe_.refiner->refine(task);
  }

  // One run over the samples, up to the end of the stage.
  StatsTap watch(const Block& block, const Stage& stage, bool keep) {
    StatsTap tap(runner_.plan(), runner_.stack_of(block).steps, stage.begin, stage.end,
                 gram_ ? &*gram_ : nullptr);
    tap.expect(tokens_);
    BlockPass pass{.compute = rounded_compute(options_.features), .tap = &tap, .keep = keep};
    if (!keep) {
      pass.end = stage.end;
      if (recipe_.transforms.empty()) pass.rounded = kRough;
    }
    runner_.run(block, pass);
    return tap;
  }

  // The transforms' weights take the place of the files', and changed vectors go into the result.
  void transform(const StackPlan& stack, const Block& block, StatsTap& inputs,
                 BlockWeights& weights) {
    BlockTask task{runner_.plan(), stack, block,    inputs,       weights,
                   types_,         pool_, workers_, recipe_.rules};
    for (const Method* method : recipe_.transforms) method->transform(task);
    weights.replace_in(files_);
    for (const auto& [weight, values] : weights.all()) {
      if (ref(weight).kind != WeightKind::vector) continue;
      keep({ref(weight).name, DType::f32, {ref(weight).n}, {}, 0.0}, values);
    }
  }

  void keep(StoredTensor tensor, const std::vector<float>& values) {
    const std::uint64_t columns = tensor.shape.back();
    const std::uint64_t rows = values.size() / columns;
    tensor.rows.resize(rows * row_bytes(tensor.dtype, columns).value());
    encode_whole_rows(info(tensor.dtype), values.data(), tensor.rows.data(), rows, columns);
    keep(std::move(tensor));
  }

  // In the files' place at once: the next stage sees it. Vectors' buffers stay where they are.
  void keep(StoredTensor tensor) {
    results_.push_back(std::move(tensor));
    const StoredTensor& kept = results_.back();
    files_.replace({kept.name, kept.dtype, kept.shape, "rows", false, kept.rows});
  }

  MatrixTask task_of(int weight) const {
    const WeightRef& matrix = ref(weight);
    return {matrix.name,
            matrix_values(files_.need(matrix.name), files_.checkpoint().path(), pool_),
            matrix.n,
            matrix.k,
            types_.at(matrix.name),
            recipe_.rules};
  }

  void solve(const Step& step, StatsTap& inputs) {
    std::vector<MatrixTask> tasks;
    for (const Piece& piece : step.pieces) {
      MatrixTask task = task_of(piece.weight);
      if (is_quantized(task.dtype)) {
        tasks.push_back(std::move(task));
      } else {
        keep({task.name, task.dtype, {task.n, task.k}, {}, 0.0}, task.weights);
      }
    }
    if (!tasks.empty()) solve(*recipe_.solver, tasks, inputs.of(step));
  }

  void solve(const Method& method, std::vector<MatrixTask>& tasks, InputStats& inputs) {
    if (!inputs.finite()) {
      fail_malformed(files_.checkpoint().path(),
                     fmt::format("the inputs of '{}' are not finite", tasks.front().name));
    }
    const bool starved = inputs.starved();
    std::vector<MatrixResult> results =
        starved ? rtn_round(tasks, pool_) : method.solve(tasks, inputs, workers_);
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      for (const std::string& note : results[i].notes) {
        notes_.push_back(fmt::format("{}: {}", tasks[i].name, note));
      }
      keep({tasks[i].name,
            tasks[i].dtype,
            {tasks[i].n, tasks[i].k},
            std::move(results[i].rows),
            results[i].error,
            inputs.even_share > 0.0 ? std::optional(inputs.rows) : std::nullopt,
            starved});
    }
  }

  // The head, which may be the embedding, too: a block of its own.
  void quantize_tables() {
    results_.clear();
    const int head = runner_.plan().head;
    if (head != kNoWeight && is_quantized(types_.at(ref(head).name))) {
      const Method& solver = recipe_.head_solver(types_.at(ref(head).name));
      InputStats inputs = head_inputs(runner_, pool_, solver.gram ? &*gram_ : nullptr);
      std::vector<MatrixTask> tasks;
      tasks.push_back(task_of(head));
      solve(solver, tasks, inputs);
    }
    store_.commit(results_);
    store_.apply(blocks_.size(), files_);
    results_.clear();
  }

  ModelFiles& files_;
  const Recipe& recipe_;
  const Types& types_;
  const CalibrationOptions& options_;
  BlockStore& store_;
  ThreadPool& pool_;
  DenseWorkers workers_;
  DenseWorkers rough_workers_;  // for signs of gradients, which need no more than bfloat16
  const ProgressSink& progress_;
  std::vector<std::string>& notes_;
  BlockRunner runner_;
  std::optional<GramSum> gram_;
  std::vector<Block> blocks_;
  std::vector<StoredTensor> results_;
  std::uint64_t tokens_ = 0;  // of all samples
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace

void quantize_blocks(ModelFiles& files, const Recipe& recipe, const Types& types,
                     const CalibrationOptions& options, BlockStore& store, ThreadPool& pool,
                     const ProgressSink& progress, std::vector<std::string>& notes) {
  Quantizer(files, recipe, types, options, store, pool, progress, notes).run();
}

}  // namespace halfbyte
