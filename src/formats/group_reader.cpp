// Modules of folders with quantized groups, checked like anything that a file says.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

#include <fmt/format.h>

#include "base/error.h"
#include "base/half.h"
#include "formats/checks.h"
#include "formats/group_fields.h"
#include "formats/group_layout.h"

namespace halfbyte {

namespace {

class ModuleReader {
 public:
  ModuleReader(const GroupScheme& scheme, const FindGroupTensor& find, const std::string& file,
               const std::string& module)
      : scheme_(scheme), layout_(*scheme.layout), find_(find), file_(file), module_(module) {}

  // Nothing is allocated before all shapes agree.
  GroupMatrix read() {
    const GroupDims dims = find_dims();
    const std::vector<GroupTensorShape> tensors = tensors_of(layout_, dims, false);
    for (const auto& [tensor, dtype, shape] : tensors) {
      const TensorView* const view = tensor->optional ? find_(tensor->suffix) : &need(*tensor);
      if (view == nullptr) continue;
      check(*view, tensor->part == GroupPart::scales ? view->dtype : dtype, shape);
    }
    GroupMatrix matrix(dims);
    std::fill(matrix.zeros.begin(), matrix.zeros.end(), static_cast<std::uint8_t>(dims.middle()));
    for (const GroupTensorShape& stored : tensors) {
      const TensorView* const view = find_(stored.tensor->suffix);
      if (view != nullptr) take(*stored.tensor, *view, matrix);
    }
    return matrix;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    fail_malformed(file_, fmt::format("module {}: {}", in_quotes(module_), what));
  }

  const GroupTensor& part(GroupPart wanted) const {
    return *std::find_if(layout_.tensors.begin(), layout_.tensors.end(),
                         [&](const GroupTensor& tensor) { return tensor.part == wanted; });
  }

  const TensorView& need(const GroupTensor& tensor) const {
    const TensorView* const view = find_(tensor.suffix);
    if (view == nullptr) fail(fmt::format("has no '{}'", tensor.suffix.substr(1)));
    return *view;
  }

  void check(const TensorView& view, DType dtype, const Shape& shape) const {
    if (view.dtype == dtype && view.shape == shape) return;
    fail(fmt::format("{} is {} {}, the module's other tensors ask for {} {}", in_quotes(view.name),
                     name(view.dtype), to_string(view.shape), name(dtype), to_string(shape)));
  }

  // Both sides of a matrix as stored: outputs, then inputs (groups, words).
  std::pair<std::uint64_t, std::uint64_t> sides(GroupPart wanted) const {
    const GroupTensor& tensor = part(wanted);
    const TensorView& view = need(tensor);
    if (view.shape.size() != 2 || view.shape[0] == 0 || view.shape[1] == 0) {
      fail(fmt::format("{} has shape {}", in_quotes(view.name), to_string(view.shape)));
    }
    const bool turned = !tensor.outputs_first;
    return {view.shape[turned ? 1 : 0], view.shape[turned ? 0 : 1]};
  }

  GroupDims find_dims() const {
    const auto [n, groups] = sides(GroupPart::scales);
    const auto [packed_outputs, packed_inputs] = sides(GroupPart::codes);
    GroupDims dims{scheme_.bits, n, packed_inputs, 0};
    if (!part(GroupPart::codes).along_outputs && packed_outputs != n) {
      fail(fmt::format("weights of {} outputs, scales of {}", packed_outputs, n));
    }
    if (dims.bits == 0) {
      std::tie(dims.bits, dims.k) = size_of_shape(packed_inputs);
    } else if (!part(GroupPart::codes).along_outputs) {
      dims.k = inputs_of(packed_inputs, dims.bits);
    }
    if (dims.k % groups != 0) {
      fail(fmt::format("{} inputs in {} groups", dims.k, groups));
    }
    dims.group = dims.k / groups;
    const std::uint64_t asked = std::min(scheme_.group != 0 ? scheme_.group : dims.group, dims.k);
    if (dims.group != asked) {
      fail(fmt::format("its groups are of {} inputs, config.json says {}", dims.group, asked));
    }
    return dims;
  }

  std::uint64_t inputs_of(std::uint64_t words, unsigned bits) const {
    if (words * 32 % bits != 0) fail(fmt::format("{} words of {} bits", words, bits));
    return words * 32 / bits;
  }

  // Bits and inputs, where config.json may give several widths. The last word of a row may have
  // room to spare.
  std::pair<unsigned, std::uint64_t> size_of_shape(std::uint64_t words) const {
    const TensorView& view = need(part(GroupPart::shape));
    check(view, DType::i64, {2});
    std::uint64_t k = 0;
    std::memcpy(&k, view.data.data() + sizeof(k), sizeof(k));
    for (const unsigned bits : layout_.bits) {
      const std::uint64_t fields = 32 / bits;  // of a word
      if (k <= words * fields && k > (words - 1) * fields) return {bits, k};
    }
    fail_unsupported(file_, fmt::format("module {}: {} words hold {} inputs, which is none of the "
                                        "widths that halfbyte reads",
                                        in_quotes(module_), words, k));
  }

  void take(const GroupTensor& tensor, const TensorView& view, GroupMatrix& matrix) const {
    const GroupDims& dims = matrix.dims;
    const FieldOrder order = {
        dims.bits, dims.n, 0, tensor.outputs_first, tensor.along_outputs, layout_.interleaved};
    switch (tensor.part) {
      case GroupPart::codes:
        return unpack_fields(order.of(dims.k), view.data.data(), 0, matrix.codes.data());
      case GroupPart::zeros:
        return unpack_fields(order.of(dims.groups()), view.data.data(), scheme_.zero_offset,
                             matrix.zeros.data());
      case GroupPart::scales:
        return take_scales(tensor, view, matrix);
      case GroupPart::index:
        return check_index(view, dims);
      case GroupPart::shape:
        return check_shape(view, dims);
    }
  }

  // Scales in other types are rounded to halves, which hold bfloat16 of usual size exactly.
  void take_scales(const GroupTensor& tensor, const TensorView& view, GroupMatrix& matrix) const {
    const std::uint64_t n = matrix.dims.n;
    const std::uint64_t groups = matrix.dims.groups();
    if (!is_float(view.dtype)) {
      fail(fmt::format("{} is {}", in_quotes(view.name), name(view.dtype)));
    }
    std::vector<float> scales(n * groups);
    info(view.dtype).decode(view.data.data(), scales.data(), scales.size());
    for (std::uint64_t o = 0; o < n; ++o) {
      for (std::uint64_t g = 0; g < groups; ++g) {
        const float scale = scales[tensor.outputs_first ? o * groups + g : g * n + o];
        const std::uint16_t half = float_to_half(scale);
        if (!std::isfinite(half_to_float(half))) fail("has scales that no half can hold");
        matrix.scales[o * groups + g] = half;
      }
    }
  }

  void check_index(const TensorView& view, const GroupDims& dims) const {
    for (std::uint64_t i = 0; i < dims.k; ++i) {
      std::int32_t group = 0;
      std::memcpy(&group, view.data.data() + 4 * i, sizeof(group));
      if (group >= 0 && static_cast<std::uint64_t>(group) == i / dims.group) continue;
      fail_unsupported(file_, fmt::format("module {}: its inputs are permuted among the groups "
                                          "(desc_act); use a folder quantized without it",
                                          in_quotes(module_)));
    }
  }

  void check_shape(const TensorView& view, const GroupDims& dims) const {
    std::uint64_t stored[2];
    std::memcpy(stored, view.data.data(), sizeof(stored));
    if (stored[0] == dims.n && stored[1] == dims.k) return;
    fail(fmt::format("{} says [{}, {}], the weights are [{}, {}]", in_quotes(view.name), stored[0],
                     stored[1], dims.n, dims.k));
  }

  const GroupScheme& scheme_;
  const GroupLayout& layout_;
  const FindGroupTensor& find_;
  const std::string& file_;
  const std::string& module_;
};

}  // namespace

GroupMatrix read_group_module(const GroupScheme& scheme, const FindGroupTensor& find,
                              const std::string& file, const std::string& module) {
  return ModuleReader(scheme, find, file, module).read();
}

}  // namespace halfbyte
