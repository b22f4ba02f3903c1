#!/usr/bin/env python3
"""Trains a character model of the architecture of models/gpt2-shakespeare-char and writes a Hugging Face folder.

    python3 models/train_shakespeare.py tinyshakespeare.txt OUT_FOLDER

Needs PyTorch and safetensors. The recipe of the shipped weights: 6,924 steps of 12 x 128 characters, AdamW, on the
first 90 % of the text, about 23 minutes on one CPU thread. Its seed and learning rates were not kept, so a run
gives a model of the same quality (1.52 nats per character on the last tenth), not the same bits.
"""
import argparse
import json
import math
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

CONFIG = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": 4, "n_head": 4, "n_embd": 128,
    "n_inner": 512, "n_positions": 128, "n_ctx": 128, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
    "tie_word_embeddings": True, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
}
WIDTH, HEADS, CONTEXT = CONFIG["n_embd"], CONFIG["n_head"], CONFIG["n_positions"]


class Conv1D(nn.Module):
    """A linear layer whose weight lies in x out, as GPT-2 stores it."""

    def __init__(self, n_in, n_out, deviation=0.02):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_in, n_out) * deviation)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight + self.bias


class Attention(nn.Module):
    def __init__(self, residual_deviation):
        super().__init__()
        self.c_attn = Conv1D(WIDTH, 3 * WIDTH)
        self.c_proj = Conv1D(WIDTH, WIDTH, residual_deviation)

    def forward(self, x):
        batch, tokens, _ = x.shape
        q, k, v = (part.view(batch, tokens, HEADS, -1).transpose(1, 2) for part in self.c_attn(x).split(WIDTH, dim=2))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(out.transpose(1, 2).reshape(batch, tokens, WIDTH))


class Mlp(nn.Module):
    def __init__(self, residual_deviation):
        super().__init__()
        self.c_fc = Conv1D(WIDTH, CONFIG["n_inner"])
        self.c_proj = Conv1D(CONFIG["n_inner"], WIDTH, residual_deviation)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        residual_deviation = 0.02 / math.sqrt(2 * CONFIG["n_layer"])
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn, self.mlp = Attention(residual_deviation), Mlp(residual_deviation)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt2(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab_size, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.h = nn.ModuleList(Block() for _ in range(CONFIG["n_layer"]))
        self.ln_f = nn.LayerNorm(WIDTH)
        for table in (self.wte, self.wpe):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.h:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.T

    def loss(self, ids):
        """Nats per character; ids: batch x (tokens + 1)."""
        return F.cross_entropy(self(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())


def learning_rate(step, steps, peak):
    """Linear warm-up over 100 steps, then a cosine down to a tenth."""
    if step < 100:
        return peak * (step + 1) / 100
    return peak * (0.55 + 0.45 * math.cos(math.pi * (step - 100) / max(1, steps - 100)))


def train(model, data, args):
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    plain = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                                  betas=(0.9, 0.99))
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.peak_rate)
        starts = torch.randint(0, len(data) - CONTEXT, (args.batch,))
        loss = model.loss(torch.stack([data[s:s + CONTEXT + 1] for s in starts]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 200 == 0 or step == args.steps - 1:
            print(f"step {step}: {loss.item():.4f} nats", flush=True)


@torch.no_grad()
def validation_loss(model, data):
    windows = [data[s:s + CONTEXT + 1] for s in range(0, len(data) - CONTEXT, CONTEXT)]
    return sum(model.loss(w[None]).item() for w in windows) / len(windows)


def save(model, vocabulary, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"transformer." + k: v.detach().contiguous().clone() for k, v in model.state_dict().items()}
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**CONFIG, "vocab_size": len(vocabulary)}, indent=1) + "\n")
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=6924)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--peak-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    text = args.text.read_text(encoding="utf-8")
    vocabulary = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([vocabulary[c] for c in text])
    n_train = len(ids) * 9 // 10
    model = Gpt2(len(vocabulary))
    train(model, ids[:n_train], args)
    print(f"validation: {validation_loss(model, ids[n_train:]):.4f} nats per character")
    save(model, vocabulary, args.folder)


if __name__ == "__main__":
    main()
