# AVX-512 (F, BW, DQ, VL) with VNNI: x86 servers since 2019, clients since Ice Lake and Zen 4.
set(isa_processors "x86_64|AMD64")
set(isa_flags -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
              -mprefer-vector-width=512)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # GCC bug 105593: intrinsics' undefined operands
  list(APPEND isa_flags -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
