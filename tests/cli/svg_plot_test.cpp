// Charts: round axes, escaped text, points inside their panel.
#include "cli/svg_plot.h"

#include <cmath>
#include <cstdio>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace halfbyte {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(SvgPlotTest, TicksAreRoundAndReachTheHighest) {
  EXPECT_THAT(round_ticks(5.0), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(round_ticks(251.0), ElementsAre(0, 100, 200, 300));
  EXPECT_THAT(round_ticks(24000.0), ElementsAre(0, 5000, 10000, 15000, 20000, 25000));
  for (const double highest : {1e-9, 0.7, 3.0, 999.0, 1e12}) {
    const std::vector<double> ticks = round_ticks(highest);
    EXPECT_GE(ticks.back(), highest);
    EXPECT_LT(ticks.back(), 2 * highest);
    EXPECT_GE(ticks.size(), 3u);
    EXPECT_LE(ticks.size(), 7u);
  }
  for (const double nothing : {0.0, -1.0, HUGE_VAL, -HUGE_VAL, std::nan("")}) {
    EXPECT_GE(round_ticks(nothing).size(), 2u);
  }
}

TEST(SvgPlotTest, EscapesWhatNamesHold) {
  const std::string svg = svg_plot("a<b>&\"c\"\x01", "", {{"p", "x", "y", {}}});
  EXPECT_THAT(svg, HasSubstr("a&lt;b&gt;&amp;&quot;c&quot; "));
  EXPECT_THAT(svg, Not(HasSubstr("a<b")));
}

TEST(SvgPlotTest, TheAxisBeginsAtZeroAndLargerIsHigher) {
  const PlotPanel panel = {"p", "x", "y", {{"s", "#123456", false, {{0, 0, 0, 0}, {10, 5, 5, 5}}}}};
  const std::string svg = svg_plot("t", "s", {panel});
  const std::size_t points = svg.find("points=\"") + 8;
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  ASSERT_EQ(std::sscanf(svg.c_str() + points, "%lf,%lf %lf,%lf", &x0, &y0, &x1, &y1), 4);
  EXPECT_LT(x0, x1);
  EXPECT_GT(y0, y1);
  EXPECT_THAT(svg, HasSubstr(fmt::format("y1=\"{:.1f}\"", y0)));  // the axis
}

}  // namespace
}  // namespace halfbyte
