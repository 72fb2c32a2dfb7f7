// Rows of a source tensor in the order and orientation of the output, from any layout.
#pragma once

#include <vector>

#include "compress/job.h"

namespace halfbyte {

// Reads one job's source. Const calls may come from many threads, each with its own scratch.
class SourceRows {
 public:
  // `job` is a matrix or table, as make_jobs gives it, and outlives this.
  explicit SourceRows(const TensorJob& job);

  std::uint64_t rows() const { return rows_; }
  std::uint64_t columns() const { return columns_; }
  // Ranges must begin at a multiple of this and end at one, or at the last row.
  std::uint64_t grain() const { return grain_; }
  // True if the source's encoded rows can be taken over as they are.
  bool copies() const;

  // dst = rows [begin, end) as f32.
  void decode(std::uint64_t begin, std::uint64_t end, float* dst,
              std::vector<std::byte>& scratch) const;
  // dst = rows [begin, end) as they are encoded; only where copies().
  void copy(std::uint64_t begin, std::uint64_t end, std::byte* dst,
            std::vector<std::byte>& scratch) const;
  // The bytes that are not needed once all rows before `end` are written.
  ByteView done_with(std::uint64_t begin, std::uint64_t end) const;

 private:
  const std::byte* encoded(std::uint64_t begin, std::uint64_t end,
                           std::vector<std::byte>& scratch) const;
  void decode_columns(std::uint64_t begin, std::uint64_t end, float* dst) const;
  void decode_packed_columns(std::uint64_t begin, std::uint64_t end, float* dst) const;

  const TensorJob& job_;
  const ModelTensor& source_;
  bool packed_;
  std::uint64_t rows_;
  std::uint64_t columns_;
  std::uint64_t row_bytes_;  // of the source as stored
  std::uint64_t grain_ = 1;
};

}  // namespace halfbyte
