#include "compress/module_tensors.h"

#include "compress/group_jobs.h"
#include "formats/group_config.h"
#include "formats/int_quantized.h"

namespace halfbyte {

namespace {

// In groups, else with a scale a row: a target holds no other types (check_group_jobs).
bool has_groups(DType dtype) {
  return find_group_type(dtype) != nullptr;
}

}  // namespace

std::vector<ModuleTensor> module_tensors(const Target& target, const TensorJob& job,
                                         ScaleRules rules) {
  std::vector<ModuleTensor> tensors;
  if (!has_groups(job.dtype)) {
    for (const Int8Tensor& part : int8_tensors(job.shape[0], job.shape[1])) {
      tensors.push_back({part.suffix, part.dtype, part.shape});
    }
    return tensors;
  }
  for (const GroupTensorShape& part :
       tensors_of(*layout_of(target), dims_of(job, rules), rules.symmetric)) {
    tensors.push_back({part.tensor->suffix, part.dtype, part.shape});
  }
  return tensors;
}

std::vector<std::vector<std::byte>> module_bytes(const Target& target, const TensorJob& job,
                                                 ScaleRules rules, const std::byte* encoded) {
  std::vector<std::vector<std::byte>> bytes;
  const std::uint64_t n = job.shape[0];
  const std::uint64_t k = job.shape[1];
  if (!has_groups(job.dtype)) {
    for (const Int8Tensor& part : int8_tensors(n, k)) bytes.push_back(part.bytes(encoded, n, k));
    return bytes;
  }
  const GroupLayout& layout = *layout_of(target);
  const GroupDims dims = dims_of(job, rules);
  const GroupMatrix matrix = open_groups(*find_group_type(job.dtype), dims, encoded);
  const unsigned offset = written_zero_offset(layout, rules);
  for (const GroupTensorShape& part : tensors_of(layout, dims, rules.symmetric)) {
    bytes.push_back(write_group_tensor(layout, *part.tensor, matrix, offset));
  }
  return bytes;
}

std::uint64_t stored_bytes(const Target& target, const TensorJob& job, ScaleRules rules) {
  if (!in_groups(target, job)) return job.bytes();
  std::uint64_t bytes = 0;
  for (const ModuleTensor& part : module_tensors(target, job, rules)) {
    bytes += tensor_bytes(part.dtype, part.shape).value();
  }
  return bytes;
}

Json module_config(const Target& target, DType type, ScaleRules rules) {
  if (!has_groups(type)) return write_int_quantized_config();
  const GroupType& groups = *find_group_type(type);
  return write_group_config(*layout_of(target), {groups.bits, groups.group, rules});
}

}  // namespace halfbyte
