#!/usr/bin/env python3
"""Makes tests/data/quantized: one module in each published layout, packed here field by field as the
formats describe it (compressed-tensors: by its own package), with the codes, zeros and scales it stands for.

Needs numpy, torch, safetensors, compressed-tensors. usage: make_quantized_goldens.py [OUTPUT_FOLDER]"""
import pathlib
import sys

import numpy as np
import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
from safetensors.numpy import save_file

N, K, GROUP = 64, 96, 32
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # field i of a word holds this output


def words_of(fields, bits):
    """A list of fields as one long little-endian number, cut into words of 32 bits."""
    number = sum(int(value) << (bits * i) for i, value in enumerate(fields))
    count = len(fields) * bits // 32
    return [(number >> (32 * w)) & 0xFFFFFFFF for w in range(count)]


def pack_rows(matrix, bits):
    return np.array([words_of(row, bits) for row in matrix], dtype=np.uint32).view(np.int32)


def awq_rows(matrix):
    order = [8 * word + output for word in range(matrix.shape[1] // 8) for output in AWQ_ORDER]
    return pack_rows(matrix[:, order], 4)


def module(bits, seed):
    random = np.random.default_rng(seed)
    codes = random.integers(0, 2**bits, (N, K), dtype=np.uint8)
    zeros = random.integers(0, 2**bits, (N, K // GROUP), dtype=np.uint8)
    scales = random.uniform(0.001, 0.1, (N, K // GROUP)).astype(np.float16)
    return codes, zeros, scales


def expected(codes, zeros, scales):
    return {"codes": codes, "zeros": zeros, "scale_values": scales}


def awq(codes, zeros, scales):
    return {"m.qweight": awq_rows(codes.T), "m.qzeros": awq_rows(zeros.T), "m.scales": np.ascontiguousarray(scales.T)}


def gptq(codes, zeros, scales, bits, offset):
    stored = (zeros.astype(np.int32) - offset) % 2**bits
    return {
        "m.qweight": np.ascontiguousarray(pack_rows(codes, bits).T),
        "m.qzeros": pack_rows(stored.T, bits),
        "m.scales": np.ascontiguousarray(scales.T),
        "m.g_idx": (np.arange(K) // GROUP).astype(np.int32),
    }


def compressed(codes, zeros, scales, bits):
    def pack(matrix, dim):
        signed = torch.from_numpy(matrix.astype(np.int32) - 2 ** (bits - 1)).to(torch.int8)
        return np.ascontiguousarray(pack_to_int32(signed, bits, packed_dim=dim).numpy())

    tensors = {"m.weight_packed": pack(codes, 1), "m.weight_scale": scales, "m.weight_shape": np.array([N, K])}
    if zeros is not None:
        tensors["m.weight_zero_point"] = pack(zeros, 0)
    return tensors


def main():
    default = pathlib.Path(__file__).parent.parent / "tests/data/quantized"
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    out.mkdir(parents=True, exist_ok=True)
    cases = {}
    codes, zeros, scales = module(4, 1)
    cases["awq-4"] = awq(codes, zeros, scales) | expected(codes, zeros, scales)
    for bits in (2, 3, 4, 8):
        codes, zeros, scales = module(bits, bits)
        cases[f"gptq-{bits}"] = gptq(codes, zeros, scales, bits, 1) | expected(codes, zeros, scales)
    cases["gptq_v2-4"] = gptq(*module(4, 9), 4, 0) | expected(*module(4, 9))
    for bits in (4, 8):
        codes, zeros, scales = module(bits, 10 + bits)
        cases[f"compressed-{bits}"] = compressed(codes, zeros, scales, bits) | expected(codes, zeros, scales)
        middle = np.full_like(zeros, 2 ** (bits - 1))
        cases[f"compressed_sym-{bits}"] = compressed(codes, None, scales, bits) | expected(codes, middle, scales)
    for name, tensors in cases.items():
        save_file(tensors, out / f"{name}.safetensors")


if __name__ == "__main__":
    main()
