# Writes SOURCE, a C++ file whose FUNCTION gives the bytes of FILE (cmake/Embed.cmake).
file(READ ${FILE} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${SOURCE} "#include <string_view>
namespace halfbyte {
std::string_view ${FUNCTION}();
std::string_view ${FUNCTION}() {
  static const unsigned char bytes[] = {${bytes}};
  return {reinterpret_cast<const char*>(bytes), sizeof(bytes)};
}
}  // namespace halfbyte
")
