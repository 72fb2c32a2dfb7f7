# halfbyte_room(NAME USES room... LIBS target...): the static library halfbyte_NAME of all sources below the
# calling folder. USES names the rooms that it may include; LIBS the outside libraries that it needs.
function(halfbyte_room name)
  cmake_parse_arguments(arg "" "" "USES;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/isa/[^/]+/")  # kernels/CMakeLists.txt adds these with their own flags
  list(FILTER sources EXCLUDE REGEX "cli/main/main[.]cpp$")  # the program's own; tests that link the library have another main
  if(NOT sources)  # a room that is still empty
    file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp CONTENT "// empty room\n")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
  endif()
  add_library(halfbyte_${name} STATIC ${sources})
  target_include_directories(halfbyte_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM arg_USES PREPEND halfbyte_)
  target_link_libraries(halfbyte_${name} PUBLIC ${arg_USES} ${arg_LIBS} PRIVATE halfbyte_options)
endfunction()
