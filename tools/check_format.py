#!/usr/bin/env python3
"""clang-format over all C++ of the project. Version 14, because others break lines elsewhere.

usage: check_format.py [--fix]         exit 1 and the first place in each file that differs; 77 where clang-format 14 is missing
"""
import pathlib
import re
import shutil
import subprocess
import sys

from rooms import ROOT, sources


def find_tool():
    """clang-format of version 14, or None."""
    for name in ("clang-format-14", "clang-format"):
        tool = shutil.which(name)
        if tool and b"version 14." in subprocess.run([tool, "--version"], capture_output=True, check=True).stdout:
            return tool
    return None


def main():
    tool = find_tool()
    if not tool:
        print("check_format.py: clang-format 14 is not installed")
        return 77
    files = sources(ROOT, "src", "include", "tests", "bench", "fuzz", suffixes=(".h", ".cpp", ".inl"))
    if sys.argv[1:] == ["--fix"]:
        return subprocess.run([tool, "-i", *files], check=False).returncode
    run = subprocess.run([tool, "--dry-run", "--Werror", *files], capture_output=True, text=True, check=False)
    first = {}  # file: its first place
    for path, place in re.findall(r"^(.+?):(\d+:\d+): error", run.stderr, flags=re.M):
        first.setdefault(path, place)
    for path, place in first.items():
        print(f"{pathlib.Path(path).relative_to(ROOT)}:{place}: not as clang-format has it (./dev fmt mends it)")
    if run.returncode == 0:
        print(f"clang-format: {len(files)} files")
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
