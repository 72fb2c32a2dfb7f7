#include "compress/gptq.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/gptq_pass.h"
#include "compress/gptq_refine.h"

namespace halfbyte {
namespace {

// Gives the rows their codes; returns their errors (of the undamped H).
using Solve = std::function<std::vector<double>(const GptqContext& context, GptqRows& rows)>;

constexpr std::size_t kMostRows = 64;  // at once; more do not fit the L2 cache beside H

std::size_t rows_at_once(std::size_t n, std::size_t threads) {
  return std::clamp<std::size_t>(n / (4 * threads), 1, kMostRows);
}

void check(const GptqHessian& hessian, const GptqTask& task) {
  if (hessian.size() % task.grid->block == 0) return;
  fail_usage(fmt::format("rows of {} weights are no multiple of the {} of a block of {}",
                         hessian.size(), task.grid->block, name(task.grid->dtype)));
}

struct Errors {
  std::vector<double> error;  // by row
  std::vector<double> size;
};

void solve_rows(const GptqContext& context, const GptqTask& task, const Solve& solve,
                std::size_t begin, std::size_t count, Errors& errors) {
  const std::size_t k = context.hessian.size();
  GptqRows rows(context, task.weights + begin * k, count);
  const std::vector<double> error = solve(context, rows);
  const std::vector<double> size = quadratic_forms(context, rows.weights(0), count);
  const std::size_t bytes = row_bytes(task.grid->dtype, k).value();
  for (std::size_t row = 0; row < count; ++row) {
    errors.error[begin + row] = error[row];
    errors.size[begin + row] = size[row];
    rows.encode(row, task.encoded + (begin + row) * bytes);
    if (task.dequantized != nullptr) rows.decode(row, task.dequantized + (begin + row) * k);
  }
}

GptqReport solve_all(DenseWorkers& workers, const GptqHessian& hessian, const GptqTask& task,
                     const Solve& solve) {
  check(hessian, task);
  Errors errors = {std::vector<double>(task.n), std::vector<double>(task.n)};
  const std::size_t chunk = rows_at_once(task.n, workers.pool().size());
  workers.for_each((task.n + chunk - 1) / chunk, [&](std::size_t thread, std::size_t item) {
    const std::size_t begin = item * chunk;
    const GptqContext context = {workers, thread, hessian, *task.grid};
    solve_rows(context, task, solve, begin, std::min(chunk, task.n - begin), errors);
  });
  GptqReport report;
  report.error = std::accumulate(errors.error.begin(), errors.error.end(), 0.0);
  report.size = std::accumulate(errors.size.begin(), errors.size.end(), 0.0);
  report.damping = hessian.damping();
  report.dead = hessian.dead_columns();
  return report;
}

std::vector<double> round_rows(const GptqContext& context, GptqRows& rows) {
  rows.fit(context.hessian.importance());
  rows.round();
  return quadratic_forms(context, rows.errors(0), rows.rows());
}

// What damping adds to the error of a row.
double damping_of(const GptqHessian& hessian, const float* errors) {
  double sum = 0.0;
  for (std::size_t i = 0; i < hessian.size(); ++i) {
    const double added = static_cast<double>(hessian.importance()[i]) - hessian.diagonal()[i];
    sum += added * errors[i] * errors[i];
  }
  return sum;
}

std::vector<double> solve_rows_by_gptq(const GptqContext& context, const GptqOptions& options,
                                       GptqRows& rows) {
  const GptqHessian& hessian = context.hessian;
  const std::span<const float> importance =
      options.pivot_importance ? hessian.pivots() : hessian.importance();
  const bool by_row = context.grid.by_row();  // the row's scales stay as they were fitted
  const bool dynamic = options.dynamic_scales && !hessian.descending() && !by_row;
  const int refits = by_row ? 0 : options.refits;
  dynamic ? rows.scale_rows(importance) : rows.fit(importance);
  std::vector<double> errors = gptq_pass(context, importance, dynamic, rows);
  for (int i = 0; i < std::max(refits, options.sweeps); ++i) {
    const std::vector<double> gains = gptq_refine(context, i < refits, i < options.sweeps, rows);
    for (std::size_t row = 0; row < rows.rows(); ++row) errors[row] -= gains[row];
  }
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    errors[row] = std::max(errors[row] - damping_of(hessian, rows.errors(row)), 0.0);
  }
  return errors;
}

}  // namespace

GptqReport gptq(DenseWorkers& workers, const GptqHessian& hessian, const GptqTask& task,
                const GptqOptions& options) {
  if (!hessian.factored()) return round_to_nearest(workers, hessian, task);
  return solve_all(workers, hessian, task, [&](const GptqContext& context, GptqRows& rows) {
    return solve_rows_by_gptq(context, options, rows);
  });
}

GptqReport round_to_nearest(DenseWorkers& workers, const GptqHessian& hessian,
                            const GptqTask& task) {
  GptqReport report = solve_all(workers, hessian, task, round_rows);
  report.rounded = true;
  return report;
}

}  // namespace halfbyte
