# 256-bit VNNI with the VEX encoding: clients since Alder Lake. Row operations are those of AVX2.
set(isa_processors "x86_64|AMD64")
set(isa_flags -mavx2 -mfma -mf16c -mbmi2 -mavxvnni)
