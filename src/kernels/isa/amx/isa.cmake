# AMX tiles beside AVX-512 with VNNI and BF16: Sapphire Rapids and later servers.
set(isa_processors "x86_64|AMD64")
set(isa_flags -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
              -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16 -mprefer-vector-width=512)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # GCC bug 105593: intrinsics' undefined operands
  list(APPEND isa_flags -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
