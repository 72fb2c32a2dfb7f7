// Matrices and inputs for the tests of GPTQ: random, but with inputs that depend on each other and
// differ in size, without which there is nothing to gain over rounding.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <random>
#include <vector>

#include "compress/gptq.h"
#include "kernels/registry.h"

namespace halfbyte::test {

struct GptqCase {
  std::size_t n;
  std::size_t k;
  std::vector<float> weights;  // [n, k]
  std::vector<float> hessian;  // [k, k]

  // H of `inputs` vectors.
  GptqCase(std::size_t rows, std::size_t columns, std::size_t inputs, std::size_t seed = 0)
      : n(rows), k(columns), weights(rows * columns), hessian(columns * columns) {
    std::mt19937 random(static_cast<std::uint32_t>(rows + columns + seed));
    std::normal_distribution<float> normal;
    for (float& w : weights) w = 0.05f * normal(random);
    std::vector<float> size(k);
    for (float& s : size) s = std::exp(normal(random));
    std::vector<float> x(inputs * k);
    for (std::size_t i = 0; i < inputs; ++i) {
      const float common = normal(random);
      float before = 0.0f;
      for (std::size_t j = 0; j < k; ++j) {
        before = 0.8f * before + 0.6f * normal(random);
        x[i * k + j] = size[j] * (before + 0.5f * common);
      }
    }
    ThreadPool pool(1);
    DenseWorkers workers(pool, select_dense(detect_cpu_features()).multiply);
    add_gram(workers, gram_product(x.data(), k, inputs, k, hessian.data()));
    mirror();
  }

  // The upper triangle as the lower one.
  void mirror() {
    for (std::size_t i = 0; i < k; ++i) {
      for (std::size_t j = 0; j < i; ++j) hessian[j * k + i] = hessian[i * k + j];
    }
  }

  // tr(D H D^T) in f64, D = weights - values.
  double error_of(const std::vector<float>& values) const {
    double sum = 0.0;
    for (std::size_t row = 0; row < n; ++row) {
      std::vector<double> d(k);
      for (std::size_t i = 0; i < k; ++i) {
        d[i] = static_cast<double>(weights[row * k + i]) - values[row * k + i];
      }
      for (std::size_t i = 0; i < k; ++i) {
        for (std::size_t j = 0; j < k; ++j) sum += d[i] * d[j] * hessian[i * k + j];
      }
    }
    return sum;
  }
};

struct GptqResult {
  GptqReport report;
  std::vector<std::byte> encoded;
  std::vector<float> values;
};

struct GptqSettings {
  HessianOptions hessian;
  GptqOptions gptq;
  bool rtn = false;
  std::size_t threads = 2;
};

inline GptqResult run_gptq(const GptqCase& c, DType dtype, const GptqSettings& settings = {}) {
  ThreadPool pool(settings.threads);
  DenseWorkers workers(pool, select_dense(detect_cpu_features()).multiply);
  std::vector<float> h = c.hessian;
  const GptqHessian hessian(workers, h.data(), c.k, settings.hessian);
  GptqResult result;
  result.encoded.resize(c.n * row_bytes(dtype, c.k).value_or(0));
  result.values.resize(c.n * c.k);
  const GptqTask task = {c.weights.data(), c.n, find_grid(dtype), result.encoded.data(),
                         result.values.data()};
  result.report = settings.rtn ? round_to_nearest(workers, hessian, task)
                               : gptq(workers, hessian, task, settings.gptq);
  return result;
}

inline std::vector<const Grid*> all_grids() {
  std::vector<const Grid*> grids;
  for (const DTypeInfo& type : all_dtypes()) {
    if (const Grid* grid = find_grid(type.dtype)) grids.push_back(grid);
  }
  return grids;
}

}  // namespace halfbyte::test
