#include "formats/group_fields.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace halfbyte {

namespace {

// Field i of a word holds output kAwqOutputs[i]; output o lies in field kAwqFields[o].
constexpr std::array<std::uint64_t, 8> kAwqFields = {0, 4, 1, 5, 2, 6, 3, 7};
// Rows taken together, so that neither side is walked in long strides.
constexpr std::uint64_t kTile = 64;

// Where a field begins: a word and a bit in it; and the word that it may go on in.
struct Place {
  std::uint64_t word;
  std::uint64_t next;
  unsigned shift;
};

class Places {
 public:
  explicit Places(const FieldOrder& order)
      : order_(order),
        across_(order.along_rows ? words_of_fields(order.rows, order.bits)
                                 : words_of_fields(order.columns, order.bits)) {}

  Place at(std::uint64_t row, std::uint64_t column) const {
    std::uint64_t field = order_.along_rows ? row : column;
    if (order_.interleaved) field = field / 8 * 8 + kAwqFields[field % 8];
    const std::uint64_t bit = field * order_.bits;
    const std::uint64_t line = order_.along_rows ? column : row;
    return {index(bit / 32, line), index(bit / 32 + 1, line), static_cast<unsigned>(bit % 32)};
  }

 private:
  std::uint64_t index(std::uint64_t word, std::uint64_t line) const {
    if (order_.along_rows == order_.rows_first) return word * lines() + line;
    return line * across_ + word;
  }
  std::uint64_t lines() const { return order_.along_rows ? order_.columns : order_.rows; }

  const FieldOrder& order_;
  std::uint64_t across_;  // words of a line
};

// visit(index of the value, place)
template <typename Visit>
void for_fields(const FieldOrder& order, Visit visit) {
  const Places places(order);
  for (std::uint64_t tile = 0; tile < order.rows; tile += kTile) {
    const std::uint64_t end = std::min(order.rows, tile + kTile);
    for (std::uint64_t column = 0; column < order.columns; ++column) {
      for (std::uint64_t row = tile; row < end; ++row) {
        visit(row * order.columns + column, places.at(row, column));
      }
    }
  }
}

}  // namespace

std::vector<std::uint32_t> pack_fields(const FieldOrder& order, const std::uint8_t* values,
                                       unsigned offset) {
  const std::uint32_t mask = (1u << order.bits) - 1u;
  std::vector<std::uint32_t> words(order.words());
  for_fields(order, [&](std::uint64_t i, const Place& place) {
    const std::uint32_t value = (values[i] - offset) & mask;
    words[place.word] |= value << place.shift;
    if (place.shift + order.bits > 32) words[place.next] |= value >> (32 - place.shift);
  });
  return words;
}

void unpack_fields(const FieldOrder& order, const std::byte* words, unsigned offset,
                   std::uint8_t* values) {
  const std::uint32_t mask = (1u << order.bits) - 1u;
  const auto word_at = [words](std::uint64_t index) {
    std::uint32_t word = 0;
    std::memcpy(&word, words + 4 * index, sizeof(word));
    return word;
  };
  for_fields(order, [&](std::uint64_t i, const Place& place) {
    std::uint32_t value = word_at(place.word) >> place.shift;
    if (place.shift + order.bits > 32) value |= word_at(place.next) << (32 - place.shift);
    values[i] = static_cast<std::uint8_t>((value + offset) & mask);
  });
}

}  // namespace halfbyte
