#!/usr/bin/env python3
"""Writes tests/data/mixes/ with llama.cpp's llama-quantize (any build of it that has --dry-run).

python3 tools/make_mix_goldens.py LLAMA_QUANTIZE tests/data/mixes

A golden is a config.json and the types that llama-quantize gives the matrices of such a model: for each name of `types` the
tensors by name, without "blk.N." and ".weight": one type, or the types of blocks 0, 1, ... `importance` has those that it
gives with an importance matrix, where they are others. The models that it sees are headers over zeros.
"""
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

TYPES = ("q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q2_k_s q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m q6_k "
         "iq4_nl iq4_xs").split()
VOCAB = 64


def decoder(kind, layers, width, ffn, heads, kv_heads, head_dim, tied, **more):
    return {"model_type": kind, "num_hidden_layers": layers, "hidden_size": width, "intermediate_size": ffn,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head_dim, "vocab_size": VOCAB,
            "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": tied} | more


CASES = {
    "llama-576-tied": decoder("llama", 30, 576, 1536, 9, 3, 64, True),
    "llama-768-tied": decoder("llama", 30, 768, 1536, 12, 4, 64, True),
    "llama-grouped": decoder("llama", 16, 512, 1024, 16, 4, 32, False),
    "llama-80": decoder("llama", 80, 256, 512, 8, 8, 32, False),
    "llama-80-grouped": decoder("llama", 80, 256, 512, 8, 1, 32, False),
    "llama-narrow": decoder("llama", 3, 80, 176, 5, 5, 16, False),
    "mistral": decoder("mistral", 32, 512, 1792, 16, 4, 32, False),
    "qwen2": decoder("qwen2", 24, 896, 4864, 14, 2, 64, True),
    "qwen2-80": decoder("qwen2", 80, 256, 512, 8, 8, 32, False),
    "qwen3": decoder("qwen3", 28, 512, 1536, 8, 4, 64, True),
    "gemma3": decoder("gemma3_text", 18, 640, 2048, 4, 1, 256, True, hidden_activation="gelu_pytorch_tanh",
                      query_pre_attn_scalar=256, sliding_window=16),
    "gpt2": {"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "n_positions": 64, "vocab_size": VOCAB,
             "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"},
    "bert": {"model_type": "bert", "num_hidden_layers": 12, "hidden_size": 384, "intermediate_size": 1536,
             "num_attention_heads": 12, "vocab_size": VOCAB, "max_position_embeddings": 64, "hidden_act": "gelu",
             "layer_norm_eps": 1e-12},
    "t5": {"model_type": "t5", "num_layers": 12, "num_decoder_layers": 11, "d_model": 512, "d_ff": 1024, "d_kv": 64,
           "num_heads": 8, "vocab_size": VOCAB, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False,
           "relative_attention_num_buckets": 32, "layer_norm_epsilon": 1e-6, "decoder_start_token_id": 0},
}


def facts_of(config):
    """The numbers of a config.json, one spelling for all families."""
    def get(*keys, default=None):
        return next((config[key] for key in keys if key in config), default)
    width, heads = get("hidden_size", "n_embd", "d_model"), get("num_attention_heads", "n_head", "num_heads")
    return {"arch": {"mistral": "llama", "gemma3_text": "gemma3"}.get(config["model_type"], config["model_type"]),
            "layers": get("num_hidden_layers", "n_layer", "num_layers"), "width": width, "heads": heads,
            "ffn": get("intermediate_size", "d_ff", default=4 * width), "kv_heads": get("num_key_value_heads", default=heads),
            "head_dim": get("head_dim", "d_kv", default=width // heads), "tied": get("tie_word_embeddings", default=True),
            "decoder_layers": get("num_decoder_layers"),
            "gated": config["model_type"] not in ("gpt2", "bert")}


def block(facts, prefix, attention, out):
    """Matrices of a block: name -> [outputs, inputs]."""
    width, q, kv = facts["width"], facts["heads"] * facts["head_dim"], facts["kv_heads"] * facts["head_dim"]
    matrices = {f"{prefix}{attention}{part}": (rows, width) for part, rows in (("q", q), ("k", kv), ("v", kv))}
    if facts["arch"] == "gpt2":
        matrices = {f"{prefix}attn_qkv": (q + 2 * kv, width)}
    return matrices | {f"{prefix}{attention}{out}": (width, q)}


def ffn(facts, prefix):
    parts = ("ffn_gate", "ffn_up") if facts["gated"] else ("ffn_up",)
    return {prefix + part: (facts["ffn"], facts["width"]) for part in parts} | {
        prefix + "ffn_down": (facts["width"], facts["ffn"])}


def matrices_of(facts):
    matrices = {"token_embd": (VOCAB, facts["width"])}
    if not facts["tied"]:
        matrices["output"] = (VOCAB, facts["width"])
    stacks = [("", facts["layers"])]
    if facts["decoder_layers"]:
        stacks = [("enc.", facts["layers"]), ("dec.", facts["decoder_layers"])]
    for stack, layers in stacks:
        for prefix in (f"{stack}blk.{layer}." for layer in range(layers)):
            matrices |= block(facts, prefix, "attn_", "o" if stack else "output") | ffn(facts, prefix)
            if stack == "dec.":
                matrices |= block(facts, prefix, "cross_attn_", "o")
    return matrices


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def write_gguf(path, facts, matrices):
    arch = facts["arch"]
    keys = {"block_count": facts["layers"], "context_length": 64, "embedding_length": facts["width"],
            "feed_forward_length": facts["ffn"], "attention.head_count": facts["heads"],
            "attention.head_count_kv": facts["kv_heads"], "attention.key_length": facts["head_dim"],
            "attention.value_length": facts["head_dim"], "vocab_size": VOCAB, "attention.relative_buckets_count": 32,
            "attention.sliding_window": 16, "decoder_start_token_id": 0}
    if facts["decoder_layers"]:
        keys["decoder_block_count"] = facts["decoder_layers"]
    fields = [text("general.architecture") + struct.pack("<I", 8) + text(arch)]
    fields += [text(f"{arch}.{key}") + struct.pack("<II", 4, value) for key, value in keys.items()]
    fields += [text(f"{arch}.attention.{key}") + struct.pack("<If", 6, 1e-6)
               for key in ("layer_norm_rms_epsilon", "layer_norm_epsilon")]
    fields.append(text(f"{arch}.attention.causal") + struct.pack("<I?", 7, True))
    infos, offset = [], 0
    for name, (rows, columns) in matrices.items():
        infos.append(text(name + ".weight") + struct.pack("<IQQIQ", 2, columns, rows, 1, offset))  # 1: f16
        offset += -(-2 * rows * columns // 32) * 32
    header = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(fields)) + b"".join(fields + infos)
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(-(-len(header) // 32) * 32 + offset)


def write_importance(path):
    """An importance matrix of llama.cpp's old form, with one tensor that no model has."""
    path.write_bytes(struct.pack("<ii", 1, 1) + b"x" + struct.pack("<iif", 1, 1, 1.0))


def types_of(program, path, name, importance):
    options = ["--imatrix", str(importance)] if importance else []
    run = subprocess.run([program, "--dry-run", *options, path, name], capture_output=True, text=True, check=True)
    lines = re.findall(r"\] +(\S+)\.weight +- \[.*?, type = +(\w+), size = .*?(?:\((\w+)\))?$", run.stdout + run.stderr, re.M)
    types = {}
    for tensor, before, after in lines:
        match = re.fullmatch(r"(.*?)blk\.(\d+)\.(.*)", tensor)
        if match:
            blocks = types.setdefault(match[1] + match[3], {})
            blocks[int(match[2])] = (after or before).lower()
        else:
            types[tensor] = (after or before).lower()
    return {part: tidy(value) for part, value in types.items()}


def tidy(value):
    if isinstance(value, str):
        return value
    blocks = [value[layer] for layer in sorted(value)]
    return blocks if len(set(blocks)) > 1 else blocks[0]


def dump(golden):
    """JSON with one tensor a line."""
    rows = lambda types: ",\n".join(f"  {json.dumps(name)}: {{\n" + ",\n".join(
        f"   {json.dumps(part)}: {json.dumps(value)}" for part, value in parts.items()) + "\n  }"
        for name, parts in types.items())
    return (f'{{\n "config": {json.dumps(golden["config"])},\n "types": {{\n{rows(golden["types"])}\n }},\n'
            f' "importance": {{\n{rows(golden["importance"])}\n }}\n}}\n')


def main(program, folder):
    with tempfile.TemporaryDirectory() as scratch:
        model, importance = pathlib.Path(scratch) / "model.gguf", pathlib.Path(scratch) / "importance.dat"
        write_importance(importance)
        for case, config in CASES.items():
            facts = facts_of(config)
            matrices = matrices_of(facts)
            write_gguf(model, facts, matrices)
            plain = {name: types_of(program, model, name, None) for name in TYPES}
            weighed = {name: types_of(program, model, name, importance) for name in TYPES}
            other = {name: types for name, types in weighed.items() if types != plain[name]}
            (folder / f"{case}.json").write_text(dump({"config": config, "types": plain, "importance": other}))


main(sys.argv[1], pathlib.Path(sys.argv[2]))
