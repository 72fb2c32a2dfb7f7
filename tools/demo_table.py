#!/usr/bin/env python3
"""Prints what the demo's compression cost, from what the commands reported.

usage: demo_table.py FOLDER            with inspect.json (of the source), compress.json and eval.json (--against the source)
"""
import json
import pathlib
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    source, compress, scores = (json.loads((folder / f"{name}.json").read_text())
                                for name in ("inspect", "compress", "eval"))
    rows = (
        ("", "as published", compress["type"]),
        ("size, MB", f"{compress['bytes_in'] / 1e6:.1f}", f"{compress['bytes_out'] / 1e6:.1f}"),
        ("bits per weight", f"{source['bits_per_weight']:.2f}", f"{compress['bits_per_weight']:.2f}"),
        ("perplexity", f"{scores['ref_perplexity']:.2f}", f"{scores['perplexity']:.2f}"),
        ("KL divergence, nats a token", "", f"{scores['kld_mean']:.4f}"),
        ("same next token", "", f"{100 * scores['top1_agreement']:.1f} %"),
    )
    for name, before, after in rows:
        print(f"  {name:<28}{before:>14}{after:>14}".rstrip())
    print(f"  {scores['tokens']} tokens scored; compressing took {compress['seconds']:.1f} s"
          f" and at most {compress['peak_rss_bytes'] / 1e6:.0f} MB of memory")


if __name__ == "__main__":
    main()
