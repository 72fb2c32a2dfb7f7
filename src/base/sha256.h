// SHA-256 (FIPS 180-4), streamed.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"

namespace halfbyte {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(ByteView bytes);
  std::string hex();  // 64 lower-case digits; ends the stream

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(ByteView bytes);

}  // namespace halfbyte
