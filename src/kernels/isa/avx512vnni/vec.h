// vec.inl with the headers that it needs.
//
// Everything here is internal to the object that includes it, and it uses nothing that is compiled
// elsewhere: the linker must never keep this file's copy of a shared function for other CPUs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"

namespace halfbyte {
namespace {
#include "kernels/isa/avx512vnni/vec.inl"
}  // namespace
}  // namespace halfbyte
