#!/usr/bin/env python3
"""Includes point down: a room of src/ includes only itself and the rooms below it.

usage: check_includes.py [ROOT]        exit 1 and one line a fault: FILE:LINE: what is wrong

- "room/header.h" must exist, and `room` must be reachable from the including file's room.
- Only kernels/isa/NAME includes headers of kernels/isa/NAME: they are compiled with flags of their own. Its .inl fragments,
  which are included inside an anonymous namespace, may serve other ISA folders too.
- Tests follow the room they test; benches reach kernels, fuzzers all that reads files.
- include/halfbyte/ includes the standard library and itself only.
"""
import pathlib
import re
import sys

from rooms import DIRECT, ROOT, reachable, sources, without_comments

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
GENERATED = {"kernels/isa_list.inc"}
ISA = re.compile(r"kernels/isa/([^/]+)/")


def room_of(parts):
    """The room whose rights a file has, nullable: src/ROOM/…, tests/ROOM/…, and the folders without rooms."""
    if parts[0] in ("bench", "fuzz"):
        return {"bench": "kernels", "fuzz": "tokenizer"}[parts[0]]
    return parts[1] if len(parts) > 2 and parts[1] in DIRECT else None


def check_quoted(root, path, name):
    """What is wrong with `#include "name"` in path, or None."""
    parts = path.relative_to(root).parts
    if parts[0] == "include":
        return None if name.startswith("halfbyte/") else f'public headers do not include "{name}"'
    target = name.split("/")[0]
    in_src = root / "src" / name
    if not in_src.is_file() and name not in GENERATED:
        if parts[0] != "src" and any((base / name).is_file() for base in (root / parts[0], path.parent)):
            return None  # a helper of the tests or benches
        return f'"{name}" is not in src/ (write the path from src/)'
    room = room_of(parts)
    if room is not None and target not in reachable(room):
        return f"{room} may not include {target} (may: {', '.join(sorted(reachable(room)))})"
    isa, own = ISA.match(name), ISA.match("/".join(parts[1:]))
    if isa and not (own and (own[1] == isa[1] or name.endswith(".inl"))):
        return f'"{name}" belongs to kernels/isa/{isa[1]}'
    return None


def check_file(root, path):
    """Yields (line, fault)."""
    text = without_comments(path.read_text(encoding="utf-8"), keep_strings=True)
    public = path.relative_to(root).parts[0] == "include"
    for number, line in enumerate(text.split("\n"), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, name = match.groups()
        if name.endswith(".cpp"):
            yield number, f"includes the source file {name}"
        elif kind == '"':
            fault = check_quoted(root, path, name)
            if fault:
                yield number, fault
        elif public and ("/" in name or name.endswith(".h")):
            yield number, f"public headers use the standard library only, not <{name}>"


def main():
    root = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    files = sources(root, "src", "include", "tests", "bench", "fuzz")
    faults = [f"{path.relative_to(root)}:{line}: {fault}"
              for path in files for line, fault in check_file(root, path)]
    print("\n".join(faults) if faults else f"includes: {len(files)} files point down")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
