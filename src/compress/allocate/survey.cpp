#include "compress/allocate/survey.h"

#include <algorithm>
#include <optional>

#include "compress/allocate/type_errors.h"
#include "compress/calibrate/block_task.h"
#include "compress/calibrate/head_inputs.h"
#include "compress/calibrate/matrix_values.h"
#include "kernels/registry.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kTokens = 8192;  // that are looked at, at most
constexpr std::size_t kRowsAtOnce = 8;

// Evenly from all over the text.
std::vector<Sample> some_of(const std::vector<Sample>& all) {
  std::uint64_t tokens = 0;
  for (const Sample& sample : all) tokens += sample.size();
  if (tokens <= kTokens) return all;
  const std::size_t count = std::max<std::size_t>(all.size() * kTokens / tokens, 1);
  std::vector<Sample> some;
  for (std::size_t i = 0; i < count; ++i) some.push_back(all[i * all.size() / count]);
  return some;
}

class Surveyor {
 public:
  Surveyor(const SurveyRequest& request, ThreadPool& pool,
           const std::function<void(const SurveyedGroup&)>& see)
      : request_(request),
        pool_(pool),
        see_(see),
        workers_(pool, select_dense(request.calibration.features).multiply),
        samples_(some_of(request.calibration.samples)),
        runner_(request.source, samples_, request.folder, pool, request.calibration.features,
                [] {}) {
    if (request.recipe.needs_gram()) {
      gram_.emplace(runner_.plan().widest_input(), workers_, request.calibration.features);
    }
    for (std::size_t i = 0; i < request.groups.size(); ++i) {
      for (const int weight : request.groups[i].weights) types_[ref(weight).name] = type_of(i);
    }
  }

  void run() {
    for (const Block& block : blocks_of(runner_.plan())) try_block(block);
    try_head();
  }

 private:
  const WeightRef& ref(int weight) const {
    return runner_.plan().weights[static_cast<std::size_t>(weight)];
  }
  DType type_of(std::size_t group) const {
    return request_.groups[group].types[request_.probed[group]];
  }
  GramSum* gram() { return gram_ ? &*gram_ : nullptr; }

  void try_block(const Block& block) {
    const StackPlan& stack = runner_.stack_of(block);
    StatsTap inputs(runner_.plan(), stack.steps, block.begin, block.end, gram());
    runner_.begin(block);
    runner_.run(
        block,
        {.compute = rounded_compute(request_.calibration.features), .tap = &inputs, .keep = true});
    runner_.finish(block);
    BlockWeights weights(request_.source, runner_.plan(), pool_);
    BlockTask task{runner_.plan(),       stack, block, inputs, weights, types_, pool_, workers_,
                   request_.recipe.rules};
    for (const Method* method : request_.recipe.transforms) method->transform(task);
    for (std::size_t i = block.begin; i < block.end; ++i) {
      const Step& step = stack.steps[i];
      if (step.pieces.empty()) continue;
      try_groups(groups_of(step), *request_.recipe.solver, inputs.of(step), weights);
    }
    for (const int weight : weights_of(runner_.plan(), block)) release(weight);
  }

  void try_head() {
    const std::vector<Group>& groups = request_.groups;
    const auto head = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
      return group.step == nullptr && group.weights.front() == runner_.plan().head;
    });
    if (head == groups.end()) return;
    const auto index = static_cast<std::size_t>(head - groups.begin());
    const Method& solver = request_.recipe.head_solver(type_of(index));
    if (!solver.gram) return;  // it is rounded
    InputStats inputs = head_inputs(runner_, pool_, gram());
    BlockWeights weights(request_.source, runner_.plan(), pool_);
    try_groups({index}, solver, inputs, weights);
    release(runner_.plan().head);
  }

  // Those whose matrices are the step's.
  std::vector<std::size_t> groups_of(const Step& step) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < request_.groups.size(); ++i) {
      const Group& group = request_.groups[i];
      const bool has = std::any_of(step.pieces.begin(), step.pieces.end(), [&](const Piece& piece) {
        return piece.weight == group.weights.front();
      });
      if (group.step != nullptr && has) found.push_back(i);
    }
    return found;
  }

  // Groups that have the same inputs; these are used up.
  void try_groups(const std::vector<std::size_t>& groups, const Method& solver, InputStats& inputs,
                  BlockWeights& weights) {
    if (!inputs.finite()) return;  // whoever quantizes will say so
    std::vector<SurveyedGroup> surveyed;
    std::vector<MatrixTask> tasks;
    for (const std::size_t group : groups) {
      if (!is_quantized(type_of(group))) continue;
      surveyed.push_back({group, {}, errors_of(group, inputs, weights)});
      for (const int weight : request_.groups[group].weights) {
        tasks.push_back(task_of(weight, weights, type_of(group)));
      }
    }
    if (tasks.empty()) return;
    std::vector<MatrixResult> results = solver.solve(tasks, inputs, workers_);
    std::size_t next = 0;
    for (SurveyedGroup& one : surveyed) {
      for (const int weight : request_.groups[one.group].weights) {
        one.changes.push_back(
            change_of(weight, weights.values(weight), tasks[next].dtype, results[next].rows));
        ++next;
      }
      see_(one);
    }
  }

  MatrixTask task_of(int weight, BlockWeights& weights, DType type) const {
    const WeightRef& matrix = ref(weight);
    return {matrix.name, weights.values(weight), matrix.n, matrix.k, type, request_.recipe.rules};
  }

  std::vector<double> errors_of(std::size_t group, InputStats& inputs, BlockWeights& weights) {
    const Group& asked = request_.groups[group];
    std::vector<double> errors(asked.types.size());
    for (const int weight : asked.weights) {
      add_type_errors(task_of(weight, weights, DType::f32), asked.types, inputs, workers_, errors);
    }
    return errors;
  }

  // A matrix with its scales taken back: transforms multiply each weight, and its error so.
  std::shared_ptr<const ChangedTensor> change_of(int weight, const std::vector<float>& transformed,
                                                 DType type, const std::vector<std::byte>& rows) {
    const WeightRef& matrix = ref(weight);
    std::vector<float> values = matrix_values(request_.source.need(matrix.name),
                                              request_.source.checkpoint().path(), pool_);
    const TensorView view{matrix.name, type, {matrix.n, matrix.k}, rows};
    const std::uint64_t bytes = matrix.k * info(DType::bf16).block_bytes;
    ChangedTensor changed{weight, DType::bf16, std::vector<std::byte>(matrix.n * bytes)};
    pool_.parallel_for(matrix.n, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
      std::vector<float> row(matrix.k);
      for (std::size_t i = begin; i < end; ++i) {
        decode_rows(view, i, i + 1, row.data());
        float* const own = &values[i * matrix.k];
        const float* const before = &transformed[i * matrix.k];
        for (std::uint64_t j = 0; j < matrix.k; ++j) {
          if (before[j] != 0.0f) own[j] *= row[j] / before[j];
        }
        encode_whole_rows(info(DType::bf16), own, &changed.rows[i * bytes], 1, matrix.k);
      }
    });
    return std::make_shared<const ChangedTensor>(std::move(changed));
  }

  void release(int weight) const {
    const ModelTensor* const tensor = request_.source.find(ref(weight).name);
    if (tensor != nullptr) release_pages(request_.source, *tensor);
  }

  const SurveyRequest& request_;
  ThreadPool& pool_;
  const std::function<void(const SurveyedGroup&)>& see_;
  DenseWorkers workers_;
  std::vector<Sample> samples_;
  BlockRunner runner_;
  std::optional<GramSum> gram_;
  std::unordered_map<std::string, DType> types_;  // of all matrices, by name
};

}  // namespace

void survey(const SurveyRequest& request, ThreadPool& pool,
            const std::function<void(const SurveyedGroup&)>& see) {
  Surveyor(request, pool, see).run();
}

}  // namespace halfbyte
