"""What is true of the words, checked by what counts of words alone say."""

from bardling.data.stories.grammar import grammar
from bardling.data.stories.truth import analogies, context_words, nouns, pairs
from bardling.data.stories.words.kinds import kinds


def test_pairs_differ_in_one_respect():
    by_text = {noun.text: noun for noun in nouns()}
    assert len(by_text) == len(nouns())
    for pair in pairs():
        a, b = by_text[pair.first], by_text[pair.second]
        assert a.kind == b.kind
        assert (a.gender != b.gender, a.age != b.age) == (
            pair.respect == "gender",
            pair.respect == "age",
        )


def test_the_analogies_that_everyone_knows_are_there():
    gender, age = set(analogies("gender")), set(analogies("age"))
    assert ("king", "queen", "boy", "girl") in gender
    assert ("prince", "princess", "man", "woman") in gender
    assert ("dog", "puppy", "cat", "kitten") in age
    assert ("king", "prince", "woman", "girl") in age
    assert not gender & age
    assert all(len(set(words)) == 4 for words in gender | age)


def test_every_noun_can_be_a_hero():
    heroes = {
        o.forms[0] for age in ("old", "young") for o in grammar().sites[f"who[{age}]"].options
    }
    assert heroes == {noun.text for noun in nouns()}


def test_words_of_a_kind_are_of_that_kind_only():
    seen = {}
    for kind in kinds():
        for word in context_words(kind):
            assert seen.setdefault(word, kind.name) == kind.name, word
