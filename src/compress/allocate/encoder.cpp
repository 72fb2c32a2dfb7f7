#include "compress/allocate/encoder.h"

#include <algorithm>

#include "compress/rtn.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kSampledRows = 64;  // of a matrix, evenly from all over it

MatrixTask sampled(MatrixTask task) {
  const std::uint64_t rows = std::min(task.n, kSampledRows);
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::uint64_t from = row * task.n / rows;
    std::copy_n(task.weights.data() + from * task.k, task.k, task.weights.data() + row * task.k);
  }
  task.weights.resize(rows * task.k);
  task.n = rows;
  return task;
}

// Sum of the squared outputs, with the inputs taken as uncorrelated.
double energy_of(const MatrixTask& task, const std::vector<float>& mean_squares) {
  double sum = 0.0;
  for (std::uint64_t i = 0; i < task.n * task.k; ++i) {
    sum += double{task.weights[i]} * double{task.weights[i]} * double{mean_squares[i % task.k]};
  }
  return sum;
}

}  // namespace

GroupEncoder::GroupEncoder(const Probe& probe, ErrorShares shares)
    : probe_(probe),
      shares_(shares),
      workers_(probe.pool(), select_dense(probe.features()).multiply) {}

// A table that is only looked up has no inputs: all columns are the same to it.
InputStats GroupEncoder::inputs_of(const Group& group) const {
  if (group.step != nullptr) return probe_.inputs_of(*group.step);
  if (group.weights.front() == probe_.plan().head) return probe_.head_inputs();
  InputStats inputs;
  inputs.k = probe_.plan().weights[static_cast<std::size_t>(group.weights.front())].k;
  inputs.rows = 1;
  inputs.square.assign(inputs.k, 1.0);
  return inputs;
}

MatrixTask GroupEncoder::task_of(int weight, DType type) const {
  const WeightRef& ref = probe_.plan().weights[static_cast<std::size_t>(weight)];
  return {ref.name, probe_.values_of(weight), ref.n, ref.k, type, {}};
}

// A table that is only looked up is rounded, whatever the method.
double GroupEncoder::share_of(const Group& group) const {
  if (group.step != nullptr) return shares_.blocks;
  return group.weights.front() == probe_.plan().head ? shares_.head : 1.0;
}

Changes GroupEncoder::encode(const Group& group, DType type) {
  InputStats inputs = inputs_of(group);
  const double share = share_of(group);
  Changes changes;
  for (const int weight : group.weights) {
    std::vector<MatrixTask> tasks;
    tasks.push_back(task_of(weight, type));
    std::vector<std::byte> rows = std::move(rtn_solve(tasks, inputs, workers_).front().rows);
    changes.push_back(
        std::make_shared<const ChangedTensor>(ChangedTensor{weight, type, std::move(rows), share}));
  }
  return changes;
}

std::vector<double> GroupEncoder::errors(const Group& group) {
  InputStats inputs = inputs_of(group);
  const std::vector<float> mean_squares = inputs.mean_square();
  std::vector<double> errors(group.types.size());
  for (const int weight : group.weights) {
    std::vector<MatrixTask> tasks;
    tasks.push_back(sampled(task_of(weight, DType::f32)));
    const double energy = energy_of(tasks.front(), mean_squares);
    for (std::size_t i = 0; i < errors.size(); ++i) {
      tasks.front().dtype = group.types[i];
      const double relative = rtn_solve(tasks, inputs, workers_).front().error;
      errors[i] += relative * relative * energy;
    }
  }
  return errors;
}

}  // namespace halfbyte
