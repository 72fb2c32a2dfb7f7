#include "compress/source_rows.h"

#include <cstring>
#include <numeric>

#include "kernels/packed.h"

namespace halfbyte {

namespace {

PackedMatrix packed_view(const ModelTensor& source) {
  return {source.dtype, source.shape[0], source.shape[1], source.data.data()};
}

}  // namespace

SourceRows::SourceRows(const TensorJob& job)
    : job_(job),
      source_(*job.source),
      packed_(source_.layout != "rows"),
      rows_(job.shape[0]),
      columns_(job.shape[1]),
      row_bytes_(row_bytes(source_.dtype, job.transpose ? rows_ : columns_).value()) {
  if (packed_ || job.packed) grain_ = kPanel;
  if (job.order.moves()) grain_ = std::lcm(grain_, std::uint64_t{job.order.head_dim});
  // A transposed read decodes whole blocks of the source's columns.
  if (job.transpose) grain_ = std::lcm(grain_, std::uint64_t{info(source_.dtype).block});
}

bool SourceRows::copies() const {
  return source_.dtype == job_.dtype && !job_.transpose && !job_.anew;
}

const std::byte* SourceRows::encoded(std::uint64_t begin, std::uint64_t end,
                                     std::vector<std::byte>& scratch) const {
  if (!packed_) return source_.data.data() + begin * row_bytes_;
  scratch.resize((end - begin) * row_bytes_);
  unpack_panels(packed_view(source_), begin / kPanel, (end + kPanel - 1) / kPanel, scratch.data());
  return scratch.data();
}

void SourceRows::decode(std::uint64_t begin, std::uint64_t end, float* dst,
                        std::vector<std::byte>& scratch) const {
  if (job_.transpose) {
    return packed_ ? decode_packed_columns(begin, end, dst) : decode_columns(begin, end, dst);
  }
  const DTypeInfo& type = info(source_.dtype);
  const std::byte* const base = encoded(begin, end, scratch);
  if (!job_.order.moves()) {
    return decode_whole_rows(type, base, dst, end - begin, columns_);
  }
  for (std::uint64_t row = begin; row < end; ++row, dst += columns_) {
    type.decode(base + (job_.order.source_of(row) - begin) * row_bytes_, dst, columns_);
  }
}

void SourceRows::copy(std::uint64_t begin, std::uint64_t end, std::byte* dst,
                      std::vector<std::byte>& scratch) const {
  const std::byte* const base = encoded(begin, end, scratch);
  if (!job_.order.moves()) {
    std::memcpy(dst, base, (end - begin) * row_bytes_);
    return;
  }
  for (std::uint64_t row = begin; row < end; ++row, dst += row_bytes_) {
    std::memcpy(dst, base + (job_.order.source_of(row) - begin) * row_bytes_, row_bytes_);
  }
}

// The output's rows are the stored rows' columns [begin, end): a strip of each stored row, behind
// the row's header, if any.
void SourceRows::decode_columns(std::uint64_t begin, std::uint64_t end, float* dst) const {
  const DTypeInfo& type = info(source_.dtype);
  std::vector<float> strip(end - begin);
  std::vector<std::byte> stored_strip(row_bytes(source_.dtype, strip.size()).value());
  const std::byte* from = source_.data.data();
  const std::uint64_t offset = type.row_header + begin / type.block * type.block_bytes;
  for (std::uint64_t stored = 0; stored < columns_; ++stored, from += row_bytes_) {
    std::memcpy(stored_strip.data(), from, type.row_header);
    std::memcpy(stored_strip.data() + type.row_header, from + offset,
                stored_strip.size() - type.row_header);
    type.decode(stored_strip.data(), strip.data(), strip.size());
    for (std::size_t i = 0; i < strip.size(); ++i) dst[i * columns_ + stored] = strip[i];
  }
}

void SourceRows::decode_packed_columns(std::uint64_t begin, std::uint64_t end, float* dst) const {
  const PackedFormat& format = *find_packed_format(source_.dtype);
  const PackedMatrix matrix = packed_view(source_);
  float values[kMaxBlock * kPanel];
  for (std::uint64_t p = 0; p < matrix.panels(); ++p) {
    const std::uint64_t outputs = std::min(kPanel, matrix.n - p * kPanel);
    for (std::uint64_t i = begin; i < end; i += format.block) {
      decode_block(format, matrix.panel(p), i / format.block, 0, outputs, values);
      for (std::uint64_t j = 0; j < format.block; ++j) {
        float* const row = dst + (i - begin + j) * columns_ + p * kPanel;
        for (std::uint64_t o = 0; o < outputs; ++o) row[o] = values[j * kPanel + o];
      }
    }
  }
}

ByteView SourceRows::done_with(std::uint64_t begin, std::uint64_t end) const {
  if (job_.transpose) return end == rows_ ? source_.data : ByteView{};
  if (!packed_) return source_.data.subspan(begin * row_bytes_, (end - begin) * row_bytes_);
  const std::uint64_t panel = packed_view(source_).panel_bytes();
  const std::uint64_t first = begin / kPanel;
  const std::uint64_t last = (end + kPanel - 1) / kPanel;
  return source_.data.subspan(first * panel, (last - first) * panel);
}

}  // namespace halfbyte
