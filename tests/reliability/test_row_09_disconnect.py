"""Who goes away frees a slot, and only that one: the others' texts are what they are alone.

The engine is slowed down to some milliseconds a turn, as a larger model would be, so that a token
that is computed after a connection was closed can be counted.
"""

import random
from collections.abc import Iterator

import pytest
from promises import Protection

from bardling.serving.engine import Engine
from bardling.trained import Run
from servers import Place, random_run, raw, serving, text_of, wait_for

TURN_SECONDS = 0.01
MOST_TOKENS, MOST_SECONDS = 2, 0.5
SLOTS, QUEUE = 3, 4

PROTECTIONS = (
    Protection(
        file="serving/answering.py",
        line='while (await receive())["type"] != "http.disconnect":',
        broken='while (await receive())["type"] != "http.never":',
        test="test_who_leaves_frees_a_slot_and_no_other[12]",
    ),
    Protection(
        file="serving/answering.py",
        line="            self.cancel()\n            raise\n",
        broken="            raise\n",
        test="test_of_several_texts_none_is_gone_on_with",
    ),
    Protection(
        file="serving/engine.py",
        line="for writing in [one for one in self._running if one.cancelled]:",
        broken="for writing in [one for one in self._running if one.cancelled and one.n_new > 99]:",
        test="test_who_leaves_frees_a_slot_and_no_other[12]",
    ),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return random_run(tmp_path_factory.mktemp("runs"), tokenizer="endless", block_size=512)


@pytest.fixture
def place(run: Run) -> Iterator[Place]:
    with serving(
        run, runs_dir=run.folder.path, slots=SLOTS, queue=QUEUE, pace=TURN_SECONDS
    ) as found:
        yield found


def engine_of(place: Place) -> Engine:
    assert place.models is not None
    return next(iter(place.models)).engine


def leave(place: Place, how: str) -> tuple[int, float]:
    """Ask and go away; return how many tokens were computed after, and seconds to a free slot."""
    engine = engine_of(place)
    before = set(engine._running)
    wishes = {"prompt": "12 plus" * (40 if how == "reading" else 1), "max_tokens": 5000, "seed": 1}
    with place.streaming(**wishes, stream=True) as stream:
        wait_for(lambda: set(engine._running) - before)
        (mine,) = set(engine._running) - before
        if how == "writing":
            for number, _ in enumerate(stream):
                if number == 2:
                    break
        n_then = mine.n_new
    seconds = wait_for(lambda: mine not in engine._running)
    return mine.n_new - n_then, seconds


@pytest.mark.parametrize("count", [12, pytest.param(100, marks=pytest.mark.sweep)])
def test_who_leaves_frees_a_slot_and_no_other(place: Place, run: Run, count, record_property):
    chance, engine = random.Random(0), engine_of(place)
    neighbour = {"prompt": "7 plus 3", "temperature": 0, "max_tokens": 200}
    expected = run.generate("7 plus 3", temperature=0.0, max_new_tokens=200)
    after, seconds = [], []
    while len(after) < count:
        with place.streaming(**neighbour) as stream:
            first = next(iter(stream))
            for _ in range(6):
                tokens, took = leave(place, chance.choice(("writing", "writing", "reading")))
                after.append(tokens)
                seconds.append(took)
            assert text_of([first, *stream]) == expected
    assert max(after) <= MOST_TOKENS and max(seconds) <= MOST_SECONDS
    wait_for(lambda: engine.counters["running"] == 0)
    assert engine.counters["waiting"] == 0
    record_property(
        "measured",
        f"{len(after)} closed: {max(after)} tokens after at most, the slot free within "
        f"{max(seconds) * 1e3:.0f} ms, the neighbour's text as alone",
    )


def test_who_leaves_the_queue_leaves_it_at_once(place: Place, run: Run):
    engine = engine_of(place)
    wishes = {"prompt": "1", "max_tokens": 2000, "temperature": 0}
    streams = [place.streaming(**wishes) for _ in range(SLOTS)]
    entered = [stream.__enter__() for stream in streams]
    wait_for(lambda: engine.counters["running"] == SLOTS)
    for _ in range(3):
        with place.streaming(**wishes):
            wait_for(lambda: engine.counters["waiting"] == 1)
        assert wait_for(lambda: engine.counters["waiting"] == 0) <= MOST_SECONDS
    assert engine.counters["running"] == SLOTS and all(one.status == 200 for one in entered)
    for stream in streams:
        stream.__exit__(None, None, None)
    assert wait_for(lambda: engine.counters["running"] == 0) <= MOST_SECONDS


def test_who_waits_for_a_whole_answer_may_leave_too(place: Place):
    engine = engine_of(place)
    body = b'{"prompt": "1", "max_tokens": 5000, "seed": 1}'
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with raw(place.port, head + b"Content-Length: %d\r\n\r\n" % len(body) + body):
        wait_for(lambda: engine.counters["running"] == 1)
    assert wait_for(lambda: engine.counters["running"] == 0) <= MOST_SECONDS


def test_of_several_texts_none_is_gone_on_with(place: Place):
    """Where one of them is refused, and where the answer takes too long, the others end as well."""
    engine = engine_of(place)
    with place.streaming(prompt="1", max_tokens=5000) as stream:
        next(iter(stream))
        refused = place.complete(prompt=["1"] * (SLOTS + QUEUE), max_tokens=5000)
        assert refused.status == 429
        assert wait_for(lambda: engine.counters["running"] == 1) <= MOST_SECONDS
        assert engine.counters["waiting"] == 0
    assert wait_for(lambda: not engine.counters["running"]) <= MOST_SECONDS
    with place.streaming(prompt=["1"] * SLOTS, max_tokens=5000) as stream:
        wait_for(lambda: engine.counters["running"] == SLOTS)
        next(iter(stream))
    assert wait_for(lambda: engine.counters["running"] == 0) <= MOST_SECONDS
