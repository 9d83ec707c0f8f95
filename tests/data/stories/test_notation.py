"""Tables as they are written, and what is made of them."""

import math

import pytest

from bardling.data.stories.notation import (
    Draw,
    Reference,
    plural,
    read_parts,
    sentences,
    site_of_rows,
    with_article,
    words,
)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ball", "a ball"),
        ("apple", "an apple"),
        ("unicorn", "a unicorn"),
        ("ukulele", "a ukulele"),
        ("umbrella", "an umbrella"),
        ("hourglass", "an hourglass"),
        ("honest mole", "an honest mole"),
        ("one-eyed", "a one-eyed"),
    ],
)
def test_articles(word, expected):
    assert with_article(word) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("kite", "kites"),
        ("cherry", "cherries"),
        ("donkey", "donkeys"),
        ("torch", "torches"),
        ("box", "boxes"),
        ("pot of jam", "pots of jam"),
        ("music box", "music boxes"),
    ],
)
def test_plurals(word, expected):
    assert plural(word) == expected


def test_words_have_forms_and_falling_weights():
    site = words("beast", "owl,\n  mouse|mice,   sea\n horse", ("s",))
    assert [option.forms for option in site.options] == [
        ("owl", "an owl", "owls"),
        ("mouse", "a mouse", "mice"),
        ("sea horse", "a sea horse", "sea horses"),
    ]
    weights = [option.weight for option in site.options]
    assert weights == sorted(weights, reverse=True) and min(weights) >= 1
    assert math.fsum(map(site.probability, site.options)) == pytest.approx(1)
    assert site.nats[1] == pytest.approx(-math.log(weights[1] / sum(weights)))
    assert site.wheel.count(site.options[2]) == weights[2]


def test_a_form_that_cannot_be_made_has_to_be_given():
    with pytest.raises(ValueError, match="no form 'did'"):
        site_of_rows("deed", [["sing"]], ("did",))


def test_sentences_are_read_line_by_line():
    table = sentences("""
    one:
      3 {Hero} saw <a colour> <toy=thing>
        and <=shook>.
      2 {she} ate {many toy} at <food[who.kind]>. <two>
    two:
      1 2 of them.
    """)
    assert list(table) == ["one", "two"]
    first, second = table["one"].options
    assert (first.weight, second.weight) == (3, 2)
    assert [p for p in first.parts if isinstance(p, str)] == [" saw ", " ", " and ", "."]
    draws = [p for p in (*first.parts, *second.parts) if isinstance(p, Draw)]
    assert [(d.name, d.site, d.form) for d in draws] == [
        ("colour", "colour", "a"),
        ("toy", "thing", ""),
        ("", "shook", ""),
        ("food", "food", ""),
        ("two", "two", ""),
    ]
    assert (draws[3].index.name, draws[3].index.form) == ("who", "kind")
    references = [p for p in second.parts if isinstance(p, Reference)]
    assert [(r.name, r.form) for r in references] == [("hero", "she"), ("toy", "s")]
    assert table["two"].options[0].parts == ("2 of them.",)
    assert not table["one"].is_words and repr(first) == "one#0"


@pytest.mark.parametrize("text", ["<a b c>", "{x y z}", "<food[>"])
def test_marks_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match="cannot be read"):
        read_parts(f"so {text}.")
