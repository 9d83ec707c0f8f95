"""Tables of docs/results.md from what commands printed, as it stands in results/.

    python benchmarks/printed_tables.py

Makes what lies between two marks of each table anew, and touches nothing else.
"""

import re
from pathlib import Path

from bardling.presets.table import config_for

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/results.md"


def analogies(printed: str) -> list[str]:
    """Return the shares of analogies that the demo solves, step by step."""
    per_step = config_for("demo", "10m").batch_tokens
    lines = [
        "| step | tokens | gender | age | gender, by reading | age, by reading |",
        "|---|---|---|---|---|---|",
    ]
    for block in re.split(r"^# ", printed, flags=re.MULTILINE):
        command = re.match(r"bardling probe demo-10m --checkpoint (\d+)", block)
        if command is not None:
            solved = dict(re.findall(r"analogies of (\w+ by the \w+): (\d+%)", block))
            step = int(command[1])
            cells = [
                f"{step:,}",
                f"{step * per_step / 1e6:.2f}M",
                *(solved[f"{what} by the {how}"] for how in ("table", "reading")
                  for what in ("gender", "age")),
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def best_and_last(printed: str) -> list[str]:
    """Return what the best and the last step of a run are worth, and what they copy."""
    told = re.findall(
        r"(best|last) step (\d+): loss ([\d.]+), writing copies ([\d.]+%) of its runs of (\d) "
        r"words, (\d+) characters",
        printed,
    )
    trained = dict(re.findall(r"^step +(\d+)/\d+  train ([\d.]+)", printed, flags=re.MULTILINE))
    lines = [
        "| | loss on a part of the training text | on the validation text | copied runs of "
        f"{told[0][4]} words | longest copy |",
        "|---|---|---|---|---|",
    ]
    return lines + [
        f"| {word} step, {step} | {trained[step]} | {loss} | {copied} | {longest} characters |"
        for word, step, loss, copied, _, longest in told
    ]


TABLES = {"analogies": analogies, "past-its-best": best_and_last}


def main() -> None:
    """Make each table between its marks."""
    page = PAGE.read_text()
    for name, table in TABLES.items():
        begin = f"<!-- {name}: made by benchmarks/printed_tables.py -->"
        end = f"<!-- {name}: end -->"
        before, rest = page.split(begin)
        _, after = rest.split(end)
        lines = table((ROOT / f"results/{name}.txt").read_text())
        page = "\n".join([before + begin, *lines, end]) + after
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
