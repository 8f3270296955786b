# inlines — gives every `static inline` function of a header a symbol that specs can call.
#
# Leaves in SPEC_INLINES a generated file that includes these headers with both words
# defined away. What they include of the system comes first, untouched.

file(GLOB_RECURSE HEADERS CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/runtime runtime/*.h)
set(system_lines "")
set(project_lines "")
foreach(header ${HEADERS})
  set(path ${CMAKE_SOURCE_DIR}/runtime/${header})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  file(STRINGS ${path} inlines REGEX "^static inline")
  file(STRINGS ${path} includes REGEX "^#include <")
  list(APPEND system_lines ${includes})
  if(inlines)
    list(APPEND project_lines "#include \"${header}\"")
  endif()
endforeach()
list(REMOVE_DUPLICATES system_lines)

set(SPEC_INLINES ${CMAKE_BINARY_DIR}/spec_inlines.c)
list(JOIN system_lines "\n" system_text)
list(JOIN project_lines "\n" project_text)
file(CONFIGURE OUTPUT ${SPEC_INLINES} @ONLY CONTENT
"@system_text@
#define static
#define inline
@project_text@
")
set_source_files_properties(${SPEC_INLINES} PROPERTIES COMPILE_OPTIONS "-w")
