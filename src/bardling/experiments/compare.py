"""From cases to a page: make the runs, count what counting reaches, draw, and leave files."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from bardling.data.documents import known_documents
from bardling.data.token_folder import SPLITS, open_split
from bardling.evaluation.standing import BIGRAM, FIT_TOKENS, LONG, ngram_loss
from bardling.experiments.cases import Case, Listen
from bardling.experiments.pictures import Draw, bars
from bardling.experiments.trials import carry_out
from bardling.machine.device import processor_name
from bardling.machine.threads import usable_cores
from bardling.reporting.experiment import Experiment, write_experiment
from bardling.reporting.rows import Row, read_outcome
from bardling.reporting.watcher import Watcher
from bardling.run_folder import RunFolder
from bardling.text.tokenizer_file import load_tokenizer


def nobody(number: int, total: int, name: object) -> Watcher:
    """Return a watcher that says nothing."""
    return Watcher()


def compare(
    cases: Sequence[Case],
    folder: Path,
    *,
    title: str,
    command: str,
    draw: Draw,
    data_dir: Path | None = None,
    listen: Listen = nobody,
    remarks: Sequence[str] = (),
) -> tuple[Experiment, Path]:
    """Make what is not made yet, and leave results.json, pictures and report.html in `folder`.

    Returns what was found, and where the page is.
    """
    rows = carry_out(cases, folder, data_dir=data_dir, listen=listen)
    first = {case.name: RunFolder(folder / case.trials[0].name) for case in cases}
    levels = counted(first[cases[0].name])
    drawn = draw(rows, levels)
    experiment = Experiment(
        title=title,
        facts=_facts(cases, rows),
        command=command,
        rows=rows,
        levels=levels,
        pictures=drawn.pictures,
        samples={name: last_sample(run) for name, run in first.items() if last_sample(run)},
        remarks=(*drawn.remarks, *remarks),
        values=drawn.values,
    )
    return experiment, write_experiment(experiment, folder)


def lay_over(runs: Sequence[RunFolder], folder: Path, *, command: str) -> tuple[Experiment, Path]:
    """Compare runs that are made already, each a row; return what was found and the page."""
    rows = [Row(name=run.name, about=_recipe(run), outcomes=(read_outcome(run),)) for run in runs]
    experiment = Experiment(
        title="Runs side by side",
        facts=[f"{len(runs)} runs"],
        command=command,
        rows=rows,
        pictures=bars(rows, {}).pictures,
        samples={run.name: last_sample(run) for run in runs if last_sample(run)},
    )
    return experiment, write_experiment(experiment, folder)


def _recipe(run: RunFolder) -> str:
    config = run.config()
    model = config.model
    return (
        f"{Path(config.data.corpus).name}, {config.data.tokenizer}: {model.n_layer} layers, "
        f"{model.n_embd} wide, context {model.block_size}"
    )


def counted(run: RunFolder) -> dict[str, float]:
    """Return the losses of counting on a run's own tokens, which every chart shows as lines."""
    tokenizer = load_tokenizer(run.path)
    train, val = (open_split(run.tokens_path, split, tokenizer) for split in SPLITS)
    loss = partial(
        ngram_loss,
        train[:FIT_TOKENS],
        val[:FIT_TOKENS],
        vocab_size=tokenizer.vocab_size,
        end_token=tokenizer.end_token,
        by_document=known_documents(val, tokenizer) is not None,
    )
    return {f"{order}-grams": loss(order=order) for order in (BIGRAM, LONG)}


def last_sample(run: RunFolder) -> str:
    """Return what a run wrote at its last validation."""
    written = [record["sample"] for record in run.metrics() if record.get("sample")]
    return str(written[-1]) if written else ""


def _facts(cases: Sequence[Case], rows: Sequence[Row]) -> list[str]:
    corpora = dict.fromkeys(Path(case.config.data.corpus).name for case in cases)
    n_runs = sum(len(row.outcomes) for row in rows)
    seconds = sum(outcome.seconds for row in rows for outcome in row.outcomes)
    return [
        ", ".join(corpora),
        f"{n_runs} runs, {seconds / 60:.0f} min of training",
        f"{processor_name(torch.device('cpu'))}, {usable_cores()} cores, torch {torch.__version__}",
    ]
