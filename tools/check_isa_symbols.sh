#!/bin/sh
# check_isa_symbols.sh OBJECT...: fails if an object compiled for one instruction set (isa/NAME/,
# but not its rows.cpp or isa/scalar) defines a weak symbol. The linker keeps any one copy of weak
# (inline or template) code for the whole program, so it might keep the one that only some CPUs run.
# Constants are harmless: references to the runtime's (DW.ref) and template arguments (_ZTAX).
status=0
for object in "$@"; do
  case "$object" in
    */isa/scalar/* | */rows.cpp.o) continue ;;
    */isa/*) ;;
    *) continue ;;
  esac
  weak=$(nm --defined-only "$object" | grep -E ' [WwVvu] ' | grep -vE ' (DW\.ref\.|_ZTAX)')
  if [ -n "$weak" ]; then
    echo "$object shares code compiled for its instruction set:"
    echo "$weak" | c++filt
    status=1
  fi
done
exit $status
