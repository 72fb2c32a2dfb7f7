#include "compress/calibrate/input_stats.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/thread_pool.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kColumns = 64;  // that a thread takes at once
constexpr std::uint64_t kRows = 64;     // that are summed in f32

std::vector<float> mean_of(const std::vector<double>& sums, std::uint64_t rows) {
  std::vector<float> means(sums.size());
  const double count = rows > 0 ? static_cast<double>(rows) : 1.0;
  std::transform(sums.begin(), sums.end(), means.begin(),
                 [count](double sum) { return static_cast<float>(sum / count); });
  return means;
}

// kColumns columns of a few rows, in f32: each sum takes the rows in their order.
struct ColumnSums {
  float square[kColumns] = {};
  float magnitude[kColumns] = {};
  float peak[kColumns] = {};

  void add(const float* values, std::size_t columns) {
    if (columns == kColumns) {
      for (std::size_t i = 0; i < kColumns; ++i) add_one(values[i], i);
    } else {
      for (std::size_t i = 0; i < columns; ++i) add_one(values[i], i);
    }
  }
  void add_one(float x, std::size_t i) {
    const float value = std::fabs(x);
    square[i] += value * value;
    magnitude[i] += value;
    peak[i] = std::max(peak[i], value);
  }
};

// Columns [begin, begin + kColumns) as far as there are, whoever takes them.
void add_columns(InputStats& stats, const float* x, std::uint64_t stride, std::uint64_t rows,
                 std::uint64_t begin) {
  const std::uint64_t columns = std::min(kColumns, stats.k - begin);
  for (std::uint64_t row = 0; row < rows; row += kRows) {
    ColumnSums sums;
    const std::uint64_t end = std::min(rows, row + kRows);
    for (std::uint64_t r = row; r < end; ++r) sums.add(x + r * stride + begin, columns);
    for (std::uint64_t i = 0; i < columns; ++i) {
      stats.square[begin + i] += double{sums.square[i]};
      stats.magnitude[begin + i] += double{sums.magnitude[i]};
      stats.peak[begin + i] = std::max(stats.peak[begin + i], sums.peak[i]);
    }
  }
}

}  // namespace

InputStats InputStats::of_width(std::uint64_t k, bool with_gram) {
  InputStats stats;
  stats.k = k;
  stats.square.resize(k);
  stats.magnitude.resize(k);
  stats.peak.resize(k);
  if (with_gram) stats.gram.resize(k * k);
  return stats;
}

void InputStats::add(const float* x, std::uint64_t stride, std::uint64_t x_rows, GramSum* sums,
                     std::size_t thread, Team& team) {
  const Range mine = split_range(k, team.size(), thread, kColumns);
  for (std::uint64_t i = mine.begin; i < mine.end; i += kColumns) {
    add_columns(*this, x, stride, x_rows, i);
  }
  if (thread == 0) rows += x_rows;
  if (!gram.empty()) sums->add(x, stride, x_rows, k, gram.data(), thread, team);
}

void InputStats::add_lookups() {
  if (gram.empty()) return;
  double sum = 0.0;
  for (std::uint64_t i = 0; i < k; ++i) sum += double{gram[i * k + i]};
  const auto mean = static_cast<float>(sum / static_cast<double>(k));
  for (std::uint64_t i = 0; i < k; ++i) gram[i * k + i] += mean;
}

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
                   std::size_t end, GramSum* gram)
    : gram_(gram) {
  for (std::size_t i = begin; i < end; ++i) {
    if (steps[i].pieces.empty()) continue;
    const WeightRef& ref = plan.weights[static_cast<std::size_t>(steps[i].pieces[0].weight)];
    watched_.push_back({&steps[i], ref.share, InputStats::of_width(ref.k, gram != nullptr)});
  }
}

void StatsTap::expect(std::uint64_t rows) {
  for (Watched& watched : watched_) {
    if (watched.share < 1.0) watched.stats.even_share = watched.share * static_cast<double>(rows);
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
                   std::uint64_t /*k*/, std::size_t thread, Team& team) {
  Watched* const watched = find(step);
  if (watched != nullptr) watched->stats.add(x, stride, rows, gram_, thread, team);
}

}  // namespace halfbyte
