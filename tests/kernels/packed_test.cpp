// Packing of every weight type: file bytes there and back, decoded rows, sizes.
#include "kernels/packed.h"

#include <gtest/gtest.h>

#include "linear_data.h"

namespace halfbyte {
namespace {

using testing::FileMatrix;
using testing::Packed;

class PackedTest : public ::testing::TestWithParam<PackedFormat> {};

INSTANTIATE_TEST_SUITE_P(Formats, PackedTest, ::testing::ValuesIn(all_packed_formats()),
                         [](const auto& test) { return std::string(name(test.param.dtype)); });

// k of a few blocks.
std::uint64_t inputs(const PackedFormat& format, std::uint64_t blocks) {
  return format.group == 0 ? 7 * blocks : format.block * blocks;
}

TEST_P(PackedTest, UnpackingGivesTheFilesBytesBack) {
  const PackedFormat& format = GetParam();
  for (const std::uint64_t n : {1u, 15u, 16u, 17u, 48u}) {
    const FileMatrix file(format.dtype, n, inputs(format, 3));
    const Packed packed(file.view);
    std::vector<std::byte> back(file.bytes.size());
    unpack_panels(packed.matrix, 0, packed.matrix.panels(), back.data());
    EXPECT_EQ(back, file.bytes) << n;
  }
}

TEST_P(PackedTest, RowsDecodeAsTheFilesRows) {
  const PackedFormat& format = GetParam();
  const std::uint64_t n = 19, k = inputs(format, 2);
  const FileMatrix file(format.dtype, n, k);
  const Packed packed(file.view);
  std::vector<float> expected(n * k), row(k);
  decode_rows(file.view, 0, n, expected.data());
  for (std::uint64_t r = 0; r < n; ++r) {
    unpack_row(packed.matrix, r, row.data());
    for (std::uint64_t i = 0; i < k; ++i) ASSERT_EQ(row[i], expected[r * k + i]) << r << ' ' << i;
  }
}

TEST_P(PackedTest, PanelsAreIndependent) {
  const PackedFormat& format = GetParam();
  const FileMatrix file(format.dtype, 40, inputs(format, 1));
  Packed whole(file.view);
  std::vector<std::byte> one(whole.matrix.panel_bytes());
  for (std::uint64_t p = 0; p < whole.matrix.panels(); ++p) {
    pack_panels(file.view, p, p + 1, one.data());
    EXPECT_EQ(std::memcmp(one.data(), whole.matrix.panel(p), one.size()), 0);
    const std::uint64_t rows = std::min<std::uint64_t>(16, 40 - 16 * p);
    std::vector<std::byte> back(rows * *row_bytes(format.dtype, whole.matrix.k));
    unpack_panels(whole.matrix, p, p + 1, back.data());
    EXPECT_EQ(std::memcmp(back.data(), file.view.row(16 * p).data(), back.size()), 0);
  }
}

TEST_P(PackedTest, BlocksAreAtMostFourPercentLarger) {
  const PackedFormat& format = GetParam();
  const DTypeInfo& type = info(format.dtype);
  EXPECT_EQ(format.block, type.block);
  EXPECT_GE(format.block_bytes, 16 * type.block_bytes);
  EXPECT_LE(format.block_bytes * 100, 16 * type.block_bytes * 104);
}

TEST(PackedSizes, AreCheckedAndPadded) {
  EXPECT_EQ(packed_bytes(DType::q4_0, 17, 64), 2u * 2 * 288);
  EXPECT_EQ(packed_bytes(DType::q4_0, 0, 64), 0u);
  EXPECT_THROW(packed_bytes(DType::q4_0, 16, 33), Error);
  EXPECT_THROW(packed_bytes(DType::i32, 16, 32), Error);
  EXPECT_THROW(packed_bytes(DType::f32, std::uint64_t{1} << 40, std::uint64_t{1} << 40), Error);
}

TEST(PackedSizes, StepsAreInDotProductOrder) {
  const FileMatrix file(DType::q8_0, 16, 32);
  const Packed packed(file.view);
  for (std::size_t o = 0; o < 16; ++o) {
    for (std::size_t i = 0; i < 32; ++i) {
      const auto code =
          static_cast<std::uint8_t>(packed.matrix.data[32 + i / 4 * 64 + o * 4 + i % 4]);
      const auto in_file = static_cast<std::int8_t>(file.view.row(o)[2 + i]);
      EXPECT_EQ(code, in_file + 128);
    }
  }
}

}  // namespace
}  // namespace halfbyte
