#!/usr/bin/env python3
"""Writes tests/data/gptq/q4_0.bin: GPTQ as its paper has it (arXiv 2210.17323), in plain NumPy and f64, on a small matrix.

usage: make_gptq_golden.py FILE

f32, little-endian, one after another: W [12, 128], H [128, 128], scales [12, 4] (of blocks of 32, exact as f16), and the
values that come out, [12, 128] each: columns in natural order, then in descending order of H's diagonal.

    H = X^T X, X [400, 128] correlated, some columns large;   H' = H + 0.01 mean(diag H) I;   U = chol(H'^-1), upper
    for each column i, in order: q_i = scale * clip(round(w_i / scale), -8, 7);   W[:, i:] -= (w_i - q_i) / U[i, i] * U[i, i:]

The scales are those of plain q4_0, from the W before: the largest magnitude of a block, with its sign, / -8.
"""
import sys

import numpy as np

ROWS, SIZE, BLOCK, INPUTS = 12, 128, 32, 400


def problem():
    random = np.random.default_rng(7)
    mixing = random.normal(size=(SIZE, SIZE)) * 0.25 + np.eye(SIZE)
    x = random.normal(size=(INPUTS, SIZE)) @ mixing * np.exp(random.normal(size=SIZE))
    w = random.normal(size=(ROWS, SIZE)) * 0.05
    return w.astype(np.float32), (x.T @ x).astype(np.float32)


def block_scales(w):
    blocks = w.reshape(ROWS, -1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=2)[..., None], axis=2)[..., 0]
    return (largest / -8).astype(np.float16).astype(np.float32)


def gptq(w, h, scales, order):
    w, h = w.astype(np.float64)[:, order], h.astype(np.float64)[np.ix_(order, order)]
    h = h + 0.01 * np.mean(np.diag(h)) * np.eye(SIZE)
    upper = np.linalg.cholesky(np.linalg.inv(h)).T
    values = np.empty_like(w)
    for i in range(SIZE):
        scale = scales[:, order[i] // BLOCK].astype(np.float64)
        values[:, order[i]] = scale * np.clip(np.round(w[:, i] / scale), -8, 7)
        error = (w[:, i] - values[:, order[i]]) / upper[i, i]
        w[:, i:] -= np.outer(error, upper[i, i:])
    return values


def main():
    w, h = problem()
    scales = block_scales(w)
    orders = np.arange(SIZE), np.argsort(-np.diag(h), kind="stable")
    parts = [w, h, scales, *(gptq(w, h, scales, order) for order in orders)]
    with open(sys.argv[1], "wb") as file:
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype="<f4").tobytes())


if __name__ == "__main__":
    main()
