#!/usr/bin/env python3
"""AWQ's scales for two small problems, in NumPy, as tests/data/awq/NAME.safetensors.

tests/compress/awq_test.cpp says what the formula is. Needs NumPy.
"""
import json
import pathlib
import sys

import numpy as np

ROWS, COLUMNS, TOKENS, BLOCK = 24, 64, 48, 32


def round_q8_0(row):
    """ggml's q8_0: codes from the f32 scale, the block keeps it as a half."""
    blocks = row.astype(np.float32).reshape(-1, BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    codes = np.rint(blocks * (np.float32(1) / scales))
    return (scales.astype(np.float16).astype(np.float64) * codes).reshape(-1)


def channel_of(head, group):
    column = np.arange(COLUMNS)
    return column // (head * group) * head + column % head


def by_channel(values, channel):
    return np.bincount(channel, values) / np.bincount(channel)


def all_scales(w, x, channel):
    blocks = np.abs(w).reshape(ROWS, -1, BLOCK)
    shares = (blocks / (blocks.max(axis=2, keepdims=True) + 1e-6)).reshape(ROWS, COLUMNS)
    w_mean = by_channel(shares.mean(axis=0), channel)
    x_mean = by_channel(np.abs(x).mean(axis=0), channel)
    live = x_mean > 0
    yield np.ones_like(x_mean)
    for by_weight in (True, False):
        for i in range(0 if by_weight else 1, 20):  # x^0 is the identity
            r = i / 20
            scales = x_mean**r / (w_mean ** (1 - r) + 1e-4 if by_weight else 1.0)
            scales = np.maximum(scales, 1e-4)
            scales /= np.sqrt(scales[live].max() * scales[live].min())
            yield np.where(live, scales, 1.0)


def loss(w, x, scales, channel):
    factors = scales[channel]
    scaled = (w * factors).astype(np.float32)
    rounded = np.stack([round_q8_0(row) for row in scaled]) / factors
    return np.sum((x @ (rounded - w).T) ** 2)


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, values in tensors.items():
        part = values.astype(np.float32).tobytes()
        offsets = [len(data), len(data) + len(part)]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def make(path, head, group, seed):
    random = np.random.default_rng(seed)
    w = random.standard_normal((ROWS, COLUMNS)) * np.exp(0.5 * random.standard_normal(COLUMNS))
    x = random.standard_normal((TOKENS, COLUMNS)) * np.exp(1.5 * random.standard_normal(COLUMNS))
    x[:, :4] += random.standard_normal((TOKENS, 1)) * 3  # inputs that go together
    channel = channel_of(head, group)
    x[:, channel == 5] = 0.0
    w, x = (values.astype(np.float32).astype(np.float64) for values in (w, x))
    scales = [s.astype(np.float32).astype(np.float64) for s in all_scales(w, x, channel)]
    losses = np.array([loss(w, x, s, channel) for s in scales])
    order = np.argsort(losses, kind="stable")
    assert losses[order[1]] > 1.001 * losses[order[0]] and order[0] != 0, losses[order[:4]]
    print(path.name, "candidate", order[0], "loss", losses[order[0]], "identity", losses[0])
    tensors = {"w": w, "x": x, "scales": np.stack(scales), "losses": losses}
    write_safetensors(path, tensors)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/data/awq")
    folder.mkdir(parents=True, exist_ok=True)
    make(folder / "plain.safetensors", 1, 1, 1)
    make(folder / "grouped.safetensors", 16, 2, 2)


if __name__ == "__main__":
    main()
