#include "runtime/weights.h"

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/packed.h"
#include "runtime/check_weight.h"

namespace halfbyte {

namespace {

std::string_view file_of(const ModelFiles& files) {
  return files.checkpoint().path();
}

bool is_packed(const ModelTensor& tensor) {
  return tensor.layout == kPackedLayout;
}

TensorView view_of(const ModelTensor& tensor) {
  return {tensor.name, tensor.dtype, tensor.shape, tensor.data};
}

bool needs_packing(const WeightRef& ref, const ModelTensor& tensor, bool is_head) {
  return (ref.kind == WeightKind::matrix || is_head) && !is_packed(tensor);
}

std::uint64_t arena_cost(const WeightRef& ref, const ModelTensor& tensor, bool is_head) {
  if (needs_packing(ref, tensor, is_head))
    return Arena::cost<std::byte>(packed_bytes(tensor.dtype, ref.n, ref.k));
  return ref.kind == WeightKind::vector ? Arena::cost<float>(ref.n) : 0;
}

// [inputs, outputs] -> [outputs, inputs] of a plain (not block) type.
std::vector<std::byte> transpose(const ModelTensor& tensor) {
  const std::size_t size = info(tensor.dtype).block_bytes;
  const std::uint64_t outputs = tensor.shape[0];
  const std::uint64_t inputs = tensor.shape[1];
  std::vector<std::byte> result(tensor.data.size());
  for (std::uint64_t i = 0; i < inputs; ++i) {
    for (std::uint64_t o = 0; o < outputs; ++o) {
      std::memcpy(&result[(o * inputs + i) * size], &tensor.data[(i * outputs + o) * size], size);
    }
  }
  return result;
}

}  // namespace

Weights::Weights(const ModelFiles& files, const Plan& plan, const WeightsOptions& options,
                 ThreadPool& pool)
    : files_(files) {
  const std::size_t count = plan.weights.size();
  const auto is_head = [&](std::size_t i) { return plan.head == static_cast<int>(i); };
  std::vector<const ModelTensor*> tensors(count);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (options.wanted && !options.wanted(static_cast<int>(i))) continue;
    tensors[i] = check(plan.weights[i]);
    if (tensors[i] != nullptr) bytes += arena_cost(plan.weights[i], *tensors[i], is_head(i));
  }
  arena_ = Arena(bytes, true);
  weights_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (options.progress) options.progress("loading", i, count);
    if (tensors[i] == nullptr) continue;
    load(plan.weights[i], *tensors[i], is_head(i), weights_[i], pool);
    if (weights_[i].matrix.data != nullptr) {
      const auto compute = plan.weights[i].exact ? Compute::f32 : options.compute;
      weights_[i].kernels = choose_linear(tensors[i]->dtype, compute, options.features);
    }
  }
  if (options.progress) options.progress("loading", count, count);
}

// The checkpoint's tensor, which fits; nullptr for an optional one that is not there.
const ModelTensor* Weights::check(const WeightRef& ref) const {
  const ModelTensor* tensor = ref.optional ? files_.find(ref.name) : &files_.need(ref.name);
  if (tensor == nullptr) return nullptr;
  check_weight(files_, *tensor, ref);
  return tensor;
}

void Weights::load(const WeightRef& ref, const ModelTensor& tensor, bool is_head, Weight& weight,
                   ThreadPool& pool) {
  weight.present = true;
  if (ref.kind == WeightKind::vector) return load_vector(tensor, ref.n, weight);
  if (ref.kind != WeightKind::table || is_head || is_packed(tensor)) {
    return load_matrix(tensor, weight, pool);
  }
  if (info(tensor.dtype).decode == nullptr) {
    fail_unsupported(file_of(files_),
                     fmt::format("tensor '{}' of type {}", ref.name, name(tensor.dtype)));
  }
  weight.rows = view_of(tensor);
}

void Weights::load_matrix(const ModelTensor& tensor, Weight& weight, ThreadPool& pool) {
  weight.matrix = {tensor.dtype, tensor.shape[0], tensor.shape[1], tensor.data.data()};
  if (is_packed(tensor)) return;
  std::byte* const place =
      arena_.take<std::byte>(packed_bytes(tensor.dtype, weight.matrix.n, weight.matrix.k));
  weight.matrix.data = place;
  TensorView source = view_of(tensor);
  std::vector<std::byte> turned;
  if (tensor.transposed) {
    turned = transpose(tensor);
    source.data = turned;
  }
  const std::uint64_t panel_bytes = weight.matrix.panel_bytes();
  pool.parallel_for(weight.matrix.panels(), 4, [&](std::size_t begin, std::size_t end) {
    pack_panels(source, begin, end, place + begin * panel_bytes);
  });
  files_.checkpoint().release(view_of(tensor));
}

void Weights::load_vector(const ModelTensor& tensor, std::uint64_t n, Weight& weight) {
  float* const place = arena_.take<float>(n);
  weight.vector = place;
  TensorView flat = view_of(tensor);
  flat.shape = {1, n};
  decode_rows(flat, 0, 1, place);
}

void Weights::lookup(int index, std::uint64_t row, float* dst) const {
  const Weight& weight = (*this)[index];
  if (weight.matrix.data != nullptr) {
    unpack_row(weight.matrix, row, dst);
  } else {
    info(weight.rows.dtype).decode(weight.rows.row(row).data(), dst, weight.rows.columns());
  }
}

}  // namespace halfbyte
