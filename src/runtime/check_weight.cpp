#include "runtime/check_weight.h"

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/packed.h"

namespace halfbyte {

namespace {

void check_shape(const ModelTensor& tensor, const WeightRef& ref, std::string_view file) {
  const bool vector = ref.kind == WeightKind::vector;
  const bool fits =
      vector ? element_count(tensor.shape) == ref.n : tensor.shape == Shape{ref.n, ref.k};
  if (fits) return;
  const Shape expected = vector ? Shape{ref.n} : Shape{ref.n, ref.k};
  fail_malformed(file, fmt::format("tensor '{}' has shape {}, the model's description asks for {}",
                                   ref.name, to_string(tensor.shape), to_string(expected)));
}

// Bundles may hold any layout and, but for plain rows, any number of bytes.
void check_layout(const ModelTensor& tensor, const WeightRef& ref, std::string_view file) {
  if (tensor.layout == "rows") return;
  if (tensor.layout != kPackedLayout || ref.kind == WeightKind::vector) {
    fail_unsupported(file, fmt::format("tensor '{}' in the layout '{}'", ref.name, tensor.layout));
  }
  const std::uint64_t bytes = packed_bytes(tensor.dtype, ref.n, ref.k);
  if (tensor.data.size() == bytes) return;
  fail_malformed(file, fmt::format("tensor '{}' has {} bytes, its layout asks for {}", ref.name,
                                   tensor.data.size(), bytes));
}

}  // namespace

void check_weight(const ModelFiles& files, const ModelTensor& tensor, const WeightRef& ref) {
  const std::string& file = files.checkpoint().path();
  check_shape(tensor, ref, file);
  check_layout(tensor, ref, file);
}

}  // namespace halfbyte
