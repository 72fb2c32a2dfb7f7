#!/usr/bin/env python3
"""Runs clang-tidy over src/, several files at a time, and only over what changed since it was last clean.

usage: check_tidy.py BUILD_DIR         exit 1 and clang-tidy's findings where there are any; 77 where it is missing

BUILD_DIR holds compile_commands.json. A clean file leaves an empty BUILD_DIR/tidy/KEY, where KEY hashes the file, the
project's headers below it, its compile command, .clang-tidy and clang-tidy's version.
"""
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from rooms import ROOT

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
SRC = ROOT / "src"
EXTRA_ARG = "--extra-arg=-Wno-unknown-warning-option"  # the commands are those of g++


@functools.lru_cache(maxsize=None)
def includes(path):
    found = (SRC / name for name in INCLUDE.findall(path.read_text(encoding="utf-8")))
    return tuple(header for header in found if header.is_file())


def closure(path):
    """The file and all headers of the project that it includes, directly or not."""
    seen, todo = set(), [path]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo.extend(includes(file))
    return sorted(seen)


def key(path, command, settings):
    digest = hashlib.sha256(settings)
    digest.update(command.encode())
    for file in closure(path):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def tidy(tool, build, path, stamp):
    """The findings of one file, "" for none (then it is stamped)."""
    run = subprocess.run([tool, "-p", str(build), "--quiet", EXTRA_ARG, str(path)],
                         capture_output=True, text=True, check=False)
    if run.returncode == 0:
        stamp.touch()
        return ""
    return run.stdout + re.sub(r"^\d+ warnings.*\n", "", run.stderr, flags=re.M)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    tool = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    if not tool:
        print("check_tidy.py: clang-tidy 14 is not installed")
        return 77
    version = subprocess.run([tool, "--version"], capture_output=True, check=True).stdout
    settings = version + (ROOT / ".clang-tidy").read_bytes()
    (build / "tidy").mkdir(exist_ok=True)
    jobs = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"]).resolve()
        if SRC in path.parents and path.is_file():
            stamp = build / "tidy" / key(path, entry["command"], settings)
            if not stamp.exists():
                jobs.append((tool, build, path, stamp))
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        findings = [text for text in pool.map(lambda job: tidy(*job), jobs) if text]
    print("".join(findings) if findings else f"clang-tidy: {len(jobs)} files looked at, all clean")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
