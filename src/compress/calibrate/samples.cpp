#include "compress/calibrate/samples.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "base/sha256.h"

namespace halfbyte {

namespace {

constexpr std::string_view kBetween = " ,\t[]\r";

Sample parse_line(std::string_view line, std::uint64_t number, std::uint64_t vocab,
                  std::string_view file) {
  Sample sample;
  while (!line.empty()) {
    line.remove_prefix(std::min(line.find_first_not_of(kBetween), line.size()));
    if (line.empty()) break;
    TokenId id = -1;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), id);
    if (error != std::errc{} || id < 0 || static_cast<std::uint64_t>(id) >= vocab) {
      fail_malformed(file, fmt::format("line {}: '{}' is no token id below {}", number,
                                       line.substr(0, line.find_first_of(kBetween)), vocab));
    }
    sample.push_back(id);
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  }
  return sample;
}

}  // namespace

std::vector<Sample> samples_of_text(const Tokenizer& tokenizer, std::string_view text,
                                    const SampleOptions& options, std::string_view file) {
  const std::vector<TokenId> ids = tokenizer.encode(text, {.parse_special = false});
  const bool bos = tokenizer.adds_bos() && tokenizer.bos().has_value();
  const std::uint64_t own = options.length - (bos ? 1 : 0);
  const std::uint64_t there = own > 0 ? ids.size() / own : 0;
  if (there == 0) {
    fail_usage(fmt::format("{}: {} tokens are too few to calibrate on samples of {}", file,
                           ids.size(), options.length));
  }
  const std::uint64_t wanted = std::clamp<std::uint64_t>(options.tokens / options.length, 1, there);
  std::vector<Sample> samples;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    const std::uint64_t begin = i * there / wanted * own;
    Sample& sample = samples.emplace_back();
    if (bos) sample.push_back(*tokenizer.bos());
    sample.insert(sample.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                  ids.begin() + static_cast<std::ptrdiff_t>(begin + own));
  }
  return samples;
}

std::vector<Sample> samples_of_ids(std::string_view lines, std::uint64_t vocab,
                                   const SampleOptions& options, std::string_view file) {
  std::vector<Sample> samples;
  std::uint64_t tokens = 0;
  for (std::uint64_t number = 1; !lines.empty() && tokens < options.tokens; ++number) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    Sample sample = parse_line(lines.substr(0, end), number, vocab, file);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (sample.empty()) continue;
    sample.resize(std::min<std::uint64_t>(sample.size(), options.length));
    tokens += sample.size();
    samples.push_back(std::move(sample));
  }
  if (samples.empty()) fail_usage(fmt::format("{}: no token ids to calibrate on", file));
  return samples;
}

std::string digest_of(std::span<const Sample> samples) {
  Sha256 digest;
  for (const Sample& sample : samples) {
    const std::uint64_t length = sample.size();
    digest.update({reinterpret_cast<const std::byte*>(&length), sizeof(length)});
    digest.update({reinterpret_cast<const std::byte*>(sample.data()), length * sizeof(TokenId)});
  }
  return digest.hex();
}

}  // namespace halfbyte
