#!/usr/bin/env python3
"""Runs clang-tidy over src/, several files at a time, and only over what changed since it was last clean.

usage: check_tidy.py BUILD_DIR         exit 1 and clang-tidy's findings where there are any; 77 where it is missing

BUILD_DIR holds compile_commands.json. A clean file leaves an empty BUILD_DIR/tidy/KEY, where KEY hashes the file, the
project's headers below it, its compile command, .clang-tidy and clang-tidy's version.

Most of the time goes into the libraries' headers, so files are first looked at together, included by one file. Only
where that has findings, or their names clash, each is looked at alone.
"""
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import typing

from rooms import ROOT

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
SRC = ROOT / "src"
EXTRA_ARG = "--extra-arg=-Wno-unknown-warning-option"  # the commands are those of g++
TOGETHER_ARG = "--extra-arg=-Wno-shadow"  # of another file's names; what a file shadows itself g++ finds

ALL_OURS = r"/(src|include/halfbyte)/.*\.(h|cpp)$"  # files that are included are headers to clang-tidy
MOST_TOGETHER = 24
DEFINED = re.compile(r"^(?:[\w:<>,*&]+ )*[*&]?(\w+) ?(?:(\([^)]*\)?)|[{=\[;]|final)", re.M)
PARAMETER_NAME = re.compile(r"\s*\w+(?:\[\w*\])*(?: = [^,)]*)?(?=[,)])")
OF_A_ROOM = ("-D", "-I", "-fPI")  # what the options of rooms differ in: all rooms' together suit any


class Job(typing.NamedTuple):
    path: pathlib.Path
    arguments: list  # of the compiler
    stamp: pathlib.Path


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


def tidy(tool, path, arguments, *options):
    """The findings of one file, "" for none."""
    run = subprocess.run([tool, "--quiet", EXTRA_ARG, *options, str(path), "--", *arguments],
                         capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return ""
    return run.stdout + re.sub(r"^\d+ warnings.*\n", "", run.stderr, flags=re.M)


def tidy_batch(tool, build, batch):
    """The findings of files that are compiled alike. Those without any are stamped."""
    if len(batch) > 1:
        text = "".join(f'#include "{job.path}"\n' for job in batch)
        together = build / "tidy" / f"{hashlib.sha256(text.encode()).hexdigest()}.cpp"
        together.write_text(text, encoding="utf-8")
        first = batch[0].arguments
        of_others = dict.fromkeys(word for job in batch for word in job.arguments if word not in first)
        findings = tidy(tool, together, [*first, *of_others], TOGETHER_ARG,
                        f"--header-filter={ALL_OURS}", f"--config-file={ROOT / '.clang-tidy'}")
        together.unlink()
        if not findings:
            for job in batch:
                job.stamp.touch()
            return ""
        half = len(batch) // 2
        return tidy_batch(tool, build, batch[:half]) + tidy_batch(tool, build, batch[half:])
    return tidy_one(tool, batch[0])


def tidy_one(tool, job):
    findings = tidy(tool, job.path, job.arguments)
    if not findings:
        job.stamp.touch()
    return findings


def arguments_of(entry):
    """The compile command's options: without the compiler, the file and the output."""
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if word.startswith("-")):]
    result = []
    skip = False
    for word in words:
        if skip or word in ("-c", "-o"):
            skip = word == "-o"
        elif word != entry["file"]:
            result.append(word)
    return result


@functools.lru_cache(maxsize=None)
def names_of(path):
    """What a file seems to name outside of functions and classes; functions with the types of their parameters."""
    found = DEFINED.findall(path.read_text(encoding="utf-8"))
    return {name + PARAMETER_NAME.sub("", " ".join(parameters.split())) for name, parameters in found
            if name not in ("namespace", "halfbyte", "static_assert")}


def own_and_included(path):
    """The names that a file alone knows, and those of the headers below it: which no other file may have as its own."""
    headers = {file for file in closure(path) if file.suffix == ".h"}
    own = set().union(*map(names_of, set(closure(path)) - headers))  # .inl and .inc are for one file at a time
    included = set().union(*map(names_of, headers))
    return own - included, included


def batches_of(jobs):
    """Files with the same options whose names do not clash, up to MOST_TOGETHER."""
    batches = []
    for job in sorted(jobs, key=lambda job: job.path):
        kind = [argument for argument in job.arguments if not argument.startswith(OF_A_ROOM)]
        own, included = own_and_included(job.path)
        for batch in batches:
            clash = batch["own"] & (own | included) or batch["included"] & own
            if batch["kind"] == kind and len(batch["jobs"]) < MOST_TOGETHER and not clash:
                break
        else:
            batch = {"kind": kind, "own": set(), "included": set(), "jobs": []}
            batches.append(batch)
        batch["jobs"].append(job)
        batch["own"] |= own
        batch["included"] |= included
    return [batch["jobs"] for batch in batches]


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
                jobs.append(Job(path, arguments_of(entry), stamp))
    # The longest first, so that no thread is left with one at the end.
    batches = sorted(batches_of(jobs), key=len, reverse=True)
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = pool.map(lambda batch: tidy_batch(tool, build, batch), batches)
        findings = [text for text in found if text]
    print("".join(findings) if findings else f"clang-tidy: {len(jobs)} files looked at, all clean")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
