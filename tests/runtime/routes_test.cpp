// Which experts take which rows: ties, numbers that are none, the shared expert, the order of rows.
#include "runtime/routes.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace halfbyte {
namespace {

using testing::ElementsAre;

ExpertSpec spec_of(std::uint32_t count, std::uint32_t used, bool normalize = true) {
  ExpertSpec spec;
  spec.count = count;
  spec.used = used;
  spec.ffn = 1;
  spec.normalize = normalize;
  return spec;
}

class Chosen {
 public:
  Chosen(const ExpertSpec& spec, std::vector<std::vector<float>> outputs)
      : arena_(Routes::cost(spec, outputs.size())) {
    routes_.take(arena_, spec, outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) routes_.choose(spec, i, outputs[i].data());
    routes_.sort(spec, outputs.size());
  }
  std::vector<std::uint32_t> rows(int expert) const {
    const auto rows = routes_.of(expert).rows;
    return {rows.begin(), rows.end()};
  }
  float weight(int expert, std::size_t i) const { return routes_.of(expert).weights[i]; }

 private:
  Arena arena_;
  Routes routes_;
};

TEST(RoutesTest, RowsOfAnExpertComeInOrder) {
  const Chosen chosen(spec_of(3, 2), {{0, 1, 2}, {5, 4, 3}, {1, 3, 2}, {2, 1, 3}});
  EXPECT_THAT(chosen.rows(0), ElementsAre(1, 3));
  EXPECT_THAT(chosen.rows(1), ElementsAre(0, 1, 2));
  EXPECT_THAT(chosen.rows(2), ElementsAre(0, 2, 3));
  EXPECT_FLOAT_EQ(chosen.weight(0, 0), 1.0f / (1.0f + std::exp(-1.0f)));
}

TEST(RoutesTest, WithoutNormalizingWeightsAreTheSoftmax) {
  const Chosen chosen(spec_of(4, 1, false), {{1, 1, 1, 1}});
  EXPECT_THAT(chosen.rows(0), ElementsAre(0));  // the first of equal ones
  EXPECT_FLOAT_EQ(chosen.weight(0, 0), 0.25f);
}

TEST(RoutesTest, TheSharedExpertTakesAllRows) {
  ExpertSpec spec = spec_of(2, 1);
  spec.shared_ffn = 1;
  const Chosen chosen(spec, {{0, 1, 0}, {1, 0, 100}});
  EXPECT_THAT(chosen.rows(2), ElementsAre(0, 1));
  EXPECT_FLOAT_EQ(chosen.weight(2, 0), 0.5f);
  EXPECT_FLOAT_EQ(chosen.weight(2, 1), 1.0f);
}

TEST(RoutesTest, NoExpertTakesARowTwice) {
  for (const float x : {NAN, INFINITY, -INFINITY}) {
    const Chosen chosen(spec_of(3, 2), {{x, x, x}, {0, x, 1}});
    std::size_t pairs = 0;
    for (int expert = 0; expert < 3; ++expert) {
      EXPECT_LE(chosen.rows(expert).size(), 2u);
      pairs += chosen.rows(expert).size();
    }
    EXPECT_EQ(pairs, 4u);
    EXPECT_TRUE(std::isnan(chosen.weight(0, 0)));
  }
}

}  // namespace
}  // namespace halfbyte
