#include "compress/gptq_method.h"

#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/gptq.h"

namespace halfbyte {

namespace {

const Grid& need_grid(const MatrixTask& task) {
  const Grid* const grid = find_grid(task.dtype, task.rules);
  if (grid == nullptr) {
    fail_usage(fmt::format("gptq cannot choose codes of {} yet", name(task.dtype)));
  }
  return *grid;
}

std::vector<std::string> notes_of(const GptqReport& report, const HessianOptions& asked) {
  std::vector<std::string> notes;
  if (report.rounded) {
    notes.push_back("its inputs depend on each other too much for gptq: rounded to nearest");
  } else if (report.damping > asked.damping) {
    notes.push_back(
        fmt::format("needed a damping of {} instead of {}", report.damping, asked.damping));
  }
  return notes;
}

}  // namespace

std::vector<MatrixResult> gptq_solve(std::vector<MatrixTask>& matrices, InputStats& inputs,
                                     DenseWorkers& workers) {
  const HessianOptions asked{.descending = true};
  const GptqHessian hessian(workers, inputs.gram.data(), inputs.k, asked);
  std::vector<MatrixResult> results;
  for (const MatrixTask& matrix : matrices) {
    MatrixResult& result = results.emplace_back();
    result.rows.resize(matrix.n * row_bytes(matrix.dtype, matrix.k).value());
    GptqTask task{.weights = matrix.weights.data(), .n = matrix.n};
    task.grid = &need_grid(matrix);
    task.encoded = result.rows.data();
    const GptqReport report = gptq(workers, hessian, task, {});
    result.error = std::sqrt(report.relative());
    result.notes = notes_of(report, asked);
  }
  return results;
}

}  // namespace halfbyte
