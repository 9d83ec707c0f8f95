"""The parser proves which ending keeps to its beginning; nothing else gives it away."""

import json
import math
from collections import Counter

import pytest

from bardling.cli import main
from bardling.data.stories.listening import listen
from bardling.data.stories.preferences import LONGER, endings

PAIRS = list(endings(1, 600))


def test_one_ending_makes_a_story_and_the_other_none():
    for pair in PAIRS:
        assert listen(pair.prompt + pair.chosen).is_story
        reading = listen(pair.prompt + pair.rejected)
        assert not reading.is_story
        assert reading.end >= len(pair.prompt), "it is the ending that breaks the story"
        assert pair.chosen.startswith(" ") and pair.prompt[-1] in '.!?"'


def test_they_are_a_function_of_their_seed():
    assert list(endings(1, 5)) == PAIRS[:5]
    assert list(endings(2, 5)) != PAIRS[:5]


def test_many_rules_decide():
    rules = Counter(pair.rule.partition("[")[0] for pair in PAIRS)
    assert {"colour", "gave", "deed", "thing", "place", "number", "mood"} <= rules.keys()
    assert max(rules.values()) < 0.45 * len(PAIRS)


def test_lengths_tell_nothing():
    longer = sum(len(p.chosen) > len(p.rejected) for p in PAIRS)
    shorter = sum(len(p.chosen) < len(p.rejected) for p in PAIRS)
    assert abs(longer - shorter) < 3 * math.sqrt(longer + shorter)
    for pair in PAIRS:
        lengths = sorted((len(pair.chosen), len(pair.rejected)))
        assert lengths[1] - lengths[0] <= LONGER * lengths[1]


def test_words_tell_nothing():
    """A word that speaks for an ending in one half of the pairs says nothing in the other."""
    half = len(PAIRS) // 2
    score = Counter[str]()
    for pair in PAIRS[:half]:
        score.update(pair.chosen.split())
        score.subtract(pair.rejected.split())
    right = 0.0
    for pair in PAIRS[half:]:
        sums = [sum(math.copysign(1, score[w]) if score[w] else 0 for w in text.split())
                for text in (pair.chosen, pair.rejected)]  # fmt: skip
        right += 0.5 if sums[0] == sums[1] else sums[0] > sums[1]
    assert abs(right - half / 2) < 3 * math.sqrt(half / 4)


def test_the_command_writes_them(tmp_path, capsys):
    path = tmp_path / "pairs.jsonl"
    assert main(["data", "preferences", str(path), "--pairs", "7", "--seed", "1"]) == 0
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one["chosen"] for one in written] == [pair.chosen for pair in PAIRS[:7]]
    assert "7 pairs in" in capsys.readouterr().out


@pytest.mark.parametrize("count", ["0", "-3"])
def test_no_pairs_are_refused(tmp_path, capsys, count):
    assert main(["data", "preferences", str(tmp_path / "x.jsonl"), "--pairs", count]) == 2
    assert "give at least 1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
