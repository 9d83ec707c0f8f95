"""The results of the seeds' experiments, from folders of runs into results/ and docs/results.md.

    python benchmarks/seed_table.py collect FOLDER [FOLDER ...]
    python benchmarks/seed_table.py write

`collect` keeps what an experiment (`bardling ladder`, `sweep`, `scale`) or a single run found as
results/experiments/NAME.json, and its pictures in docs/pictures; rungs of a ladder that were not
made again stay. `write` makes the section of docs/results.md between its marks anew from those
files, and the bars in docs/pictures, and touches nothing else.
"""

import argparse
import json
import math
import re
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from bardling.experiments.ablations import OPTIMIZERS, REMOVALS
from bardling.experiments.compare import machine_of
from bardling.experiments.ladder import rungs
from bardling.experiments.pictures import bars
from bardling.presets.table import find_preset
from bardling.reporting.charts import svg
from bardling.reporting.console import clock, count
from bardling.reporting.rows import Outcome, Row, read_outcome
from bardling.run_folder import RunFolder

ROOT = Path(__file__).parent.parent
FOUND, PICTURES, PAGE = (
    ROOT / "results/experiments",
    ROOT / "docs/pictures",
    ROOT / "docs/results.md",
)
BEGIN, END = "<!-- seeds: made by benchmarks/seed_table.py -->", "<!-- seeds: end -->"
GPU, NETWORK = "hours on two cores, for a GPU", "needs the network"
GOOD = "about 1.5 is good"
ORDER = {
    "ladder": [case.name for case in rungs()],
    "removals": [part.name for part in REMOVALS],
    "optimizers": [way.name for way in OPTIMIZERS],
}


class Work(NamedTuple):
    """A row of the seeds' table."""

    name: str
    states: str
    """What the seed states."""
    command: str
    place: tuple[str, str] | None
    """The file and the row where ours is; None where it is not measured."""
    why: str = ""
    """Why it is not."""


def rung(name: str, states: str, row: str) -> Work:
    """Return a rung of seed 001 on the default ladder."""
    return Work(f"001, {name}", states, "bardling ladder", ("ladder-shakespeare", row))


def story(size: str, states: str) -> Work:
    """Return a size of seed 002 on the stories."""
    place = ("seed-002", f"seed-002-{size}")
    return Work(f"002, {size}", f"perplexity {states}", "bardling scale --seed-002", place)


def preset(name: str, states: str, word: str, why: str | None = None) -> Work:
    """Return a run by a preset; with a reason why, one that is not measured."""
    command = f"bardling train {word}"
    if why is None:
        return Work(name, states, command, (word, word))
    config = find_preset(word).config
    tokens = count(config.budget_steps() * config.batch_tokens)
    return Work(name, states, command, None, f"{tokens} tokens; {why}")


SEEDS = (
    preset("000", "1.52", "seed-000", GPU),
    preset("000, windowed MLP", "2.02", "seed-000-mlp"),
    rung("bigram", "2.88", "bigram"),
    rung("single head", "2.41", "head"),
    rung("multi-head", "2.32", "heads"),
    rung("feed-forward", "2.23", "feed-forward"),
    rung("three blocks", "2.09", "blocks"),
    rung("scaled", "1.59", "scaled"),
    rung("scaled, trained longer", "1.59", "longer"),
    story("small", "17.75"),
    story("medium", "10.23"),
    story("large", "8.08"),
    Work(
        "002, medium, on a sample of TinyStories",
        "perplexity 10.23",
        "bardling train seed-002-medium --corpus tinystories-sample.txt --budget 2Mtokens "
        "--max-tokens 0 --val-fraction 0.1",
        ("seed-002-sample", "seed-002-sample"),
    ),
    preset("002, on TinyStories", "the same", "seed-002-medium", NETWORK),
    preset("003, day 7 TinyLM", "1.5 to 1.8, out of its reach", "seed-003-tinylm"),
    preset("003, TINY", GOOD, "seed-003-tiny"),
    preset("003, SMALL", GOOD, "seed-003-small", GPU),
    preset("003, MEDIUM", GOOD, "seed-003-medium", GPU),
    Work(
        "004, on stories, a thousandth of its tokens",
        "2.15 a token of its own",
        "bardling train seed-004 --corpus stories --max-tokens 500000 --batch-size 4 "
        "--accumulate 1 --budget 250ktokens",
        ("seed-004-stories", "seed-004-stories"),
    ),
    preset("004", "2.15 a token of its own", "seed-004", f"{NETWORK} and a GPU"),
)


def collect(folder: Path) -> None:
    """Keep what lies in an experiment's folder, or in that of one run."""
    FOUND.mkdir(parents=True, exist_ok=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    if (folder / "results.json").is_file():
        values = _with_earlier(json.loads((folder / "results.json").read_text()), folder.name)
        for picture in PICTURES.glob(f"{folder.name}.*.svg"):
            picture.unlink()
        for picture in map(folder.joinpath, values["pictures"]):
            shutil.copy(picture, PICTURES / f"{folder.name}.{picture.name}")
    else:
        outcome = read_outcome(RunFolder(folder))
        row = Row(name=folder.name, about="", outcomes=(outcome,))
        machine = machine_of(RunFolder(folder))
        values = {"facts": ["", "", machine], "rows": [row.to_json()]}
    for row in values["rows"]:
        for outcome in row["outcomes"]:
            outcome.pop("curve", None)
    (FOUND / f"{folder.name}.json").write_text(json.dumps(values, indent=1) + "\n")


def _with_earlier(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what was found, and the rungs or parts beside it that were collected before."""
    path, order = FOUND / f"{name}.json", ORDER.get(name.partition("-")[0], [])
    new = {row["name"]: row for row in values["rows"]}
    earlier = json.loads(path.read_text()) if path.is_file() else {"rows": []}
    kept = {r["name"]: r for r in earlier["rows"] if r["name"] in order and r["name"] not in new}
    if not kept or not set(new) <= set(order):
        return values
    rows = sorted((kept | new).values(), key=lambda row: order.index(row["name"]))
    outcomes = [outcome for row in rows for outcome in row["outcomes"]]
    minutes = sum(outcome["seconds"] for outcome in outcomes) / 60
    facts = [values["facts"][0], f"{len(outcomes)} runs, {minutes:.0f} min of training"]
    return {
        **values,
        "facts": [*facts, *dict.fromkeys([*earlier["facts"][2:], *values["facts"][2:]])],
        "command": re.sub(r" --only( [^-]\S*)+", "", values["command"]),
        "commands": earlier.get("commands", {}) | values.get("commands", {}),
        "remarks": list(dict.fromkeys([*earlier["remarks"], *values["remarks"]])),
        "levels": values["levels"] if rows[0]["name"] in new else earlier["levels"],
        "rows": rows,
    }


def draw(name: str, values: dict[str, Any]) -> None:
    """Draw the bars of an experiment anew, where it has bars."""
    path = PICTURES / f"{name}.chart.svg"
    if path.is_file():
        figure = bars([_read(row) for row in values["rows"]], values["levels"]).pictures["chart"]
        path.write_text(svg(figure))


def _read(row: dict[str, Any]) -> Row:
    known = {field.name for field in fields(Row)}
    outcomes = tuple(Outcome(**outcome) for outcome in row["outcomes"])
    return Row(**{k: v for k, v in row.items() if k in known} | {"outcomes": outcomes})


def write() -> None:
    """Make the section anew, and its bars."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(FOUND.glob("*.json"))}
    for name, values in found.items():
        draw(name, values)
    machines = dict.fromkeys(m for values in found.values() for m in values["facts"][2:] if m)
    parts = ["", *_seeds(found), "", f"Computed on {'; '.join(machines)}."]
    for name, values in found.items():
        if "title" in values:
            parts += ["", f"### {values['title']}", "", *_experiment(name, values)]
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + "\n".join(parts) + "\n\n" + END + after)


def _seeds(found: dict[str, Any]) -> list[str]:
    lines = [
        "| seed | states | ours, last step | bits per byte | tokens | seconds | seeds | command |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for work in SEEDS:
        row = _row(found, work.place)
        if row is None or row["mean"] is None:
            why = work.why or "not yet"
            lines.append(
                f"| {work.name} | {work.states} | not measured ({why}) | | | | | `{work.command}` |"
            )
            continue
        loss = f"**{row['mean']:.4f}**" + (f" ± {row['spread']:.4f}" if row["spread"] else "")
        if "perplexity" in work.states:
            loss += f", perplexity {math.exp(row['mean']):.2f}"
        if row.get("excess") is not None:
            loss += f", {row['excess']:.4f} above the floor"
        outcomes = row["outcomes"]
        bits = outcomes[0]["bits_per_byte"]
        seconds = sum(o["seconds"] for o in outcomes) / len(outcomes)
        lines.append(
            f"| {work.name} | {work.states} | {loss} | {bits:.4f} | "
            f"{count(outcomes[0]['tokens'])} | {seconds:.0f} | {len(outcomes)} | `{work.command}` |"
        )
    return lines


def _row(found: dict[str, Any], place: tuple[str, str] | None) -> dict[str, Any] | None:
    file, name = place or ("", "")
    rows: list[dict[str, Any]] = found.get(file, {"rows": []})["rows"]
    return next((row for row in rows if row["name"] == name), None)


def _experiment(name: str, values: dict[str, Any]) -> list[str]:
    lines = [f"`{values['command']}`; {'; '.join(values['facts'])}.", ""]
    lines += [
        f"![{values['title']}](pictures/{p.name})" for p in sorted(PICTURES.glob(f"{name}.*.svg"))
    ]
    heads = ("", "last loss", "best", "bits per byte", "stated", "parameters", "tokens", "time",
             "what it is")  # fmt: skip
    lines += ["", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in values["rows"]:
        outcomes = row["outcomes"]
        lines.append(
            f"| {row['name']} | {_loss(row['mean'])}"
            + (f" ± {row['spread']:.4f}" if row["spread"] else "")
            + f" | {_loss(row['best'])} | {_loss(outcomes[0]['bits_per_byte'])} | "
            f"{row['stated'] or ''} | "
            f"{count(outcomes[0]['parameters'])} | {count(outcomes[0]['tokens'])} | "
            f"{clock(sum(o['seconds'] for o in outcomes) / len(outcomes))} | {row['about']} |"
        )
    levels = ", ".join(f"{word} {level:.4f}" for word, level in values["levels"].items())
    return [
        *lines,
        "",
        f"Counting: {levels} nats per token.",
        *[f"\n{r}." for r in values["remarks"]],
        *_alone(values.get("commands", {})),
    ]


def _alone(commands: dict[str, str]) -> list[str]:
    """Return what makes each row by itself, folded away."""
    if not commands:
        return []
    lines = [f"{command}  # {name}" for name, command in commands.items()]
    head = "<details><summary>the first run of each row by itself</summary>"
    return ["", head, "", "```console", *lines, "```", "", "</details>"]


def _loss(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.4f}"


def main() -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("collect", "write"))
    parser.add_argument("folders", nargs="*", type=Path)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        collect(folder)
    if arguments.what == "write":
        write()


if __name__ == "__main__":
    main()
