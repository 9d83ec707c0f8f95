"""The grammar as it is laid out for its readers."""

import re

import pytest

from bardling.data.stories.grammar import assemble, grammar
from bardling.data.stories.notation import sentences, words
from toy_stories import toy


def test_two_sites_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two sites 'a'"):
        assemble([words("a", "b"), words("a", "c"), *sentences("story:\n 1 <a>.").values()])


def test_a_name_has_the_same_forms_wherever_it_is_given():
    with pytest.raises(ValueError, match="other forms"):
        toy("story:\n  1 <it=pet> <it=plain>.", words("plain", "x"))


def test_the_grammar_is_as_rich_as_it_should_be():
    sites = grammar().sites
    plots = {re.match(r"\w+", o.parts[-1].site)[0] for o in sites["plot"].options}
    assert len(plots) >= 12
    scenes = [s for s in sites.values() if not s.is_words and s.name not in ("story", "plot")]
    assert all(3 <= len(scene.options) <= 6 for scene in scenes)
    texts = {w for s in sites.values() for o in s.options for f in o.forms for w in f.split()}
    assert len(texts) >= 2500


def test_weights_are_far_from_uniform():
    """The commonest word of a large table against its rarest."""
    for name in ("thing", "beast", "treat", "place"):
        weights = [option.weight for option in grammar().sites[name].options]
        assert max(weights) >= 5 * min(weights)
