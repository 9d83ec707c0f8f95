"""The numbers are right: gradients, the mask of the future, parts of a batch, short precisions.

The operations with a way back of their own are kernels that know float32 and bf16 only, so their
gradients cannot be taken by differences. What they compute is taken twice instead: the plain form
of each is proven by differences in float64, and the kernels are held against that form.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from promises import Protection
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.func import functional_call
from torch.nn import functional as F

import bardling
from bardling.data.batches import IGNORE, Windows
from bardling.kernels.decoder import open_decoder
from bardling.kernels.fused import FusedGPT
from bardling.kernels.halves import DropRows, Half, LastNorm, Work, apply
from bardling.kernels.library import load_library
from bardling.kernels.loss import judged_loss, summed_loss
from bardling.kernels.operations import NO_DROP, Drop, distil
from bardling.machine.machine import plain_machine
from bardling.machine.randomness import row_keys
from bardling.model.attention import Pass
from bardling.model.cache import NO_CACHE, KVCache
from bardling.model.config import ModelConfig
from bardling.model.dropout import Noise
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.training.config import TrainingConfig
from bardling.training.distillation import softened_loss
from bardling.training.learner import build_learner
from bardling.training.loop import take_steps
from bardling.training.objective import pretraining_loss
from bardling.training.optimizer_config import SGD
from bardling.training.plan import Plan
from bardling.training.task import Distillation
from tiny import SETTINGS, Listener, write_text

BATCH, TIME, RATE = 2, 5, 0.25
SIZES = {
    "vocab_size": 11, "block_size": TIME, "n_layer": 2, "n_head": 2, "n_embd": 8, "dropout": RATE,
}  # fmt: skip
KEYS = torch.from_numpy(row_keys(5, 7, np.arange(BATCH)))
NOISE = Noise(KEYS)
ROWS = BATCH * TIME
TARGETS = torch.tensor([3, 1, IGNORE, 4, 1, 5, 9, 2, IGNORE, 6])
STATE = Pass(0, NO_CACHE, NOISE)
FIRST, SECOND, THIRD = 0, 1, 2
"""Halves of a model: attention, feed-forward, attention."""

LARGEST = 1e-6
"""Of a kernel's output or gradient: see `distance`."""

PROTECTIONS = (
    Protection(
        file="kernels/loss.py",
        line="dbias += dlogits.sum(0, dtype=torch.float32)",
        broken="pass",
        test="test_every_operation_of_ours_is_the_plain_one_in_float64",
    ),
    Protection(
        file="kernels/halves.py",
        line="lib, dtotal, dy, total, stats, work.norm, work.drop_change,",
        broken="lib, None, dy, total, stats, work.norm, work.drop_change,",
        test="test_every_operation_of_ours_is_the_plain_one_in_float64",
    ),
    Protection(
        file="model/attention.py",
        line="else everything.tril()",
        broken="else everything.tril(1)",
        test="test_a_token_changes_nothing_before_it",
    ),
    Protection(
        file="training/loop.py",
        line="team.total(sum(part.n_targets for part in parts))",
        broken="team.total(parts[0].n_targets * len(parts))",
        test="test_parts_of_a_batch_are_the_batch",
    ),
)


def drop(site: int) -> Drop:
    return Drop(site, RATE, KEYS, TIME)


def rows(x: Tensor) -> Tensor:
    return x.flatten(0, 1)


def wide(x: Tensor) -> Tensor:
    return x.unflatten(0, (BATCH, TIME))


@dataclass(frozen=True)
class Case:
    """A model, and one of its operations: by kernels on its own weights, and plainly."""

    config: ModelConfig
    module: Callable[[GPT], nn.Module]
    """The part whose weights take part."""
    native: Callable[[FusedGPT, Tensor, Tensor], tuple[Tensor, ...]]
    """(kernels, stream, change) → what follows, in rows."""
    plain: Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, ...]]
    """(the part, stream, change) → the same."""


def half(config: ModelConfig, number: int) -> Case:
    """Return one half of a block, which begins with adding the change of the one before."""
    block, name = divmod(number, 2)

    def module(model: GPT) -> nn.Module:
        return model.blocks[block].sublayers[("attention", "feedforward")[name]]

    def native(fused: FusedGPT, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        part = fused.sublayers[number]
        with torch.no_grad():
            first, second = part.first.copied(torch.float32), part.second.copied(torch.float32)
        work = Work(
            lib=fused.lib,
            norm=part.norm,
            drop_change=drop(fused.sublayers[number - 1].site) if number else NO_DROP,
            first=first,
            inner=part.inner(BATCH, drop(part.site - 1)),
            second=second,
        )
        return apply(Half, work, x, change if number else None, *work.parameters)

    def plain(sublayer: nn.Module, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        total = wide(x)
        if number:
            total = total + NOISE.drop(wide(change), sublayer.dropout.site - 2 + name, RATE)
        after = sublayer.transform(sublayer.norm_before(total), STATE)
        return rows(total), rows(after)

    return Case(config, module, native, plain)


def last_norm(config: ModelConfig) -> Case:
    def native(fused: FusedGPT, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        norm = fused.last_norm
        work = fused.lib, norm, drop(3), torch.float32
        return (apply(LastNorm, work, x, change, norm.weight, norm.bias),)

    def plain(norm: nn.Module, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        return (norm(x + rows(NOISE.drop(wide(change), 3, RATE))),)

    return Case(config, lambda model: model.final_norm, native, plain)


def dropped() -> Case:
    def native(fused: FusedGPT, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        return (apply(DropRows, fused.lib, drop(0), x),)

    def plain(_: nn.Module, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        return (rows(NOISE.drop(wide(x), 0, RATE)),)

    return Case(modern(**SIZES), lambda model: nn.Identity(), native, plain)


def loss(config: ModelConfig) -> Case:
    def native(fused: FusedGPT, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        return (summed_loss(fused.lib, fused.output_layer(), x, TARGETS),)

    def plain(output: nn.Module, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        return (F.cross_entropy(output(x), TARGETS, ignore_index=IGNORE, reduction="sum"),)

    return Case(config, lambda model: model.output, native, plain)


def taught(config: ModelConfig) -> Case:
    """Return a student's loss: of its teacher it is given hidden states, which are no leaves."""
    task, read = Distillation(), torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(3))
    head = torch.randn(SIZES["vocab_size"], 6, generator=torch.Generator().manual_seed(4))

    def native(fused: FusedGPT, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        def judge(logits: Tensor, targets: Tensor, read: Tensor) -> Tensor:
            how = {"hard": task.hard_weight, "temperature": task.temperature}
            return distil(fused.lib, logits, targets, read @ head.T, **how)

        return (judged_loss(judge, fused.output_layer(), x, (TARGETS, read)),)

    def plain(output: nn.Module, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
        logits = output(x)
        return (softened_loss(logits, (read @ head.T).to(logits.dtype), TARGETS, task),)

    return Case(config, lambda model: model.output, native, plain)


SHARED = modern(**SIZES | {"n_head": 4}, n_kv_head=2)
UNTIED = classic(**SIZES, tie_embeddings=False, output_bias=True)
OPERATIONS: dict[str, dict[str, Case]] = {
    "Half": {
        "first attention": half(modern(**SIZES), FIRST),
        "attention": half(modern(**SIZES), THIRD),
        "attention, shared heads": half(SHARED, THIRD),
        "attention, classic": half(classic(**SIZES), THIRD),
        **{
            kind: half(classic(**SIZES, feedforward=kind), SECOND)
            for kind in ("relu", "gelu", "gelu_tanh", "gelu_sigmoid", "swiglu")
        },
    },
    "LastNorm": {"rmsnorm": last_norm(modern(**SIZES)), "layernorm": last_norm(classic(**SIZES))},
    "DropRows": {"stream": dropped()},
    "HiddenLoss": {
        "tied": loss(modern(**SIZES)),
        "with a bias": loss(UNTIED),
        "taught": taught(modern(**SIZES)),
        "taught, with a bias": taught(UNTIED),
    },
}
CASES = {f"{kind}: {name}": case for kind, cs in OPERATIONS.items() for name, case in cs.items()}


def test_no_operation_of_ours_is_left_out():
    sources = [path.read_text() for path in Path(bardling.__file__).parent.rglob("*.py")]
    ways_back = re.compile(r"^class (\w+)\([\w.]*\bFunction\)", re.MULTILINE)
    assert {name for text in sources for name in ways_back.findall(text)} == OPERATIONS.keys()
    assert not [text for text in sources if re.search(r"torch\.library|custom_op", text)]


def models(case: Case) -> tuple[GPT, GPT]:
    """Return a model with weights everywhere, and the same in float64."""
    generator = torch.Generator().manual_seed(0)
    model, exact = GPT(case.config), GPT(case.config).double()
    with torch.no_grad():
        for parameter, same in zip(model.parameters(), exact.parameters(), strict=True):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            same.copy_(parameter)
        for buffer, same in zip(model.buffers(), exact.buffers(), strict=True):
            same.copy_(buffer)
    return model, exact


def inputs(seed: int = 1) -> list[Tensor]:
    """Return a stream and a change to it."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(ROWS, SIZES["n_embd"], generator=generator) for _ in range(2)]


@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("name", CASES)
def test_the_plain_form_has_the_gradient_that_differences_have(name, fast):
    """To 1e-6 of it, or to 1e-8 of what is zero; entry by entry, or fast: in random directions."""
    case = CASES[name]
    module = case.module(models(case)[1])
    names = [name for name, _ in module.named_parameters()]
    weights = [parameter.detach().requires_grad_() for parameter in module.parameters()]
    streams = [x.double().requires_grad_() for x in inputs()]

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = module

        def forward(self, x: Tensor, change: Tensor) -> tuple[Tensor, ...]:
            return case.plain(self.part, x, change)

    whole = Whole()

    def plain(x: Tensor, change: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        named = {f"part.{name}": weight for name, weight in zip(names, weights, strict=True)}
        return functional_call(whole, named, (x, change))

    assert gradcheck(plain, (*streams, *weights), eps=1e-5, rtol=1e-6, atol=1e-8, fast_mode=fast)


def measured(outputs: tuple[Tensor, ...], leaves: list[Tensor]) -> list[Tensor]:
    """Return outputs, and the gradients of the leaves for any gradient that comes back."""
    generator = torch.Generator().manual_seed(2)
    back = [torch.randn(y.shape, generator=generator).to(y.dtype) for y in outputs]
    gradients = torch.autograd.grad(outputs, leaves, back, allow_unused=True)
    return [y.detach() for y in outputs] + [g for g in gradients if g is not None]


def distance(found: Tensor, right: Tensor, longest: float) -> float:
    """Return how far apart they are by the length of what is right.

    What is zero in float64, as the gradient of a bias of keys, counts by the longest of all.
    """
    length = right.norm().item()
    return (found - right).norm().item() / (length if length > 1e-12 * longest else longest)


def test_every_operation_of_ours_is_the_plain_one_in_float64(record_property):
    largest = {}
    for name, case in CASES.items():
        model, exact = models(case)
        streams, doubles = inputs(), [x.double() for x in inputs()]
        for x in (*streams, *doubles):
            x.requires_grad_()
        fused = FusedGPT(model, load_library("training"), torch.float32)
        found = measured(case.native(fused, *streams), [*streams, *case.module(model).parameters()])
        part = case.module(exact)
        expected = measured(case.plain(part, *doubles), [*doubles, *part.parameters()])
        assert len(found) == len(expected)
        longest = max(right.norm().item() for right in expected)
        largest[name] = max(map(partial(distance, longest=longest), found, expected))
    assert {name: away for name, away in largest.items() if not away <= LARGEST} == {}
    record_property(
        "measured",
        f"{len(CASES)} operations within {max(largest.values()):.1e} of float64, forth and back",
    )


LONG = {"vocab_size": 13, "block_size": 64, "n_layer": 2, "n_head": 4, "n_embd": 32}
FAMILIES = {"modern": modern(**LONG), "classic": classic(**LONG)}


def by_model(model: GPT, ids: Tensor) -> Tensor:
    return model(ids)


def by_kernels(dtype: torch.dtype) -> Callable[[GPT, Tensor], Tensor]:
    def read(model: GPT, ids: Tensor) -> Tensor:
        fused = FusedGPT(model, load_library("training"), dtype)
        return fused.hidden(ids).float().unflatten(0, ids.shape) @ model.output.weight.T

    return read


def by_decoder(model: GPT, ids: Tensor) -> Tensor:
    cache = KVCache(model.config, len(ids), like=model.embedding.weight)
    parts = [open_decoder(model).read(part.contiguous(), cache) for part in ids.split(32, dim=1)]
    return torch.cat(parts, dim=1)


READERS = {
    "model": by_model,
    "kernels": by_kernels(torch.float32),
    "kernels in bf16": by_kernels(torch.bfloat16),
    "decoder": by_decoder,
}


@torch.no_grad()
@pytest.mark.parametrize(
    "places",
    [[1, 31, 32, 63], pytest.param(range(64), marks=pytest.mark.sweep)],
    ids=["few", "all"],
)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_token_changes_nothing_before_it(family, reader, places):
    """Not one bit, and where it stands it does change something."""
    model, read = GPT(replace(FAMILIES[family], init="plain")), READERS[reader]
    ids = torch.randint(13, (2, 64), generator=torch.Generator().manual_seed(0))
    before = read(model, ids)
    for place in places:
        other = ids.clone()
        other[:, place] = (ids[:, place] + 1) % 13
        after = read(model, other)
        assert torch.equal(after[:, :place], before[:, :place])
        assert not torch.equal(after[:, place], before[:, place])


TOKENS = np.random.default_rng(0).integers(0, 13, 900).astype(np.uint16)


def trained(family: str, precision: str, kernels: str, parts: int) -> tuple[list[float], Tensor]:
    """Return the losses and the weights of a few steps of plain descent, with dropout."""
    machine = replace(plain_machine(), precision=precision, kernels=kernels)
    config = replace(FAMILIES[family], block_size=16, dropout=0.2, init="plain")
    model = GPT(config, seed=2).to(dtype=machine.dtype)
    learner = build_learner(model, SGD(lr=0.1), machine, pretraining_loss)
    windows = Windows(tokens=TOKENS, block_size=16, batch_size=12, seed=1)
    settings = TrainingConfig(batch_size=12, accumulate=parts)
    with machine.exactly():
        taken = [*take_steps(learner, windows.batch, settings, Plan(total_steps=4))]
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    return [step.result.loss for step in taken], weights


@pytest.mark.parametrize(
    ("precision", "kernels", "largest"),
    [("fp64", "plain", 1e-10), ("fp32", "plain", 1e-6), ("fp32", "native", 1e-6)],
)
@pytest.mark.parametrize(
    ("family", "cuts"),
    [("modern", [5]), *(pytest.param(f, [2, 3, 5, 12], marks=pytest.mark.sweep) for f in FAMILIES)],
)
def test_parts_of_a_batch_are_the_batch(family, cuts, precision, kernels, largest):
    """Also where the parts differ in length."""
    losses, weights = trained(family, precision, kernels, 1)
    for parts in cuts:
        others, found = trained(family, precision, kernels, parts)
        assert others == pytest.approx(losses, rel=largest, abs=0.0)
        assert (found - weights).norm() <= largest * weights.norm()


def losses_of(folder: Path, precision: str, seed: int, kernels: str) -> list[float]:
    ears = Listener()
    # at the tiny model's own rate two runs part by themselves, whatever made the first difference
    settings = {"budget": "50steps", "lr": 3e-3, "eval_interval_steps": 50, "sample_tokens": 0}
    settings |= {"precision": precision, "seed": seed, "kernels": kernels}
    text = write_text(folder, n_lines=60)
    name = f"{precision}-{seed}"
    bardling.train(text, name=name, runs_dir=folder, watcher=ears, **SETTINGS | settings)
    return [result.loss for result in ears.results]


@pytest.mark.parametrize("kernels", ["auto", pytest.param("plain", marks=pytest.mark.sweep)])
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.sweep) for n in (1, 2, 3))]
)
def test_in_bf16_the_loss_stays_within_one_percent(tmp_path, seed, kernels):
    exact, short = (losses_of(tmp_path, precision, seed, kernels) for precision in ("fp32", "bf16"))
    assert len(exact) == len(short) == 50 and exact[-1] < 0.85 * exact[0]
    assert short == pytest.approx(exact, rel=0.01)
    assert short != exact


@pytest.mark.slow
def test_compiled_is_eager(tmp_path):
    """Its forward and backward passes, over four steps; in float64 also in parts."""
    script = Path(__file__).parents[1] / "same_result" / "compare_compiled.py"
    kept = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, script, "classic", "fp32"], capture_output=True, text=True,
        env={**kept, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["moved"] > 1e-3  # there was something to compare
    assert found["fp64"] < 1e-10 and found["fp32"] < 1e-5
