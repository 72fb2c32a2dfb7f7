#!/usr/bin/env python3
"""Writes tests/data/blocks/*search*.bin: what ggml's quantizers make of rows, without and with importance.

search.rows.bin    ROWS rows of WIDTH floats, then IMPORTANCES rows of WIDTH floats
TYPE.search.bin    the encoded rows without importance, then with each importance. Blocks of 32 take
                   only the first SMALL elements of a row, so that a row is no multiple of four blocks.

The library is ggml-base of llama.cpp (a shared library), built for the baseline of the CPU family: code
with fused multiply-adds rounds differently.

Usage: make_search_goldens.py libggml-base.so tests/data/blocks
"""

import ctypes
import pathlib
import sys

import numpy as np

WIDTH = 256
SMALL = 224
# ggml id, elements and bytes of a block
TYPES = {
    "q4_0": (2, 32, 18), "q4_1": (3, 32, 20), "q5_0": (6, 32, 22), "q5_1": (7, 32, 24), "q8_0": (8, 32, 34),
    "q2_k": (10, 256, 84), "q3_k": (11, 256, 110), "q4_k": (12, 256, 144), "q5_k": (13, 256, 176),
    "q6_k": (14, 256, 210), "iq4_nl": (20, 32, 18), "iq4_xs": (23, 256, 136),
}
FLOATS = ctypes.POINTER(ctypes.c_float)


def make_rows(rng):
    normal = rng.standard_normal((16, WIDTH))
    outlier = normal[0] * 0.01
    outlier[77] = -3.0
    rows = [
        normal[1] * 0.03,
        rng.laplace(size=WIDTH) * 0.02,
        rng.standard_cauchy(WIDTH),
        np.full(WIDTH, 0.1),
        np.full(WIDTH, -0.3),
        np.zeros(WIDTH),
        normal[2] * 1e-6,  # halves below the normal ones
        normal[3] * 1e-20,
        normal[4] * 1e-40,
        normal[5] * 1e6,  # scales above the halves
        normal[6] * 1e18,  # sums of squares near the largest float
        np.clip(normal[7] * 1e38, -3e38, 3e38),
        outlier,
        -rng.random(WIDTH) - 0.1,
        rng.random(WIDTH) + 0.1,
        normal[8] * (rng.random(WIDTH) < 0.1),
        rng.integers(-8, 9, WIDTH),  # many ties
        normal[9] * np.repeat(10.0 ** rng.integers(-6, 3, WIDTH // 16), 16),
    ]
    return np.asarray(rows, dtype=np.float32)


def make_importance(rng):
    scattered = rng.lognormal(0, 1, WIDTH) * (rng.random(WIDTH) < 0.8)
    half = rng.lognormal(0, 1, WIDTH) * (np.arange(WIDTH) % 64 < 32)
    return np.asarray([scattered, half], dtype=np.float32)


def encode(library, kind, row, importance):
    number, block, size = kind
    row = np.ascontiguousarray(row[: WIDTH if block == WIDTH else SMALL])
    out = np.zeros(row.size // block * size, np.uint8)
    weights = None if importance is None else importance.ctypes.data_as(FLOATS)
    library.ggml_quantize_chunk(number, row.ctypes.data_as(FLOATS), out.ctypes.data, 0, 1, row.size, weights)
    return out.tobytes()


def main():
    library = ctypes.CDLL(sys.argv[1])
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [
        ctypes.c_int, FLOATS, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, FLOATS]
    folder = pathlib.Path(sys.argv[2])
    rng = np.random.default_rng(20261126)
    rows = make_rows(rng)
    importance = make_importance(rng)
    (folder / "search.rows.bin").write_bytes(rows.tobytes() + importance.tobytes())
    for name, kind in TYPES.items():
        encoded = [encode(library, kind, row, weights) for weights in (None, *importance) for row in rows]
        (folder / f"{name}.search.bin").write_bytes(b"".join(encoded))


if __name__ == "__main__":
    main()
