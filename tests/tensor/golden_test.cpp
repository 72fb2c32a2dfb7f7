// Every codec against gguf-py (data: tools/make_block_goldens.py), aligned and not.
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tensor/dtype.h"

namespace halfbyte {
namespace {

std::vector<char> read_golden(const DTypeInfo& type, const char* direction) {
  const std::string path =
      std::string(HALFBYTE_TEST_DATA "/blocks/") + std::string(type.name) + direction + ".bin";
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// Elements of a golden file that holds both the bytes and the floats.
std::size_t elements(const DTypeInfo& type, std::size_t file_bytes) {
  const std::size_t both = type.block_bytes + type.block * sizeof(float);
  EXPECT_EQ(file_bytes % both, 0u);
  return file_bytes / both * type.block;
}

std::vector<float> floats_at(const char* from, std::size_t n) {
  std::vector<float> values(n);
  std::memcpy(values.data(), from, n * sizeof(float));
  return values;
}

bool same_float(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(float)) == 0;
}

// `bytes` at `offset` into fresh memory, so that it is misaligned (and watched by a sanitizer).
std::vector<std::byte> shifted(const char* bytes, std::size_t size, std::size_t offset) {
  std::vector<std::byte> copy(offset + size);
  std::memcpy(copy.data() + offset, bytes, size);
  return copy;
}

void expect_decodes(const DTypeInfo& type, std::size_t offset) {
  const std::vector<char> golden = read_golden(type, ".decode");
  const std::size_t n = elements(type, golden.size());
  ASSERT_GT(n, 0u);
  const std::size_t size = row_bytes(type.dtype, n).value();
  const std::vector<std::byte> source = shifted(golden.data(), size, offset);
  const std::vector<float> expected = floats_at(golden.data() + size, n);
  std::vector<float> decoded(n);
  type.decode(source.data() + offset, decoded.data(), n);
  for (std::size_t i = 0; i < n; ++i) {
    ASSERT_TRUE(same_float(decoded[i], expected[i]))
        << type.name << " element " << i << ": " << decoded[i] << ", not " << expected[i];
  }
}

void expect_encodes(const DTypeInfo& type, std::size_t offset) {
  const std::vector<char> golden = read_golden(type, ".encode");
  const std::size_t n = elements(type, golden.size());
  ASSERT_GT(n, 0u);
  const std::vector<float> values = floats_at(golden.data(), n);
  const std::size_t size = row_bytes(type.dtype, n).value();
  std::vector<std::byte> encoded(offset + size);
  type.encode(values.data(), encoded.data() + offset, n);
  for (std::size_t i = 0; i < size; ++i) {
    const auto expected = static_cast<std::byte>(golden[n * sizeof(float) + i]);
    ASSERT_EQ(encoded[offset + i], expected)
        << type.name << " block " << i / type.block_bytes << " byte " << i % type.block_bytes;
  }
}

bool has_decode_golden(const DTypeInfo& type) {
  return type.ggml_type >= 0 && (is_quantized(type.dtype) || type.block_bytes == 2) &&
         type.dtype != DType::i16;
}

// The others search for their scales: search_golden_test.cpp.
bool has_encode_golden(const DTypeInfo& type) {
  return has_decode_golden(type) && type.block <= 32 && type.dtype != DType::iq4_nl;
}

TEST(Golden, Decode) {
  int types = 0;
  for (const DTypeInfo& type : all_dtypes()) {
    if (!has_decode_golden(type)) continue;
    ++types;
    for (std::size_t offset = 0; offset < 4; ++offset) expect_decodes(type, offset);
  }
  EXPECT_EQ(types, 14);
}

TEST(Golden, Encode) {
  int types = 0;
  for (const DTypeInfo& type : all_dtypes()) {
    if (!has_encode_golden(type)) continue;
    ++types;
    for (std::size_t offset = 0; offset < 4; ++offset) expect_encodes(type, offset);
  }
  EXPECT_EQ(types, 7);
}

// Values that a type holds exactly come back as they were.
TEST(Golden, FloatsPassThroughF32) {
  const std::vector<float> values = {0.0f, -0.0f, 1e-45f, 3.4e38f};
  std::vector<std::byte> bytes(values.size() * 4 + 1);
  std::vector<float> back(values.size());
  info(DType::f32).encode(values.data(), bytes.data() + 1, values.size());
  info(DType::f32).decode(bytes.data() + 1, back.data(), values.size());
  EXPECT_EQ(std::memcmp(values.data(), back.data(), values.size() * 4), 0);
}

}  // namespace
}  // namespace halfbyte
