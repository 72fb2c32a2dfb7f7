#include "compress/stream.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "compress/finite.h"
#include "kernels/packed.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kChunkElements = std::uint64_t{1} << 16;  // what a thread takes at once
constexpr std::uint64_t kSlabChunks = 64;

// Bytes of rows [0, rows) in the job's type and layout.
std::uint64_t bytes_of_rows(const TensorJob& job, std::uint64_t rows) {
  return job.packed ? packed_bytes(job.dtype, rows, job.shape[1])
                    : rows * row_bytes(job.dtype, job.shape[1]).value();
}

// Sum of f(i) over i < n in eight lanes, an order that vectorizes and never changes.
template <typename Term>
double sum_of(std::size_t n, Term term) {
  std::array<double, 8> lanes{};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) lanes[lane] += term(i + lane);
  }
  for (; i < n; ++i) lanes[0] += term(i);
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

double relative(double difference, double weight) {
  return weight > 0.0 || std::isnan(weight) ? std::sqrt(difference / weight) : 0.0;
}

}  // namespace

void Streamer::ErrorSums::add(const ErrorSums& later) {
  difference += later.difference;
  weight += later.weight;
  if (!bad) bad = later.bad;
}

Streamer::Streamer(const Checkpoint& source, Output& output, EncodeWeights encode, bool finite,
                   ThreadPool& pool, const ProgressSink& progress, std::string_view what,
                   std::uint64_t total)
    : source_(source),
      output_(output),
      encode_(encode),
      finite_(finite),
      pool_(pool),
      progress_(progress),
      what_(what),
      total_(total),
      scratch_(pool.size()) {}

void Streamer::flush() {
  if (pending_.begins != nullptr) output_.begin(*std::exchange(pending_.begins, nullptr));
  if (!pending_.bytes.empty()) output_.write(pending_.bytes);
  pending_.bytes.clear();
}

void Streamer::advance(std::uint64_t bytes) {
  done_ += bytes;
  if (progress_) progress_(what_, done_, total_);
}

double Streamer::write(const TensorJob& job) {
  if (job.role == Role::vector) return write_vector(job);
  const SourceRows rows(job);
  const std::uint64_t wanted = kChunkElements / std::max<std::uint64_t>(rows.columns(), 1);
  const std::uint64_t chunk = std::max<std::uint64_t>(wanted / rows.grain(), 1) * rows.grain();
  filling_.begins = &job;
  ErrorSums sums;
  for (std::uint64_t begin = 0; begin < rows.rows(); begin += chunk * kSlabChunks) {
    const std::uint64_t end = std::min(rows.rows(), begin + chunk * kSlabChunks);
    sums.add(write_slab(rows, job, begin, end, chunk));
    if (sums.bad) refuse(job, *sums.bad);
    std::swap(pending_, filling_);
    const ByteView done = rows.done_with(begin, end);
    source_.release({"", DType::u8, {done.size()}, done});
    advance(done.size());
  }
  return relative(sums.difference, sums.weight);
}

// Item 0 of the region writes the slab before this one; the others encode a chunk each.
Streamer::ErrorSums Streamer::write_slab(const SourceRows& rows, const TensorJob& job,
                                         std::uint64_t begin, std::uint64_t end,
                                         std::uint64_t chunk) {
  filling_.bytes.resize(bytes_of_rows(job, end - begin));
  const std::size_t chunks = (end - begin + chunk - 1) / chunk;
  std::vector<ErrorSums> sums(chunks);
  pool_.run([&](std::size_t thread, Team& team) {
    for (std::size_t item = team.next(); item <= chunks; item = team.next()) {
      if (item == 0) {
        flush();
        continue;
      }
      const std::uint64_t first = begin + (item - 1) * chunk;
      std::byte* const dst = filling_.bytes.data() + bytes_of_rows(job, first - begin);
      sums[item - 1] =
          encode_chunk(rows, job, first, std::min(end, first + chunk), dst, scratch_[thread]);
    }
  });
  ErrorSums total;
  for (const ErrorSums& sum : sums) total.add(sum);
  return total;
}

Streamer::ErrorSums Streamer::encode_chunk(const SourceRows& rows, const TensorJob& job,
                                           std::uint64_t begin, std::uint64_t end, std::byte* dst,
                                           Scratch& scratch) const {
  const std::size_t n = (end - begin) * rows.columns();
  std::byte* encoded = dst;
  if (job.packed) {
    scratch.encoded.resize((end - begin) * row_bytes(job.dtype, rows.columns()).value());
    encoded = scratch.encoded.data();
  }
  ErrorSums sums;
  if (rows.copies()) rows.copy(begin, end, encoded, scratch.unpacked);
  if (!rows.copies() || finite_) {
    scratch.source.resize(n);
    rows.decode(begin, end, scratch.source.data(), scratch.unpacked);
    sums = encode_values(job, begin, end - begin, rows.copies() ? nullptr : encoded, scratch);
  }
  if (job.packed) {
    const std::uint64_t count = end - begin;
    pack_panels({job.own, job.dtype, {count, rows.columns()}, scratch.encoded}, 0,
                (count + kPanel - 1) / kPanel, dst);
  }
  return sums;
}

// Rows from `begin` on, which scratch.source holds; without `encoded` they are only looked at.
Streamer::ErrorSums Streamer::encode_values(const TensorJob& job, std::uint64_t begin,
                                            std::uint64_t rows, std::byte* encoded,
                                            Scratch& scratch) const {
  const float* const w = scratch.source.data();
  const std::size_t n = scratch.source.size();
  const std::size_t columns = n / rows;
  ErrorSums sums;
  // Squares of finite floats cannot leave the range of doubles.
  sums.weight = sum_of(n, [=](std::size_t i) { return double{w[i]} * double{w[i]}; });
  if (finite_ && !std::isfinite(sums.weight)) {
    const std::size_t at = first_not_finite({w, n});
    sums.bad = BadWeight{begin + at / job.shape[1], at % job.shape[1], w[at]};
    return sums;
  }
  if (encoded == nullptr) return sums;
  encode_(info(job.dtype), job.rules, w, encoded, rows, columns);
  if (job.dtype == DType::f32) return sums;
  scratch.written.resize(n);
  decode_whole_rows(info(job.dtype), encoded, scratch.written.data(), rows, columns);
  const float* const q = scratch.written.data();
  sums.difference = sum_of(n, [=](std::size_t i) {
    const double difference = double{w[i]} - double{q[i]};
    return difference * difference;
  });
  return sums;
}

// Places are told as [outputs, inputs], and in the order of the source.
void Streamer::refuse(const TensorJob& job, const BadWeight& bad) const {
  std::uint64_t row = job.order.source_of(bad.row);
  std::uint64_t column = bad.column;
  if (job.transpose != job.source->transposed) std::swap(row, column);
  fail_not_finite(source_.path(), job.own, bad.value, row, column);
}

// Vectors are small: one piece, through f32.
double Streamer::write_vector(const TensorJob& job) {
  std::vector<float> values = job.values;
  std::uint64_t read = 0;
  if (job.source != nullptr) {
    const std::size_t n = element_count(job.shape).value();
    std::vector<float> stored(n);
    info(job.source->dtype).decode(job.source->data.data(), stored.data(), n);
    const std::size_t bad = finite_ ? first_not_finite(stored) : n;
    if (bad != n) fail_not_finite(source_.path(), job.own, stored[bad], 0, bad);
    values.resize(n);
    for (std::size_t i = 0; i < n; ++i) values[i] = stored[job.order.source_of(i)];
    if (job.add != 0.0f) {  // adding 0 would turn -0 into 0
      for (float& value : values) value += job.add;
    }
    read = job.source->data.size();
  }
  filling_.begins = &job;
  filling_.bytes.resize(job.bytes());
  info(job.dtype).encode(values.data(), filling_.bytes.data(), values.size());
  flush();
  std::swap(pending_, filling_);
  advance(read);
  return 0.0;
}

}  // namespace halfbyte
