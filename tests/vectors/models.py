#!/usr/bin/env python3
"""Writes models/: small random checkpoints as Hugging Face's transformers saves them, and what PyTorch computes from
them in float64. Run with torch 2.0.1, transformers 4.35.2 and safetensors; the results are stored, so that the
tests need none of these. The weights are drawn from a fixed seed and rounded to the dtype of the file first.

Each folder: config.json, model.safetensors, expected.safetensors with
  ids [T] (I32), types [T] (I32, bert), and in F32: logits [T, V] or [labels], hidden.i [T, C] (input of layer i, and
  after the last), pooled [C], attention.i [T, C] (result of the module of layer i before the residual).
"""
import json
import os
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import (BertConfig, BertForSequenceClassification, BertModel, GPT2Config, GPT2LMHeadModel)

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "models"
CONFIG_KEYS = {  # what a reader needs; transformers writes many more
    "architectures", "model_type", "n_layer", "n_head", "n_embd", "n_inner", "n_positions", "vocab_size",
    "activation_function", "layer_norm_epsilon", "tie_word_embeddings", "hidden_size", "num_hidden_layers",
    "num_attention_heads", "intermediate_size", "hidden_act", "layer_norm_eps", "max_position_embeddings",
    "type_vocab_size", "id2label", "position_embedding_type", "torch_dtype",
}


def randomise(model, dtype, seed):
    """Large enough that every term matters: attention far from uniform, activations on both branches."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale, shift = (0.3, 1.0) if "ln" in name.lower() or "norm" in name.lower() else (0.45, 0.0)
            if name.endswith("bias"):
                scale, shift = 0.2, 0.0
            p.copy_((torch.randn(p.shape, generator=generator) * scale + shift).to(dtype).to(p.dtype))
    return model


def attention_results(model, layers, pick):
    """Hooks that keep what each attention module returns."""
    kept = {}
    for i, layer in enumerate(layers):
        def keep(_module, _inputs, output, i=i):
            kept[f"attention.{i}"] = (output[0] if isinstance(output, tuple) else output)[0]
        pick(layer).register_forward_hook(keep)
    return kept


def trim_config(folder, **changes):
    path = folder / "config.json"
    config = {k: v for k, v in json.loads(path.read_text()).items() if k in CONFIG_KEYS}
    path.write_text(json.dumps({**config, **changes}, indent=1) + "\n")


def save(folder, model, dtype, strip, buffers):
    """The folder as transformers writes it; `strip` removes a prefix from names, `buffers` are added."""
    folder.mkdir(parents=True, exist_ok=True)
    model.to(dtype).save_pretrained(folder, safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)
    trim_config(folder)
    if strip or buffers:
        path = str(folder / "model.safetensors")
        tensors = {k[len(strip):] if strip and k.startswith(strip) else k: v.contiguous()
                   for k, v in load_file(path).items()}
        save_file({**tensors, **buffers}, path, metadata={"format": "pt"})


def expected(folder, values):
    floats = {k: v.detach().to(torch.float32 if v.is_floating_point() else torch.int32).contiguous().clone()
              for k, v in values.items()}
    save_file(floats, str(folder / "expected.safetensors"))


def hidden_states(result):
    return {f"hidden.{i}": h[0] for i, h in enumerate(result.hidden_states)}


def gpt2(name, dtype, seed, n_tokens, strip="", buffers=None, **sizes):
    model = randomise(GPT2LMHeadModel(GPT2Config(**sizes)).eval(), dtype, seed)
    save(OUT / name, model, dtype, strip, buffers or {})
    model = model.double()
    ids = torch.randint(0, sizes["vocab_size"], (1, n_tokens), generator=torch.Generator().manual_seed(seed + 1))
    kept = attention_results(model, model.transformer.h, lambda layer: layer.attn)
    with torch.no_grad():
        result = model(ids, output_hidden_states=True)
    expected(OUT / name, {"ids": ids[0], "logits": result.logits[0], **hidden_states(result), **kept})


def bert(name, cls, dtype, seed, n_tokens, strip="", drop_pooler=False, buffers=None, **sizes):
    model = randomise(cls(BertConfig(**sizes)).eval(), dtype, seed)
    base = getattr(model, "bert", model)
    if drop_pooler:
        base.pooler = None
    save(OUT / name, model, dtype, strip, buffers or {})
    model = model.double()
    generator = torch.Generator().manual_seed(seed + 1)
    ids = torch.randint(0, sizes["vocab_size"], (1, n_tokens), generator=generator)
    types = torch.randint(0, sizes["type_vocab_size"], (1, n_tokens), generator=generator)
    kept = attention_results(model, base.encoder.layer, lambda layer: layer.attention.output.dense)
    pooled = {}
    if base.pooler is not None:
        base.pooler.register_forward_hook(lambda _m, _i, out: pooled.update(pooled=out[0]))
    with torch.no_grad():
        result = model(input_ids=ids, token_type_ids=types, output_hidden_states=True)
    values = {"ids": ids[0], "types": types[0], **hidden_states(result), **kept, **pooled}
    if cls is BertForSequenceClassification:
        values["logits"] = result.logits[0]
    expected(OUT / name, values)


def shipped(name, text):
    """Logits of a shipped checkpoint on a text, and 40 greedy characters after it."""
    folder = HERE.parent.parent / "models" / name
    vocabulary = json.loads((folder / "vocab.json").read_text())
    model = GPT2LMHeadModel.from_pretrained(folder).eval().double()
    ids = torch.tensor([[vocabulary[c] for c in text]])
    with torch.no_grad():
        logits = model(ids).logits[0]
        longer = ids
        for _ in range(40):
            longer = torch.cat([longer, model(longer).logits[:, -1:].argmax(-1)], dim=1)
    (OUT / name).mkdir(parents=True, exist_ok=True)
    expected(OUT / name, {"ids": ids[0], "logits": logits, "greedy": longer[0]})


def main():
    f32, f16, bf16 = torch.float32, torch.float16, torch.bfloat16
    mask = {"h.%d.attn.bias" % i: torch.tril(torch.ones(9, 9)).view(1, 1, 9, 9) for i in range(2)}
    mask.update({"h.%d.attn.masked_bias" % i: torch.tensor(-1e4) for i in range(2)})
    small = dict(n_layer=2, n_head=3, n_embd=24, n_inner=40, vocab_size=17, n_positions=13, bos_token_id=0,
                 eos_token_id=0)
    gpt2("gpt2-untied", f32, 1, 13, tie_word_embeddings=False, activation_function="gelu", **small)
    gpt2("gpt2-f16", f16, 2, 11, layer_norm_epsilon=1e-3, **small)
    gpt2("gpt2-bf16", bf16, 3, 12, activation_function="relu", **small)
    # Names without prefix and with the mask buffers, as the published "gpt2" has them; n_inner not stated.
    gpt2("gpt2-buffers", f32, 4, 9, strip="transformer.", buffers=mask, n_layer=2, n_head=5, n_embd=15,
         vocab_size=11, n_positions=9, bos_token_id=0, eos_token_id=0)
    small = dict(num_hidden_layers=2, num_attention_heads=4, hidden_size=20, intermediate_size=36, vocab_size=19,
                 max_position_embeddings=14, type_vocab_size=2)
    bert("bert-classifier", BertForSequenceClassification, f32, 5, 14, num_labels=3, **small)
    bert("bert-f16", BertForSequenceClassification, f16, 6, 9, num_labels=1, hidden_act="gelu_new", **small)
    bert("bert-bf16", BertModel, bf16, 7, 10, **small)
    bert("bert-bare", BertModel, f32, 8, 7, drop_pooler=True,
         buffers={"embeddings.position_ids": torch.arange(14).view(1, 14)}, **small)
    shipped("gpt2-shakespeare-char", "First Citizen:\nBefore we proceed any further, hear me")


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
