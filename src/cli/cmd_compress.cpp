// halfbyte compress and halfbyte convert: a model in, a smaller or differently written one out.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/app.h"
#include "cli/sizes.h"
#include "cli/terminal.h"
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

// What the model is calibrated on; nothing where no text was named.
std::vector<Sample> samples_of(const CompressFlags& flags, const Tokenizer* tokenizer,
                               const ModelFiles& source) {
  if (!flags.calib_ids.empty()) {
    return samples_of_ids(read_text_file(flags.calib_ids), source.spec().vocab, flags.samples,
                          flags.calib_ids);
  }
  if (flags.calib.empty()) return {};
  if (tokenizer == nullptr) {
    fail_usage("this model has no tokenizer: give token ids instead of text (--calib-ids)");
  }
  return samples_of_text(*tokenizer, read_text_file(flags.calib), flags.samples, flags.calib);
}

std::optional<Budget> budget_of(const CompressFlags& flags) {
  if (flags.target_bits) return Budget{flags.target_bits, std::nullopt};
  if (flags.target_size.empty()) return std::nullopt;
  return Budget{std::nullopt, parse_bytes(flags.target_size)};
}

void run_compress(CompressFlags flags) {
  if (flags.options.to.empty()) flags.options.to = format_of(flags.out);
  const ModelFiles source(flags.source);
  const std::optional<Tokenizer> tokenizer = Tokenizer::from_checkpoint(source.checkpoint());
  flags.calibration.samples = samples_of(flags, tokenizer ? &*tokenizer : nullptr, source);
  if (!flags.calibration.samples.empty()) flags.options.calibration = flags.calibration;
  flags.options.budget = budget_of(flags);
  ThreadPool pool(flags.threads);
  const CompressReport report = compress(source, tokenizer ? &*tokenizer : nullptr, flags.out,
                                         flags.options, pool, progress_bar());
  if (flags.json) {
    const std::string type =
        flags.options.budget ? "" : parse_recipe(flags.options.method).type(flags.options.type);
    print_json(to_json(report, flags.options.method, type, flags.out));
  } else {
    print_report(report, flags.out);
  }
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
  app.add_option("SRC", flags->source, "A folder, a .gguf file or a bundle")->required();
  app.add_option("-o,--out", flags->out, "What to write")->required();
  app.add_option("--method", flags->options.method,
                 "rtn: round to nearest; gptq; int8: LLM.int8(); several in order: a,b,c")
      ->capture_default_str();
  app.add_option("--calib", flags->calib, "A text that the model is seen at work on");
  app.add_option("--calib-ids", flags->calib_ids, "The same as token ids, a sample a line");
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
                 known_types() + " (default: int8 with --method int8, else q4_0)");
  app.add_option("--target-bpw", flags->target_bits,
                 "Choose a type for each tensor, this many bits a weight at most (with --calib)")
      ->check(CLI::Range(1.0, 32.0))
      ->excludes("--type");
  app.add_option("--target-size", flags->target_size,
                 "The same by size: 80MB, 1.5GB, 700MiB or bytes")
      ->excludes("--type")
      ->excludes("--target-bpw");
  flags->options.to.clear();
  app.add_option("--to", flags->options.to,
                 "bundle, gguf, safetensors, awq, gptq, compressed-tensors (default: gguf for "
                 "NAME.gguf, else bundle)");
  app.add_option("--keep-head", flags->options.head_type, "Type of the head (default: by --type)");
  app.add_option("--embedding", flags->options.embedding_type,
                 "Type of the token embedding (default: by --type)");
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
