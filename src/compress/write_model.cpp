#include "compress/write_model.h"

#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/group_jobs.h"
#include "compress/mixes.h"
#include "compress/module_tensors.h"
#include "compress/stream.h"

namespace halfbyte {

namespace {

namespace fs = std::filesystem;

// True if `inner` is `outer` or lies in it. Both are real paths.
bool is_within(const fs::path& inner, const fs::path& outer) {
  const auto [rest, ignored] =
      std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return rest == outer.end();
}

bool looks_like_model(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_empty(folder, ignored) || fs::exists(folder / "bundle.json", ignored) ||
         fs::exists(folder / "config.json", ignored);
}

// The type of most weights, vectors aside.
DType main_type(const std::vector<TensorJob>& jobs) {
  std::array<std::uint64_t, 64> counts{};
  DType best = DType::f32;
  for (const TensorJob& job : jobs) {
    if (job.role != Role::matrix) continue;
    std::uint64_t& count = counts[static_cast<std::size_t>(job.dtype)];
    count += element_count(job.shape).value();
    if (count > counts[static_cast<std::size_t>(best)]) best = job.dtype;
  }
  return best;
}

std::uint64_t bytes_to_read(const std::vector<TensorJob>& jobs) {
  std::uint64_t bytes = 0;
  for (const TensorJob& job : jobs) bytes += job.source != nullptr ? job.source->data.size() : 0;
  return bytes;
}

double bits_per_weight(const OutputPlan& plan) {
  double bits = 0.0;
  double weights = 0.0;
  for (const TensorJob& job : plan.jobs) {
    bits += 8.0 * static_cast<double>(stored_bytes(plan.target, job, plan.rules));
    weights += static_cast<double>(element_count(job.shape).value());
  }
  return weights > 0.0 ? bits / weights : 0.0;
}

}  // namespace

// The output replaces what is at its path, so that must not be the source, nor hold it, nor be a
// folder of other things.
void check_output(const std::string& source, const std::string& out, bool folder) {
  std::error_code error;
  if (out.empty()) fail_usage("the output has no name");
  if (!fs::exists(out, error)) return;
  const fs::path from = fs::canonical(source, error);
  const fs::path to = fs::canonical(out, error);
  if (error) return;
  if (from == to) fail_usage(fmt::format("{} is the input, too", out));
  if (!folder) return;
  if (is_within(from, to)) fail_usage(fmt::format("{} holds the input and would be replaced", out));
  if (fs::is_directory(to, error) && !looks_like_model(to)) {
    fail_usage(fmt::format("{} is a folder that holds no model; it will not be replaced", out));
  }
}

CompressReport write_model(const WriteRequest& request, ThreadPool& pool,
                           const ProgressSink& progress) {
  const auto start = std::chrono::steady_clock::now();
  const ModelFiles& source = request.source;
  check_output(source.checkpoint().path(), request.out, request.target.folder);
  CompressReport report;
  OutputPlan plan{.target = request.target,
                  .source = source,
                  .tokenizer = request.tokenizer,
                  .path = request.out,
                  .spec = request.target.conventions(source.spec()),
                  .jobs = {},
                  .main_type = DType::f32,
                  .file_type = 0,
                  .method = request.method_json,
                  .options = request.options};
  plan.jobs = make_jobs(source, request.target, plan.spec, request.policy, report.notes);
  plan.main_type = main_type(plan.jobs);
  plan.rules = common_rules(request.target, plan.jobs);
  plan.file_type = request.policy.file_type.value_or(gguf_file_type(plan.main_type));
  report.bytes_in = source.checkpoint().bytes();
  report.bits_per_weight = bits_per_weight(plan);

  const std::unique_ptr<Output> output = request.target.open(plan, report.notes);
  Streamer streamer(source.checkpoint(), *output, request.encode, request.finite, pool, progress,
                    request.what, bytes_to_read(plan.jobs));
  for (const TensorJob& job : plan.jobs) {
    const double error = streamer.write(job);
    if (!std::isfinite(error)) {
      report.notes.push_back(fmt::format(
          "{}: some of its weights are not finite, or too large for {}", job.own, name(job.dtype)));
    }
    if (job.role != Role::vector) report.layers.push_back({job.own, job.dtype, error});
  }
  streamer.flush();
  report.bytes_out = output->finish(report);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  report.seconds = elapsed.count();
  return report;
}

}  // namespace halfbyte
