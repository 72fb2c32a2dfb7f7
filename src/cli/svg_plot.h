// Line charts as self-contained SVG: panels side by side, axes with round numbers, a legend.
#pragma once

#include <string>
#include <vector>

namespace halfbyte {

struct PlotPoint {
  double x = 0.0;
  double y = 0.0;
  double low = 0.0;  // of the spread, drawn as a bar where low < high
  double high = 0.0;
};

struct PlotSeries {
  std::string name;   // in the legend; the same name once for all panels
  std::string color;  // "#2563eb"
  bool dashed = false;
  std::vector<PlotPoint> points;  // in ascending x, y >= 0
};

// The vertical axis begins at 0.
struct PlotPanel {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<PlotSeries> series;
};

std::string svg_plot(const std::string& title, const std::string& subtitle,
                     const std::vector<PlotPanel>& panels);

// Round numbers from 0 to at least `highest`, four to six steps of 1, 2 or 5 times a power of ten.
std::vector<double> round_ticks(double highest);

}  // namespace halfbyte
