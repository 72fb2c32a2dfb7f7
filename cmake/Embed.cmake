# halfbyte_embed(TARGET FUNCTION FILE): the file's bytes in the target, as std::string_view FUNCTION() in
# namespace halfbyte, which a header of the caller's declares.
function(halfbyte_embed target function file)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded/${function}.cpp)
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DFUNCTION=${function} -DFILE=${file} -DSOURCE=${source}
      -P ${PROJECT_SOURCE_DIR}/cmake/embed_file.cmake
    DEPENDS ${file} ${PROJECT_SOURCE_DIR}/cmake/embed_file.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${source})
endfunction()
