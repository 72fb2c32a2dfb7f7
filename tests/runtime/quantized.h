// Golden models with quantized matrices.
#pragma once

#include <string>
#include <vector>

#include "formats/gguf.h"
#include "model/config_gguf.h"
#include "model/model_files.h"
#include "support/goldens.h"

namespace halfbyte::test {

// A GGUF file of `model` whose matrices are `dtype` where their rows are whole blocks; its path.
inline std::string quantized_model(const std::string& model, DType dtype,
                                   const TemporaryFolder& folder) {
  const ModelFiles files(model_path(model));
  Metadata metadata;
  spec_to_gguf(files.spec(), metadata);
  std::vector<GgufWriter::Tensor> tensors;
  std::vector<std::vector<std::byte>> data;
  for (const ModelTensor& tensor : files.tensors()) {
    const std::uint64_t k = tensor.shape.back();
    const bool fits = tensor.shape.size() == 2 && k % info(dtype).block == 0;
    tensors.push_back({tensor.name, fits ? dtype : tensor.dtype, tensor.shape});
    std::vector<std::byte>& bytes = data.emplace_back(tensor.data.begin(), tensor.data.end());
    if (!fits) continue;
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    bytes.resize(values.size() / k * *row_bytes(dtype, k));
    info(dtype).encode(values.data(), bytes.data(), values.size());
  }
  const std::string path = folder / fmt::format("{}-{}.gguf", model, name(dtype));
  AtomicFile out(path);
  GgufWriter writer(out.file(), metadata, tensors);
  for (const std::vector<std::byte>& bytes : data) writer.write(bytes);
  writer.finish();
  out.commit();
  return path;
}

}  // namespace halfbyte::test
