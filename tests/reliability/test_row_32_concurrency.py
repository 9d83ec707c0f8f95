"""Answers are never mixed up: at once, each is what it is alone, to the last byte."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from promises import Protection

from bardling.trained import Run
from servers import Place, random_run, serving, text_of

PROTECTIONS = (
    Protection(
        file="serving/answering.py",
        line="self._events += [(index, event) for event in events]",
        broken="self._events += [(0, event) for event in events]",
        test="test_everybody_gets_the_text_of_who_asks_alone[24]",
    ),
    Protection(
        file="serving/slots.py",
        line="torch.tensor([parts[i].slot for i in group]),",
        broken="torch.tensor([parts[i].slot // 2 for i in group]),",
        test="test_everybody_gets_the_text_of_who_asks_alone[24]",
    ),
    Protection(
        file="serving/writing.py",
        line='return stream(self.ask.seed, "sampling")',
        broken='return globals().setdefault("DRAWS", stream(0, "sampling"))',
        test="test_everybody_gets_the_text_of_who_asks_alone[24]",
    ),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    first = random_run(folder)
    return [first, random_run(folder / "other", name="gpt2", tokenizer="characters", named="two")]


@pytest.fixture(scope="module")
def place(runs: list[Run]) -> Iterator[Place]:
    with serving(*runs, runs_dir=runs[0].folder.path, slots=6, queue=1000) as found:
        yield found


def wish(number: int) -> tuple[bool, dict[str, Any]]:
    """Return what client `number` asks for, and whether as a stream."""
    chance = random.Random(number)
    prompt = f"{number} plus {chance.randrange(99)} is"
    wishes: dict[str, Any] = {
        "model": chance.choice(("plain", "two")),
        "prompt": prompt * chance.choice((1, 1, 9)),
        "max_tokens": chance.randrange(1, 40),
        "seed": number,
        "temperature": chance.choice((0, 0, 0.8, 1.3)),
        "top_k": chance.choice((0, 5)),
        "echo": True,
        "n": chance.choice((1, 1, 2)),
    }
    return chance.random() < 0.5, wishes


def ask(place: Place, number: int) -> list[str]:
    """Return the texts of one client's answer."""
    streams, wishes = wish(number)
    if streams:
        with place.streaming(**wishes) as stream:
            events = [*stream]
        return [text_of(events, index) for index in range(wishes["n"])]
    answer = place.complete(**wishes)
    assert answer.status == 200, answer.body
    return [choice["text"] for choice in answer.json["choices"]]


@pytest.mark.parametrize("pairs", [24, pytest.param(200, marks=pytest.mark.sweep)])
def test_everybody_gets_the_text_of_who_asks_alone(
    place: Place, runs: list[Run], pairs, record_property
):
    """Everything twice, since two who ask for the same are the likeliest to be taken for one."""
    numbers = [*range(pairs)] * 2
    alone = {number: ask(place, number) for number in range(pairs)}
    with ThreadPoolExecutor(32) as pool:
        found = [*pool.map(lambda number: ask(place, number), numbers)]
    same = sum(alone[number] == texts for number, texts in zip(numbers, found, strict=True))
    assert same == 2 * pairs
    by_name = {run.folder.name: run for run in runs}
    for number in range(0, pairs, 6):
        wishes = wish(number)[1]
        run = by_name[wishes["model"]]
        (*_, expected) = run.samples(
            wishes["prompt"], wishes["n"], max_new_tokens=wishes["max_tokens"], seed=number,
            temperature=float(wishes["temperature"]), top_k=wishes["top_k"],
        )  # fmt: skip
        assert alone[number][-1].endswith(expected), json.dumps(wishes)
    record_property("measured", f"{same} of {2 * pairs} answers are those of who asks alone")
