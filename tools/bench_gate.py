#!/usr/bin/env python3
"""Is this tree slower than another commit? Runs the benchmarks of bench/gate.list for both builds in turns.

usage: bench_gate.py [--model FILE] [--list FILE] [--pairs N] [--limit PART] [BASE]

BASE is a commit; without it, where this branch left the main one. It is built in a temporary git worktree and compared
with this tree's build/release. Prints the median ratio of each speed (new / old, 1.10 is 10 % faster). Exit code 1 if
one is below 1 - PART (default 0.10), 2 if something could not be run.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = {"halfbyte": "halfbyte", "bench_kernels": "bench/bench_kernels"}  # in a build folder


class Failure(Exception):
    """Something could not be run; the message says what."""


def parse_list(text):
    """Commands as lists of words; # begins a comment line."""
    commands = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split()  # no shell: regular expressions stay as they are
        if words[0] not in PROGRAMS:
            raise Failure(f"line {number}: {words[0]} is not one of {', '.join(PROGRAMS)}")
        commands.append(words)
    return commands


def speeds_of(program, output):
    """{name: speed, larger is better} from what a program printed."""
    if not output.strip():
        return {}  # no benchmark of that name on this CPU
    body = json.loads(output)
    if program == "halfbyte":
        return {phase: body[phase]["tok_s_median"] for phase in ("prefill", "decode") if phase in body}
    return {row["name"]: 1.0 / row["real_time"] for row in body["benchmarks"] if row.get("run_type") != "aggregate"}


def ratios_of(pairs):
    """{name: [new / old of each pair]} from [(old speeds, new speeds)]; what only one side has is left out."""
    ratios = {}
    for old, new in pairs:
        for name in old:
            if name in new and old[name] > 0:
                ratios.setdefault(name, []).append(new[name] / old[name])
    return ratios


def verdict(ratios, limit):
    """(table lines, names that lost more than `limit`)."""
    lines, lost = [], []
    for name, values in ratios.items():
        median = statistics.median(values)
        slower = median < 1.0 - limit
        if slower:
            lost.append(name)
        lines.append(f"{median:6.3f}  ({min(values):.3f} to {max(values):.3f})  {name}{'   SLOWER' if slower else ''}")
    return lines, lost


def call(words, **options):
    run = subprocess.run([str(word) for word in words], check=False, text=True, **options)
    if run.returncode:
        raise Failure(f"{shlex.join(map(str, words))} ended with {run.returncode}")
    return run.stdout


def run_command(build, words, model):
    program = words[0]
    words = [build / PROGRAMS[program], *(word.replace("{model}", str(model)) for word in words[1:])]
    words.append("--json" if program == "halfbyte" else "--benchmark_format=json")
    return speeds_of(program, call(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))


def measure(old, new, words, model, pairs):
    """Which build goes first alternates, so that neither always meets the warmer machine."""
    results = []
    for pair in range(pairs):
        order = (old, new) if pair % 2 == 0 else (new, old)
        speeds = {build: run_command(build, words, model) for build in order}
        results.append((speeds[old], speeds[new]))
    return ratios_of(results)


def base_commit(name):
    if name:
        return call(["git", "rev-parse", "--verify", f"{name}^{{commit}}"], cwd=ROOT, stdout=subprocess.PIPE).strip()
    for main in ("main", "origin/main", "master", "origin/master"):
        run = subprocess.run(["git", "merge-base", "HEAD", main], cwd=ROOT, check=False, text=True, capture_output=True)
        if run.returncode == 0:
            return run.stdout.strip()
    raise Failure("there is no main branch to compare with: name a commit")


@contextlib.contextmanager
def built(commit):
    """The build folder of that commit, in a worktree that goes away afterwards."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="halfbyte-gate-"))
    tree = folder / "tree"
    try:
        call(["git", "worktree", "add", "--quiet", "--detach", tree, commit], cwd=ROOT)
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        quiet = {"cwd": tree, "stdout": subprocess.DEVNULL,
                 "env": {**os.environ, "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}}
        call(["cmake", "--preset", "release", "-DHALFBYTE_TESTS=OFF", *launcher], **quiet)
        call(["cmake", "--build", "build/release", "--target", *PROGRAMS], **quiet)
        yield tree / "build" / "release"
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def gate(options):
    commands = parse_list(options.list.read_text(encoding="utf-8"))
    commit = base_commit(options.base)
    print(f"building {commit[:12]} to compare with", file=sys.stderr)
    lost = []
    with built(commit) as old:
        print(f"new / old speed, median of {options.pairs} pairs (lowest to highest)")
        for words in commands:
            print(f"\n{' '.join(words)}")
            lines, slower = verdict(measure(old, ROOT / "build" / "release", words, options.model, options.pairs),
                                    options.limit)
            print("\n".join(lines) if lines else "  nothing that both builds can run here", flush=True)
            lost += slower
    print(f"\n{len(lost)} slower by more than {options.limit:.0%}" if lost else "\nnothing is slower")
    return 1 if lost else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", nargs="?", metavar="BASE")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--list", type=pathlib.Path, default=ROOT / "bench" / "gate.list")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--limit", type=float, default=0.10)
    try:
        return gate(parser.parse_args())
    except (Failure, OSError, ValueError) as failure:
        print(f"bench_gate: {failure}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
