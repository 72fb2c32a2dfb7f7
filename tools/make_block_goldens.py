#!/usr/bin/env python3
"""Writes tests/data/blocks: what gguf-py (pip install gguf numpy) makes of blocks of every format.

TYPE.decode.bin   the bytes of some blocks, then their values as float32
TYPE.encode.bin   float32 values, then the bytes they are quantized to (types with an encoder)

Usage: make_block_goldens.py tests/data/blocks
"""

import pathlib
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize

ENCODED = ["f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"]
DECODED = ENCODED + ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs"]
VALUES = 2048  # of a decode file
BLOCK = 32


def random_blocks(kind, rng):
    """Random bytes; nearly all blocks with finite scales, the last one not."""
    elements, size = GGML_QUANT_SIZES[kind]
    count = VALUES // elements
    raw = rng.integers(0, 256, (200 * count, size), dtype=np.uint8)
    finite = np.isfinite(dequantize(raw, kind)).all(axis=1)
    return np.concatenate([raw[finite][: count - 1], raw[~finite][:1]])


def to_bf16(values):
    return (values.view(np.uint32) & 0xFFFF0000).view(np.float32)


def encoder_input(rng):
    """Rows of one block each, from the usual to the extreme.

    Neither NaNs nor zeros of both signs in one block: there gguf-py differs from ggml.
    """
    normal = rng.standard_normal((8, BLOCK)).astype(np.float32)
    one_hot = np.eye(8, BLOCK, dtype=np.float32) * np.float32(-0.3)
    steps = np.arange(8, dtype=np.float64)[:, None]
    rows = [
        normal,
        rng.laplace(size=(8, BLOCK)) * 0.02,
        -rng.random((8, BLOCK)) - 0.25,
        rng.random((8, BLOCK)) + 0.25,
        to_bf16(normal),  # many exact ties
        rng.integers(-8, 9, (8, BLOCK)),
        rng.integers(-34, 35, (8, BLOCK)) / 2,
        one_hot,
        np.full((8, BLOCK), 0.1) * (steps - 4),  # constant blocks, one of zeros
        rng.uniform(-1, 1, (8, BLOCK)) * 3.4e38,  # scales above the halves; max - min overflows
        normal * np.exp2(-119.0 - 4 * steps),  # 1 / scale overflows
        rng.integers(1, 200, (8, BLOCK)) * 2.0**-149,
    ]
    return np.concatenate([np.asarray(row, dtype=np.float32) for row in rows])


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240611)
    values = encoder_input(rng)
    np.seterr(all="ignore")
    for name in DECODED:
        kind = GGMLQuantizationType[name.upper()]
        raw = random_blocks(kind, rng)
        decoded = dequantize(raw, kind).astype("<f4")
        (folder / f"{name}.decode.bin").write_bytes(raw.tobytes() + decoded.tobytes())
        if name in ENCODED:
            encoded = quantize(values, kind)
            (folder / f"{name}.encode.bin").write_bytes(values.tobytes() + encoded.tobytes())


if __name__ == "__main__":
    main()
