"""`bardling evaluate RUN`: loss and perplexity on a text, or what a benchmark's tasks say."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import tyro

import bardling
from bardling import storage
from bardling.cli.options import File, Folder, parse
from bardling.evaluation.writing import COPIED_WORDS, DISTINCT, Writing
from bardling.reporting.console import excess
from bardling.reporting.screen import complain, show_text
from bardling.run_folder import find_run, runs_folder
from bardling.text.tokenizer import Unknown

LONGEST_SHOWN = 60  # characters of a copied piece


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments:
    """Measure a model: nats per token over non-overlapping windows, each token once."""

    run: tyro.conf.Positional[str]
    """A run by name or path."""
    text: File = None
    """A UTF-8 text file; without one, the run's whole validation split."""
    unknown: Unknown = "error"
    """What to do with characters that the tokenizer does not know."""
    checkpoint: str = "best"
    """best, last or a step."""
    samples: int = 0
    """Let it write so many texts, and measure words, repetition and copying."""
    batches: int = 0
    """Estimate the validation loss from so many random batches too, with its standard error."""
    harness: str | None = None
    """Tasks of lm-evaluation-harness instead, by name or .yaml file, with commas between them."""
    limit: int | None = None
    """Of each task, so many examples only."""
    shots: int | None = None
    """Put so many solved examples before each; else as many as the task wants."""
    json: bool = False
    """Print one JSON object instead of a sentence."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, measure, and say it."""
    arguments = parse(EvaluateArguments, argv, prog="bardling evaluate")
    folder = find_run(arguments.run, runs_folder(arguments.runs_dir))
    loaded = bardling.load(folder.path, arguments.checkpoint, note=complain)
    if arguments.harness is not None:
        return _by_tasks(loaded, arguments)
    if arguments.text is None:
        result, what = loaded.validation_loss(), "the whole validation split"
    else:
        text, what = storage.read_text(arguments.text), str(arguments.text)
        result = loaded.evaluate(text, unknown=arguments.unknown)
        skipped = loaded.tokenizer.count_unknown(text)
        if skipped:
            what += f", {skipped:,} unknown characters left out"
    estimate = loaded.estimated_loss(batches=arguments.batches) if arguments.batches > 0 else None
    writing = loaded.writing(arguments.samples) if arguments.samples > 0 else None
    if arguments.json:
        values = {
            "run": folder.name,
            "step": loaded.step,
            "tokens": result.tokens,
            "loss": result.loss,
            "perplexity": result.perplexity,
            "bits_per_byte": result.bits_per_byte,
            **({} if result.floor is None else {"floor": result.floor}),
            **({} if estimate is None else {"estimate": asdict(estimate)}),
            **({} if writing is None else {"writing": asdict(writing)}),
        }
        show_text(storage.json_bytes(values).decode())
        return 0
    vocabulary = loaded.tokenizer.vocab_size
    show_text(
        f"{folder.name}, step {loaded.step}, on {what}: {result.tokens:,} tokens\n"
        f"  loss        {result.loss:.4f} nats per token{excess(result.loss, result.floor)}\n"
        f"  perplexity  {result.perplexity:.3f}\n"
        f"  per byte    {result.bits_per_byte or math.nan:.4f} bits\n"
        f"  knowing nothing: {math.log(vocabulary):.4f} nats, perplexity {vocabulary}\n"
    )
    if estimate is not None:
        error = "" if estimate.error is None else f" +- {estimate.error:.4f} (standard error)"
        show_text(
            f"  by {estimate.batches} random batches of the validation split: "
            f"{estimate.loss:.4f}{error}\n"
        )
    if writing is not None:
        show_text(_about(writing))
    return 0


def _by_tasks(loaded: "bardling.Run", arguments: EvaluateArguments) -> int:
    """Let the library ask the model, and say what it found."""
    tasks = [task for task in (arguments.harness or "").split(",") if task]
    found = loaded.harness(tasks, limit=arguments.limit, shots=arguments.shots)
    if arguments.json:
        values = {
            "run": loaded.folder.name,
            "step": loaded.step,
            "figures": [asdict(figure) for figure in found],
        }
        show_text(storage.json_bytes(values).decode())
        return 0
    show_text(f"{loaded.folder.name}, step {loaded.step}, by lm-evaluation-harness:\n")
    for figure in found:
        error = "" if figure.error is None else f" +- {figure.error:.4f}"
        show_text(
            f"  {figure.task}  {figure.metric}  {figure.value:.4f}{error}  "
            f"({figure.examples:,} examples)\n"
        )
    return 0


def _about(writing: Writing) -> str:
    """Say what was measured of samples."""
    copy = " ".join(writing.longest_copy.split())
    shown = copy if len(copy) <= LONGEST_SHOWN else copy[: LONGEST_SHOWN - 3] + "..."
    lines = [
        f"  {writing.samples} samples of {writing.words:,} words, temperature 0.8:",
        f"    {writing.known_words:.1%} of the words stand in the training text",
        f"    {writing.distinct:.1%} of the runs of {DISTINCT} words are different ones",
        f"    {writing.copied:.1%} of the runs of {COPIED_WORDS} words stand in the training text",
        f"    longest copy {len(writing.longest_copy)} characters: {shown}",
    ]
    if writing.stories is not None:
        lines.append(f"    {writing.stories:.0%} are stories of the grammar")
    lines += [f"    {what}; what helps: {cure}" for what, cure in writing.patterns]
    return "\n".join(lines) + "\n"
