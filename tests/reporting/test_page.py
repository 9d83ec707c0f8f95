"""The page of a run: what is on it, that it is well formed, and that nothing on it is alive."""

from html.parser import HTMLParser

import pytest

from bardling.evaluation.standing import Standing, Told
from bardling.evaluation.writing import Writing
from bardling.reporting.moments import Moment
from bardling.reporting.page import run_page, standing_rows

STANDING = Standing(chance=4.1, bigram=2.4, ngram=0.72, model=0.45, floor=0.3)
VOID = {"meta", "br"}
LONG_RUN = [
    {"step": s, "tokens": s, "seconds": 1.0, "val_loss": loss, "sample": f"<written at {s}>"}
    for s, loss in enumerate([4.0, 3.0, 2.0, None, 1.0, 1.5, 1.6, 1.7, 1.8, 1.9])
]


class Checker(HTMLParser):
    """Collects text and tags, and notices what is not closed or could do something."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        assert not [v for n, v in attrs if n in ("src", "href") and not (v or "").startswith("#")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def page(**changes):
    metrics = [
        {"step": s, "tokens": s * 100, "seconds": s / 10, "train_loss": 4.0 / (1 + s),
         "val_loss": 4.2 / (1 + s), "sample": f"sample {s} <b>&"}
        for s in range(0, 10, 2)
    ]  # fmt: skip
    settings = {
        "name": "a <script>alert(1)</script> run",
        "facts": ["stories", "1.2M parameters"],
        "metrics": [*metrics, {"step": 9, "tokens": 900, "seconds": 1.0, "loss": 1.0}],
        "standing": STANDING,
        "samples": [
            Told(text="A story.", end=8, reason=None),
            Told(text="A stroy.", end=4, reason="expected 'o', found 'r'"),
        ],
        "by_grammar": True,
        "advice": [("bardling train stories --budget 10m", "more time")],
    }
    checker = Checker()
    checker.feed(run_page(**(settings | changes)))
    assert not checker.open
    return checker


def test_everything_is_on_it_and_nothing_is_alive():
    shown = page()
    assert "script" not in shown.tags and "a <script>alert(1)</script> run" in shown.text
    for text in (
        "stories · 1.2M parameters", "sample 0 <b>&", "0.4500", "0.3000", "64% of the way",
        "1 of 2 sampled texts are stories; the others stop being one after 4 ",
        "A st|roy.", "expected 'o', found 'r'", "more time",
    ):  # fmt: skip
        assert text in shown.text, text
    assert "svg" in shown.tags


def test_a_run_without_floor_or_grammar_has_a_page_too():
    standing = Standing(chance=4.1, bigram=2.4, ngram=1.5, model=1.6, floor=None)
    shown = page(standing=standing, by_grammar=False, metrics=[])
    assert "floor" not in shown.text and "are stories" not in shown.text
    assert "A stroy." in shown.text


@pytest.mark.parametrize("floor", [None, 0.3])
def test_rows_go_from_the_worst_to_the_best_that_there_can_be(floor):
    standing = Standing(chance=4.1, bigram=2.4, ngram=0.72, model=0.45, floor=floor)
    losses = [loss for _, loss, _ in standing_rows(standing)]
    assert losses == sorted(losses, reverse=True) and len(losses) == 4 + (floor is not None)


def test_a_model_that_counting_beats_is_said_to_be_behind():
    rows = standing_rows(Standing(chance=4.1, bigram=2.4, ngram=0.72, model=0.75, floor=0.3))
    assert rows[3] == ("this model", 0.75, "on the whole validation split, behind the 7-grams")


def test_why_tokenizers_are_not_compared_is_said_in_a_sentence():
    assert "okenizers" not in page().text
    shown = page(tokenizers="9 bytes are <b> too few")
    assert "Tokenizers: 9 bytes are <b> too few." in shown.text and "b" not in shown.tags


def test_the_chart_has_all_that_a_loss_is_held_against():
    text = page().text
    for level in ("chance 4.100", "2-grams 2.400", "7-grams 0.720", "floor 0.300"):
        assert level in text


def test_the_way_shows_the_first_the_best_and_the_last():
    text = page(metrics=LONG_RUN).text
    shown = [r["step"] for r in LONG_RUN if f"<written at {r['step']}>" in text]
    assert shown == [0, 3, 4, 6, 9]
    assert "validation loss 1.0000, the lowest" in text and text.count(", the lowest") == 1
    assert "validation loss not finite" in text


def test_a_run_past_its_best_shows_both():
    def moment(step, loss, text):
        writing = Writing(
            samples=4, words=9, known_words=0.9, distinct=0.8, copied=loss / 10, longest_copy="abc"
        )
        return Moment(step=step, val_loss=loss, text=text, writing=writing)

    done = page(moments=(moment(700, 1.5, "I <was>"), moment(2000, 2.5, "I am")))
    assert "Best and last" in done.text and "I <was>" in done.text and "I am" in done.text
    assert "15.0%" in done.text and "25.0%" in done.text and "2,000" in done.text
    assert "Best and last" not in page().text
