#include "cli/bench_plot.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/atomic_output.h"
#include "cli/svg_plot.h"

namespace halfbyte {

namespace {

constexpr const char* kMeasured = "measured (median; bars: slowest to fastest)";
constexpr const char* kLimit = "limit: measured peaks of this machine";

PlotPanel panel_of(const Json& depths, const char* phase, const std::string& title,
                   const char* color) {
  PlotSeries measured = {kMeasured, color, false, {}};
  PlotSeries limit = {kLimit, "#9ca3af", true, {}};
  for (const Json& row : depths) {
    if (!row.contains(phase)) continue;
    const Json& result = row[phase];
    const auto rates = result["tok_s"].get<std::vector<double>>();
    const auto [low, high] = std::minmax_element(rates.begin(), rates.end());
    const auto depth = row["depth"].get<double>();
    measured.points.push_back({depth, result["tok_s_median"].get<double>(), *low, *high});
    if (result["limit_tok_s"].is_null()) continue;
    limit.points.push_back({depth, result["limit_tok_s"].get<double>(), 0.0, 0.0});
  }
  return {title, "tokens already in the context", "tokens a second", {measured, limit}};
}

}  // namespace

std::vector<std::uint64_t> plot_depths(std::uint64_t last) {
  std::vector<std::uint64_t> depths = {0};
  for (std::uint64_t depth = 512; depth <= last; depth *= 2) depths.push_back(depth);
  return depths;
}

Json measure_depths(Bench& bench, const BenchOptions& options, const Limits& limits,
                    const std::vector<std::uint64_t>& depths) {
  Json list = Json::array();
  for (const std::uint64_t depth : depths) {
    const Rates rates = bench.measure(depth);
    Json row = {{"depth", depth}};
    if (options.prompt > 0) row["prefill"] = bench.prefill_json(rates.prefill, depth, limits);
    if (options.generate > 0) row["decode"] = bench.decode_json(rates.decode, depth, limits);
    list.push_back(std::move(row));
  }
  return list;
}

void write_plot(const BenchOptions& options, const Json& depths, const Json& body) {
  std::vector<PlotPanel> panels;
  if (options.prompt > 0) {
    panels.push_back(panel_of(
        depths, "prefill", fmt::format("Prefill: reading {} tokens", options.prompt), "#2563eb"));
  }
  if (options.generate > 0) {
    panels.push_back(panel_of(
        depths, "decode",
        fmt::format("Decode: writing {} tokens{}", options.generate,
                    options.batch == 1 ? "" : fmt::format(" in {} sequences", options.batch)),
        "#2563eb"));
  }
  const std::filesystem::path model = std::filesystem::path(options.model).lexically_normal();
  const std::string name =
      model.has_filename() ? model.filename().string() : model.parent_path().filename().string();
  const auto threads = body["threads"].get<std::uint64_t>();
  const std::string how =
      fmt::format("halfbyte {}, {} thread{}, {}, median of {}", HALFBYTE_VERSION, threads,
                  threads == 1 ? "" : "s", body["isa"].get<std::string>(), options.repetitions);
  AtomicFile file(options.plot);
  file.file().write(svg_plot(name, how, panels));
  file.commit();
}

}  // namespace halfbyte
