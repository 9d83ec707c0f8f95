"""The tables that set bardling beside others: what they say of bardling is there."""

import json
import re
from pathlib import Path

import pytest

from bardling.cli import VERBS

ROOT = Path(__file__).parents[2]
PEERS = (ROOT / "docs" / "peers.md").read_text()
FRONT = (ROOT / "README.md").read_text()
ELSEWHERE = {"trained at GPT-2's scale on large GPUs"}
"""What the long page says under what others do better."""


def rows(page: str) -> dict[str, str]:
    """Return the first and second cell of every row of the tables whose columns are the peers."""
    tables = re.findall(r"(?m)^\| \| bardling \|.*\n\|[-|]+\n((?:\|.*\n)+)", page)
    cells = [row.split(" | ") for table in tables for row in table.splitlines()]
    return {cell[0].removeprefix("| "): cell[1] for cell in cells}


def test_the_front_page_says_nothing_that_the_long_page_does_not_show():
    assert len(rows(FRONT)) > 10
    assert set(rows(FRONT)) - ELSEWHERE <= set(rows(PEERS))


@pytest.mark.parametrize("page", [PEERS, FRONT], ids=["peers", "readme"])
def test_every_verb_is_one(page: str):
    named = re.findall(r"`bardling ([a-z]+)", page) + re.findall(r"(?m)^\$ bardling ([a-z]+)", page)
    assert named and set(named) <= set(VERBS)


def test_every_file_of_ours_is_there():
    ours = " ".join(rows(PEERS).values()) + PEERS[PEERS.index("## Measured") :]
    paths = re.findall(r"`((?:src|tests|results|benchmarks)/[\w./*-]+)`", ours)
    paths += re.findall(r"python (benchmarks/\w+\.py)", ours)
    assert len(paths) > 4
    assert [path for path in paths if not list(ROOT.glob(path))] == []
    for link in re.findall(r"\]\(([\w./-]+\.md)", PEERS):
        assert (ROOT / "docs" / link).is_file(), link


def test_ratios_are_those_that_were_measured():
    lines = (ROOT / "results" / "versus.txt").read_text().splitlines()
    measured = [json.loads(line) for line in lines]
    training = [line["bf16 / nanoGPT"][0] for line in measured if "bf16 / nanoGPT" in line]
    sixteen = [line["ratio"][0] for line in measured if "16 sequences" in line["what"]]
    alone = [line["fp32 / llama2.c"][0] for line in measured if "fp32 / llama2.c" in line]
    assert f"| {min(training):.1f} to {max(training):.1f} |" in PEERS
    assert f"{min(training):.1f} to {max(training):.0f} times nanoGPT's" in FRONT
    assert f"| {min(sixteen):.1f} to {max(sixteen):.1f} |" in PEERS
    assert f"{min(sixteen):.0f} to {max(sixteen):.0f} times the tokens" in FRONT
    assert f"| {min(alone):.2f} to {max(alone):.2f};" in PEERS
