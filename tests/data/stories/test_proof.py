"""The proof of unambiguity: it holds for the grammar, and finds every fault that is put in."""

import pytest

from bardling.data.stories.grammar import grammar
from bardling.data.stories.notation import words
from bardling.data.stories.proof import prove
from toy_stories import toy


def test_the_grammar_of_the_stories_is_unambiguous():
    proof = prove(grammar())
    assert proof.faults == []
    assert proof.sites == len(grammar().sites) and proof.pairs > 10**6


def test_the_small_grammar_is_too():
    assert prove(toy()).faults == []


USE = "story:\n  1 A <pet> and <a =pet>, <=sound[pet]>. "


@pytest.mark.parametrize(
    ("fault", "text", "more"),
    [
        ("'red' begins 'red hot'", USE + "<=c>.", [words("c", "red, blue, red hot")]),
        ("'x' begins 'x'", USE + "<=c>.", [words("c", "x, x")]),
        ("is not a word", USE + "<=c>.", [words("c", "x,")]),
        ("nothing ends the word <pet>", USE + "<=pet>s.", []),
        ("nothing ends the word <pet>", USE + "It was <=pet>", []),
        ("may begin alike", USE + "<next>\nnext:\n  1 So\n  1 So it goes.", []),
        ("may begin alike", USE + "<next>\nnext:\n  1 <=pet>.\n  1 So.", []),
        ("may begin alike", USE + "<next>\nnext:\n  1 {pet}.\n  1 caterpillar.", []),
        ("may begin alike", USE + "<next>\nnext:\n  1 {pet}s sat.\n  1 {pet.s}", []),
        ("may begin alike", USE + "<next>\nnext:\n  1 <in> so.\n  1 Oh.\nin:\n  1 Oh.", []),
        ("other can be referred to before", USE + "{other}. <other=pet>.", []),
        ("later can be referred to before", USE + "<m> {later}.\nm:\n 1 a <later=pet>.\n 1 b.", []),
        ("pet may have been chosen already", USE + "<pet>.", []),
        ("no way leads to lonely", USE + "So.\nlonely:\n  1 x.", []),
        ("leads to itself", USE + "<next>\nnext:\n  1 So.\n  1 Oh <next>", []),
        (
            "there is no site f[owl]",
            USE + "<=f[pet]>.",
            [words("f[cat]", "a"), words("f[caterpillar]", "b")],
        ),
    ],
)
def test_each_fault_is_found(fault, text, more):
    faults = prove(toy(text, *more)).faults
    assert any(fault in found for found in faults), faults


def test_leads_that_only_their_values_tell_apart_are_fine():
    text = USE + "<next>\nnext:\n  1 {pet} sat.\n  1 {pet} stood.\n  1 dogs ran."
    assert not [f for f in prove(toy(text)).faults if "alike" in f]
