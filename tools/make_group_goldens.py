#!/usr/bin/env python3
"""Writes tests/data/blocks/w*.bin: the types with zero points (src/tensor/group_types.h) by NumPy.

wBgG.encode.bin      float32 values, their blocks as GPTQ's quantizer rounds them, the blocks' values
wBgG.symmetric.bin   the same with symmetric groups

Usage: make_group_goldens.py tests/data/blocks
"""

import pathlib
import sys

import numpy as np


def values(rng):
    """Groups of 128 from the usual to the extreme."""
    normal = rng.standard_normal(128)
    rows = [
        normal * 0.02,
        rng.laplace(size=128),
        np.abs(normal) + 0.25,  # all positive
        -np.abs(normal) - 0.25,
        np.zeros(128),
        np.round(normal * 4) / 2,  # ties
        normal * 1e-9,  # scales below the halves
        normal * 1e6,  # and above
    ]
    return np.concatenate(rows).astype(np.float32)


def fit(groups, bits, symmetric):
    """Scales (float32 of halves) and zero points."""
    top = np.float32(2**bits - 1)
    low, high = np.minimum(groups.min(1), 0), np.maximum(groups.max(1), 0)
    if symmetric:
        high = np.maximum(-low, high)
        low = -high
    scale = np.minimum((high - low) / top, np.float32(65504)).astype(np.float16)
    low = np.where(scale == 0, np.float32(-1), low)
    scale = np.where(scale == 0, (np.float32(2) / top).astype(np.float16), scale)
    d = scale.astype(np.float32)
    zero = np.clip(np.round(-low / d), 0, top)
    return scale, d, np.full_like(d, 2 ** (bits - 1)) if symmetric else zero


def planes(codes, bits):
    """The bytes of 32 codes, [n, 32] -> [n, 4 * bits]."""
    steps = codes.reshape(-1, 8, 4)  # step, input
    low = 2 if bits == 3 else bits
    words = np.zeros((len(steps), low, 4), np.uint8)
    for step in range(8):
        part = steps[:, step] & (2**low - 1)
        if low == 8:
            words[:, step] = part
        elif low == 4:
            words[:, step % 4] |= part << (4 * (step // 4))
        else:
            words[:, step // 4] |= part << (2 * (step % 4))
    out = [words.reshape(-1, 4 * low)]
    if bits == 3:
        high = np.zeros((len(steps), 4), np.uint8)
        for step in range(8):
            high |= (steps[:, step] >> 2) << step
        out.append(high)
    return np.concatenate(out, axis=1)


def golden(x, bits, group, symmetric):
    groups = x.reshape(-1, group)
    scale, d, zero = fit(groups, bits, symmetric)
    steps = np.round(groups / d[:, None]) + zero[:, None]
    codes = np.clip(steps, 0, 2**bits - 1).astype(np.uint8)
    decoded = d[:, None] * (codes.astype(np.float32) - zero[:, None])
    header = np.concatenate(
        [scale.astype("<f2").view(np.uint8).reshape(-1, 2), zero.astype(np.uint8)[:, None]], axis=1
    )
    body = planes(codes.reshape(-1, 32), bits).reshape(len(groups), -1)
    blocks = np.concatenate([header, body], axis=1)
    return x.tobytes() + blocks.tobytes() + decoded.astype("<f4").tobytes()


def main():
    folder = pathlib.Path(sys.argv[1])
    x = values(np.random.default_rng(20261126))
    for bits in (2, 3, 4, 8):
        for group in (32, 64, 128):
            name = f"w{bits}g{group}"
            (folder / f"{name}.encode.bin").write_bytes(golden(x, bits, group, False))
            (folder / f"{name}.symmetric.bin").write_bytes(golden(x, bits, group, True))


if __name__ == "__main__":
    main()
