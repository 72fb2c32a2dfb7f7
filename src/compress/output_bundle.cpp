// A bundle: packed matrices, one file a block, and bundle.json.
//
// Weights of the source are not hashed for `source`: that would read a large file a second time.
// What identifies it are the sizes of its files and the hash of what describes it (config.json,
// bundle.json, or a GGUF file's header).
#include <filesystem>
#include <map>

#include "base/atomic_output.h"
#include "base/sha256.h"
#include "compress/carried.h"
#include "formats/bundle.h"
#include "kernels/packed.h"

namespace halfbyte {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTokenizerFile = "tokenizer";

std::string file_name(const std::string& path) {
  const fs::path p(path);
  return p.has_filename() ? p.filename().string() : p.parent_path().filename().string();
}

// Everything before the first tensor's data.
std::string header_hash(const Checkpoint& source) {
  const auto& tensors = source.tensors();
  if (source.format() != Format::kGguf || tensors.empty()) return "";
  const GgufFile file(source.path());
  const ByteView all = file.mappings().front().bytes();
  // `tensors` lie in another mapping of the same file, so their offset is found by name here.
  const std::byte* first = all.data() + all.size();
  for (const TensorView& tensor : file.tensors()) {
    const std::byte* const data = tensor.data.data();
    if (!tensor.data.empty() && std::less<>()(data, first) && !std::less<>()(data, all.data())) {
      first = data;
    }
  }
  return sha256_hex(all.first(static_cast<std::size_t>(first - all.data())));
}

Json describe_source(const Checkpoint& source) {
  Json json = {{"name", file_name(source.path())},
               {"format", format_name(source.format())},
               {"weight_bytes", source.bytes()}};
  const auto config = source.file("config.json");
  if (config) json["config_sha256"] = sha256_hex(as_bytes(read_text_file(*config)));
  if (const Bundle* bundle = source.bundle()) {
    const std::string path = (fs::path(bundle->path()) / "bundle.json").string();
    json["bundle_sha256"] = sha256_hex(as_bytes(read_text_file(path)));
  }
  if (const std::string hash = header_hash(source); !hash.empty()) json["header_sha256"] = hash;
  return json;
}

Json describe_quantization(const OutputPlan& plan, const CompressReport& report) {
  std::map<std::string, std::uint64_t> counts;
  for (const TensorJob& job : plan.jobs) ++counts[std::string(name(job.dtype))];
  return {{"method", plan.method},
          {"type", name(plan.main_type)},
          {"bits_per_weight", report.bits_per_weight},
          {"tensors_of_type", counts}};
}

class BundleOutput final : public Output {
 public:
  explicit BundleOutput(const OutputPlan& plan)
      : plan_(plan), folder_(plan.path), writer_(folder_) {
    write_tokenizer();
  }

  void begin(const TensorJob& job) override {
    if (job.file != file_) {
      file_ = job.file;
      writer_.begin_file(file_);
    }
    BundleTensor tensor;
    tensor.name = job.name;
    tensor.dtype = job.dtype;
    tensor.shape = job.shape;
    tensor.layout = job.packed ? kPackedLayout : "rows";
    bytes_ += job.bytes();
    writer_.begin_tensor(tensor, job.bytes());
  }
  void write(ByteView bytes) override { writer_.write(bytes); }

  std::uint64_t finish(const CompressReport& report) override {
    writer_.finish({{"model", spec_to_json(plan_.spec)},
                    {"quantization", describe_quantization(plan_, report)},
                    {"source", describe_source(plan_.source.checkpoint())},
                    {"options", plan_.options},
                    {"calibration", nullptr},
                    {"halfbyte", HALFBYTE_VERSION}});
    folder_.commit();
    return bytes_;
  }

 private:
  // A GGUF file without tensors.
  void write_tokenizer() {
    const Carried carried(plan_, true);
    if (!carried.has_tokenizer()) return;
    OutputFile file(folder_.path_of(kTokenizerFile));
    GgufWriter(file, carried.metadata(), {}).finish();
    bytes_ += file.size();
    file.close();
    writer_.register_file(std::string(kTokenizerFile));
  }

  const OutputPlan& plan_;
  AtomicFolder folder_;
  BundleWriter writer_;
  std::string file_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Output> open_bundle_output(const OutputPlan& plan, std::vector<std::string>&) {
  return std::make_unique<BundleOutput>(plan);
}

}  // namespace halfbyte
