"""The experiments as functions: what is compared, how it is drawn, and what is said of it."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from bardling.config import RunConfig
from bardling.errors import UsageError, nearest
from bardling.experiments.ablations import OPTIMIZERS, REMOVALS, ablations
from bardling.experiments.cases import Case
from bardling.experiments.compare import compare, lay_over, nobody
from bardling.experiments.grids import BUDGETS, SIZES, STORIES, STORY_BUDGET, size_grid, story_sizes
from bardling.experiments.ladder import chosen, quick_remarks, rungs
from bardling.experiments.named_sweeps import NAMED, crossed, named_cases
from bardling.experiments.pictures import Draw, bars, grid
from bardling.experiments.place import Place
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
    "Its bigram was not trained to its end: counting pairs gives less.",
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
    **place: Unpack[Place],
) -> tuple[Experiment, Path]:
    """Measure what each part of a GPT is worth; return what was found and where the page is.

    `kind` is `ladder`, one part after the other from counting on; `removals`, one part at a time
    out of a whole model; or `optimizers`. `full` takes 5,000 steps and three seeds everywhere;
    `only` names what is compared. `place` is as in `Place`.
    """
    if seeds < 0:
        raise UsageError(f"{seeds} seeds are none; give 1 or more")
    if kind != "ladder" and kind not in VARIATIONS:
        raise UsageError(f"'{kind}' is no ladder; there are ladder, {', '.join(VARIATIONS)}")
    if full and kind != "ladder":
        raise UsageError(f"--full is for the ladder; give the {kind} another --budget")
    every = (
        rungs(corpus, full=full, longer=not budget)
        if kind == "ladder"
        else ablations(VARIATIONS[kind], corpus)
    )
    every = [case.changed(n_seeds=seeds, budget=budget) for case in every]
    stem = plain_name(corpus)
    cases = chosen(every, only)
    seeds_own = kind == "ladder" and corpus == "shakespeare"
    quick = kind == "ladder" and not (full or budget)
    return _made(
        cases,
        f"{kind}-{stem}" + ("-full" if full else ""),
        place,
        verb="ladder",
        title=f"{kind} on {stem}",
        draw=bars,
        remarks=(*LADDER_REMARKS * seeds_own, *(quick_remarks(cases) if quick else ())),
        among=every,
    )


def sweep(
    config: RunConfig | str,
    vary: Mapping[str, Sequence[Any]],
    *,
    seeds: int = 1,
    **place: Unpack[Place],
) -> tuple[Experiment, Path]:
    """Train a config with every combination of some settings, given by their own names.

    `config` may be the name of a preset or of a corpus. Returns what was found and where the page
    is. `place` is as in `Place`.
    """
    if not vary:
        raise UsageError("nothing varies; name a setting and its values")
    target = config if isinstance(config, str) else config.data.corpus
    config = config_for(config) if isinstance(config, str) else config
    names = plain_name("-".join((target, *vary)).replace("_", "-"))
    return _made(
        combinations(config, vary, n_seeds=_at_least_one(seeds)),
        f"sweep-{names}",
        place,
        verb="sweep",
        title=" and ".join(vary),
        draw=partial(grid, vary),
    )


def exercise(
    word: str,
    *,
    config: RunConfig | None = None,
    full: bool = False,
    seeds: int = 1,
    **place: Unpack[Place],
) -> tuple[Experiment, Path]:
    """Do an exercise of the seeds that varies one thing, in its quick form or as its source has it.

    `config` stands for that form's settings where others are wanted; `place` is as in `Place`.
    """
    if word not in NAMED:
        raise UsageError(f"there is no exercise '{word}'; there are {', '.join(NAMED)}")
    task = NAMED[word]
    config = config or task.config(full=full)
    return _made(
        named_cases(task, config, n_seeds=_at_least_one(seeds), full=full),
        f"sweep-{word}" + ("-full" if full else ""),
        place,
        verb="sweep",
        title=f"{word}: {task.about}",
        draw=partial(grid, crossed(task.points)),
        remarks=(*task.remarks, *(() if full else (QUICK_REMARK,))),
    )


def scale(
    corpus: str = STORIES,
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
    budgets: Sequence[str] = BUDGETS,
    **place: Unpack[Place],
) -> tuple[Experiment, Path]:
    """Train `sizes`, each (layers, width), on budgets of tokens, and fit the law of their losses.

    Returns what was found and where the page is. `place` is as in `Place`. Needs the extras
    `science` and `report`.
    """
    require_runs(len(sizes) * len(budgets), len(set(sizes)), len(set(budgets)))
    cases = size_grid(corpus, sizes=sizes, budgets=budgets)
    optional("scipy.optimize", "science", "a power law")
    stem = plain_name(corpus)
    title = f"scaling on {stem}"
    return _made(cases, f"scale-{stem}", place, verb="scale", title=title, draw=scaled)


def story_models(
    budget: str = STORY_BUDGET, *, corpus: str = STORIES, **place: Unpack[Place]
) -> tuple[Experiment, Path]:
    """Train seed 002's three sizes on equal data, and return what was found and the page.

    `place` is as in `Place`.
    """
    return _made(
        story_sizes(budget, corpus),
        "seed-002",
        place,
        verb="scale --seed-002",
        title="seed 002: small, medium, large",
        draw=perplexities,
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


def _made(
    cases: Sequence[Case],
    default: str,
    place: Place,
    *,
    verb: str,
    title: str,
    draw: Draw,
    remarks: Sequence[str] = (),
    among: Sequence[Case] = (),
) -> tuple[Experiment, Path]:
    """Compare cases in the folder of a place, which has the `default` name where it has none.

    Raises `TypeError` for a word that a place does not have.
    """
    known = Place.__annotations__
    for word in set(place) - set(known):
        raise TypeError(f"there is no argument '{word}'{nearest(word, known)}")
    runs_dir, data_dir = place.get("runs_dir"), place.get("data_dir")
    home = runs_folder(None if runs_dir is None else Path(runs_dir))
    return compare(
        cases,
        home / (place.get("name") or default),
        title=title,
        command=place.get("command", f"bardling {verb}"),
        draw=draw,
        data_dir=None if data_dir is None else Path(data_dir),
        listen=place.get("listen", nobody),
        remarks=remarks,
        among=among,
    )


def _at_least_one(seeds: int) -> int:
    if seeds < 1:
        raise UsageError(f"{seeds} seeds are none; give 1 or more")
    return seeds
