// vec.inl with the headers that it needs.
//
// Everything here is internal to the object that includes it, and it uses nothing that is compiled
// elsewhere: the linker must never keep this file's copy of a shared function for other CPUs.
#pragma once

// g++ 12 takes the undefined operands inside its own intrinsics for mistakes (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/generic/compiler.h"

namespace halfbyte {
namespace {
#include "kernels/isa/avx512vnni/vec.inl"
}  // namespace
}  // namespace halfbyte
