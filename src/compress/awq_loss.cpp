#include "compress/awq_loss.h"

#include <algorithm>

#include "compress/round_rows.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kRowsAtOnce = 32;

// Rows [begin, end) of the chosen ones of a matrix, to be rounded with one candidate's scales.
struct Item {
  std::size_t candidate = 0;
  std::size_t matrix = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class Losses {
 public:
  Losses(const AwqProblem& problem, std::span<const std::vector<float>> scales, std::uint64_t rows,
         DenseWorkers& workers)
      : problem_(problem),
        scales_(scales),
        rows_(rows),
        workers_(workers),
        importance_(problem.inputs.mean_square()) {}

  std::vector<double> compute() {
    const std::vector<Item> items = items_of();
    std::vector<double> sums(items.size());
    workers_.for_each(items.size(), [&](std::size_t thread, std::size_t i) {
      sums[i] = loss_of(items[i], thread);
    });
    std::vector<double> losses(scales_.size());
    for (std::size_t i = 0; i < items.size(); ++i) losses[items[i].candidate] += sums[i];
    return losses;
  }

 private:
  std::uint64_t chosen_rows(std::size_t matrix) const {
    return std::min(rows_, problem_.matrices[matrix].n);
  }

  std::vector<Item> items_of() const {
    std::vector<Item> items;
    for (std::size_t candidate = 0; candidate < scales_.size(); ++candidate) {
      for (std::size_t matrix = 0; matrix < problem_.matrices.size(); ++matrix) {
        const std::uint64_t rows = chosen_rows(matrix);
        for (std::uint64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
          items.push_back({candidate, matrix, begin, std::min(rows, begin + kRowsAtOnce)});
        }
      }
    }
    return items;
  }

  // The part of the candidate's loss that these rows stand for.
  double loss_of(const Item& item, std::size_t thread) {
    const std::uint64_t k = problem_.inputs.k;
    const AwqMatrix& matrix = problem_.matrices[item.matrix];
    const std::uint64_t count = item.end - item.begin;
    const std::uint64_t rows = chosen_rows(item.matrix);
    std::vector<float> factors(k);
    for (std::uint64_t j = 0; j < k; ++j) {
      factors[j] = scales_[item.candidate][problem_.fold.channel_of(j)];
    }
    std::vector<float> differences(count * k);
    RoundRow round(matrix.dtype, matrix.rules, importance_, factors);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t row = (item.begin + i) * matrix.n / rows;
      round.difference(matrix.values + row * k, &differences[i * k]);
    }
    const double share = static_cast<double>(matrix.n) / static_cast<double>(rows);
    return share * squared_outputs(differences, count, thread);
  }

  // The sum over rows d of d G d^T.
  double squared_outputs(const std::vector<float>& differences, std::uint64_t rows,
                         std::size_t thread) {
    const std::uint64_t k = problem_.inputs.k;
    std::vector<float> products(rows * k);
    workers_.multiply(thread, {{differences.data(), k, 1},
                               {problem_.inputs.gram.data(), k, 1},
                               products.data(),
                               k,
                               rows,
                               k,
                               k});
    double sum = 0.0;
    for (std::size_t i = 0; i < products.size(); ++i) {
      sum += double{differences[i]} * double{products[i]};
    }
    return sum;
  }

  const AwqProblem& problem_;
  std::span<const std::vector<float>> scales_;
  std::uint64_t rows_;
  DenseWorkers& workers_;
  std::vector<float> importance_;
};

}  // namespace

std::vector<double> awq_losses(const AwqProblem& problem,
                               std::span<const std::vector<float>> scales, std::uint64_t rows,
                               DenseWorkers& workers) {
  return Losses(problem, scales, rows, workers).compute();
}

}  // namespace halfbyte
