"""From cases to a page: make the runs, count what counting reaches, draw, and leave files."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bardling import storage
from bardling.data.documents import known_documents
from bardling.data.token_folder import SPLITS, open_split
from bardling.evaluation.standing import BIGRAM, FIT_TOKENS, LONG, ngram_loss
from bardling.experiments.cases import Case, Listen
from bardling.experiments.pictures import Draw, bars
from bardling.experiments.trials import carry_out
from bardling.presets.command import training_command
from bardling.reporting.curves import matplotlib
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
    among: Sequence[Case] = (),
) -> tuple[Experiment, Path]:
    """Make what is not made yet, and leave results.json, pictures and report.html in `folder`.

    Of the cases `among` which these are, those that ended before are shown beside them. Returns
    what was found, and where the page is. Raises `UsageError` before anything is trained where
    the pictures could not be drawn.
    """
    matplotlib("figure")
    rows = carry_out(cases, folder, data_dir=data_dir, listen=listen)
    cases, rows = _with_earlier(cases, rows, among, folder)
    first = {case.name: RunFolder(folder / case.trials[0].name) for case in cases}
    levels = counted(first[cases[0].name])
    drawn = draw(rows, levels)
    experiment = Experiment(
        title=title,
        facts=_facts(cases, rows, folder),
        command=command,
        rows=rows,
        levels=levels,
        pictures=drawn.pictures,
        samples={name: last_sample(run) for name, run in first.items() if last_sample(run)},
        commands={case.name: training_command(case.trials[0].config) for case in cases},
        remarks=(*drawn.remarks, *remarks),
        values=drawn.values,
    )
    return experiment, write_experiment(experiment, folder)


def _with_earlier(
    cases: Sequence[Case], rows: Sequence[Row], among: Sequence[Case], folder: Path
) -> tuple[list[Case], list[Row]]:
    """Return the cases and rows with those of `among` whose runs have all ended, in its order."""
    made = {case.name: (case, row) for case, row in zip(cases, rows, strict=True)}
    for case in among:
        runs = [RunFolder(folder / trial.name) for trial in case.trials]
        if case.name not in made and all(run.result() is not None for run in runs):
            outcomes = tuple(read_outcome(run) for run in runs)
            row = Row(name=case.name, about=case.about, outcomes=outcomes, stated=case.stated)
            made[case.name] = (case, row)
    order = [case.name for case in among] or list(made)
    pairs = [made[name] for name in order if name in made]
    return [case for case, _ in pairs], [row for _, row in pairs]


def lay_over(runs: Sequence[RunFolder], folder: Path, *, command: str) -> tuple[Experiment, Path]:
    """Compare runs that are made already, each a row; return what was found and the page."""
    named = _labels(runs)
    rows = [
        Row(name=name, about=_recipe(run), outcomes=(read_outcome(run),))
        for name, run in named.items()
    ]
    experiment = Experiment(
        title="Runs side by side",
        facts=[f"{len(runs)} runs"],
        command=command,
        rows=rows,
        pictures=bars(rows, {}).pictures,
        samples={name: last_sample(run) for name, run in named.items() if last_sample(run)},
        commands={name: training_command(run.config()) for name, run in named.items()},
    )
    return experiment, write_experiment(experiment, folder)


def _labels(runs: Sequence[RunFolder]) -> dict[str, RunFolder]:
    """Return the runs by name, or by path where names are not enough."""
    names = [run.name for run in runs]
    return {run.name if names.count(run.name) == 1 else str(run.path): run for run in runs}


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


def _facts(cases: Sequence[Case], rows: Sequence[Row], folder: Path) -> list[str]:
    corpora = dict.fromkeys(Path(case.config.data.corpus).name for case in cases)
    n_runs = sum(len(row.outcomes) for row in rows)
    seconds = sum(outcome.seconds for row in rows for outcome in row.outcomes)
    machines = dict.fromkeys(
        machine_of(RunFolder(folder / trial.name)) for case in cases for trial in case.trials
    )
    return [
        ", ".join(corpora),
        f"{n_runs} runs, {seconds / 60:.0f} min of training",
        *(machine for machine in machines if machine),
    ]


def machine_of(run: RunFolder) -> str:
    """Return what a run says it was computed on, or nothing where its checkpoints are gone."""
    steps = run.steps()
    if not steps:
        return ""
    state = storage.read_json(run.checkpoint_path(steps[-1]) / "state.json")
    match state:
        case {"conditions": {"device": device, "processor": processor, "torch": torch,
                             "threads": threads, "precision": precision}}:  # fmt: skip
            return f"{device}, {processor}, {threads} threads, {precision}, torch {torch}"
    return ""
