#include "compress/calibrate/input_stats.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/thread_pool.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kColumns = 16;  // that a thread takes at once

std::vector<float> mean_of(const std::vector<double>& sums, std::uint64_t rows) {
  std::vector<float> means(sums.size());
  const double count = rows > 0 ? static_cast<double>(rows) : 1.0;
  std::transform(sums.begin(), sums.end(), means.begin(),
                 [count](double sum) { return static_cast<float>(sum / count); });
  return means;
}

// Columns [begin, end): each sum takes the rows in their order, whoever computes it.
void add_columns(InputStats& stats, const float* x, std::uint64_t stride, std::uint64_t rows,
                 std::uint64_t begin, std::uint64_t end) {
  for (std::uint64_t row = 0; row < rows; ++row) {
    const float* const values = x + row * stride;
    for (std::uint64_t i = begin; i < end; ++i) {
      const float magnitude = std::fabs(values[i]);
      stats.square[i] += double{magnitude} * double{magnitude};
      stats.magnitude[i] += double{magnitude};
      stats.peak[i] = std::max(stats.peak[i], magnitude);
    }
  }
}

}  // namespace

std::vector<float> InputStats::mean_square() const {
  return mean_of(square, rows);
}

std::vector<float> InputStats::mean_magnitude() const {
  return mean_of(magnitude, rows);
}

bool InputStats::finite() const {
  return std::all_of(square.begin(), square.end(), [](double sum) { return std::isfinite(sum); });
}

StatsTap::StatsTap(const Plan& plan, const std::vector<Step>& steps, std::size_t begin,
                   std::size_t end, bool gram) {
  for (std::size_t i = begin; i < end; ++i) {
    if (steps[i].pieces.empty()) continue;
    InputStats stats;
    stats.k = plan.weights[static_cast<std::size_t>(steps[i].pieces[0].weight)].k;
    stats.square.resize(stats.k);
    stats.magnitude.resize(stats.k);
    stats.peak.resize(stats.k);
    if (gram) stats.gram.resize(stats.k * stats.k);
    watched_.push_back({&steps[i], std::move(stats)});
  }
}

StatsTap::Watched* StatsTap::find(const Step& step) {
  const auto found = std::find_if(watched_.begin(), watched_.end(),
                                  [&](const Watched& watched) { return watched.step == &step; });
  return found == watched_.end() ? nullptr : &*found;
}

InputStats& StatsTap::of(const Step& step) {
  Watched* const watched = find(step);
  assert(watched != nullptr);
  return watched->stats;
}

const InputStats& StatsTap::of(const Step& step) const {
  return const_cast<StatsTap*>(this)->of(step);
}

void StatsTap::see(const Step& step, const float* x, std::uint64_t stride, std::uint64_t rows,
                   std::uint64_t k, std::size_t thread, std::size_t threads) {
  Watched* const watched = find(step);
  if (watched == nullptr) return;
  InputStats& stats = watched->stats;
  const Range mine = split_range(k, threads, thread, kColumns);
  add_columns(stats, x, stride, rows, mine.begin, mine.end);
  if (thread == 0) stats.rows += rows;
}

}  // namespace halfbyte
