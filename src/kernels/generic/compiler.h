// What code compiled for one instruction set needs of the compiler: everything is inlined into the
// exported functions, so that nothing compiled with ISA flags can be shared with other files.
#pragma once

#define HALFBYTE_INLINE inline __attribute__((always_inline))
#define HALFBYTE_INLINE_LAMBDA __attribute__((always_inline))
