"""Budgets that choose the model: from a text, a time and a machine to the settings of a run.

`OPTIMA` are the sizes that the `shakespeare` preset takes for three budgets; what they end at is in
docs/results.md, whether others end lower is not measured yet. A budget is counted in the products
that the machine gets done in it, so a machine that is twice as fast takes the sizes of twice the
time. Between two measured budgets
the width is interpolated, beyond the last one models grow with the square root of the budget
(Hoffmann et al. 2022, section 3.4). How much text there is decides the rest: tokenizer, dropout,
and how large a model can be of use at all.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.data.corpora import is_corpus, load_corpus
from bardling.data.shards import find_shards
from bardling.data.token_folder import is_token_folder
from bardling.machine.config import MachineConfig
from bardling.machine.machine import choose_machine
from bardling.machine.measure import matmul_rate
from bardling.machine.precision import product_type
from bardling.presets.table import config_for
from bardling.text.lots import chunks
from bardling.training.config import seconds_of_budget

# The numbers below are rules of thumb, chosen and tried but not tuned; only the rates of `OPTIMA`
# are measured (results/shakespeare-*.txt).
REFERENCE_FLOPS = 6.3e11
"""Products per second in bf16 of the machine that those rates are from."""
WIDTH_STEP = 64  # widths are multiples of it, and heads of it are half as wide or as wide
WIDEST, DEEPEST = 1024, 16
LARGE_TEXT = 8_000_000
"""Characters above which byte pairs are learned: below, a model sees too little of each."""
VOCABULARIES = ((60_000_000, 4000), (math.inf, 8000))
"""Byte pairs for texts of up to so many characters."""
MANY_CHARACTERS = 400
"""Different characters above which they are no alphabet."""
PARAMETERS_PER_CHARACTER = 6.0
"""Beyond, more parameters have learned the text by heart before they are of use."""
DROPOUTS = ((3.0, 0.0), (8.0, 0.1), (math.inf, 0.2))
"""Dropout for training that passes over the text so many times."""
EARLY_PASSES, PATIENCE = 12.0, 3
"""From so many passes on a run stops when validations stay without a new best."""
SIZES = frozenset({"n_layer", "n_embd", "n_head", "block_size", "batch_size"})
"""Settings of which one that is given says that the size is not to be chosen."""
PLANNED = SIZES | {"tokenizer", "dropout", "patience"}
MOST_CHARACTERS = 100_000_000
"""Looked at, to know how much text there is."""
CHARACTERS_PER_TOKEN = 3.5
"""Of byte pairs, about."""
LONGER = 4.0
"""The longer budget that is told of, in times of the budget."""


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The size for a time on the reference machine."""

    seconds: float
    n_layer: int
    n_embd: int
    block_size: int
    batch_size: int
    tokens_per_second: float
    """On the reference machine, to know how often a text is passed over."""


OPTIMA = (
    Optimum(
        seconds=60.0, n_layer=4, n_embd=128, block_size=64, batch_size=32, tokens_per_second=48e3
    ),
    Optimum(
        seconds=240.0, n_layer=4, n_embd=192, block_size=128, batch_size=16, tokens_per_second=23e3
    ),
    Optimum(
        seconds=600.0, n_layer=6, n_embd=256, block_size=256, batch_size=8, tokens_per_second=9.5e3
    ),
)


@dataclass(frozen=True, kw_only=True)
class Text:
    """What a plan has to know of a text."""

    n_characters: int
    n_different: int
    """Different characters in what was looked at."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Settings for a text and a budget, and why."""

    settings: Mapping[str, Any]
    reason: str

    def words(self) -> str:
        """Return the settings in one line."""
        return ", ".join(f"{name} {value}" for name, value in self.settings.items())


def plan(
    target: str,
    budget: str,
    *,
    data_dir: Path | None = None,
    note: Callable[[str], None] = lambda sentence: None,
) -> RunConfig:
    """Return the settings for a text and a time, and tell `note` which they are and why.

    A preset and a corpus by name have sizes of their own, so do tokens that were made before, and a
    budget that is not a time tells nothing: they come back as `config_for` has them.
    """
    config = config_for(target, budget).with_overrides(budget=budget)
    return planned(config, open_settings(config, ()), data_dir=data_dir, note=note)


def open_settings(config: RunConfig, given: Collection[str] | None) -> frozenset[str]:
    """Return the settings that may be planned, where those `given` were asked for.

    None stands for all; a size that is given says that no size is to be chosen.
    """
    corpus, budget = config.data.corpus, config.training.budget
    if given is None or SIZES & set(given) or seconds_of_budget(budget) is None:
        return frozenset()
    if is_corpus(corpus) or is_token_folder(Path(corpus)) or find_shards(corpus) is not None:
        return frozenset()
    return PLANNED - set(given)


def planned(
    config: RunConfig,
    open_to_choice: Collection[str],
    *,
    data_dir: Path | None = None,
    note: Callable[[str], None] = lambda sentence: None,
) -> RunConfig:
    """Return a config with those of its settings chosen for its text, budget and machine."""
    seconds = seconds_of_budget(config.training.budget)
    if not open_to_choice or seconds is None:
        return config
    text, rate = _look(config.data, data_dir), _measure(config.machine)
    choice, longer = (choose(text, times * seconds, rate) for times in (1.0, LONGER))
    note(f"planned for {config.training.budget}: {choice.words()}; for {choice.reason}")
    if longer.settings != choice.settings:
        note(f"in {LONGER:g} times as long: {longer.words()}")
    chosen = {name: value for name, value in choice.settings.items() if name in open_to_choice}
    return config.with_overrides(**chosen)


def _look(data: DataConfig, data_dir: Path | None) -> Text:
    """Count a text; what lies beyond `MOST_CHARACTERS` is counted by the sizes of files."""
    corpus = load_corpus(data.corpus, data_dir=data_dir)
    if data.max_documents:
        corpus = corpus.beginning(data.max_documents)
    different: set[str] = set()
    count = 0
    for part in (part for document in corpus.documents for part in chunks(document)):
        count += len(part)
        different |= set(part)
        if count >= MOST_CHARACTERS:
            count = max(count, _bytes_of(Path(data.corpus)))
            break
    if data.max_tokens:
        count = min(count, round(CHARACTERS_PER_TOKEN * data.max_tokens))
    return Text(n_characters=count, n_different=len(different))


def _bytes_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _measure(wishes: MachineConfig) -> float:
    """Return the products per second that training would get from this machine."""
    machine = choose_machine(wishes, train_seconds=0.0)
    with machine.exactly():
        return matmul_rate(torch.device(machine.device), product_type(machine.precision))


def choose(text: Text, seconds: float, flops_per_second: float) -> Choice:
    """Return what to train on `text` in so many seconds, on a machine of so many products."""
    speed = flops_per_second / REFERENCE_FLOPS
    there = seconds * speed
    size = _size(there, text.n_characters)
    tokenizer, per_token = _tokenizer(text)
    tokens = size.tokens_per_second * there
    passes = tokens * per_token / max(1, text.n_characters)
    dropout = next(rate for most, rate in DROPOUTS if passes <= most)
    settings: dict[str, Any] = {
        "tokenizer": tokenizer,
        "n_layer": size.n_layer,
        "n_embd": size.n_embd,
        "n_head": max(1, size.n_embd // (32 if size.n_embd < 256 else 64)),
        "block_size": size.block_size,
        "batch_size": size.batch_size,
        "dropout": dropout,
    }
    if passes > EARLY_PASSES:
        settings["patience"] = PATIENCE
    reason = (
        f"{text.n_characters:,} characters, which the budget passes over about {passes:.2g} times, "
        f"on a machine of {flops_per_second / 1e9:,.0f} GFLOP/s"
    )
    return Choice(settings=settings, reason=reason)


def _tokenizer(text: Text) -> tuple[str, float]:
    """Return the tokenizer's name and about how many characters a token has."""
    if text.n_characters < LARGE_TEXT and text.n_different <= MANY_CHARACTERS:
        return "char", 1.0
    size = next(size for most, size in VOCABULARIES if text.n_characters <= most)
    return f"bpe:{size}", CHARACTERS_PER_TOKEN


def _size(seconds: float, n_characters: int) -> Optimum:
    """Return the size for so many seconds of the reference machine, as far as the text bears it."""
    found = _interpolated(seconds)
    most = PARAMETERS_PER_CHARACTER * n_characters
    while _parameters(found.n_layer, found.n_embd) > most and found.n_embd > WIDTH_STEP:
        smaller = found.n_embd - WIDTH_STEP
        layers = max(2, min(found.n_layer, smaller // 32))
        found = _resized(found, layers, smaller)
    return found


def _interpolated(seconds: float) -> Optimum:
    first, last = OPTIMA[0], OPTIMA[-1]
    if seconds <= first.seconds:
        return first
    if seconds > last.seconds:
        more = math.sqrt(seconds / last.seconds) * _parameters(last.n_layer, last.n_embd)
        depth, width = last.n_layer, last.n_embd
        while _parameters(depth, width) < more and (width < WIDEST or depth < DEEPEST):
            width = min(WIDEST, width + WIDTH_STEP)
            depth = min(DEEPEST, max(depth, round(width / 64) + 2))
        return _resized(last, depth, width)
    above = next(i for i, known in enumerate(OPTIMA) if seconds <= known.seconds)
    below, upper = OPTIMA[above - 1], OPTIMA[above]
    share = math.log(seconds / below.seconds) / math.log(upper.seconds / below.seconds)
    nearer = upper if share >= 0.5 else below
    width = below.n_embd * (upper.n_embd / below.n_embd) ** share
    return _resized(nearer, nearer.n_layer, round(width / WIDTH_STEP) * WIDTH_STEP)


def _parameters(n_layer: int, n_embd: int) -> int:
    """Return the weights in the blocks: four squares of attention, eight of SwiGLU."""
    return 12 * n_layer * n_embd * n_embd


def _resized(known: Optimum, n_layer: int, n_embd: int) -> Optimum:
    """Return a size like a known one, whose rate follows from its parameters."""
    ratio = _parameters(known.n_layer, known.n_embd) / _parameters(n_layer, n_embd)
    return Optimum(
        seconds=known.seconds,
        n_layer=n_layer,
        n_embd=n_embd,
        block_size=known.block_size,
        batch_size=known.batch_size,
        tokens_per_second=known.tokens_per_second * ratio,
    )
