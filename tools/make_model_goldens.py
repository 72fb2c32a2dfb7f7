#!/usr/bin/env python3
"""Writes tests/data/models/variants/ and the mixtures of experts with the reference library (pip: torch, transformers,
safetensors).

python3 tools/make_model_goldens.py tests/data/models [variants [NAME...] | experts]

A variant is a config.json over weights that are there already (the golden models', and qwen2's own, which this makes), with
what the library computes: input_ids [1, T], rows (the positions that are kept), logits [rows, V], greedy [N].
"""
import json
import pathlib
import shutil
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, MixtralConfig, MixtralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3MoeConfig, Qwen3MoeForCausalLM)

LENGTH, ROWS, GREEDY = 40, slice(3, None, 4), 12
models = pathlib.Path(sys.argv[1])
variants = models / "variants"
ROPE = "rope_parameters"


def old_rope(theta, **scaling):
    """The keys of configs as they were before rope_parameters."""
    return {"rope_theta": theta, "rope_scaling": scaling or None, ROPE: None}


def new_rope(kind, **values):
    return {ROPE: {"rope_type": kind, "rope_theta": 10000.0, **values}}


MISTRAL = {"model_type": "mistral", "architectures": ["MistralForCausalLM"]}
YARN = {"factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
# Name: weights, keys to set (None removes one; "null" stays as null).
CASES = {
    "llama-old": ("llama", old_rope(500000.0) | {"head_dim": None}),
    "llama-linear": ("llama", new_rope("linear", factor=4.0)),
    "llama-linear-old": ("llama", old_rope(10000.0, type="linear", factor=2.0)),
    "llama-dynamic": ("llama", new_rope("dynamic", factor=2.0) | {"max_position_embeddings": 16}),
    "llama-dynamic-old": ("llama", old_rope(10000.0, type="dynamic", factor=4.0) | {"max_position_embeddings": 24}),
    "llama-yarn": ("llama", new_rope("yarn", **YARN)),
    "llama-yarn-old": ("llama", old_rope(10000.0, type="yarn", beta_fast=16.0, beta_slow=2.0, attention_factor=1.3, **YARN)),
    "llama-yarn-mscale": ("llama", new_rope("yarn", mscale=1.0, mscale_all_dim=0.5, truncate=False, **YARN)),
    "llama-llama3-old": ("llama", old_rope(500000.0, **LLAMA3)),
    "llama-partial": ("llama", {key: None for key in (
        ROPE, "rms_norm_eps", "head_dim", "attention_bias", "mlp_bias", "hidden_act", "tie_word_embeddings",
        "max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id")}),
    "mistral-window": ("llama", MISTRAL | {"sliding_window": 8}),
    "mistral-old": ("llama", MISTRAL | old_rope(1000000.0) | {"sliding_window": "null", "head_dim": "null"}),
    "qwen2-plain": ("qwen2", {"use_sliding_window": False, "sliding_window": 8, "layer_types": None}),
    "qwen2-default": ("qwen2", {"use_sliding_window": None, "sliding_window": 8, "max_window_layers": None, "layer_types": None}),
    "qwen2-window": ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1, "layer_types": None}),
    "qwen2-types": ("qwen2", {"use_sliding_window": True, "sliding_window": 5, "layer_types": [
        "sliding_attention", "full_attention", "sliding_attention"]}),
    "qwen2-yarn-old": ("qwen2", old_rope(1000000.0, type="yarn", **YARN) | {"use_sliding_window": False}),
    "mixtral-old": ("mixtral", old_rope(1000000.0) | {"num_experts_per_tok": 3, "head_dim": None}),
    "qwen3moe-old": ("qwen3moe", old_rope(10000.0) | {
        "num_local_experts": None, "num_experts": 8, "norm_topk_prob": False, "decoder_sparse_step": None}),
    "gemma3-old": ("gemma3", old_rope(1000000.0, rope_type="linear", factor=8.0) | {
        "rope_local_base_freq": 5000.0, "sliding_window_pattern": 3, "_sliding_window_pattern": None, "layer_types": None,
        "sliding_window": 8}),
    "gemma3-partial": ("gemma3", {key: None for key in (
        ROPE, "_sliding_window_pattern", "layer_types", "query_pre_attn_scalar", "hidden_activation", "rms_norm_eps",
        "tie_word_embeddings", "max_position_embeddings", "attn_logit_softcapping", "use_bidirectional_attention")}),
    "gemma3-softcap": ("gemma3", {"final_logit_softcapping": 5.0, "query_pre_attn_scalar": 20}),
}


def make_qwen2(folder):
    torch.manual_seed(7)
    config = Qwen2Config(vocab_size=256, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.15, tie_word_embeddings=True)
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.copy_(1 + 0.3 * torch.randn_like(weight))
            elif name.endswith("bias"):
                weight.copy_(0.5 * torch.randn_like(weight))
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink()


def randomize(model):
    """Norms that are not all ones."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.copy_(1 + 0.3 * torch.randn_like(weight))
    return model.eval()


def follow(model, ids):
    """What greedy decoding appends."""
    cache, step, greedy = None, ids, []
    for _ in range(GREEDY):
        out = model(step, past_key_values=cache, use_cache=True)
        cache, step = out.past_key_values, out.logits[:, -1:].argmax(-1)
        greedy.append(step)
    return torch.cat(greedy, 1)


def make_experts():
    common = {"vocab_size": 384, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
              "max_position_embeddings": 256, "initializer_range": 0.15, "bos_token_id": 1, "eos_token_id": 2}
    made = {
        "mixtral": (MixtralForCausalLM, MixtralConfig(
            intermediate_size=32, num_hidden_layers=2, num_local_experts=4, num_experts_per_tok=2, **common)),
        "qwen3moe": (Qwen3MoeForCausalLM, Qwen3MoeConfig(
            intermediate_size=96, moe_intermediate_size=32, num_hidden_layers=3, head_dim=32, num_experts=8,
            num_experts_per_tok=3, norm_topk_prob=True, mlp_only_layers=[1], **common)),
    }
    for name, (kind, config) in made.items():
        torch.manual_seed(7)
        model = randomize(kind(config))
        model.save_pretrained(models / name)
        (models / name / "generation_config.json").unlink(missing_ok=True)
        torch.manual_seed(11)
        ids = torch.randint(3, config.vocab_size, (2, LENGTH))
        with torch.no_grad():
            golden = {"input_ids": ids, "logits": model(ids).logits.contiguous(), "greedy": follow(model, ids)}
        save_file(golden, models / name / "golden.safetensors")
        print(name)


def run(config, weights):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "config.json").write_text(json.dumps(config))
        shutil.copy(weights, folder)
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    torch.manual_seed(11)
    ids = torch.randint(3, config["vocab_size"], (1, LENGTH))
    with torch.no_grad():
        logits = model(ids).logits[0]
        cache, step, greedy = None, ids, []
        for _ in range(GREEDY):
            out = model(step, past_key_values=cache, use_cache=True)
            cache, step = out.past_key_values, out.logits[:, -1:].argmax(-1)
            greedy.append(step[0, 0])
    return {"input_ids": ids, "rows": torch.arange(LENGTH)[ROWS].contiguous(), "logits": logits[ROWS].contiguous(),
            "greedy": torch.stack(greedy)}


def make_variants():
    make_qwen2(variants / "qwen2")
    for name, (weights, changes) in CASES.items():
        if len(sys.argv) > 3 and name not in sys.argv[3:]:
            continue
        source = variants / weights if weights == "qwen2" else models / weights
        config = json.loads((source / "config.json").read_text()) | changes
        config = {key: None if value == "null" else value for key, value in config.items()
                  if value is not None or key not in changes}
        folder = variants / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file(run(config, source / "model.safetensors"), folder / "golden.safetensors")
        print(name)


wanted = sys.argv[2:] or ["experts", "variants"]
if "experts" in wanted:
    make_experts()
if "variants" in wanted:
    make_variants()
