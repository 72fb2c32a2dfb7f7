// The post-processors of a tokenizer.json. Each wraps what the ones before it made.
#include "tokenizer/json/steps.h"

namespace halfbyte::json_parts {
namespace {

TokenId read_id(Element value, std::string_view file) {
  std::uint64_t id = 0;
  if (value.get(id) != simdjson::SUCCESS || id >= kMaxPieces) bad_field(file, "id");
  return static_cast<TokenId>(id);
}

void wrap(TokenizerSpec& spec, const std::vector<TemplateItem>& outer) {
  if (spec.post.empty()) spec.post.push_back({true, 0});
  std::vector<TemplateItem> out;
  for (const TemplateItem& item : outer) {
    if (item.is_text) {
      out.insert(out.end(), spec.post.begin(), spec.post.end());
    } else {
      out.push_back(item);
    }
    if (out.size() > kMaxSteps) fail_unsupported(spec.file, "a post-processor of that size");
  }
  spec.post = std::move(out);
}

void no_post_processor(Element, TokenizerSpec&, int) {}

void template_processing(Element value, TokenizerSpec& spec, int) {
  simdjson::dom::array single;
  if (need(value, "single", spec.file).get(single) != simdjson::SUCCESS) {
    bad_field(spec.file, "single");
  }
  std::vector<TemplateItem> items;
  for (const Element piece : single) {
    Element inner;
    if (field(piece, "Sequence", inner)) {
      // "B" is the second text of a pair, which a single text has not.
      if (get_text(inner, "id", "A", spec.file) == "A") items.push_back({true, 0});
      continue;
    }
    const Element token = need(piece, "SpecialToken", spec.file);
    const Element known = need(value, "special_tokens", spec.file);
    const std::string name(need_text(token, "id", spec.file));
    const Element entry = need(known, name.c_str(), spec.file);
    simdjson::dom::array ids;
    if (need(entry, "ids", spec.file).get(ids) != simdjson::SUCCESS) bad_field(spec.file, "ids");
    for (const Element id : ids) items.push_back({false, read_id(id, spec.file)});
  }
  wrap(spec, items);
}

void class_and_separator(Element value, TokenizerSpec& spec, int) {
  const auto id_of = [&](const char* key) {
    Element id;
    if (need(value, key, spec.file).at(1).get(id) != simdjson::SUCCESS) bad_field(spec.file, key);
    return read_id(id, spec.file);
  };
  wrap(spec, {{false, id_of("cls")}, {true, 0}, {false, id_of("sep")}});
}

void post_processor_sequence(Element value, TokenizerSpec& spec, int depth) {
  each(value, "processors", spec, depth, read_post_processor);
}

constexpr std::array<Row, 5> kPostProcessors = {{
    {"ByteLevel", no_post_processor},
    {"TemplateProcessing", template_processing},
    {"BertProcessing", class_and_separator},
    {"RobertaProcessing", class_and_separator},
    {"Sequence", post_processor_sequence},
}};

}  // namespace

void read_post_processor(Element value, TokenizerSpec& spec, int depth) {
  dispatch(kPostProcessors, "post-processor", value, spec, depth);
}

}  // namespace halfbyte::json_parts
