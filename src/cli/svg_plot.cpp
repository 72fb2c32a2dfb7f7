#include "cli/svg_plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace halfbyte {

namespace {

// Pixels.
constexpr double kPanelWidth = 420, kPanelHeight = 260;
constexpr double kLeft = 66, kRight = 26, kTop = 118, kBottom = 62;
constexpr double kTickGap = 34;  // between labels of the horizontal axis

constexpr const char* kInk = "#1f2937";
constexpr const char* kQuiet = "#6b7280";
constexpr const char* kGrid = "#e5e7eb";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // XML has no other control characters.
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& style,
                    const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" {}>{}</text>\n", x, y,
                     anchor, style, escaped(text));
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1,
                     x2, y2, style);
}

std::string fill(const char* color, int size, bool bold = false) {
  return fmt::format("fill=\"{}\" font-size=\"{}\"{}", color, size,
                     bold ? " font-weight=\"600\"" : "");
}

std::string number(double value) {
  return value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{:g}", value);
}

// Three digits are enough beside a point.
std::string short_number(double value) {
  return value >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

// One panel, whose plotting area begins at (left, kTop).
class Panel {
 public:
  Panel(const PlotPanel& panel, double left) : panel_(panel), left_(left) {
    double most = 0.0;
    for (const PlotSeries& series : panel.series) {
      for (const PlotPoint& point : series.points) {
        most = std::max({most, point.y, point.high});
        end_ = std::max(end_, point.x);
      }
    }
    ticks_ = round_ticks(1.08 * most);  // room for a number above the highest
    if (end_ == 0.0) end_ = 1.0;
  }

  std::string draw() const {
    std::string out = text_at(left_, kTop - 22, "start", fill(kInk, 14, true), panel_.title);
    out += vertical_axis() + horizontal_axis();
    for (const bool dashed : {true, false}) {  // what was measured lies on top
      for (const PlotSeries& series : panel_.series) {
        if (series.dashed == dashed) out += draw_series(series);
      }
    }
    return out;
  }

 private:
  double x(double value) const { return left_ + 8 + value / end_ * (kPanelWidth - 16); }
  double y(double value) const { return kTop + kPanelHeight * (1 - value / ticks_.back()); }

  std::string vertical_axis() const {
    std::string out;
    for (const double tick : ticks_) {
      const std::string color = tick == 0.0 ? kQuiet : kGrid;
      out += line(left_, y(tick), left_ + kPanelWidth, y(tick), "stroke=\"" + color + "\"");
      out += text_at(left_ - 8, y(tick) + 4, "end", fill(kQuiet, 11), number(tick));
    }
    return out + text_at(left_, kTop - 7, "start", fill(kQuiet, 11), panel_.y_label);
  }

  std::string horizontal_axis() const {
    std::string out;
    const double base = kTop + kPanelHeight;
    double last = -kTickGap;
    for (const double value : all_x()) {
      out += line(x(value), base, x(value), base + 4, std::string("stroke=\"") + kQuiet + "\"");
      if (x(value) - last < kTickGap) continue;
      last = x(value);
      out += text_at(last, base + 18, "middle", fill(kQuiet, 11), number(value));
    }
    return out +
           text_at(left_ + kPanelWidth / 2, base + 38, "middle", fill(kQuiet, 11), panel_.x_label);
  }

  std::vector<double> all_x() const {
    std::vector<double> values;
    for (const PlotSeries& series : panel_.series) {
      for (const PlotPoint& point : series.points) values.push_back(point.x);
    }
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
  }

  std::string draw_series(const PlotSeries& series) const {
    std::string path;
    std::string out;
    for (const PlotPoint& point : series.points) {
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", x(point.x), y(point.y));
      if (!series.dashed && point.low < point.high) {
        out += line(x(point.x), y(point.low), x(point.x), y(point.high),
                    fmt::format("stroke=\"{}\" stroke-width=\"6\" stroke-opacity=\"0.25\" "
                                "stroke-linecap=\"round\"",
                                series.color));
      }
    }
    out += fmt::format(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{} "
        "stroke-linejoin=\"round\"/>\n",
        path, series.color, series.dashed ? "1.5" : "2.5",
        series.dashed ? " stroke-dasharray=\"6 4\"" : "");
    return series.dashed ? out : out + draw_points(series);
  }

  // The first and the last in numbers, too.
  std::string draw_points(const PlotSeries& series) const {
    std::string out;
    for (const PlotPoint& point : series.points) {
      out += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\" stroke=\"#fff\" "
          "stroke-width=\"1.5\"/>\n",
          x(point.x), y(point.y), series.color);
      const bool first = &point == &series.points.front();
      if (!first && &point != &series.points.back()) continue;
      out += text_at(
          x(point.x) + (first ? -4 : 4), y(std::max(point.y, point.high)) - 10,
          first ? "start" : "end",
          fill(kInk, 11, true) + " stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\"",
          short_number(point.y));
    }
    return out;
  }

  const PlotPanel& panel_;
  double left_;
  double end_ = 0.0;
  std::vector<double> ticks_;
};

// Each name once, from the right end of the line below the title.
std::string legend(const std::vector<PlotPanel>& panels, double at) {
  std::string out;
  std::vector<std::string> seen;
  for (const PlotPanel& panel : panels) {
    for (const PlotSeries& series : panel.series) {
      if (std::find(seen.begin(), seen.end(), series.name) != seen.end()) continue;
      seen.push_back(series.name);
      out += line(at, 66, at + 26, 66,
                  fmt::format("stroke=\"{}\" stroke-width=\"{}\"{}", series.color,
                              series.dashed ? "1.5" : "2.5",
                              series.dashed ? " stroke-dasharray=\"6 4\"" : ""));
      if (!series.dashed)
        out += fmt::format("<circle cx=\"{:.1f}\" cy=\"66\" r=\"4\" fill=\"{}\"/>\n", at + 13,
                           series.color);
      out += text_at(at + 33, 70, "start", fill(kInk, 12), series.name);
      at += 33 + 6.6 * static_cast<double>(series.name.size()) + 26;
    }
  }
  return out;
}

}  // namespace

std::vector<double> round_ticks(double highest) {
  if (!(highest > 0.0) || !std::isfinite(highest)) highest = 1.0;
  const double rough = highest / 5;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * 0.999999) step = factor * power;
  }
  std::vector<double> ticks = {0.0};
  while (ticks.back() < highest) ticks.push_back(static_cast<double>(ticks.size()) * step);
  return ticks;
}

std::string svg_plot(const std::string& title, const std::string& subtitle,
                     const std::vector<PlotPanel>& panels) {
  constexpr double kStep = kLeft + kPanelWidth + kRight;
  const double width = kStep * static_cast<double>(panels.size());
  const double height = kTop + kPanelHeight + kBottom;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"Inter, 'Helvetica Neue', Helvetica, Arial, "
      "'DejaVu Sans', sans-serif\">\n<title>{2}</title>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      width, height, escaped(title));
  out += text_at(24, 30, "start", fill(kInk, 17, true), title);
  out += text_at(24, 49, "start", fill(kQuiet, 12), subtitle);
  out += legend(panels, 24);
  for (std::size_t i = 0; i < panels.size(); ++i) {
    out += Panel(panels[i], kStep * static_cast<double>(i) + kLeft).draw();
  }
  return out + "</svg>\n";
}

}  // namespace halfbyte
