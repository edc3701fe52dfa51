"""Hugging Face's models from their configurations, tiny and with random weights."""

import numpy as np
import torch
from torch import nn

import deepnrc
from architectures.alone import alone
from architectures.arithmetic import data, made
from architectures.case import Right, case

FAMILY = "transformers"
BERT = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 12, "num_labels": 2, "max_position_embeddings": 16}  # fmt: skip


def weight_layers(model):
    """Linear layers, convolutions and GPT-2's Conv1D, in the order in which they are listed."""
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d)
    found = model.named_modules()
    return {n: x for n, x in found if isinstance(x, kinds) or type(x).__name__ == "Conv1D"}


def sentences(n=36, longest=7, seed=0):
    """Tokens of n sentences of several lengths, and targets."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, longest + 1, n)
    tokens = [torch.from_numpy(rng.integers(1, 30, length)) for length in lengths]
    return tokens, torch.from_numpy(rng.standard_normal((n, 2)))


def padded(tokens, y, size=12, *, width=9, left=False):
    """Batches of mappings, as a tokenizer's collator gives them."""
    found = []
    for start in range(0, len(tokens), size):
        part = tokens[start : start + size]
        ids, mask = torch.zeros(len(part), width, dtype=torch.long), torch.zeros(len(part), width)
        for i, one in enumerate(part):
            place = slice(width - len(one), width) if left else slice(0, len(one))
            ids[i, place], mask[i, place] = one, 1
        found.append(
            {"input_ids": ids, "attention_mask": mask.long(), "labels": y[start : start + size]}
        )
    return found


def of_sentences(model, batches, tokens, y, *, order=None, reduce="mean", seen=None, **options):
    """A case whose rows come from every sentence alone, without padding."""
    modules = weight_layers(model)
    if seen is None:
        samples = [one[None] for one in tokens]
        seen = alone(model, samples, lambda m, x: m(input_ids=x).logits, modules)
    known = {name: seen.known(name, modules[name], reduce) for name in order or modules}
    return Right(
        lambda: deepnrc.measure(model, batches, reduce=reduce, **options),
        known,
        y,
        np.concatenate(seen.predictions),
        rtol=1e-6,
    )


@case(
    "BERT, padded",
    FAMILY,
    "in one line: mappings with labels, attention_mask",
    needs="transformers",
)
def bert():
    from transformers import BertConfig, BertForSequenceClassification

    model = made(lambda: BertForSequenceClassification(BertConfig(**BERT)))
    tokens, y = sentences()
    return of_sentences(model, padded(tokens, y), tokens, y)


@case("BERT, padded to 64", FAMILY, "the padding does not matter", needs="transformers")
def bert_wide():
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(**{**BERT, "max_position_embeddings": 64})
    model = made(lambda: BertForSequenceClassification(config))
    tokens, y = sentences()
    return of_sentences(model, padded(tokens, y, width=64), tokens, y)


@case(
    "GPT-2, last token",
    FAMILY,
    "Conv1D stores in × out; the score is given at every token",
    needs="transformers",
)
def gpt2():
    from transformers import GPT2Config, GPT2ForSequenceClassification

    config = GPT2Config(
        vocab_size=30, n_positions=16, n_embd=8, n_layer=2, n_head=2, num_labels=2, pad_token_id=0
    )
    model = made(lambda: GPT2ForSequenceClassification(config))
    tokens, y = sentences()
    return of_sentences(model, padded(tokens, y), tokens, y, reduce="last")


@case("Llama", FAMILY, "gated layers, rotary positions, grouped queries", needs="transformers")
def llama():
    from transformers import LlamaConfig, LlamaForSequenceClassification

    config = LlamaConfig(
        vocab_size=30, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_labels=2,
        num_attention_heads=4, num_key_value_heads=2, pad_token_id=0, max_position_embeddings=16,
    )  # fmt: skip
    model = made(lambda: LlamaForSequenceClassification(config))
    tokens, y = sentences()
    return of_sentences(model, padded(tokens, y), tokens, y, reduce="last")


@case(
    "ALBERT, calls='separate'",
    FAMILY,
    "one block called three times, a row each",
    needs="transformers",
)
def albert():
    from transformers import AlbertConfig, AlbertForSequenceClassification

    config = AlbertConfig(
        **{**BERT, "num_hidden_layers": 3, "embedding_size": 6}, classifier_dropout_prob=0.0
    )
    model = made(lambda: AlbertForSequenceClassification(config))
    tokens, y = sentences()
    modules = weight_layers(model)
    samples = [one[None] for one in tokens]
    seen = alone(model, samples, lambda m, x: m(input_ids=x).logits, modules)
    known = {}
    inner = [name for name in modules if "albert_layers" in name]
    before = [name for name in modules if "mapping_in" in name]
    after = [name for name in modules if name not in (*inner, *before)]
    for name in before:
        known[name] = seen.known(name, modules[name])
    for call in range(3):
        for name in sorted(inner, key=seen.called.index):
            known[f"{name}#{call + 1}"] = seen.known(name, modules[name], call=call)
    for name in after:
        known[name] = seen.known(name, modules[name])
    return Right(
        lambda: deepnrc.measure(model, padded(tokens, y), calls="separate"),
        known,
        y,
        np.concatenate(seen.predictions),
        rtol=1e-6,
    )


@case("T5", FAMILY, "encoder and decoder of other lengths, cross-attention", needs="transformers")
def t5():
    from transformers import T5Config, T5Model

    config = T5Config(vocab_size=30, d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2,
                      decoder_start_token_id=0)  # fmt: skip

    class Regressor(nn.Module):
        def __init__(self):
            super().__init__()
            self.t5, self.head = T5Model(config), nn.Linear(8, 2)

        def forward(self, tokens):
            states = self.t5(input_ids=tokens, decoder_input_ids=tokens[:, :3]).last_hidden_state
            return self.head(states.mean(1))

    model = made(Regressor)
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy(rng.integers(1, 30, (36, 6)))
    y = torch.from_numpy(rng.standard_normal((36, 2)))
    modules = weight_layers(model)
    seen = alone(model, [x[None] for x in tokens], lambda m, x: m(x), modules)
    batches = list(zip(tokens.split(6), y.split(6), strict=True))
    order = sorted(seen.called, key=_t5_depth)
    return of_sentences(model, batches, None, y, seen=seen, order=order)


def _t5_depth(name):
    """Layers before it: the decoder's first are as deep as the encoder's, its keys are deeper."""
    if name == "head":
        return 8
    part = name.rpartition(".")[2]
    if "encoder" in name:
        return {"o": 1, "wi": 2, "wo": 3}.get(part, 0)
    if "EncDecAttention" in name:
        return {"q": 2, "k": 4, "v": 4, "o": 5}[part]
    return {"o": 1, "wi": 6, "wo": 7}.get(part, 0)


@case("ViT", FAMILY, "patches by a convolution, a class token: 'first'", needs="transformers")
def vit():
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
                       intermediate_size=12, image_size=8, patch_size=4, num_labels=2)  # fmt: skip
    model = made(lambda: ViTForImageClassification(config))
    x, y = data(40, 3, shape=(8, 8))
    x = x.permute(0, 3, 1, 2).contiguous()
    modules = weight_layers(model)
    seen = alone(model, [one[None] for one in x], lambda m, x: m(x).logits, modules)
    known = {name: seen.known(name, module, "first") for name, module in modules.items()}
    batches = list(zip(x.split(16), y.split(16), strict=True))
    return Right(
        lambda: deepnrc.measure(model, batches, reduce="first"),
        known,
        y,
        np.concatenate(seen.predictions),
        rtol=1e-6,
    )


@case(
    "Mamba", FAMILY, "a scan; its conv1d and dt_proj are used without a call", needs="transformers"
)
def mamba():
    from transformers import MambaConfig, MambaModel

    config = MambaConfig(vocab_size=30, hidden_size=8, state_size=4, num_hidden_layers=2,
                         use_mambapy=False)  # fmt: skip

    class Regressor(nn.Module):
        def __init__(self):
            super().__init__()
            self.mamba, self.head = MambaModel(config), nn.Linear(8, 2)

        def forward(self, tokens):
            return self.head(self.mamba(input_ids=tokens).last_hidden_state[:, -1])

    model = made(Regressor)
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy(rng.integers(1, 30, (36, 6)))
    y = torch.from_numpy(rng.standard_normal((36, 2)))
    modules = weight_layers(model)
    seen = alone(model, [x[None] for x in tokens], lambda m, x: m(x), modules)
    batches = list(zip(tokens.split(6), y.split(6), strict=True))
    return Right(
        lambda: deepnrc.measure(model, batches, reduce="last"),
        {name: seen.known(name, module, "last") for name, module in modules.items()},
        y,
        np.concatenate(seen.predictions),
        rtol=1e-6,
    )
