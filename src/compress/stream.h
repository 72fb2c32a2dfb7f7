// The streaming engine: every tensor goes from the source to the output in slabs of a few
// megabytes, decoded, transformed and encoded on all threads while the slab before it is written.
//
// Memory does not depend on the size of a tensor: two encoded slabs, and one chunk of f32 a thread.
// Bytes do not depend on the number of threads: rows are encoded one by one, and sums of errors are
// taken in the order of fixed chunks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/thread_pool.h"
#include "compress/job.h"
#include "compress/methods.h"
#include "compress/source_rows.h"
#include "compress/target.h"

namespace halfbyte {

// A weight that is not finite, by its place in the output.
struct BadWeight {
  std::uint64_t row = 0;
  std::uint64_t column = 0;
  float value = 0.0f;
};

class Streamer {
 public:
  // `what` names the work for `progress`; `total` bytes of source are to come. With `finite`,
  // weights of the source that are not finite are refused.
  Streamer(const Checkpoint& source, Output& output, EncodeWeights encode, bool finite,
           ThreadPool& pool, const ProgressSink& progress, std::string_view what,
           std::uint64_t total);

  // Writes one tensor and gives its relative rms error. `job` must live until the next flush. Fails
  // with kMalformed, naming tensor and place, for a weight that is refused.
  double write(const TensorJob& job);
  // Writes what is still held back.
  void flush();

 private:
  // Sums over weights: of squared differences, of squares.
  struct ErrorSums {
    double difference = 0.0;
    double weight = 0.0;
    std::optional<BadWeight> bad;  // the first that is refused
    void add(const ErrorSums& later);
  };
  struct Scratch {
    std::vector<float> source;
    std::vector<float> written;
    std::vector<std::byte> encoded;
    std::vector<std::byte> unpacked;
  };
  // An encoded slab on its way to the output.
  struct Pending {
    const TensorJob* begins = nullptr;  // the tensor that starts with it
    std::vector<std::byte> bytes;
  };

  double write_vector(const TensorJob& job);
  ErrorSums write_slab(const SourceRows& rows, const TensorJob& job, std::uint64_t begin,
                       std::uint64_t end, std::uint64_t chunk);
  ErrorSums encode_chunk(const SourceRows& rows, const TensorJob& job, std::uint64_t begin,
                         std::uint64_t end, std::byte* dst, Scratch& scratch) const;
  ErrorSums encode_values(const TensorJob& job, std::uint64_t begin, std::uint64_t rows,
                          std::byte* encoded, Scratch& scratch) const;
  [[noreturn]] void refuse(const TensorJob& job, const BadWeight& bad) const;
  void advance(std::uint64_t bytes);

  const Checkpoint& source_;
  Output& output_;
  EncodeWeights encode_;
  bool finite_;
  ThreadPool& pool_;
  const ProgressSink& progress_;
  std::string_view what_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::vector<Scratch> scratch_;  // one a thread
  Pending pending_;
  Pending filling_;
};

}  // namespace halfbyte
