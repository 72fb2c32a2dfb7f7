// Dense linear algebra in f32 on all threads: Gram matrices and the triangular factor of large
// symmetric matrices. Bits do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/dense.h"

namespace halfbyte {

// Who computes dense products: a kernel, threads, and memory for each thread.
class DenseWorkers {
 public:
  DenseWorkers(ThreadPool& pool, DenseMultiply kernel)
      : pool_(&pool), multiply_(kernel), scratch_(pool.size()) {}

  ThreadPool& pool() { return *pool_; }
  // C of the product, by this thread alone.
  void multiply(std::size_t thread, const DenseProduct& product) {
    multiply_(product, scratch_[thread].bytes);
  }
  // Calls work(thread, item) for all items; whoever is free takes the next one.
  void for_each(std::size_t items,
                const std::function<void(std::size_t thread, std::size_t item)>& work);

 private:
  struct alignas(64) Scratch {
    std::byte bytes[kDenseScratchBytes];
  };
  ThreadPool* pool_;
  DenseMultiply multiply_;
  std::vector<Scratch> scratch_;
};

// h [k, k] += X^T X in the tiles of the lower triangle; x [rows, k] with `stride` floats from row
// to row. gram_product with dense_tiles is the same for threads that have a region of their own.
DenseProduct gram_product(const float* x, std::size_t stride, std::size_t rows, std::size_t k,
                          float* h);
void add_gram(DenseWorkers& workers, const DenseProduct& gram);

// H = R R^T with R upper triangular, for the symmetric H whose upper triangle with the diagonal is
// in a [k, k]: R takes its place, and the strict lower triangle stays as it is. False where H is
// not positive definite by a margin of f32's rounding (or holds NaN); then the upper triangle is
// lost.
//
// R^-1 is the U of GPTQ's H^-1 = U^T U. A blocked Cholesky from the last column on, one panel of
// columns after another: each panel's products with all columns behind it are subtracted at once.
bool factor_upper(DenseWorkers& workers, float* a, std::size_t k);

}  // namespace halfbyte
