// Attention of every instruction set against f64, over a grid of shapes and options; and that a
// row's bits do not depend on the rows and heads that are computed with it.
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/attention_case.h"
#include "kernels/row_ops_list.h"

namespace halfbyte {
namespace {

class AttentionTest : public ::testing::TestWithParam<AttentionKernel> {
 protected:
  const AttentionOps& ops() const { return GetParam().ops; }
  bool bf16() const { return GetParam().compute == Compute::bf16; }

  void check(const AttentionShape& shape) {
    AttentionCase problem(shape);
    const std::vector<float> out = problem.run(ops());
    EXPECT_TRUE(problem.untouched_elsewhere(out)) << shape;
    for (std::size_t row = 0; row < shape.rows; ++row) {
      for (std::size_t head = 0; head < shape.heads; ++head) {
        const std::vector<double> exact = problem.exact(row, head);
        const double bound = bf16() ? problem.bf16_bound(row, head) : 5e-6;
        for (std::size_t i = 0; i < shape.head_dim; ++i)
          ASSERT_NEAR(problem.output(out, row, head, i), exact[i], bound)
              << shape << ": row " << row << ", head " << head << ", at " << i;
      }
    }
  }
};

TEST_P(AttentionTest, HeadDimensions) {
  for (std::size_t dim : {1, 5, 8, 15, 16, 17, 31, 32, 40, 64, 72, 80, 96, 100, 128, 192, 256})
    for (DType cache : {DType::f32, DType::f16})
      check({.rows = 3, .length = 70, .heads = 2, .head_dim = dim, .cache = cache});
  for (std::size_t dim : {32, 64, 96, 128, 256})
    check({.rows = 3, .length = 70, .heads = 2, .head_dim = dim, .cache = DType::q8_0});
}

TEST_P(AttentionTest, LengthsAndRows) {
  for (std::size_t length = 1; length <= 70; ++length) {
    check({.rows = 1, .length = length, .head_dim = 16});
    check({.rows = length, .length = length, .head_dim = 16});
  }
  for (std::size_t rows : {1, 2, 7, 8, 9, 127, 128, 129, 200})
    for (std::size_t before : {0, 1, 63, 64, 100})
      check({.rows = rows, .length = before + rows, .head_dim = 16});
}

TEST_P(AttentionTest, GroupedHeads) {
  for (std::size_t kv_heads : {1, 2, 3})
    for (std::size_t group : {1, 2, 3, 7, 8, 9})
      for (std::size_t rows : {1, 20})
        check({.rows = rows,
               .length = 90,
               .heads = kv_heads * group,
               .kv_heads = kv_heads,
               .head_dim = 20});
  check({.rows = 2, .length = 66, .heads = 150, .kv_heads = 1, .head_dim = 8});
}

TEST_P(AttentionTest, Windows) {
  for (bool causal : {true, false})
    for (std::size_t window : {1, 2, 15, 16, 17, 64, 65, 130, 1000})
      for (std::size_t rows : {1, 30, 140})
        check({.rows = rows, .length = 150, .head_dim = 24, .causal = causal, .window = window});
}

TEST_P(AttentionTest, OptionsTogether) {
  for (unsigned options = 0; options < 64; ++options) {
    AttentionShape shape{.rows = 13, .length = 137, .heads = 4, .kv_heads = 2, .head_dim = 32};
    shape.causal = (options & 1) == 0;
    shape.window = (options & 2) == 0 ? 0 : 70;
    shape.softcap = (options & 4) == 0 ? 0.0f : 1.5f;
    shape.key_mask = (options & 8) != 0;
    shape.bias = (options & 16) != 0;
    shape.first_position = (options & 32) != 0 ? 40 : -1;
    for (DType cache : {DType::f32, DType::f16, DType::q8_0}) {
      shape.cache = cache;
      check(shape);
    }
  }
}

// Cross-attention: more queries than keys, all keys seen.
TEST_P(AttentionTest, MoreRowsThanKeys) {
  check({.rows = 90, .length = 3, .head_dim = 32, .first_position = 0, .causal = false});
  check({.rows = 90, .length = 3, .head_dim = 32, .first_position = 0, .causal = true});
}

TEST_P(AttentionTest, RowsWithoutKeysAreZero) {
  AttentionShape shape{.rows = 40, .length = 70, .head_dim = 32, .key_mask = true};
  AttentionCase problem(shape);
  std::fill(problem.mask().begin(), problem.mask().end(), std::uint8_t{0});
  std::vector<float> out = problem.run(ops());
  for (std::size_t row = 0; row < shape.rows; ++row)
    for (std::size_t i = 0; i < 32; ++i) ASSERT_EQ(problem.output(out, row, 0, i), 0.0f);
  // Only the last key is there: rows before it still see nothing.
  problem.mask()[69] = 1;
  out = problem.run(ops());
  EXPECT_EQ(problem.output(out, 38, 0, 5), 0.0f);
  EXPECT_NE(problem.output(out, 39, 0, 5), 0.0f);
  // Positions so far past the keys that the window holds none.
  check({.rows = 40, .length = 70, .head_dim = 32, .first_position = 50, .window = 10});
  // No keys at all.
  AttentionArgs args = problem.args();
  args.length = 0;
  args.key_mask = nullptr;
  ops().rows(args, 0, 1, 0, shape.rows, problem.scratch());
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(args.out[i], 0.0f);
}

TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  for (DType cache : {DType::f32, DType::q8_0}) {
    const AttentionShape shape{.rows = 9, .length = 130, .head_dim = 32, .cache = cache};
    AttentionCase problem(shape);
    for (float& x : problem.q()) x *= 1e4f;
    const std::vector<float> out = problem.run(ops());
    for (std::size_t row = 0; row < shape.rows; ++row) {
      const std::vector<double> exact = problem.exact(row, 0);
      for (std::size_t i = 0; i < 32; ++i)
        ASSERT_NEAR(problem.output(out, row, 0, i), exact[i],
                    bf16() ? problem.bf16_bound(row, 0) : 0.05)
            << shape << ": row " << row;
    }
  }
}

// Queries and scales of zero, and queries of a magnitude that only vanishes.
TEST_P(AttentionTest, ZerosInQ8) {
  const AttentionShape shape{.rows = 5, .length = 70, .head_dim = 64, .cache = DType::q8_0};
  AttentionCase problem(shape);
  for (float size : {0.0f, 1e-42f, 1e-33f}) {
    for (float& x : problem.q()) x = size;
    const std::vector<float> out = problem.run(ops());
    const double bound = bf16() ? problem.bf16_bound(4, 0) : 5e-6;
    for (std::size_t i = 0; i < 64; ++i)
      ASSERT_NEAR(problem.output(out, 4, 0, i), problem.exact(4, 0)[i], bound) << size;
  }
  for (std::size_t key = 0; key < shape.length; ++key) std::memset(problem.value(0, key), 0, 34);
  const std::vector<float> out = problem.run(ops());
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(problem.output(out, 4, 0, i), 0.0f);
  EXPECT_NE(problem.output(out, 4, 0, 40), 0.0f);
}

// Scores that climb or fall along the keys, by less and by more than a softmax may put off.
TEST_P(AttentionTest, MaximaThatMove) {
  const AttentionShape shape{.rows = 70, .length = 600, .head_dim = 32, .cache = DType::f32};
  for (float slope : {0.02f, 0.1f, 1.0f, 4.0f, -0.1f, -4.0f}) {
    AttentionCase problem(shape);
    std::fill(problem.q().begin(), problem.q().end(), slope * std::sqrt(32.0f));
    for (std::size_t k = 0; k < shape.length; ++k) {
      const float key[32] = {static_cast<float>(k / 4)};  // exact in bfloat16
      std::memcpy(problem.key(0, k), key, sizeof key);
    }
    const std::vector<float> out = problem.run(ops());
    for (std::size_t row = 0; row < shape.rows; ++row) {
      const std::vector<double> exact = problem.exact(row, 0);
      for (std::size_t i = 0; i < shape.head_dim; ++i)
        ASSERT_NEAR(problem.output(out, row, 0, i), exact[i], bf16() ? 0.04 : 2e-5)
            << "slope " << slope << ", row " << row;
    }
  }
}

// A NaN or infinity in a key or value reaches the rows that see it and no other.
TEST_P(AttentionTest, PoisonStaysWhereItIsSeen) {
  const float poisons[] = {std::numeric_limits<float>::quiet_NaN(),
                           std::numeric_limits<float>::infinity()};
  AttentionShape shape{.rows = 100, .length = 100, .heads = 2, .kv_heads = 1, .head_dim = 32};
  shape.cache = DType::f32;
  for (std::size_t window : {0, 20}) {
    shape.window = window;
    const std::vector<float> clean = AttentionCase(shape).run(ops());
    for (float poison : poisons) {
      for (bool in_key : {true, false}) {
        AttentionCase problem(shape);
        std::memcpy(in_key ? problem.key(0, 50) : problem.value(0, 50), &poison, sizeof poison);
        const std::vector<float> out = problem.run(ops());
        for (std::size_t row = 0; row < shape.rows; ++row) {
          const float first = problem.output(out, row, 1, 0);
          if (!problem.sees(row, 50)) {
            ASSERT_EQ(first, problem.output(clean, row, 1, 0)) << "row " << row;
          } else if (std::isnan(poison)) {
            ASSERT_TRUE(std::isnan(first)) << "row " << row;
          }
        }
      }
    }
  }
  shape.window = 0;
  shape.key_mask = true;
  AttentionCase problem(shape);
  problem.mask()[50] = 0;
  const std::vector<float> clean = problem.run(ops());
  std::memcpy(problem.key(0, 50), poisons, sizeof(float));
  std::memcpy(problem.value(0, 50), poisons, sizeof(float));
  EXPECT_EQ(problem.run(ops()), clean) << "a hidden key";
  problem.mask()[49] = 1;
  problem.q()[1 + 80 * (2 * 32 + 3)] = poisons[0];
  EXPECT_TRUE(std::isnan(problem.output(problem.run(ops()), 80, 0, 7)));
}

// A NaN in q8_0 is a block's scale.
TEST_P(AttentionTest, PoisonInQ8StaysWhereItIsSeen) {
  AttentionShape shape{.rows = 60, .length = 100, .heads = 2, .kv_heads = 1, .head_dim = 64};
  shape.cache = DType::q8_0;
  constexpr std::uint16_t kPoisons[] = {0x7E00, 0x7C00};  // NaN, infinity
  for (std::size_t window : {0, 20}) {
    shape.window = window;
    const std::vector<float> clean = AttentionCase(shape).run(ops());
    for (std::uint16_t poison : kPoisons) {
      for (bool in_key : {true, false}) {
        AttentionCase problem(shape);
        std::byte* const row = in_key ? problem.key(0, 70) : problem.value(0, 70);
        std::memcpy(row + 34, &poison, sizeof poison);
        const std::vector<float> out = problem.run(ops());
        for (std::size_t r = 0; r < shape.rows; ++r) {
          if (problem.sees(r, 70)) {
            if (poison == kPoisons[0]) {
              ASSERT_TRUE(std::isnan(problem.output(out, r, 1, 63))) << r;
            }
          } else {
            ASSERT_EQ(problem.output(out, r, 1, 63), problem.output(clean, r, 1, 63)) << r;
          }
        }
      }
    }
  }
  shape.key_mask = true;
  AttentionCase problem(shape);
  problem.mask()[70] = 0;
  const std::vector<float> clean = problem.run(ops());
  std::memcpy(problem.key(0, 70), kPoisons, sizeof kPoisons[0]);
  std::memcpy(problem.value(0, 70), kPoisons, sizeof kPoisons[0]);
  EXPECT_EQ(problem.run(ops()), clean) << "a hidden key";
  problem.q()[1 + 50 * (2 * 64 + 3)] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(problem.output(problem.run(ops()), 50, 0, 7)));
}

// The same bits however rows and heads are cut into calls, down to one row and head a call.
TEST_P(AttentionTest, BitsDoNotDependOnTheSplit) {
  for (unsigned options = 0; options < 8; ++options) {
    AttentionShape shape{.rows = 150, .length = 230, .heads = 6, .kv_heads = 2, .head_dim = 40};
    if (options % 3 == 1) shape.cache = DType::q8_0;
    if (options % 3 == 1) shape.head_dim = 64;
    if (options % 2 == 1) shape.window = 50;
    if (options % 4 >= 2) shape.causal = false;
    shape.bias = options >= 4;
    shape.key_mask = options >= 4;
    AttentionCase problem(shape);
    const std::vector<float> whole = problem.run(ops());
    for (std::size_t row_step : {1, 7, 64, 150}) {
      for (std::size_t head_step : {1, 2, 4}) {
        AttentionArgs args = problem.args();
        std::vector<float> split(whole.size(), -777.0f);
        args.out = split.data() + 1;
        for (std::size_t head = 0; head < shape.heads; head += head_step)
          for (std::size_t row = 0; row < shape.rows; row += row_step)
            ops().rows(args, head, std::min(head + head_step, shape.heads), row,
                       std::min(row + row_step, shape.rows), problem.scratch());
        ASSERT_EQ(std::memcmp(split.data(), whole.data(), whole.size() * sizeof(float)), 0)
            << shape << " in steps of " << row_step << " rows, " << head_step << " heads";
      }
    }
  }
}

// A row decoded alone later has the bits that it had in a prefill.
TEST_P(AttentionTest, DecodeRepeatsPrefill) {
  for (DType cache : {DType::f32, DType::f16, DType::q8_0}) {
    const AttentionShape shape{
        .rows = 90, .length = 90, .heads = 4, .kv_heads = 2, .head_dim = 64, .cache = cache};
    AttentionCase problem(shape);
    const std::vector<float> prefill = problem.run(ops());
    for (std::size_t row = 0; row < shape.rows; ++row) {
      AttentionArgs args = problem.args();
      std::vector<float> alone(4 * 64);
      args.q += row * args.q_stride;
      args.out = alone.data();
      args.rows = 1;
      args.first_position = row;
      args.length = row + 1;
      ops().rows(args, 0, 4, 0, 1, problem.scratch());
      for (std::size_t i = 0; i < alone.size(); ++i)
        ASSERT_EQ(alone[i], problem.output(prefill, row, 0, i)) << shape << ": row " << row;
    }
  }
}

// Beyond one chunk of keys: right, and the same bits whoever computes which chunk.
TEST_P(AttentionTest, ChunksOfKeys) {
  for (std::size_t length : {255, 256, 257, 513, 900}) {
    for (std::size_t rows : {1, 3, 8}) {
      for (std::size_t window : {0, 200, 300}) {
        for (bool masked : {false, true}) {
          AttentionShape shape{.rows = rows, .length = length, .heads = 6, .kv_heads = 2};
          shape.head_dim = 32;
          shape.window = window;
          shape.key_mask = masked;
          shape.cache = length == 513 ? DType::q8_0 : length == 257 ? DType::f32 : DType::f16;
          check(shape);
          AttentionCase problem(shape);
          ASSERT_TRUE(problem.run(ops()) == problem.run_in_parts(ops())) << shape;
        }
      }
    }
  }
}

TEST_P(AttentionTest, RowsBeyondAChunkDoNotDependOnEachOther) {
  for (DType cache : {DType::f16, DType::q8_0}) {
    const AttentionShape shape{
        .rows = 300, .length = 600, .heads = 3, .kv_heads = 1, .head_dim = 64, .cache = cache};
    AttentionCase problem(shape);
    const std::vector<float> together = problem.run(ops());
    for (const std::size_t row : {0u, 111u, 299u}) {
      AttentionArgs args = problem.args();
      std::vector<float> alone(3 * 64);
      args.q += row * args.q_stride;
      args.out = alone.data();
      args.rows = 1;
      args.first_position += row;
      args.length = args.first_position + 1;
      ops().rows(args, 0, 3, 0, 1, problem.scratch());
      for (std::size_t i = 0; i < alone.size(); ++i)
        ASSERT_EQ(alone[i], problem.output(together, row, 0, i)) << shape << ": row " << row;
    }
  }
}

TEST_P(AttentionTest, MayOverwriteItsQueries) {
  AttentionShape shape{.rows = 20, .length = 70, .heads = 4, .kv_heads = 2, .head_dim = 32};
  AttentionCase problem(shape);
  const std::vector<float> apart = problem.run(ops());
  AttentionArgs args = problem.args();
  args.out = problem.q().data() + 1;
  ops().rows(args, 0, 4, 0, 20, problem.scratch());
  for (std::size_t row = 0; row < 20; ++row)
    for (std::size_t i = 0; i < 128; ++i)
      ASSERT_EQ(problem.output(problem.q(), row, 0, i), problem.output(apart, row, 0, i));
}

// Bounds are for the worst case; roundings mostly cancel. A row that sees one key gets its value,
// rounded: weights add up to 1.
TEST_P(AttentionTest, RoundingMostlyCancels) {
  for (DType cache : {DType::f16, DType::q8_0}) {
    const AttentionShape shape{
        .rows = 70, .length = 330, .heads = 2, .kv_heads = 1, .head_dim = 64, .cache = cache};
    AttentionCase problem(shape);
    const std::vector<float> out = problem.run(ops());
    double error = 0.0;
    double size = 0.0;
    for (std::size_t row = 0; row < shape.rows; ++row) {
      const std::vector<double> exact = problem.exact(row, 1);
      for (std::size_t i = 0; i < shape.head_dim; ++i) {
        error += std::pow(problem.output(out, row, 1, i) - exact[i], 2);
        size += exact[i] * exact[i];
      }
    }
    EXPECT_LT(std::sqrt(error / size), bf16() ? 0.008 : 1e-5);
  }
  AttentionCase single({.rows = 9, .length = 9, .head_dim = 32, .window = 1});
  const std::vector<float> out = single.run(ops());
  for (std::size_t i = 0; i < 32; ++i) {
    const double exact = single.exact(8, 0)[i];
    EXPECT_NEAR(single.output(out, 8, 0, i), exact, std::abs(exact) / 256);
  }
}

INSTANTIATE_TEST_SUITE_P(All, AttentionTest, ::testing::ValuesIn(runnable_attention_kernels()),
                         [](const auto& test) { return std::string(test.param.isa); });

}  // namespace
}  // namespace halfbyte
