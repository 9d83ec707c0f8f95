"""The experiments as functions: `ladder` and `sweep`."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bardling.config import RunConfig
from bardling.errors import UsageError
from bardling.experiments.ablations import OPTIMIZERS, REMOVALS, ablations
from bardling.experiments.cases import Listen
from bardling.experiments.compare import compare, lay_over, nobody
from bardling.experiments.grids import BUDGETS, SIZES, STORIES, STORY_BUDGET, size_grid, story_sizes
from bardling.experiments.ladder import chosen, rungs
from bardling.experiments.named_sweeps import NAMED, named_cases
from bardling.experiments.pictures import bars, grid
from bardling.experiments.power_law import require_runs
from bardling.experiments.scaling import perplexities, scaled
from bardling.experiments.sweep import combinations, plain_name
from bardling.extras import optional
from bardling.presets.table import config_for
from bardling.reporting.experiment import Experiment
from bardling.run_folder import find_run, runs_folder

VARIATIONS = {"removals": REMOVALS, "optimizers": OPTIMIZERS}
LADDER_REMARKS = (
    "Losses are of the last step, over the whole validation split, each token predicted once.",
    "Seed 001 states its losses, but neither optimizer nor steps, nor widths below the last rung: "
    "a rung that is lower here may only have been trained longer.",
    "Its bigram, 2.88, was not trained to its end: counting pairs gives 2.48.",
)
QUICK_LADDER_REMARK = (
    "From 'scaled' on 3.1M tokens are too few for a model of that size: compare these rungs with "
    "each other; --full gives them 41M."
)
QUICK_REMARK = "A small model and a short run, to be seen in minutes; --full is the source's own."


def ladder(
    corpus: str = "shakespeare",
    *,
    kind: str = "ladder",
    full: bool = False,
    only: Collection[str] = (),
    seeds: int = 0,
    budget: str = "",
    name: str | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    listen: Listen = nobody,
    command: str = "bardling ladder",
) -> tuple[Experiment, Path]:
    """Measure what each part of a GPT is worth; return what was found and where the page is.

    `kind` is `ladder`, one part after the other from counting on; `removals`, one part at a time
    out of a whole model; or `optimizers`. `full` takes the seed's steps and three seeds
    everywhere; `only` names what is compared. What lies in the
    folder of that `name` already is not made again.
    """
    if seeds < 0:
        raise UsageError(f"{seeds} seeds are none; give 1 or more")
    if kind != "ladder" and kind not in VARIATIONS:
        raise UsageError(f"'{kind}' is no ladder; there are ladder, {', '.join(VARIATIONS)}")
    every = rungs(corpus, full=full) if kind == "ladder" else ablations(VARIATIONS[kind], corpus)
    if full and kind != "ladder":
        raise UsageError(f"--full is for the ladder; give the {kind} another --budget")
    stem = plain_name(corpus)
    default = f"{kind}-{stem}" + ("-full" if full else "")
    every = [case.changed(n_seeds=seeds, budget=budget) for case in every]
    cases = chosen(every, only)
    quick = kind == "ladder" and not (full or budget) and any(c.name == "scaled" for c in cases)
    return compare(
        cases,
        _folder(runs_dir, name or default),
        title=f"{kind} on {stem}",
        command=command,
        draw=bars,
        data_dir=None if data_dir is None else Path(data_dir),
        listen=listen,
        remarks=(
            *(LADDER_REMARKS if kind == "ladder" and corpus == "shakespeare" else ()),
            *((QUICK_LADDER_REMARK,) if quick else ()),
        ),
        among=every,
    )


def sweep(
    config: RunConfig | str,
    vary: Mapping[str, Sequence[Any]],
    *,
    seeds: int = 1,
    name: str | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    listen: Listen = nobody,
    command: str = "bardling sweep",
) -> tuple[Experiment, Path]:
    """Train a config with every combination of some settings, given by their own names.

    `config` may be the name of a preset or of a corpus. Returns what was found and where the page
    is; what lies in the folder of that `name` already is not made again.
    """
    if not vary:
        raise UsageError("nothing varies; name a setting and its values")
    target = config if isinstance(config, str) else config.data.corpus
    config = config_for(config) if isinstance(config, str) else config
    names = plain_name("-".join((target, *vary)).replace("_", "-"))
    return compare(
        combinations(config, vary, n_seeds=_at_least_one(seeds)),
        _folder(runs_dir, name or f"sweep-{names}"),
        title=" and ".join(vary),
        command=command,
        draw=partial(grid, vary),
        data_dir=None if data_dir is None else Path(data_dir),
        listen=listen,
    )


def exercise(
    word: str,
    *,
    config: RunConfig | None = None,
    full: bool = False,
    seeds: int = 1,
    name: str | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    listen: Listen = nobody,
    command: str = "bardling sweep",
) -> tuple[Experiment, Path]:
    """Do an exercise of the seeds that varies one thing, in its quick form or as its source has it.

    `config` stands for that form's settings where others are wanted.
    """
    if word not in NAMED:
        raise UsageError(f"there is no exercise '{word}'; there are {', '.join(NAMED)}")
    task = NAMED[word]
    form = f"{word}-full" if full else word
    return compare(
        named_cases(
            task, config or task.config(full=full), n_seeds=_at_least_one(seeds), full=full
        ),
        _folder(runs_dir, name or f"sweep-{form}"),
        title=f"{word}: {task.about}",
        command=command,
        draw=bars,
        data_dir=None if data_dir is None else Path(data_dir),
        listen=listen,
        remarks=(*task.remarks, *(() if full else (QUICK_REMARK,))),
    )


def _at_least_one(seeds: int) -> int:
    if seeds < 1:
        raise UsageError(f"{seeds} seeds are none; give 1 or more")
    return seeds


def scale(
    corpus: str = STORIES,
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
    budgets: Sequence[str] = BUDGETS,
    name: str | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    listen: Listen = nobody,
    command: str = "bardling scale",
) -> tuple[Experiment, Path]:
    """Train `sizes`, each (layers, width), on budgets of tokens, and fit the law of their losses.

    Returns what was found and where the page is; what lies in the folder of that `name` already is
    not made again. Needs the extras `science` and `report`.
    """
    require_runs(len(sizes) * len(budgets), len(set(sizes)), len(set(budgets)))
    cases = size_grid(corpus, sizes=sizes, budgets=budgets)
    optional("scipy.optimize", "science", "a power law")
    stem = plain_name(corpus)
    folder = _folder(runs_dir, name or f"scale-{stem}")
    return compare(
        cases,
        folder,
        title=f"scaling on {stem}",
        command=command,
        draw=partial(scaled, cases, folder),
        data_dir=None if data_dir is None else Path(data_dir),
        listen=listen,
    )


def story_models(
    budget: str = STORY_BUDGET,
    *,
    corpus: str = STORIES,
    name: str | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    listen: Listen = nobody,
    command: str = "bardling scale --seed-002",
) -> tuple[Experiment, Path]:
    """Train seed 002's three sizes on equal data, and return what was found and the page."""
    return compare(
        story_sizes(budget, corpus),
        _folder(runs_dir, name or "seed-002"),
        title="seed 002: small, medium, large",
        command=command,
        draw=perplexities,
        data_dir=None if data_dir is None else Path(data_dir),
        listen=listen,
    )


def side_by_side(
    folders: Sequence[str | Path],
    *,
    runs_dir: str | Path | None = None,
    command: str = "bardling report",
) -> tuple[Experiment, Path]:
    """Lay several runs over each other; return what was found and where the page is."""
    home = runs_folder(None if runs_dir is None else Path(runs_dir))
    runs = [find_run(folder, home) for folder in folders]
    paths = plain_name("-".join(str(run.path.absolute()) for run in runs), always=True)
    return lay_over(runs, home / f"side-by-side-{paths}", command=command)


def _folder(runs_dir: str | Path | None, name: str) -> Path:
    return runs_folder(None if runs_dir is None else Path(runs_dir)) / name
