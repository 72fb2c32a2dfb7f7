#include "cli/compress_report.h"

#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "cli/report_measure.h"
#include "cli/report_page.h"
#include "cli/terminal.h"
#include "compress/report_data.h"
#include "kernels/registry.h"

namespace halfbyte {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHeldShare = 8;
constexpr const char* kBaseline = "rtn";

std::string file_name(const std::string& path) {
  const fs::path normal = fs::path(path).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
}

// The same type, rounded to nearest without a text: what the method is to be better than.
class Baseline {
 public:
  explicit Baseline(const ReportRequest& request)
      : path_(fs::path(request.out).lexically_normal()) {
    if (!path_.has_filename()) path_ = path_.parent_path();
    path_.replace_filename(fmt::format(".{}.{}.tmp", path_.filename().string(), kBaseline));
    CompressOptions options = request.options;
    options.method = kBaseline;
    options.calibration = std::nullopt;
    compress(request.source, request.tokenizer, path_.string(), options, request.pool,
             progress_bar());
  }
  ~Baseline() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Baseline(const Baseline&) = delete;
  Baseline& operator=(const Baseline&) = delete;
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

// Types for a budget need the text, too: there is nothing to compare them with.
bool wants_baseline(const ReportRequest& request) {
  const bool plain = request.options.method == kBaseline && !request.options.calibration;
  return !plain && !request.options.budget;
}

std::string name_of(const CompressOptions& options) {
  return fmt::format("{}, {}", options.budget ? "types for a budget" : options.type,
                     options.method);
}

std::vector<TokenId> tokens_of(const ReportRequest& request) {
  if (request.tokenizer == nullptr || request.text.empty()) return {};
  return request.tokenizer->encode(request.text, {.parse_special = false});
}

Json measured(const ReportRequest& request) {
  const std::unique_ptr<Model> source = Model::open(request.source_path, request.pool);
  const MeasureInputs inputs{*source, request.tokenizer, tokens_of(request)};
  Json all = Json::array();
  const auto add = [&](const Variant& variant) {
    all.push_back(measure(variant, *Model::open(variant.path, request.pool), inputs));
  };
  all.push_back(measure({"source", file_name(request.source_path), ""}, *source, inputs));
  add({"result", name_of(request.options), request.out});
  if (wants_baseline(request)) {
    const Baseline baseline(request);
    add({"rtn", fmt::format("{}, {}", request.options.type, kBaseline), baseline.path()});
  }
  return all;
}

}  // namespace

Json report_data(const ReportRequest& request) {
  const CompressOptions& options = request.options;
  const CompressReport& report = request.report;
  return {{"version", HALFBYTE_VERSION},
          {"source", file_name(request.source_path)},
          {"out", file_name(request.out)},
          {"to", options.to},
          {"type", options.budget ? "" : options.type},
          {"method", options.method},
          {"why", request.why},
          {"seconds", report.seconds},
          {"bytes_in", report.bytes_in},
          {"bytes_out", report.bytes_out},
          {"bits_per_weight", report.bits_per_weight},
          {"output_errors", options.calibration.has_value()},
          {"threads", request.pool.size()},
          {"isa", select_rows(detect_cpu_features()).isa},
          {"notes", report.notes},
          {"tensors", to_json(tensor_facts(ModelFiles(request.out), report))},
          {"prompts", report_prompts()},
          {"variants", measured(request)}};
}

void write_report(const ReportRequest& request, AtomicFile& page) {
  page.file().write(report_page(report_data(request)));
  page.commit();
}

HeldOut hold_out(const std::string& text) {
  std::size_t cut = text.size() - text.size() / kHeldShare;
  const std::size_t line = text.rfind('\n', cut);
  if (line != std::string::npos && line >= text.size() / 2) cut = line + 1;
  // Not within a character.
  while (cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xC0u) == 0x80u) ++cut;
  return {text.substr(0, cut), text.substr(cut)};
}

}  // namespace halfbyte
