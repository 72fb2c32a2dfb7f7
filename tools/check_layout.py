#!/usr/bin/env python3
"""The house rules that a script can see: folders, names, sizes, openings, and calls that are out of place.

usage: check_layout.py [ROOT]          exit 1 and one line a fault: FILE[:LINE]: what is wrong
"""
import pathlib
import re
import sys

from rooms import DIRECT, ROOT, sources, without_comments

MAX_LINES = 600
FILE_NAME = re.compile(r"[a-z][a-z0-9_]*\.(h|cpp|inc|inl|cmake|in|html|css|js|txt)|CMakeLists\.txt|\.clang-tidy")
FOLDER_NAME = re.compile(r"[a-z][a-z0-9_]*")

# (where it is allowed, what must not occur elsewhere in src/, why). Matched in code without comments and strings.
CODE_RULES = (
    ("src/kernels/isa/", re.compile(r"#\s*include\s*<(\w*mmintrin|immintrin|x86intrin|arm_\w+)\.h>"),
     "intrinsics belong in kernels/isa/NAME/"),
    ("src/kernels/isa/", re.compile(r"\b(__(AVX|SSE|AMX|FMA|F16C|ARM_NEON|ARM_FEATURE)\w*|_mm\d*_\w+)"),
     "instruction sets belong in kernels/isa/NAME/"),
    ("src/cli/", re.compile(r"\bstd::(cout|cerr|clog|cin|print(ln)?)\b|\bfmt::print(ln)?\b"
                            r"|(?<![\w.>])(v?f?printf|puts|fputs|putchar|perror)\s*\("),
     "the library never prints: throw, return, or use the log sink"),
    ("src/cli/", re.compile(r"(?<![\w.>])(secure_)?(getenv|setenv|putenv|unsetenv)\s*\("),
     "only the command line reads the environment"),
    ("src/cli/", re.compile(r"(?<![\w.>])(_?exit|quick_exit|_Exit|abort|terminate)\s*\("),
     "the library never ends the process"),
)

# Folders that every Debian system has; any other absolute path belongs to somebody's machine.
ABSOLUTE = re.compile(r"(?<![\w./:*<>~$})\]-])/([A-Za-z]\w*)/\w")
SYSTEM_FOLDERS = {"bin", "dev", "etc", "lib", "proc", "sys", "tmp", "usr", "v1"}
TEXT_SUFFIXES = {".h", ".cpp", ".inc", ".inl", ".py", ".sh", ".cmake", ".txt", ".md", ".json", ".yml", ".1", ""}


def check_folders(root):
    """Rooms of src/, and names below it."""
    for path in sorted((root / "src").rglob("*")):
        parts = path.relative_to(root).parts
        name = "/".join(parts)
        if path.is_dir():
            if len(parts) == 2 and parts[1] not in DIRECT:
                yield f"{name}: not a room (rooms: {', '.join(DIRECT)})"
            if not FOLDER_NAME.fullmatch(path.name):
                yield f"{name}: folders are snake_case"
        elif not FILE_NAME.fullmatch(path.name):
            yield f"{name}: files are snake_case .h, .cpp, .inl, .inc, or pages"
        elif len(parts) == 2 and path.name != "CMakeLists.txt":
            yield f"{name}: files live in rooms"


def opens_with_comment(path, text):
    """A .cpp beside a header of its name is introduced by that header."""
    return text.startswith("//") or (path.suffix == ".cpp" and path.with_suffix(".h").is_file())


def check_code(root):
    for path in sources(root, "src", "include", "tests", "bench", "fuzz", "tools",
                        suffixes=(".h", ".cpp", ".inc", ".inl", ".py")):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > MAX_LINES:
            yield f"{name}: {lines} lines (at most {MAX_LINES})"
        if path.suffix == ".py":
            continue
        if not opens_with_comment(path, text):
            yield f"{name}:1: open with a comment that says what the file is"
        if path.suffix == ".h" and "#pragma once" not in text:
            yield f"{name}: #pragma once is missing"
        if name.startswith("src/"):
            yield from check_calls(name, without_comments(text))


def check_calls(name, code):
    for number, line in enumerate(code.split("\n"), 1):
        for allowed, pattern, why in CODE_RULES:
            if not name.startswith(allowed) and pattern.search(line):
                yield f"{name}:{number}: {pattern.search(line).group().strip()}: {why}"


def check_paths(root):
    folders = ("src", "include", "tests", "bench", "fuzz", "tools", "docs", "cmake", ".ci")
    files = sources(root, *folders, suffixes=TEXT_SUFFIXES)
    files += [path for path in root.iterdir() if path.suffix in TEXT_SUFFIXES]
    for path in files:
        if not path.is_file() or path.name in ("LICENSE", ".git"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            for match in ABSOLUTE.finditer(line):
                if match[1] not in SYSTEM_FOLDERS:
                    yield f"{path.relative_to(root)}:{number}: {match.group()}…: a path of some machine"


def main():
    root = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    faults = [*check_folders(root), *check_code(root), *check_paths(root)]
    print("\n".join(faults) if faults else "layout: as the house rules say")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
