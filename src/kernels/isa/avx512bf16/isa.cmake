# AVX-512 with VNNI and BF16: Cooper Lake, Sapphire Rapids, Zen 4 and later.
set(isa_processors "x86_64|AMD64")
set(isa_flags -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
              -mavx512bf16 -mprefer-vector-width=512)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # GCC bug 105593: intrinsics' undefined operands
  list(APPEND isa_flags -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
