// tokenizer_config.json beside a tokenizer.json, and the token ids of config.json.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "tokenizer/sources.h"

namespace halfbyte {
namespace {

// A token is a string, or an object with its "content".
std::string token_text(const Json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_object()) return "";
  const auto content = found->find("content");
  return content != found->end() && content->is_string() ? content->get<std::string>() : "";
}

bool flag(const Json& object, const char* key, bool fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

// Tokens that this file knows and tokenizer.json does not, in the order of their ids.
void add_listed_tokens(TokenizerSpec& spec, const Json& config, std::size_t model_count) {
  const auto listed = config.find("added_tokens_decoder");
  if (listed == config.end() || !listed->is_object()) return;
  std::vector<std::pair<long long, AddedToken>> tokens;
  for (const auto& [key, entry] : listed->items()) {
    if (!entry.is_object()) continue;
    AddedToken token;
    token.text = token_text(Json{{"t", entry}}, "t");
    token.single_word = flag(entry, "single_word", false);
    token.lstrip = flag(entry, "lstrip", false);
    token.rstrip = flag(entry, "rstrip", false);
    token.special = flag(entry, "special", false);
    token.normalized = flag(entry, "normalized", !token.special);
    if (key.size() > 9 || key.find_first_not_of("0123456789") != std::string::npos) continue;
    if (!token.text.empty() && find_added(spec, token.text) == nullptr) {
      tokens.emplace_back(std::stoll("0" + key), std::move(token));
    }
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, token] : tokens) add_token(spec, std::move(token), model_count);
}

struct NamedToken {
  const char* key;
  std::optional<TokenId> TokenizerSpec::*slot;
};
constexpr std::array<NamedToken, 4> kNamed = {{
    {"bos_token", &TokenizerSpec::bos},
    {"eos_token", &TokenizerSpec::eos},
    {"unk_token", &TokenizerSpec::unk},
    {"pad_token", &TokenizerSpec::pad},
}};

// The library makes them special tokens where they are not yet.
void name_tokens(TokenizerSpec& spec, const Json& config) {
  for (const NamedToken& named : kNamed) {
    const std::string text = token_text(config, named.key);
    const TokenId id = text.empty() ? Vocab::kNone : spec.vocab.find(text);
    if (id < 0) continue;
    spec.*named.slot = id;
    if (find_added(spec, text) == nullptr) {
      AddedToken token;
      token.text = text;
      token.special = true;
      add_token(spec, std::move(token), 0);
    }
  }
}

// A string, or a list of {"name", "template"}.
void read_chat_template(TokenizerSpec& spec, const Json& config) {
  const auto found = config.find("chat_template");
  if (found == config.end()) return;
  if (found->is_string()) spec.chat_template = found->get<std::string>();
  if (!found->is_array()) return;
  for (const Json& entry : *found) {
    if (entry.is_object() && token_text(entry, "name") == "default") {
      spec.chat_template = token_text(entry, "template");
    }
  }
}

void add_model_id(const TokenizerSpec& spec, const Json& config, const char* key,
                  std::vector<TokenId>& ids) {
  if (!config.is_object()) return;
  const auto found = config.find(key);
  if (found == config.end()) return;
  const auto add = [&](const Json& value) {
    if (!value.is_number_integer()) return;
    const auto id = value.get<std::int64_t>();
    if (id >= 0 && static_cast<std::uint64_t>(id) < spec.vocab.size()) {
      ids.push_back(static_cast<TokenId>(id));
    }
  };
  if (found->is_array()) {
    for (const Json& value : *found) add(value);
  } else {
    add(*found);
  }
}

// Spellings that end a turn or a text in published vocabularies (llama.cpp keeps the same list).
constexpr std::array<std::string_view, 33> kEndPieces = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
};

// Pairs that take another spelling off the list: where `sign` (and `with`) are there, `dropped` is
// an ordinary token.
struct Exception {
  std::string_view sign;
  std::string_view with;
  std::string_view dropped;
};
constexpr std::array<Exception, 4> kExceptions = {{
    {"<|return|>", "<|call|>", "<|end|>"},
    {"<|flush|>", "<|call|>", "<|end|>"},
    {"<|flush|>", "<|calls|>", "<|end|>"},
    {"<|tool_response>", "<|tool_response>", "</s>"},
}};

}  // namespace

void apply_tokenizer_config(TokenizerSpec& spec, std::string_view text, std::string_view file) {
  const Json config = parse_json(text, file);
  if (!config.is_object()) fail_malformed(file, "tokenizer_config.json: not an object");
  add_listed_tokens(spec, config, spec.vocab.count());
  name_tokens(spec, config);
  if (config.contains("add_bos_token")) set_adds_bos(spec, flag(config, "add_bos_token", false));
  if (config.contains("add_eos_token")) set_adds_eos(spec, flag(config, "add_eos_token", false));
  read_chat_template(spec, config);
}

void apply_model_config(TokenizerSpec& spec, const Json& config) {
  std::vector<TokenId> ids;
  add_model_id(spec, config, "bos_token_id", ids);
  if (!spec.bos && !ids.empty()) spec.bos = ids[0];
  ids.clear();
  add_model_id(spec, config, "pad_token_id", ids);
  if (!spec.pad && !ids.empty()) spec.pad = ids[0];
  ids.clear();
  add_model_id(spec, config, "eos_token_id", ids);
  if (!spec.eos && !ids.empty()) spec.eos = ids[0];
  spec.end_ids.insert(spec.end_ids.end(), ids.begin(), ids.end());
}

bool template_adds_bos(const TokenizerSpec& spec) {
  return spec.bos && !spec.post.empty() && !spec.post.front().is_text &&
         spec.post.front().id == *spec.bos;
}

bool template_adds_eos(const TokenizerSpec& spec) {
  return spec.eos && !spec.post.empty() && !spec.post.back().is_text &&
         spec.post.back().id == *spec.eos;
}

void set_adds_bos(TokenizerSpec& spec, bool adds) {
  if (!spec.bos || template_adds_bos(spec) == adds) return;
  if (spec.post.empty()) spec.post.push_back({true, 0});
  if (adds) {
    spec.post.insert(spec.post.begin(), {false, *spec.bos});
  } else {
    spec.post.erase(spec.post.begin());
  }
}

void set_adds_eos(TokenizerSpec& spec, bool adds) {
  if (!spec.eos || template_adds_eos(spec) == adds) return;
  if (spec.post.empty()) spec.post.push_back({true, 0});
  if (adds) {
    spec.post.push_back({false, *spec.eos});
  } else {
    spec.post.pop_back();
  }
}

void infer_from_template(TokenizerSpec& spec) {
  if (spec.post.size() < 2) return;
  const TemplateItem& first = spec.post.front();
  const TemplateItem& last = spec.post.back();
  if (!spec.bos && !first.is_text && spec.vocab.contains(first.id)) spec.bos = first.id;
  if (!spec.eos && !last.is_text && spec.vocab.contains(last.id)) spec.eos = last.id;
}

void resolve_end_ids(TokenizerSpec& spec) {
  std::vector<TokenId>& ids = spec.end_ids;
  if (spec.eos) ids.insert(ids.begin(), *spec.eos);
  for (const std::string_view piece : kEndPieces) {
    if (const AddedToken* token = find_added(spec, piece)) ids.push_back(token->id);
  }
  for (const Exception& e : kExceptions) {
    const AddedToken* dropped = find_added(spec, e.dropped);
    if (dropped == nullptr || find_added(spec, e.sign) == nullptr ||
        find_added(spec, e.with) == nullptr) {
      continue;
    }
    std::erase(ids, dropped->id);
  }
  std::vector<TokenId> once;
  for (const TokenId id : ids) {
    if (std::find(once.begin(), once.end(), id) == once.end()) once.push_back(id);
  }
  ids = std::move(once);
}

}  // namespace halfbyte
