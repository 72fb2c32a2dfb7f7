# AVX2 with FMA, F16C and BMI2: x86 since 2013.
set(isa_processors "x86_64|AMD64")
set(isa_flags -mavx2 -mfma -mf16c -mbmi2)
