// Fuzzes parse_safetensors: any bytes give an Error or tensors that cover the data one after
// another, each of the size of its shape.
#include "formats/safetensors.h"

#include "views.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const halfbyte::ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const halfbyte::SafetensorsImage image = halfbyte::parse_safetensors(bytes, "fuzz.safetensors");
    std::size_t covered = 0;
    for (const halfbyte::TensorView& tensor : image.tensors) {
      halfbyte::fuzz::check_tensor(tensor);
      covered += tensor.data.size();
    }
    halfbyte::fuzz::require(covered < size);
  } catch (const halfbyte::Error&) {
  }
  return 0;
}
