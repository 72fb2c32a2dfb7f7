// A byte-level tokenizer for the golden models: ids 0 to 2 are special, 3 + b is the byte b, and a
// few merges make longer tokens.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace halfbyte::test {

// GPT-2's printable stand-in for a byte, as UTF-8.
inline std::string byte_letter(unsigned byte) {
  const auto printable = [](unsigned b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  unsigned code = byte;
  if (!printable(byte)) {
    code = 256;
    for (unsigned b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
}

constexpr int kToyEnd = 2;
inline int toy_id(char c) {
  return 3 + static_cast<unsigned char>(c);
}

// 261 tokens; "ab" is 259, "cd" is 260.
inline std::string toy_tokenizer_json() {
  Json vocab = Json::object();
  Json added = Json::array();
  int id = 0;
  for (const char* special : {"<pad>", "<s>", "</s>"}) {
    vocab[special] = id;
    added.push_back({{"id", id++},
                     {"content", special},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  for (unsigned byte = 0; byte < 256; ++byte) vocab[byte_letter(byte)] = id++;
  vocab["ab"] = id++;
  vocab["cd"] = id++;
  const Json level = {{"type", "ByteLevel"},
                      {"add_prefix_space", false},
                      {"trim_offsets", true},
                      {"use_regex", true}};
  const Json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", nullptr},
                      {"continuing_subword_prefix", nullptr},
                      {"end_of_word_suffix", nullptr},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"vocab", vocab},
                      {"merges", {"a b", "c d"}}};
  return Json{{"version", "1.0"},        {"truncation", nullptr}, {"padding", nullptr},
              {"added_tokens", added},   {"normalizer", nullptr}, {"pre_tokenizer", level},
              {"post_processor", level}, {"decoder", level},      {"model", model}}
      .dump();
}

inline std::string toy_tokenizer_config(std::string_view chat_template = "") {
  Json config = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"add_bos_token", false}};
  if (!chat_template.empty()) config["chat_template"] = chat_template;
  return config.dump();
}

}  // namespace halfbyte::test
