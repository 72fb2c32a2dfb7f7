#include "model/model_files.h"

#include <fmt/format.h>

#include "base/error.h"
#include "formats/group_config.h"
#include "model/config_gguf.h"
#include "model/config_hf.h"
#include "model/names.h"

namespace halfbyte {

namespace {

std::vector<float> decode_all(const TensorView& tensor) {
  std::vector<float> values(tensor.rows() * tensor.columns());
  decode_rows(tensor, 0, tensor.rows(), values.data());
  return values;
}

GgufFacts facts_of(const Checkpoint& checkpoint) {
  GgufFacts facts;
  const auto rows = [&](std::string_view name) {
    const TensorView* tensor = checkpoint.find(name);
    return tensor != nullptr && tensor->shape.size() == 2 ? tensor->shape[0] : 0;
  };
  facts.vocab = rows("token_embd.weight");
  facts.positions = rows("position_embd.weight");
  facts.token_types = rows("token_types.weight");
  facts.has_output = checkpoint.find("output.weight") != nullptr;
  facts.gated = checkpoint.find("enc.blk.0.ffn_gate.weight") != nullptr;
  const auto has = [&](std::uint32_t layer, std::string_view part) {
    return checkpoint.find(fmt::format("blk.{}.{}.weight", layer, part)) != nullptr;
  };
  for (std::uint32_t i = 0; has(i, "attn_norm"); ++i) {
    if (!has(i, "ffn_gate_inp")) facts.dense_layers.push_back(i);
  }
  const TensorView* freqs = checkpoint.find("rope_freqs.weight");
  if (freqs != nullptr && freqs->columns() <= 4096) facts.rope_divisors = decode_all(*freqs);
  return facts;
}

}  // namespace

ModelFiles::ModelFiles(const std::string& path) : ModelFiles(Checkpoint::open(path)) {}

ModelFiles::ModelFiles(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {
  switch (checkpoint_.format()) {
    case Format::kFolder:
      read_folder();
      break;
    case Format::kGguf:
      read_gguf();
      break;
    case Format::kBundle:
      read_bundle();
      break;
  }
}

void ModelFiles::read_folder() {
  const std::string config = checkpoint_.file("config.json").value_or("");
  if (config.empty()) fail_malformed(checkpoint_.path(), "the folder has no config.json");
  spec_ = spec_from_config(checkpoint_.config(), checkpoint_.generation_config(), config);
  family_ = find_family(spec_.family);
  const auto scheme = read_group_config(checkpoint_.config(), config);
  if (!scheme) {
    for (const TensorView& view : checkpoint_.tensors()) add_published(view);
    return;
  }
  SplitTensors split = split_modules(checkpoint_, *scheme);
  for (const TensorView& view : split.plain) add_published(view);
  for (QuantizedModule& module : split.modules) add_module(std::move(module));
}

void ModelFiles::add_published(const TensorView& view, std::uint64_t stored) {
  const auto mapped = map_published_name(*family_, view.name);
  if (!mapped) {
    fail_unsupported(checkpoint_.path(),
                     fmt::format("tensor '{}' is not part of a {} model as halfbyte knows it",
                                 view.name, family_->name));
  }
  if (mapped->name.empty()) return;
  // Quantized modules are stored by outputs, whatever the family's plain matrices are.
  const bool transposed = mapped->transposed && !is_quantized(view.dtype);
  ModelTensor tensor{mapped->name, view.dtype, view.shape, "rows", transposed, view.data, stored};
  if (tensor.transposed && tensor.shape.size() == 2) std::swap(tensor.shape[0], tensor.shape[1]);
  // Copies of the embedding (T5's per-stack names, a tied head) are one tensor.
  if (find(tensor.name) != nullptr && tensor.name == "token_embd.weight") return;
  if (tensor.name == "output.weight" && spec_.tied_head) return;
  add(std::move(tensor));
}

void ModelFiles::add_module(QuantizedModule module) {
  const auto rows = std::make_shared<const std::vector<std::byte>>(std::move(module.rows));
  repacked_.push_back(rows);
  add_published({module.name, module.dtype, module.shape, *rows}, module.stored);
}

void ModelFiles::read_gguf() {
  spec_ = spec_from_gguf(checkpoint_.metadata(), facts_of(checkpoint_));
  family_ = find_family(spec_.family);
  if (family_ == nullptr)
    fail_unsupported(checkpoint_.path(), fmt::format("family '{}' is not known", spec_.family));
  for (const TensorView& view : checkpoint_.tensors()) {
    if (view.name == "rope_freqs.weight") continue;  // part of the description
    if (expert_of_stack(view.name, 0)) {
      add_stack(view);
    } else {
      add({view.name, view.dtype, view.shape, "rows", false, view.data});
    }
  }
}

// Each expert's part of it is a tensor of its own.
void ModelFiles::add_stack(const TensorView& view) {
  const auto& experts = spec_.main_stack().experts;
  const std::uint64_t count = experts ? experts->count : 0;
  if (count == 0 || view.shape.size() != 3 || view.shape[0] != count) {
    fail_malformed(checkpoint_.path(),
                   fmt::format("tensor '{}' has shape {}, the model has {} experts", view.name,
                               to_string(view.shape), count));
  }
  const std::uint64_t bytes = view.data.size() / count;
  for (std::uint64_t i = 0; i < count; ++i) {
    add({*expert_of_stack(view.name, i),
         view.dtype,
         {view.shape[1], view.shape[2]},
         "rows",
         false,
         view.data.subspan(i * bytes, bytes)});
  }
}

void ModelFiles::read_bundle() {
  const Bundle& bundle = *checkpoint_.bundle();
  const auto model = bundle.description().find("model");
  if (model == bundle.description().end())
    fail_malformed(checkpoint_.path(), "bundle.json has no 'model'");
  spec_ = spec_from_json(*model, checkpoint_.path());
  family_ = find_family(spec_.family);
  if (family_ == nullptr)
    fail_unsupported(checkpoint_.path(), fmt::format("family '{}' is not known", spec_.family));
  for (const BundleTensor& tensor : bundle.tensors()) {
    add({tensor.name, tensor.dtype, tensor.shape, tensor.layout, false, tensor.data});
  }
}

void ModelFiles::add(ModelTensor tensor) {
  const auto [place, fresh] = index_.emplace(tensor.name, tensors_.size());
  if (!fresh) {
    fail_malformed(checkpoint_.path(), fmt::format("tensor '{}' occurs twice", tensor.name));
  }
  tensors_.push_back(std::move(tensor));
}

const ModelTensor* ModelFiles::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const ModelTensor& ModelFiles::need(std::string_view name) const {
  const ModelTensor* tensor = find(name);
  if (tensor == nullptr)
    fail_malformed(checkpoint_.path(), fmt::format("tensor '{}' is missing", name));
  return *tensor;
}

void ModelFiles::replace(ModelTensor tensor) {
  const ModelTensor& old = need(tensor.name);
  if (element_count(old.shape) != element_count(tensor.shape)) {
    fail_malformed(checkpoint_.path(),
                   fmt::format("tensor '{}' replaced by one of another shape", tensor.name));
  }
  tensors_[index_.at(tensor.name)] = std::move(tensor);
}

std::uint64_t ModelFiles::parameters() const {
  std::uint64_t count = 0;
  for (const ModelTensor& tensor : tensors_) count += element_count(tensor.shape).value_or(0);
  return count;
}

std::uint64_t ModelFiles::weight_bytes() const {
  std::uint64_t bytes = 0;
  for (const ModelTensor& tensor : tensors_) {
    bytes += tensor.stored > 0 ? tensor.stored : tensor.data.size();
  }
  return bytes;
}

}  // namespace halfbyte
