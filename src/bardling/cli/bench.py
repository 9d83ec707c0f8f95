"""`bardling bench train|generate|tokenizer|data`: how fast this machine does each of them."""

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro
from jaxtyping import Int64
from rich.status import Status
from rich.table import Table
from rich.text import Text
from torch import Tensor

import bardling
from bardling import storage
from bardling.benchmarking.generation import measure_draft, measure_generation
from bardling.benchmarking.text import TextSpeed, made_text, measure_data, measure_tokenizer
from bardling.benchmarking.timing import Spread
from bardling.benchmarking.training import VOCABULARY, TrainingSpeed, measure_training
from bardling.cli.doctor import flops, giga
from bardling.cli.options import File, Folder, choose, parse
from bardling.cli.settings import SettingsArguments, parse_settings
from bardling.data.token_folder import open_split
from bardling.model.gpt import GPT
from bardling.presets.table import PRESETS, config_for
from bardling.reporting.screen import Screen, show_text
from bardling.run_folder import find_run, runs_folder

DRAFT = 8  # tokens guessed at once
COMPARED_TOKENS = 2000  # of a run's validation text, on which the forms of weights are compared

USAGE = """\
usage: bardling bench train [PRESET|CORPUS] [settings of train]
       bardling bench generate [RUN|PRESET]
       bardling bench tokenizer [--text FILE]
       bardling bench data [--text FILE]

train      times training steps on random tokens, and what they go into
generate   times writing, with the weights as they are and shorter ones
tokenizer  times learning byte pairs and encoding, beside other libraries
data       times writing token files and reading batches from them

Each with --help tells all about it, and with --json prints one object.
"""


@dataclass(frozen=True, kw_only=True)
class TrainArguments(SettingsArguments):
    """Time the training steps of a PRESET or corpus, on random tokens, and say what they are of."""

    seconds: float = 2.0
    """For each of the rounds, of which there are five and one to warm up."""
    json: bool = False
    """Print one JSON object instead of a page."""


@dataclass(frozen=True, kw_only=True)
class GenerateArguments:
    """Time writing by a RUN, or by an untrained model of a PRESET's size."""

    run: tyro.conf.Positional[str] = "shakespeare"
    """A run by name or path, or a preset."""
    sequences: tuple[int, ...] = (1, 16)
    """Texts that are written at the same time."""
    max_new_tokens: int = 100
    """Tokens of each in a round."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""
    json: bool = False
    """Print one JSON object instead of a page."""


@dataclass(frozen=True, kw_only=True)
class TextArguments:
    """Time tokenizers, or token files, on stories or on a text of one's own."""

    text: File = None
    """A text file to take instead of stories."""
    json: bool = False
    """Print one JSON object instead of a page."""


def run(argv: Sequence[str]) -> int:
    """Measure what the first word names."""
    verbs = {"train": _train, "generate": _generate, "tokenizer": _tokenizer, "data": _data}
    return choose(verbs, argv, of="bench", usage=USAGE)


def _train(argv: Sequence[str]) -> int:
    words = list(argv)
    target = words.pop(0) if words and not words[0].startswith("-") else "shakespeare"
    prog = f"bardling bench train {target}"
    arguments, config = parse_settings(TrainArguments, config_for(target), words, prog=prog)
    with _measuring():
        found = measure_training(config, seconds=arguments.seconds)
    if arguments.json:
        _show_json(dataclasses.asdict(found) | {"utilisation": found.utilisation})
        return 0
    _show_rows(_training_rows(found))
    return 0


def _training_rows(found: TrainingSpeed) -> Iterator[tuple[str, str]]:
    """Yield what is known of training, as words and sentences."""
    yield "machine", found.machine
    size = f"{found.parameters:,} parameters, context {found.block_size}"
    how = f"{found.batch_size} sequences a step, dropout {found.dropout:g}, {found.optimizer}"
    yield "model", f"{size}, {how}"
    yield "speed", f"{_spread(found.tokens_per_second)} tokens/s"
    yield "step", f"{found.step_seconds * 1e3:.1f} ms"
    shares = [f"{name} {share:.0%}" for name, share in found.parts.items()]
    yield "of which", ", ".join(shares)
    peak = f"{flops(found.product_flops_per_second)} of a large product in {found.precision}"
    yield "products", f"{flops(found.flops_per_second)}, {found.utilisation:.0%} of the {peak}"
    copied = f"copies run at {found.copied_per_second / 1e9:.3g} GB/s"
    yield "memory", f"{giga(found.most_bytes)} at most; {copied}"


def _generate(argv: Sequence[str]) -> int:
    arguments = parse(GenerateArguments, argv, prog="bardling bench generate")
    model, ids = _model_and_text(arguments)
    with _measuring():
        found = measure_generation(
            model, sequences=arguments.sequences, n_tokens=arguments.max_new_tokens, ids=ids
        )
        draft = None if ids is None else measure_draft(model, ids, n_draft=DRAFT, n_tokens=200)
    if arguments.json:
        rows = [dataclasses.asdict(row) for row in found]
        _show_json({"rows": rows, "draft": None if draft is None else dataclasses.asdict(draft)})
        return 0
    screen, table = Screen(), Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("weights", "sequences", "tokens/s", "weights read", "of a copy's", "loss"):
        table.add_column(name, justify="left" if name == "weights" else "right")
    for row in found:
        more = row.loss_difference
        table.add_row(
            row.form,
            str(row.sequences),
            _spread(row.tokens_per_second),
            f"{row.read_per_second / 1e9:.3g} GB/s",
            f"{row.read_per_second / row.copied_per_second:.0%}",
            "" if more is None else f"{more:+.4f}",
        )
    screen.print(table, soft_wrap=False)
    if draft is not None:
        low, middle, high = draft.lowest, draft.median, draft.highest
        screen.print(f"--draft {DRAFT} writes {middle:.2f} times as fast ({low:.2f} to {high:.2f})")
    return 0


def _model_and_text(arguments: GenerateArguments) -> tuple[GPT, Int64[Tensor, " time"] | None]:
    """Return a run's model with a part of its validation text, or a preset's model alone."""
    if arguments.run in PRESETS:
        config = config_for(arguments.run).model
        return GPT(replace(config, vocab_size=config.vocab_size or VOCABULARY)), None
    run = bardling.load(find_run(arguments.run, runs_folder(arguments.runs_dir)).path)
    tokens = open_split(run.folder.tokens_path, "val", run.tokenizer)[:COMPARED_TOKENS]
    return run.model, torch.from_numpy(tokens.astype("int64"))


def _tokenizer(argv: Sequence[str]) -> int:
    arguments = parse(TextArguments, argv, prog="bardling bench tokenizer")
    with _measuring():
        found = measure_tokenizer(_texts(arguments.text))
    return _show_text_speeds(found, as_json=arguments.json)


def _data(argv: Sequence[str]) -> int:
    arguments = parse(TextArguments, argv, prog="bardling bench data")
    with _measuring(), tempfile.TemporaryDirectory(prefix="bardling-") as folder:
        found = measure_data(_texts(arguments.text), Path(folder))
    return _show_text_speeds(found, as_json=arguments.json)


def _texts(path: Path | None) -> list[str]:
    return made_text() if path is None else [storage.read_text(path)]


def _show_text_speeds(found: Sequence[TextSpeed], *, as_json: bool) -> int:
    if as_json:
        _show_json({"rows": [dataclasses.asdict(row) for row in found]})
        return 0
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("", "by", "rate"):
        table.add_column(name)
    last = ""
    for row in found:
        what, last = ("" if row.what == last else row.what), row.what
        table.add_row(what, row.by, f"{_spread(row.rate)} {row.unit}")
    Screen().print(table, soft_wrap=False)
    return 0


def _measuring() -> Status:
    return Screen(stderr=True).status("measuring", refresh_per_second=4)


def _show_rows(rows: Iterator[tuple[str, str]]) -> None:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for word, text in rows:
        grid.add_row(Text(word, "bold"), Text(text))
    Screen().print(grid, soft_wrap=False)


def _show_json(values: dict[str, Any]) -> None:
    show_text(storage.json_bytes(values).decode())


def _spread(found: Spread) -> str:
    """Write a median with its extremes, to three digits."""
    digits = 0 if found.median >= 100 else 1
    low, middle, high = (f"{n:,.{digits}f}" for n in (found.lowest, found.median, found.highest))
    return f"{middle} ({low} to {high})"
