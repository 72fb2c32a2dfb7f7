// Lets AMX kernels run where there is no AMX: a handler of SIGILL decodes the instruction, carries
// it out on tile registers kept in memory for each thread, and goes on behind it. What would raise
// #UD or #GP on hardware ends the program with a message; any other illegal instruction still kills
// it. An instruction costs microseconds, so tests should stay small.
#pragma once

#include "kernels/cpu_features.h"

namespace halfbyte::test {

// True where AMX instructions would trap.
bool amx_needs_emulation();

// Makes AMX instructions work in all threads of this program, for good: installs the handler if it
// is needed and not there yet. False where that cannot be (only Linux on x86-64 is known). Emulated
// are AMX-TILE, AMX-INT8 and AMX-BF16, but not operands with a segment or address size prefix.
// Features that detect_cpu_features() gives do not change.
bool install_amx_emulator();

// What this CPU has and, where it runs everything else that the AMX kernels need, emulated tiles.
CpuFeatures features_to_test();

}  // namespace halfbyte::test
