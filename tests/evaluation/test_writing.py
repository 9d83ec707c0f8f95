"""What reading samples would tell, on texts where it is plain."""

import pytest

from bardling.evaluation.writing import longest_copy, measure_writing

TRAINING = "the king sat on the wall and the queen sang to him all day long until the moon came up"


def patterns(samples):
    return [what.partition(":")[0] for what, _ in measure_writing(samples, TRAINING).patterns]


def test_shares_of_words_and_runs():
    found = measure_writing(["The king sang. The xyzzy sang!"], TRAINING)
    assert (found.samples, found.words) == (1, 6)
    assert found.known_words == pytest.approx(5 / 6)
    assert (found.distinct, found.copied) == (1.0, 0.0)


def test_what_is_copied():
    found = measure_writing(["so " + TRAINING[9:60]], TRAINING)
    assert found.longest_copy == " " + TRAINING[9:60]
    assert found.copied == pytest.approx(3 / 4, abs=0.15)


@pytest.mark.parametrize(
    ("sample", "copy"),
    [("abcd", "bcd"), ("", ""), ("zzz", ""), ("xbcbcd", "cbcd"), ("bcbcbc", "bcb")],
)
def test_the_longest_copy(sample, copy):
    training = "xbc cbcd bcb"
    every = [sample[i:j] for i in range(len(sample)) for j in range(i + 1, len(sample) + 1)]
    longest = max((len(piece) for piece in every if piece in training), default=0)
    assert len(longest_copy(sample, training)) == longest == len(copy)


def test_patterns_and_their_names():
    assert patterns(["qwpo zkdj xn wd ajq"]) == ["gibberish"]
    assert patterns(["the king sat on the moon and the quirn sang to him until day"]) == []
    assert patterns(["the kingle sat on the wallop and the quorn sang"]) == [
        "words without grammar"
    ]
    assert patterns(["the king sat " * 20]) == ["loops"]
    assert patterns([TRAINING]) == ["verbatim copying"]
    assert patterns([""]) == ["gibberish"]
