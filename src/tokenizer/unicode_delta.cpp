#include "tokenizer/regex.h"
namespace halfbyte {
bool known_characters(std::string_view, std::string&) {
  return false;
}
}  // namespace halfbyte
