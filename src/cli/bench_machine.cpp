#include "cli/bench_machine.h"

#include <fmt/format.h>

#include "cli/terminal.h"
#include "device/peaks.h"

namespace halfbyte {

namespace {

constexpr double kMultiplySeconds = 0.16;  // each measurement
constexpr double kReadSeconds = 0.3;
constexpr MemoryLevel kLevels[] = {MemoryLevel::l1, MemoryLevel::l2, MemoryLevel::l3,
                                   MemoryLevel::memory};

// Measured on one thread and, where there are more, on all.
template <typename Measure>
Json both(ThreadPool& one, ThreadPool& all, const Measure& measure) {
  check_interrupt();
  const double single = measure(one) / 1e9;
  return {{"one", single}, {"all", all.size() == 1 ? single : measure(all) / 1e9}};
}

}  // namespace

Json measure_machine(const RuntimeOptions& options) {
  const CpuFeatures features = options.features();
  const CacheSizes caches = read_cache_sizes();
  ThreadPool one(1);
  ThreadPool all(options.threads);
  Json body = {{"threads", all.size()}, {"isa", isa_level_of(features)}};
  body["cache_bytes"] = {{"l1", caches.l1}, {"l2", caches.l2}, {"l3", caches.l3}};
  Json& multiply = body["multiply"] = Json::array();
  for (const IsaRows* isa : all_isas()) {
    for (const PeakKernel& kernel : isa->peaks) {
      if (kernel.multiply == nullptr || !features.includes(kernel.needs)) continue;
      Json row = {{"kernel", kernel.name}, {"inputs", name_of(kernel.kind)}};
      row["gops"] = both(one, all, [&](ThreadPool& pool) {
        return measure_multiply(kernel, pool, kMultiplySeconds);
      });
      multiply.push_back(std::move(row));
    }
  }
  Json& read = body["read"] = Json::array();
  const PeakKernel& reader = *select_peak(PeakKind::read, features);
  for (const MemoryLevel level : kLevels) {
    Json row = {{"kernel", reader.name}, {"level", name_of(level)}};
    row["bytes"] = working_set(level, caches, 1);
    row["gbps"] = both(one, all, [&](ThreadPool& pool) {
      return measure_read(reader, working_set(level, caches, pool.size()), pool, kReadSeconds);
    });
    read.push_back(std::move(row));
  }
  return body;
}

void print_machine(const Json& body) {
  const auto threads = body["threads"].get<std::uint64_t>();
  const auto text = [](const Json& value) { return value.get<std::string>(); };
  print_line(fmt::format("{:<24} {:>12} {:>12}", "multiply-adds, GOP/s", "1 thread",
                         fmt::format("{} threads", threads)));
  for (const Json& row : body["multiply"]) {
    print_line(fmt::format("{:<24} {:12.1f} {:12.1f}", text(row["kernel"]),
                           row["gops"]["one"].get<double>(), row["gops"]["all"].get<double>()));
  }
  print_line("");
  print_line(fmt::format("{:<24}", "reading, GB/s"));
  for (const Json& row : body["read"]) {
    const std::string set =
        fmt::format("{}, {}", text(row["level"]), human_bytes(row["bytes"].get<std::uint64_t>()));
    print_line(fmt::format("{:<24} {:12.1f} {:12.1f}", set, row["gbps"]["one"].get<double>(),
                           row["gbps"]["all"].get<double>()));
  }
}

}  // namespace halfbyte
