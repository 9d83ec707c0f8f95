"""`bardling generate RUN`: one text on the screen as it is written, or a sweep into files."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

import bardling
from bardling import storage
from bardling.cli.options import File, Folder, parse
from bardling.errors import UsageError
from bardling.reporting.screen import complain, show_text
from bardling.run_folder import find_run, runs_folder

if TYPE_CHECKING:
    from bardling.trained import Run


@dataclass(frozen=True, kw_only=True)
class GenerateArguments:
    """Let a trained model write. Several values of one option make a sweep over all of them."""

    run: tyro.conf.Positional[str]
    """A run by name or path."""
    prompt: str = ""
    """Where the text starts."""
    max_new_tokens: int = 300
    """Most tokens to add."""
    temperature: tuple[float, ...] = (0.8,)
    """Below 1 bolder in what is likely, above 1 wilder; 0 always takes the likeliest token."""
    top_k: tuple[int, ...] = (0,)
    """Choose among this many likeliest tokens; 0 is off."""
    top_p: tuple[float, ...] = (1.0,)
    """Choose among the likeliest tokens that have this probability together."""
    beams: int = 0
    """Beam search of this width, instead of drawing; 0 is off."""
    num_samples: int = 1
    """Texts to write; number i draws from seed + i."""
    seed: int = 0
    """Decides what is drawn."""
    stop: tuple[str, ...] = ()
    """End a text before any of these."""
    weights: Literal["fp32", "bf16", "int8"] = "fp32"
    """Read the weights so; the short forms are quicker for large models and differ a little."""
    draft: int = 0
    """Guess so many tokens by what was written before and read them at once: the same text,
    slower for small models, not measured for large ones."""
    checkpoint: str = "best"
    """best, last, a step, or all."""
    output: File = None
    """Write to this file; in a sweep, one file for each combination."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


@dataclass(frozen=True, kw_only=True)
class Combination:
    """One point of a sweep."""

    step: int
    temperature: float
    top_k: int
    top_p: float

    def suffix(self) -> str:
        """Return what tells this point's file from the others."""
        temperature, top_p = (str(n).removesuffix(".0") for n in (self.temperature, self.top_p))
        return f"-step{self.step}-t{temperature}-k{self.top_k}-p{top_p}"


def run(argv: Sequence[str]) -> int:
    """Parse the options and write."""
    arguments = parse(GenerateArguments, argv, prog="bardling generate")
    points = [*itertools.product(arguments.temperature, arguments.top_k, arguments.top_p)]
    if arguments.beams and len(points) > 1:
        raise UsageError("beam search draws nothing; a sweep over how to draw needs --beams 0")
    folder = find_run(arguments.run, runs_folder(arguments.runs_dir))
    everything = arguments.checkpoint == "all"
    choices = [str(step) for step in folder.steps()] if everything else [arguments.checkpoint]
    for number, choice in enumerate(choices):
        loaded = bardling.load(
            folder.path, choice, weights=arguments.weights, n_draft=arguments.draft, note=complain
        )
        writer = Writer(arguments, loaded, several=len(choices) * len(points) > 1)
        combinations = [
            Combination(step=loaded.step, temperature=temperature, top_k=top_k, top_p=top_p)
            for temperature, top_k, top_p in points
        ]
        if number == 0:
            writer.check(combinations)
        for combination in combinations:
            writer.write(combination)
    return 0


class Writer:
    """Writes the texts of one combination to the screen or to a file."""

    def __init__(self, arguments: GenerateArguments, run: "Run", *, several: bool) -> None:
        self.arguments, self.run, self.several = arguments, run, several
        self.prompt = run.prompt(arguments.prompt)

    def check(self, combinations: Sequence[Combination]) -> None:
        """Refuse any number without a meaning before anything is written; warn of the prompt."""
        for at in combinations:
            self._texts(at, max_new_tokens=0)
        for warning in self.prompt.warnings:
            complain(warning)

    def write(self, at: Combination) -> None:
        """Write the texts of combination `at`."""
        if self.arguments.output is not None:
            path = self._path(self.arguments.output, at)
            storage.write_text(path, self.header(at) + self._joined(self._texts(at)))
            show_text(f"{path}\n")
            return
        if self.several:
            show_text(self.header(at))
        if self.arguments.num_samples == 1 and not self.arguments.beams:
            self._stream(at)
        else:
            show_text(self._joined(self._texts(at)))

    def header(self, at: Combination) -> str:
        """Return the lines that say how a text came about."""
        a = self.arguments
        loss = _loss_at(self.run, at.step)
        how = (
            f"beams={a.beams}"
            if a.beams
            else f"temperature={at.temperature:g} top_k={at.top_k} top_p={at.top_p:g}"
        )
        return (
            f"# run={self.run.folder.name} step={at.step} "
            f"val_loss={'unknown' if loss is None else f'{loss:.4f}'}\n"
            f"# {how} seed={a.seed} max_new_tokens={a.max_new_tokens} num_samples={a.num_samples} "
            f"stop={list(a.stop)!r} prompt={a.prompt!r}\n\n"
        )

    def _texts(self, at: Combination, max_new_tokens: int | None = None) -> list[str]:
        a = self.arguments
        return self.run.samples(
            a.prompt,
            a.num_samples,
            max_new_tokens=a.max_new_tokens if max_new_tokens is None else max_new_tokens,
            temperature=at.temperature,
            top_k=at.top_k,
            top_p=at.top_p,
            beams=a.beams,
            seed=a.seed,
            stop=a.stop,
        )

    def _stream(self, at: Combination) -> None:
        a = self.arguments
        pieces = self.run.stream(
            a.prompt,
            max_new_tokens=a.max_new_tokens,
            temperature=at.temperature,
            top_k=at.top_k,
            top_p=at.top_p,
            seed=a.seed,
            stop=a.stop,
        )
        for piece in itertools.chain([self.prompt.text], pieces, ["\n"]):
            show_text(piece)

    def _joined(self, texts: Sequence[str]) -> str:
        prompt = self.prompt.text
        if len(texts) == 1:
            return f"{prompt}{texts[0]}\n"
        parts = [f"--- sample {i} ---\n{prompt}{text}\n\n" for i, text in enumerate(texts, start=1)]
        return "".join(parts)

    def _path(self, output: Path, at: Combination) -> Path:
        if not self.several:
            return output
        return output.with_name(output.stem + at.suffix() + output.suffix)


def _loss_at(run: "Run", step: int) -> float | None:
    """Return the validation loss of a checkpoint's step, if it was measured there.

    That over the whole split where the run's result has it, else that of the log.
    """
    result = run.folder.result() or {}
    whole = {result[name]["step"]: result[name]["val_loss"] for name in ("best", "last") if result}
    losses = [r["val_loss"] for r in run.metrics() if r["step"] == step and "val_loss" in r]
    return whole.get(step, losses[-1] if losses else None)
