// Fuzzes parse_gguf: any bytes give an Error or an image whose views all lie inside the input, and
// whose metadata can be read by every typed look-up.
#include "formats/gguf.h"

#include "views.h"

namespace {

using halfbyte::ByteView;
using halfbyte::fuzz::require;
using halfbyte::fuzz::touch;

template <typename Look>
void look_up(const Look& look) {
  try {
    look();
  } catch (const halfbyte::Error&) {
  }
}

void check_metadata(const halfbyte::Metadata& metadata) {
  for (const auto& [key, value] : metadata.entries()) {
    const std::string& k = key;
    require(metadata.find(k) == &value);
    look_up([&] { metadata.get_uint(k); });
    look_up([&] { metadata.get_int(k); });
    look_up([&] { metadata.get_number(k); });
    look_up([&] { touch(halfbyte::as_bytes(metadata.get_string(k).value_or(""))); });
    look_up([&] { metadata.get_ints(k); });
    look_up([&] { metadata.get_floats(k); });
    look_up([&] {
      for (const std::string_view text : metadata.get_strings(k)) touch(halfbyte::as_bytes(text));
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const halfbyte::GgufImage image = halfbyte::parse_gguf(bytes, "fuzz.gguf");
    check_metadata(image.metadata);
    for (const halfbyte::TensorView& tensor : image.tensors) {
      halfbyte::fuzz::check_tensor(tensor);
    }
  } catch (const halfbyte::Error&) {
  }
  return 0;
}
