// compressed-tensors' int-quantized modules: there and back, and what hostile ones do.
#include "formats/int_quantized.h"

#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/group_config.h"

namespace halfbyte {
namespace {

// A module of 3 outputs and 32 inputs with f32 scales.
struct Stored {
  std::vector<std::byte> codes = std::vector<std::byte>(96);
  std::vector<float> scales = {0.5f, 0.25f, 2.0f};
  std::vector<std::byte> zeros = std::vector<std::byte>(3);
  TensorView weight, scale, zero;

  Stored() {
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = std::byte(i * 29 % 256);
    weight = {"m.weight", DType::i8, {3, 32}, codes};
    scale = {"m.weight_scale", DType::f32, {3, 1}, as_view()};
    zero = {"m.weight_zero_point", DType::i8, {3, 1}, zeros};
  }
  ByteView as_view() const { return std::as_bytes(std::span(scales)); }
  std::vector<std::byte> read() const {
    return read_int8_module({&weight, &scale, &zero}, "f", "m");
  }
  ErrorCode code() const {
    try {
      read();
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kFailed;
  }
};

TEST(IntQuantized, GoesThereAndBack) {
  const Stored stored;
  const std::vector<std::byte> rows = stored.read();
  ASSERT_EQ(rows.size(), 3u * 36);
  const std::vector<Int8Tensor> tensors = int8_tensors(3, 32);
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].shape, stored.weight.shape);
  EXPECT_EQ(tensors[0].bytes(rows.data(), 3, 32), stored.codes);
  EXPECT_EQ(tensors[1].shape, stored.scale.shape);
  const std::vector<std::byte> scales = tensors[1].bytes(rows.data(), 3, 32);
  EXPECT_EQ(std::memcmp(scales.data(), stored.scales.data(), scales.size()), 0);
}

TEST(IntQuantized, OneScaleServesAllRows) {
  Stored stored;
  const std::vector<std::byte> first = stored.read();
  stored.scale.shape = {1};
  stored.scale.data = stored.as_view().first(4);
  const std::vector<std::byte> rows = stored.read();
  for (std::size_t row = 0; row < 3; ++row) {
    EXPECT_EQ(std::memcmp(&rows[row * 36], stored.scales.data(), 4), 0);
  }
  EXPECT_EQ(std::memcmp(rows.data(), first.data(), 36), 0);
}

TEST(IntQuantized, HostileModulesAreRefused) {
  Stored stored;
  stored.scales[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(stored.code(), ErrorCode::kMalformed);
  stored = Stored();
  stored.scales[2] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(stored.code(), ErrorCode::kMalformed);
  for (const Shape& shape : {Shape{2, 1}, Shape{3, 2}, Shape{1, 3}, Shape{4}}) {
    Stored other;
    other.scale.shape = shape;
    EXPECT_EQ(other.code(), ErrorCode::kMalformed) << to_string(shape);
  }
  Stored plain;
  plain.weight.dtype = DType::u8;
  EXPECT_EQ(plain.code(), ErrorCode::kMalformed);
  plain = Stored();
  plain.weight.shape = {96};
  EXPECT_EQ(plain.code(), ErrorCode::kMalformed);
  EXPECT_THROW(read_int8_module({&stored.weight, nullptr, nullptr}, "f", "m"), Error);
  EXPECT_THROW(read_int8_module({nullptr, &stored.scale, nullptr}, "f", "m"), Error);
}

TEST(IntQuantized, WhatIsNotSymmetricIsUnsupported) {
  Stored stored;
  stored.zeros[1] = std::byte{3};
  EXPECT_EQ(stored.code(), ErrorCode::kUnsupported);
}

TEST(IntQuantized, ItsConfigIsReadAndOthersAreNamed) {
  const auto read = [](const Json& config) {
    return read_group_config({{"quantization_config", config}}, "f");
  };
  Json config = write_int_quantized_config();
  EXPECT_TRUE(read(config)->int_quantized);
  Json changed = config;
  changed["config_groups"]["group_0"]["input_activations"] = nullptr;
  EXPECT_THROW(read(changed), Error);
  changed = config;
  changed["config_groups"]["group_0"]["input_activations"]["dynamic"] = false;
  EXPECT_THROW(read(changed), Error);
  changed = config;
  changed["config_groups"]["group_0"]["weights"]["symmetric"] = false;
  EXPECT_THROW(read(changed), Error);
  changed = config;
  changed["config_groups"]["group_0"]["weights"]["num_bits"] = 4;
  EXPECT_THROW(read(changed), Error);
  changed = config;
  changed["config_groups"] = 7;
  EXPECT_THROW(read(changed), Error);
}

}  // namespace
}  // namespace halfbyte
