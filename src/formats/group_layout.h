// How published folders store matrices quantized in groups: AutoAWQ's GEMM layout, GPTQ's, and
// compressed-tensors' pack-quantized. A layout is a row of data: the tensors that a module has, and
// how each is laid out.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/group_matrix.h"
#include "tensor/view.h"

namespace halfbyte {

// What a tensor of a module holds.
enum class GroupPart : std::uint8_t {
  codes,   // [n, k], fields of 32-bit words
  zeros,   // [n, groups], fields of 32-bit words
  scales,  // [n, groups], a float each
  index,   // [k], the group of each input
  shape,   // [2], n and k
};

struct GroupTensor {
  GroupPart part;
  std::string_view suffix;     // after the module's name
  bool outputs_first = false;  // stored [outputs, ..], else the other way round
  bool along_outputs = false;  // a word holds one input's (group's) fields of several outputs
  bool optional = false;       // absent: zeros in the middle, inputs in order
};

struct GroupLayout {
  std::string_view name;  // quant_method in config.json
  std::span<const GroupTensor> tensors;
  std::span<const unsigned> bits;  // that codes may have
  bool interleaved = false;        // the fields of words along outputs in AutoAWQ's order
  bool symmetric_has_zeros = false;
};

std::span<const GroupLayout> all_group_layouts();
const GroupLayout* find_group_layout(std::string_view name);  // nullptr if unknown

struct GroupTensorShape {
  const GroupTensor* tensor;
  DType dtype;
  Shape shape;
};
// The tensors that a module is written as, in order.
std::vector<GroupTensorShape> tensors_of(const GroupLayout& layout, const GroupDims& dims,
                                         bool symmetric);

// The bytes of one of them. zero_offset: what stored zeros are less than real ones (1 in GPTQ's
// first version; they wrap).
std::vector<std::byte> write_group_tensor(const GroupLayout& layout, const GroupTensor& tensor,
                                          const GroupMatrix& matrix, unsigned zero_offset);

// What is known of a folder's modules before their tensors are seen.
struct GroupScheme {
  const GroupLayout* layout = nullptr;
  unsigned bits = 0;           // 0: as the shapes say
  std::uint64_t group = 0;     // 0: as the shapes say
  unsigned zero_offset = 0;    // of stored zeros
  bool int_quantized = false;  // no groups: modules as in formats/int_quantized.h
};

// The module's tensor with that suffix, nullptr where there is none.
using FindGroupTensor = std::function<const TensorView*(std::string_view suffix)>;
// Fails with kMalformed where tensors are missing or contradict each other, with kUnsupported where
// inputs are permuted. `file` and `module` are for messages.
GroupMatrix read_group_module(const GroupScheme& scheme, const FindGroupTensor& find,
                              const std::string& file, const std::string& module);

}  // namespace halfbyte
