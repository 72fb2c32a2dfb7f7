// A folder as published checkpoints are: config.json, weights (sharded where large), and the files
// of the tokenizer. Matrices of blocks may be stored in a layout of their own (group_layout): a
// module of several tensors each.
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "base/atomic_output.h"
#include "base/mapped_file.h"
#include "compress/carried.h"
#include "compress/group_jobs.h"
#include "compress/module_tensors.h"
#include "formats/group_config.h"
#include "formats/safetensors.h"
#include "model/write_hf.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kShardBytes = 5'000'000'000;
constexpr std::string_view kWeights = "model.safetensors";

// Files that go along as they are.
constexpr std::string_view kCopied[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "generation_config.json",
    "LICENSE",
};
constexpr std::uint64_t kMaxCopied = std::uint64_t{256} << 20;

// Where no tokenizer file exists, these keys of a GGUF file hold one whole.
struct Unpacked {
  std::string_view key;
  std::string_view file;
};
constexpr Unpacked kUnpacked[] = {{"tokenizer.huggingface.json", "tokenizer.json"},
                                  {"tokenizer.chat_template", "chat_template.jinja"}};

class SafetensorsOutput final : public Output {
 public:
  SafetensorsOutput(const OutputPlan& plan, std::vector<std::string>& notes)
      : plan_(plan), layout_(layout_of(plan.target)), folder_(plan.path) {
    cut_into_shards();
    write_config();
    write_tokenizer(notes);
  }

  void begin(const TensorJob& job) override {
    end_module();
    if (next_ == shard_ends_[shard_]) {
      end_shard();
      ++shard_;
    }
    if (!writer_) begin_shard();
    ++next_;
    if (in_groups(plan_.target, job)) module_ = &job;
  }
  void write(ByteView bytes) override {
    if (module_ == nullptr) return writer_->write(bytes);
    rows_.insert(rows_.end(), bytes.begin(), bytes.end());
  }

  std::uint64_t finish(const CompressReport&) override {
    end_module();
    end_shard();
    if (shard_ends_.size() > 1) write_index();
    folder_.commit();
    return bytes_;
  }

 private:
  using Stored = std::vector<SafetensorsWriter::Tensor>;

  Stored stored_as(const TensorJob& job) const {
    if (!in_groups(plan_.target, job)) return {{job.name, job.dtype, job.shape}};
    Stored stored;
    for (const ModuleTensor& part : module_tensors(plan_.target, job, plan_.rules)) {
      stored.push_back({module_of(job) + std::string(part.suffix), part.dtype, part.shape});
    }
    return stored;
  }

  static std::string module_of(const TensorJob& job) {
    return job.name.substr(0, job.name.rfind(".weight"));
  }

  // The module whose rows have come is written, turned into its tensors.
  void end_module() {
    if (module_ == nullptr) return;
    for (const auto& bytes : module_bytes(plan_.target, *module_, plan_.rules, rows_.data())) {
      writer_->write(bytes);
    }
    rows_.clear();
    module_ = nullptr;
  }

  void cut_into_shards() {
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < plan_.jobs.size(); ++i) {
      const std::uint64_t bytes = stored_bytes(plan_.target, plan_.jobs[i], plan_.rules);
      if (size != 0 && size + bytes > kShardBytes) {
        shard_ends_.push_back(i);
        size = 0;
      }
      size += bytes;
    }
    shard_ends_.push_back(plan_.jobs.size());
  }

  std::string shard_name(std::size_t shard) const {
    if (shard_ends_.size() == 1) return std::string(kWeights);
    return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shard_ends_.size());
  }

  void begin_shard() {
    std::vector<SafetensorsWriter::Tensor> tensors;
    for (std::size_t i = next_; i < shard_ends_[shard_]; ++i) {
      for (auto& tensor : stored_as(plan_.jobs[i])) tensors.push_back(std::move(tensor));
    }
    file_.emplace(folder_.path_of(shard_name(shard_)));
    // Readers of other libraries ask for the framework that wrote the file.
    writer_.emplace(*file_, std::move(tensors),
                    std::map<std::string, std::string>{{"format", "pt"}});
  }

  void end_shard() {
    if (!writer_) return;
    writer_->finish();
    bytes_ += file_->size();
    file_->close();
    writer_.reset();
    file_.reset();
  }

  void write_index() {
    Json map = Json::object();
    std::uint64_t total = 0;
    std::size_t shard = 0;
    for (std::size_t i = 0; i < plan_.jobs.size(); ++i) {
      if (i == shard_ends_[shard]) ++shard;
      for (const auto& tensor : stored_as(plan_.jobs[i])) {
        map.emplace(tensor.name, shard_name(shard));
      }
      total += stored_bytes(plan_.target, plan_.jobs[i], plan_.rules);
    }
    put("model.safetensors.index.json",
        Json{{"metadata", {{"total_size", total}}}, {"weight_map", std::move(map)}}.dump(2));
  }

  bool any_bias(std::string_view part) const {
    for (const TensorJob& job : plan_.jobs) {
      if (job.own.ends_with(fmt::format(".{}.bias", part))) return true;
    }
    return false;
  }

  void write_config() {
    HfFacts facts;
    facts.dtype = plan_.main_type;
    facts.attention_bias = any_bias("attn_q");
    facts.mlp_bias = any_bias("ffn_up");
    if (layout_ != nullptr) describe_groups(facts);
    put("config.json",
        config_from_spec(plan_.spec, facts, plan_.source.checkpoint().config()).dump(2));
    if (plan_.source.checkpoint().format() != Format::kFolder) {
      put("generation_config.json", generation_config_from_spec(plan_.spec).dump(2));
    }
  }

  void describe_groups(HfFacts& facts) {
    facts.dtype = DType::f16;
    facts.quantization = module_config(plan_.target, plan_.main_type, plan_.rules);
    except_routers(facts.quantization);
    const std::string_view file = separate_config_file(*layout_);
    if (!file.empty()) put(file, facts.quantization.dump(2));
  }

  // Readers take every module of a block to be quantized but those that are listed.
  void except_routers(Json& config) const {
    for (const char* key : {"modules_to_not_convert", "ignore"}) {
      if (!config.contains(key)) continue;
      for (const TensorJob& job : plan_.jobs) {
        const bool router =
            job.role == Role::table && job.own.find(".ffn_gate_inp") != job.own.npos;
        if (router) config[key].push_back(module_of(job));
      }
    }
  }

  void write_tokenizer(std::vector<std::string>& notes) {
    bool copied = false;
    for (const std::string_view name : kCopied) {
      const auto path = plan_.source.checkpoint().file(name);
      if (!path) continue;
      put(name, read_text_file(*path, kMaxCopied));
      copied = true;
    }
    if (copied || plan_.source.checkpoint().format() == Format::kFolder) return;
    const Carried carried(plan_, true);
    bool whole = false;
    for (const auto& [key, name] : kUnpacked) {
      const auto text = carried.metadata().get_string(key);
      if (text) put(name, *text);
      whole = whole || (text && name == "tokenizer.json");
    }
    if (!whole)
      notes.push_back("the source has no tokenizer.json; the folder is without tokenizer");
  }

  void put(std::string_view name, std::string_view text) {
    OutputFile out(folder_.path_of(name));
    out.write(text);
    out.close();
  }

  const OutputPlan& plan_;
  const GroupLayout* layout_;  // nullptr: matrices are stored as they are
  AtomicFolder folder_;
  std::vector<std::size_t> shard_ends_;  // index of the job after each shard's last
  std::size_t shard_ = 0;
  std::size_t next_ = 0;  // job
  std::optional<OutputFile> file_;
  std::optional<SafetensorsWriter> writer_;
  const TensorJob* module_ = nullptr;  // whose rows are coming
  std::vector<std::byte> rows_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Output> open_safetensors_output(const OutputPlan& plan,
                                                std::vector<std::string>& notes) {
  return std::make_unique<SafetensorsOutput>(plan, notes);
}

}  // namespace halfbyte
