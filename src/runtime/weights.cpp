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

// packed: the type that a matrix is packed as.
std::uint64_t arena_cost(const WeightRef& ref, const ModelTensor& tensor, bool is_head,
                         DType packed) {
  if (needs_packing(ref, tensor, is_head))
    return Arena::cost<std::byte>(packed_bytes(packed, ref.n, ref.k));
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

bool can_pack(DType type, std::uint64_t k) {
  const PackedFormat* format = find_packed_format(type);
  if (format == nullptr || k % format->block != 0) return false;
  return format->panel_header == 0 || k <= kMaxTokenInputs;
}

// Panels [begin, end) of `source` once its rows are rounded to `type`.
void pack_rounded(const TensorView& source, DType type, std::uint64_t begin, std::uint64_t end,
                  std::byte* to) {
  const std::uint64_t first = begin * kPanel;
  const std::uint64_t rows = std::min(end * kPanel, source.shape[0]) - first;
  const std::uint64_t k = source.shape[1];
  std::vector<float> values(rows * k);
  decode_rows(source, first, first + rows, values.data());
  std::vector<std::byte> encoded(rows * row_bytes(type, k).value());
  encode_whole_rows(info(type), values.data(), encoded.data(), rows, k);
  pack_panels({source.name, type, {rows, k}, encoded}, 0, end - begin, to);
}

// What a matrix that was packed as `type` is multiplied with.
LinearChoice kernels_for(const WeightRef& ref, const ModelTensor& tensor, DType type,
                         const WeightsOptions& options) {
  std::optional<Compute> compute = options.compute;
  if (type != tensor.dtype) compute = std::nullopt;
  if (ref.exact) compute = Compute::f32;
  return choose_linear(type, compute, options.features);
}

}  // namespace

Weights::Weights(const ModelFiles& files, const Plan& plan, const WeightsOptions& options,
                 ThreadPool& pool)
    : files_(files), rounded_(options.rounded) {
  const std::size_t count = plan.weights.size();
  const auto is_head = [&](std::size_t i) { return plan.head == static_cast<int>(i); };
  std::vector<const ModelTensor*> tensors(count);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (options.wanted && !options.wanted(static_cast<int>(i))) continue;
    tensors[i] = check(plan.weights[i]);
    if (tensors[i] != nullptr) {
      bytes += arena_cost(plan.weights[i], *tensors[i], is_head(i),
                          packed_type(plan.weights[i], *tensors[i]));
    }
  }
  arena_ = Arena(bytes, true);
  weights_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (options.progress) options.progress("loading", i, count);
    if (tensors[i] == nullptr) continue;
    load(plan.weights[i], *tensors[i], is_head(i), weights_[i], pool);
    Weight& weight = weights_[i];
    if (weight.matrix.data != nullptr) {
      weight.kernels = kernels_for(plan.weights[i], *tensors[i], weight.matrix.dtype, options);
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
    return load_matrix(ref, tensor, weight, pool);
  }
  if (info(tensor.dtype).decode == nullptr) {
    fail_unsupported(file_of(files_),
                     fmt::format("tensor '{}' of type {}", ref.name, name(tensor.dtype)));
  }
  weight.rows = view_of(tensor);
}

// That of the matrix once it is packed.
DType Weights::packed_type(const WeightRef& ref, const ModelTensor& tensor) const {
  if (!rounded_ || ref.exact || is_packed(tensor) || !is_float(tensor.dtype)) return tensor.dtype;
  const bool rounds = tensor.shape.size() == 2 && can_pack(*rounded_, tensor.shape[1]);
  return rounds ? *rounded_ : tensor.dtype;
}

void Weights::load_matrix(const WeightRef& ref, const ModelTensor& tensor, Weight& weight,
                          ThreadPool& pool) {
  const DType type = packed_type(ref, tensor);
  weight.matrix = {type, tensor.shape[0], tensor.shape[1], tensor.data.data()};
  if (is_packed(tensor)) return;
  std::byte* const place =
      arena_.take<std::byte>(packed_bytes(type, weight.matrix.n, weight.matrix.k));
  weight.matrix.data = place;
  TensorView source = view_of(tensor);
  std::vector<std::byte> turned;
  if (tensor.transposed) {
    turned = transpose(tensor);
    source.data = turned;
  }
  const std::uint64_t panel_bytes = weight.matrix.panel_bytes();
  pool.parallel_for(weight.matrix.panels(), 4, [&](std::size_t begin, std::size_t end) {
    std::byte* const to = place + begin * panel_bytes;
    if (type == tensor.dtype) {
      pack_panels(source, begin, end, to);
    } else {
      pack_rounded(source, type, begin, end, to);
    }
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
