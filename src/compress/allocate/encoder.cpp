#include "compress/allocate/encoder.h"

#include "compress/allocate/type_errors.h"
#include "compress/rtn.h"

namespace halfbyte {

GroupEncoder::GroupEncoder(const Probe& probe)
    : probe_(probe), workers_(probe.pool(), select_dense(probe.features()).multiply) {}

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

Changes GroupEncoder::encode(const Group& group, DType type, double share) {
  InputStats inputs = inputs_of(group);
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
  std::vector<double> errors(group.types.size());
  for (const int weight : group.weights) {
    add_type_errors(task_of(weight, DType::f32), group.types, inputs, workers_, errors);
  }
  return errors;
}

}  // namespace halfbyte
