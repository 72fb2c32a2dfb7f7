// halfbyte compress and halfbyte convert: a model in, a smaller or differently written one out.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/app.h"
#include "cli/compress_report.h"
#include "cli/sizes.h"
#include "cli/terminal.h"
#include "compress/choose.h"
#include "compress/compress.h"
#include "compress/convert.h"
#include "compress/methods.h"
#include "compress/mixes.h"

namespace halfbyte {

namespace {

struct CompressFlags {
  std::string source;
  std::string out;
  CompressOptions options;
  std::string calib;
  std::string calib_ids;
  SampleOptions samples;
  CalibrationOptions calibration;
  std::optional<double> target_bits;
  std::string target_size;
  std::string report;
  std::string report_text;
  std::size_t threads = 0;
  bool json = false;
};

struct ConvertFlags {
  std::string source;
  std::string out;
  ConvertOptions options;
  std::size_t threads = 0;
  bool json = false;
};

Json to_json(const CompressReport& report, const std::string& method, const std::string& type,
             const std::string& out) {
  Json body;
  body["method"] = method;
  body["type"] = type;
  body["out"] = out;
  body["bytes_in"] = report.bytes_in;
  body["bytes_out"] = report.bytes_out;
  body["bits_per_weight"] = report.bits_per_weight;
  body["seconds"] = report.seconds;
  body["peak_rss_bytes"] = peak_rss_bytes();
  body["layers"] = Json::array();
  for (const LayerReport& layer : report.layers) {
    body["layers"].push_back(
        {{"name", layer.name}, {"type", name(layer.type)}, {"error", layer.error}});
  }
  body["notes"] = report.notes;
  return body;
}

void print_report(const CompressReport& report, const std::string& out) {
  for (const std::string& note : report.notes) print_error(fmt::format("halfbyte: note: {}", note));
  double worst = 0.0;
  std::string_view where;
  for (const LayerReport& layer : report.layers) {
    if (layer.error <= worst) continue;
    worst = layer.error;
    where = layer.name;
  }
  const double share = report.bytes_in > 0 ? 100.0 * static_cast<double>(report.bytes_out) /
                                                 static_cast<double>(report.bytes_in)
                                           : 0.0;
  print_line(fmt::format("{}: {} from {} ({:.1f} %), {:.2f} bits per weight, {:.1f} s", out,
                         human_bytes(report.bytes_out), human_bytes(report.bytes_in), share,
                         report.bits_per_weight, report.seconds));
  if (worst > 0) print_line(fmt::format("largest relative error {:.4f} in {}", worst, where));
}

std::string known_types() {
  std::string names;
  for (const OutputType& type : all_output_types()) {
    names += (names.empty() ? "" : ", ") + std::string(type.name);
  }
  return names;
}

// Without --to the output's name decides.
std::string format_of(const std::string& out) {
  return out.ends_with(".gguf") ? "gguf" : "bundle";
}

// The texts that were named. What a report scores must not be what was calibrated on.
struct Texts {
  std::string calibration;
  std::string report;
};
Texts texts_of(const CompressFlags& flags) {
  Texts texts;
  if (!flags.calib.empty()) texts.calibration = read_text_file(flags.calib);
  if (flags.report.empty()) return texts;
  if (!flags.report_text.empty()) {
    texts.report = read_text_file(flags.report_text);
  } else if (!flags.calib.empty()) {
    HeldOut parts = hold_out(texts.calibration);
    texts = {std::move(parts.rest), std::move(parts.held)};
  }
  return texts;
}

// What the model is calibrated on; nothing where no text was named.
std::vector<Sample> samples_of(const CompressFlags& flags, const std::string& text,
                               const Tokenizer* tokenizer, const ModelFiles& source) {
  if (!flags.calib_ids.empty()) {
    return samples_of_ids(read_text_file(flags.calib_ids), source.spec().vocab, flags.samples,
                          flags.calib_ids);
  }
  if (flags.calib.empty()) return {};
  if (tokenizer == nullptr) {
    fail_usage("this model has no tokenizer: give token ids instead of text (--calib-ids)");
  }
  return samples_of_text(*tokenizer, text, flags.samples, flags.calib);
}

std::optional<Budget> budget_of(const CompressFlags& flags) {
  if (flags.target_bits) return Budget{flags.target_bits, std::nullopt};
  if (flags.target_size.empty()) return std::nullopt;
  return Budget{std::nullopt, parse_bytes(flags.target_size)};
}

// Chooses what was not asked for; gives the reason.
std::string choose_rest(CompressOptions& options, const ModelFiles& source) {
  const ChoiceFacts facts{source.spec(), need_target(options.to), detect_cpu_features(),
                          options.calibration.has_value()};
  // A budget gives types of its own.
  const std::string asked = options.budget ? parse_recipe("rtn").type("") : options.type;
  Choice choice = choose(facts, asked, options.method);
  options.type = std::move(choice.type);
  options.method = std::move(choice.method);
  return std::move(choice.why);
}

void run_compress(CompressFlags flags) {
  CompressOptions& options = flags.options;
  if (options.to.empty()) options.to = format_of(flags.out);
  std::optional<AtomicFile> page;
  if (!flags.report.empty()) page.emplace(flags.report);
  const ModelFiles source(flags.source);
  const std::optional<Tokenizer> found = Tokenizer::from_checkpoint(source.checkpoint());
  const Tokenizer* const tokenizer = found ? &*found : nullptr;
  const Texts texts = texts_of(flags);
  flags.calibration.samples = samples_of(flags, texts.calibration, tokenizer, source);
  if (!flags.calibration.samples.empty()) options.calibration = flags.calibration;
  options.budget = budget_of(flags);
  const std::string why = choose_rest(options, source);
  ThreadPool pool(flags.threads);
  const CompressReport report =
      compress(source, tokenizer, flags.out, options, pool, progress_bar());
  // Before the report, which takes memory of its own.
  Json body = to_json(report, options.method, options.budget ? "" : options.type, flags.out);
  if (page) {
    write_report(
        {source, tokenizer, flags.source, flags.out, options, report, why, texts.report, pool},
        *page);
  }
  if (!why.empty()) print_error(fmt::format("halfbyte: {}", why));
  if (!flags.json) return print_report(report, flags.out);
  if (!why.empty()) body["why"] = why;
  if (page) body["report"] = flags.report;
  print_json(body);
}

void run_convert(const ConvertFlags& flags) {
  const ModelFiles source(flags.source);
  const std::optional<Tokenizer> tokenizer = Tokenizer::from_checkpoint(source.checkpoint());
  ThreadPool pool(flags.threads);
  const CompressReport report = convert(source, tokenizer ? &*tokenizer : nullptr, flags.out,
                                        flags.options, pool, progress_bar());
  if (flags.json) {
    print_json(to_json(report, "none", flags.options.dtype, flags.out));
  } else {
    print_report(report, flags.out);
  }
}

}  // namespace

std::function<void()> setup_compress(CLI::App& app) {
  auto flags = std::make_shared<CompressFlags>();
  CompressOptions& options = flags->options;
  options.method = options.type = options.to = "";  // by what is known when the source is open
  app.add_option("SRC", flags->source, "A folder, a .gguf file or a bundle")->required();
  app.add_option("-o,--out", flags->out, "What to write")->required();
  app.add_option(
      "--method", options.method,
      "rtn, awq, smooth, gptq, int8, refine, several in order: a,b,c; best (default: best "
      "with a text, else rtn; w8a8, int8 and w4a8 have their own)");
  app.add_option("--calib", flags->calib, "A text that the model is seen at work on");
  app.add_option("--calib-ids", flags->calib_ids, "The same as token ids, a sample a line")
      ->excludes("--calib");
  app.add_option("--calib-tokens", flags->samples.tokens, "Tokens of it to use")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--calib-length", flags->samples.length, "Tokens of a sample")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  app.add_flag("--calib-original", flags->calibration.original_inputs,
               "Calibrate each block on what the original blocks before it give");
  app.add_flag("--sequential", flags->calibration.sequential,
               "Quantize a block's matrices one after the other, each seeing those before it");
  app.add_flag("--resume", flags->calibration.resume,
               "Go on with what an earlier run, killed or failed, has finished");
  app.add_option("--type", flags->options.type,
                 known_types() +
                     " (default: int8 with --method int8, else what suits the model "
                     "and this CPU at about 4.5 bits)");
  app.add_flag("--symmetric", flags->options.symmetric,
               "Keep the zero points of wBgG types in the middle");
  app.add_option("--target-bpw", flags->target_bits,
                 "Choose a type for each tensor, this many bits a weight at most (with --calib)")
      ->check(CLI::Range(1.0, 32.0))
      ->excludes("--type");
  app.add_option("--target-size", flags->target_size,
                 "The same by size: 80MB, 1.5GB, 700MiB or bytes")
      ->excludes("--type")
      ->excludes("--target-bpw");
  app.add_option("--to", flags->options.to,
                 "bundle, gguf, safetensors, awq, gptq, compressed-tensors (default: gguf for "
                 "NAME.gguf, else bundle)");
  app.add_option("--keep-head", flags->options.head_type, "Type of the head (default: by --type)");
  app.add_option("--embedding", flags->options.embedding_type,
                 "Type of the token embedding (default: by --type)");
  app.add_option("--report", flags->report,
                 "Write a page (HTML, one file) that shows errors, bits, speed and sample answers");
  app.add_option("--report-text", flags->report_text,
                 "What the report scores (default: the last eighth of --calib, which is then not "
                 "calibrated on)")
      ->needs("--report");
  app.add_option("-t,--threads", flags->threads,
                 "Threads (default: the cores that this process may use)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--json", flags->json, "Print JSON");
  return [flags] { run_compress(*flags); };
}

std::function<void()> setup_convert(CLI::App& app) {
  auto flags = std::make_shared<ConvertFlags>();
  app.add_option("SRC", flags->source, "A folder, a .gguf file or a bundle")->required();
  app.add_option("-o,--out", flags->out, "What to write")->required();
  app.add_option("--to", flags->options.to,
                 "safetensors, gguf, bundle, awq, gptq, compressed-tensors")
      ->required();
  app.add_option("--dtype", flags->options.dtype, "keep, f32, f16, bf16")->capture_default_str();
  app.add_option("-t,--threads", flags->threads,
                 "Threads (default: the cores that this process may use)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--json", flags->json, "Print JSON");
  return [flags] { run_convert(*flags); };
}

}  // namespace halfbyte
