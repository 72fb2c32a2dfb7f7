// Fuzzes parse_safetensors: any bytes give an Error or tensors that cover the data one after
// another, each of the size of its shape.
#include "formats/safetensors.h"

#include <cstdlib>

namespace {

using halfbyte::ByteView;

// Reads the first and last byte, so that the address sanitizer sees a view that sticks out.
void touch(ByteView bytes) {
  if (bytes.empty()) return;
  volatile std::byte sink = bytes.front();
  sink = bytes.back();
  static_cast<void>(sink);
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const halfbyte::SafetensorsImage image = halfbyte::parse_safetensors(bytes, "fuzz.safetensors");
    std::size_t covered = 0;
    for (const halfbyte::TensorView& tensor : image.tensors) {
      require(halfbyte::tensor_bytes(tensor.dtype, tensor.shape) == tensor.data.size());
      touch(tensor.data);
      covered += tensor.data.size();
    }
    require(covered < size);
  } catch (const halfbyte::Error&) {
  }
  return 0;
}
