// A GGUF file that llama.cpp loads: its keys and tensor names, and halfbyte.model beside them.
#include "base/atomic_output.h"
#include "compress/carried.h"
#include "model/config_gguf.h"

namespace halfbyte {

namespace {

constexpr std::uint32_t kQuantizationVersion = 2;  // of ggml's block formats as they are today

class GgufOutput final : public Output {
 public:
  explicit GgufOutput(const OutputPlan& plan)
      : file_(plan.path),
        carried_(plan, false),
        writer_(file_.file(), metadata_of(plan), tensors_of(plan)) {}

  void begin(const TensorJob&) override {}
  void write(ByteView bytes) override { writer_.write(bytes); }
  std::uint64_t finish(const CompressReport&) override {
    writer_.finish();
    const std::uint64_t bytes = file_.file().size();
    file_.commit();
    return bytes;
  }

 private:
  Metadata metadata_of(const OutputPlan& plan) const {
    Metadata metadata = carried_.metadata();
    spec_to_gguf(plan.spec, metadata);
    metadata.set_u32("general.quantization_version", kQuantizationVersion);
    metadata.set_u32("general.file_type", plan.file_type);
    return metadata;
  }
  static std::vector<GgufWriter::Tensor> tensors_of(const OutputPlan& plan) {
    std::vector<GgufWriter::Tensor> tensors;
    std::string_view stack;
    for (const TensorJob& job : plan.jobs) {
      if (job.stack.empty()) {
        tensors.push_back({job.name, job.dtype, job.shape});
      } else if (job.stack != stack) {
        tensors.push_back({job.stack, job.dtype, {0, job.shape[0], job.shape[1]}});
      }
      stack = job.stack;
      if (!stack.empty()) ++tensors.back().shape[0];
    }
    return tensors;
  }

  AtomicFile file_;
  Carried carried_;
  GgufWriter writer_;
};

}  // namespace

std::unique_ptr<Output> open_gguf_output(const OutputPlan& plan, std::vector<std::string>&) {
  return std::make_unique<GgufOutput>(plan);
}

}  // namespace halfbyte
