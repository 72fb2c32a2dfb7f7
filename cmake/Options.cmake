# Language level, warnings and sanitizers: the target `halfbyte_options` that every target links.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_library(halfbyte_options INTERFACE)
# Products and sums stay two roundings everywhere: quantizers are reproducible byte for byte on every CPU.
# Kernels that want a fused multiply-add say so.
target_compile_options(halfbyte_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror -ffp-contract=off)
# g++ 12 reports overlaps in std::string's own code that cannot be (GCC bug 105651).
target_compile_options(halfbyte_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_compile_definitions(halfbyte_options INTERFACE HALFBYTE_VERSION="${PROJECT_VERSION}")
if(HALFBYTE_SANITIZE)
  target_compile_options(halfbyte_options INTERFACE
    -fsanitize=${HALFBYTE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(halfbyte_options INTERFACE -fsanitize=${HALFBYTE_SANITIZE})
endif()
if(HALFBYTE_FUZZ)  # the fuzzer must see the branches of the library, not only of the harness
  target_compile_options(halfbyte_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
