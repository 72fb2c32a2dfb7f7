// What calibration saw of the inputs of linear steps.
#pragma once

#include <cstdint>
#include <vector>

#include "compress/gram.h"
#include "runtime/execute.h"

namespace halfbyte {

// An expert that gets less than this part of an even share of the rows is starved.
constexpr double kLeastShare = 0.005;

// Sums over all rows x [k] of one linear step's input.
struct InputStats {
  // Nothing seen yet.
  static InputStats of_width(std::uint64_t k, bool with_gram);
  // Adds x [rows, k], `stride` floats from row to row. On all threads of a region, as GramSum::add;
  // `sums` computes the Gram matrix where there is one.
  void add(const float* x, std::uint64_t stride, std::uint64_t x_rows, GramSum* sums,
           std::size_t thread, Team& team);
  // A matrix whose rows are looked up, too, as embeddings: there an error counts by itself,
  // whatever the column. It is given as much weight as the inputs have on average, in the Gram
  // matrix.
  void add_lookups();

  std::uint64_t k = 0;
  std::uint64_t rows = 0;
  double even_share = 0.0;        // rows if all experts were used alike; 0: no expert's
  std::vector<double> square;     // of x^2, [k]
  std::vector<double> magnitude;  // of |x|, [k]
  std::vector<float> peak;        // max |x|, [k]
  std::vector<float> gram;        // of x x^T, [k, k]: its lower triangle; empty unless asked for

  std::vector<float> mean_square() const;
  std::vector<float> mean_magnitude() const;
  bool finite() const;
  // An expert that saw so few rows, or none, that they tell nothing of what it will see.
  bool starved() const { return static_cast<double>(rows) < kLeastShare * even_share; }
};

// Gathers statistics of the steps of one stack that it is told to watch.
class StatsTap final : public InputTap {
 public:
  // Steps [begin, end) of `steps`; linear ones are watched. `gram`: computes Gram matrices;
  // nullptr: there are none.
  StatsTap(const Plan& plan, const std::vector<Step>& steps, std::size_t begin, std::size_t end,
           GramSum* gram);
  // So many rows will pass: what each expert's even share is a part of.
  void expect(std::uint64_t rows);

  void see(const Step& step, const float* x, std::uint64_t stride, std::uint64_t rows,
           std::uint64_t k, std::size_t thread, Team& team) override;
  // Of a step among those watched.
  const InputStats& of(const Step& step) const;
  InputStats& of(const Step& step);

 private:
  struct Watched {
    const Step* step;
    double share;  // of the rows, where it is less than all
    InputStats stats;
  };
  Watched* find(const Step& step);

  GramSum* gram_;
  std::vector<Watched> watched_;
};

}  // namespace halfbyte
