// Small integers as fields of 32-bit words, low bits first, in the orders of published layouts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace halfbyte {

constexpr std::uint64_t words_of_fields(std::uint64_t fields, unsigned bits) {
  return (fields * bits + 31) / 32;
}

// Of a matrix [rows, columns] of fields, a row an output. The fields along one side follow each
// other in words, across their borders; the words lie [rows, columns] or the other way round.
struct FieldOrder {
  unsigned bits;
  std::uint64_t rows;
  std::uint64_t columns;
  bool rows_first;   // the words of a row (or of a word's worth of rows) lie together
  bool along_rows;   // a word holds fields of one column
  bool interleaved;  // eight fields of a word along rows in AutoAWQ's order

  FieldOrder of(std::uint64_t count) const {
    FieldOrder order = *this;
    order.columns = count;
    return order;
  }
  std::uint64_t words() const {
    return along_rows ? words_of_fields(rows, bits) * columns
                      : rows * words_of_fields(columns, bits);
  }
};

// values [rows, columns], each less `offset` (it wraps); unpacking adds it.
std::vector<std::uint32_t> pack_fields(const FieldOrder& order, const std::uint8_t* values,
                                       unsigned offset);
// words: order.words() of 4 bytes, at any address.
void unpack_fields(const FieldOrder& order, const std::byte* words, unsigned offset,
                   std::uint8_t* values);

}  // namespace halfbyte
