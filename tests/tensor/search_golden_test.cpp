// Encoders that search for their scales against ggml, byte for byte, with importance and without
// (data: tools/make_search_goldens.py).
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tensor/dtype.h"

namespace halfbyte {
namespace {

constexpr std::size_t kWidth = 256;
constexpr std::size_t kSmall = 224;
constexpr std::size_t kImportances = 2;
using Row = std::vector<float>;

std::vector<char> read_file(const std::string& name) {
  std::ifstream file(HALFBYTE_TEST_DATA "/blocks/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Row> read_rows() {
  const std::vector<char> bytes = read_file("search.rows.bin");
  std::vector<Row> rows(bytes.size() / (kWidth * sizeof(float)), Row(kWidth));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::memcpy(rows[r].data(), &bytes[r * kWidth * sizeof(float)], kWidth * sizeof(float));
  }
  return rows;
}

// `importance` may be nullptr. The bytes begin at `offset`, mostly misaligned.
std::vector<char> encode(const DTypeInfo& type, const Row& row, const float* importance,
                         std::size_t offset) {
  const std::size_t n = type.block == kWidth ? kWidth : kSmall;
  std::vector<std::byte> bytes(offset + row_bytes(type.dtype, n).value());
  if (importance == nullptr) {
    type.encode(row.data(), bytes.data() + offset, n);
  } else {
    type.encode_weighted(row.data(), importance, bytes.data() + offset, n);
  }
  const auto* begin = reinterpret_cast<const char*>(bytes.data());
  return {begin + offset, begin + bytes.size()};
}

void expect_golden(const DTypeInfo& type, const std::vector<Row>& rows) {
  const std::vector<char> golden = read_file(std::string(type.name) + ".search.bin");
  const std::size_t count = rows.size() - kImportances;
  std::size_t at = 0;
  for (std::size_t pass = 0; pass <= kImportances; ++pass) {
    const float* importance = pass == 0 ? nullptr : rows[count + pass - 1].data();
    for (std::size_t r = 0; r < count; ++r) {
      const std::vector<char> encoded = encode(type, rows[r], importance, r % 4);
      ASSERT_LE(at + encoded.size(), golden.size());
      EXPECT_EQ(std::memcmp(encoded.data(), &golden[at], encoded.size()), 0)
          << type.name << " row " << r << " importance " << pass;
      at += encoded.size();
    }
  }
  EXPECT_EQ(at, golden.size());
}

TEST(SearchGolden, EveryBlockType) {
  const std::vector<Row> rows = read_rows();
  ASSERT_GT(rows.size(), kImportances);
  int types = 0;
  for (const DTypeInfo& type : all_dtypes()) {
    const bool one_scale = type.dtype == DType::w8a8 || type.dtype == DType::int8;
    EXPECT_EQ(type.encode_weighted != nullptr, is_quantized(type.dtype) && !one_scale) << type.name;
    if (!is_quantized(type.dtype) || type.ggml_type < 0) continue;  // ggml has no zero points
    ++types;
    expect_golden(type, rows);
  }
  EXPECT_EQ(types, 12);
}

}  // namespace
}  // namespace halfbyte
