"""The count model against the paper's formulas written a second time, by hand, and in dicts."""

from collections import Counter, defaultdict
from functools import cached_property
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.errors import ConfigError, CorpusError
from bardling.model.baselines import FALLBACK, fit_kneser_ney

LAWS = settings(derandomize=True, deadline=None, max_examples=150)
EXACT = {"rtol": 1e-12, "atol": 0}


class Oracle:
    """Modified Kneser-Ney as Chen and Goodman have it: dicts, recursion, one gram at a time."""

    def __init__(self, tokens, *, order, vocab_size, end_token):
        self.order, self.vocab_size, self.end_token = order, vocab_size, end_token
        self.often, self.before = Counter(), defaultdict(set)
        for document in self.documents(list(tokens)):
            for last in range(end_token is not None, len(document)):
                for first in range(max(0, last - order + 1), last + 1):
                    gram = tuple(document[first : last + 1])
                    self.often[gram] += 1
                    if first > 0:
                        self.before[gram].add(document[first - 1])

    def documents(self, tokens):
        """Yield each document between the end token that begins it and the one that ends it."""
        if self.end_token is None:
            yield tokens
            return
        document = [self.end_token]
        for token in tokens:
            document.append(token)
            if token == self.end_token:
                yield document
                document = [self.end_token]
        yield document

    @cached_property
    def counts(self):
        return {
            gram: often if len(gram) == self.order else len(self.before[gram]) or often
            for gram, often in self.often.items()
        }

    @cached_property
    def followers(self):
        found = defaultdict(dict)
        for gram, count in self.counts.items():
            found[gram[:-1]][gram[-1]] = count
        return found

    @cached_property
    def discounts(self):
        found = {}
        for length in range(1, self.order + 1):
            n = Counter(count for gram, count in self.counts.items() if len(gram) == length)
            found[length] = {1: 0.5, 2: 1.0, 3: 1.5}
            if n[1] and n[2] and n[3]:
                y = n[1] / (n[1] + 2 * n[2])
                d1, d2 = 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2]
                d3 = 3 - 4 * y * n[4] / n[3]
                if d1 > 0 and d2 > 0 and d3 > 0:
                    found[length] = {1: d1, 2: d2, 3: d3}
        return found

    def p(self, token, context):
        shorter = self.p(token, context[1:]) if context else 1 / self.vocab_size
        followers = self.followers.get(context)
        if not followers:
            return shorter
        d = self.discounts[len(context) + 1]
        total = sum(followers.values())
        n1, n2 = (sum(c == k for c in followers.values()) for k in (1, 2))
        n3 = len(followers) - n1 - n2
        left = (d[1] * n1 + d[2] * n2 + d[3] * n3) / total
        count = followers.get(token, 0)
        return (count - d[min(count, 3)] if count else 0) / total + left * shorter

    def distribution(self, context):
        context = list(context)
        if self.end_token in context:
            context = context[len(context) - 1 - context[::-1].index(self.end_token) :]
        context = tuple(context[max(0, len(context) - self.order + 1) :])
        return np.array([self.p(token, context) for token in range(self.vocab_size)])

    def nats(self, tokens):
        found = []
        for document in self.documents(list(tokens)):
            for last in range(self.end_token is not None, len(document)):
                context = tuple(document[max(0, last - self.order + 1) : last])
                found.append(-np.log(self.p(document[last], context)))
        return np.array(found)


def both(tokens, **settings):
    return fit_kneser_ney(np.asarray(tokens), **settings), Oracle(tokens, **settings)


def some_text(seed, count, vocab_size=4):
    """Return tokens that depend on the two before them, some far more frequent than others."""
    random = np.random.default_rng(seed)
    text = [0, 1]
    for surprise in random.geometric(0.5, size=count):
        text.append(int(text[-1] + text[-2] + surprise - 1) % vocab_size)
    return text[:count]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("end_token", [None, 0, 3])
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_it_agrees_with_the_formulas_of_the_paper(order, end_token, seed):
    model, oracle = both(some_text(seed, 400), order=order, vocab_size=4, end_token=end_token)
    discounts = [tuple(d.values()) for d in oracle.discounts.values()]
    np.testing.assert_allclose([level.discounts for level in model.levels], discounts, **EXACT)
    assert model.order == order and (order < 4 or set(discounts) != {FALLBACK})
    for other in (seed, seed + 100):
        text = some_text(other, 300)
        np.testing.assert_allclose(model.nats(np.array(text)), oracle.nats(text), **EXACT)
    for context in [c for length in range(4) for c in product(range(4), repeat=length)]:
        np.testing.assert_allclose(
            model.distribution(context), oracle.distribution(context), **EXACT
        )


def test_discounts_by_hand():
    tokens = np.array([0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 7, 7, 7, 7])
    model = fit_kneser_ney(tokens, order=1, vocab_size=9, end_token=None)
    # n1, n2, n3, n4 = 4, 2, 1, 1, so that Y is 1/2; 6.5 of 15 counts are taken away in all.
    assert model.levels[0].discounts == (0.5, 1.25, 1.0)
    by_hand = np.array([0.5] * 4 + [0.75] * 2 + [2.0, 3.0, 0.0]) / 15 + 6.5 / 15 / 9
    np.testing.assert_allclose(model.distribution([]), by_hand, **EXACT)


def test_lower_orders_count_what_came_before_by_hand():
    tokens = np.array([0, 1, 0, 1, 0, 1, 0, 2, 2, 0, 1, 2])
    model = fit_kneser_ney(tokens, order=2, vocab_size=3, end_token=None)
    # 0 has followed 1 and 2, 1 only 0, 2 all three: n1, n2, n3, n4 = 1, 1, 1, 0 and Y is 1/3.
    d1, d2, d3 = 1 / 3, 1.0, 3.0
    assert model.levels[0].discounts == pytest.approx((d1, d2, d3), rel=1e-12)
    by_hand = np.array([2 - d2, 1 - d1, 3 - d3]) / 6 + (d1 + d2 + d3) / 6 / 3
    np.testing.assert_allclose(model.distribution([]), by_hand, **EXACT)


@pytest.mark.parametrize("end_token", [None, 0])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_every_context_leaves_every_token_something(order, end_token):
    tokens = np.array(some_text(1, 60, vocab_size=5))[:-1]  # token 5 is never seen
    model = fit_kneser_ney(tokens, order=order, vocab_size=6, end_token=end_token)
    for context in [c for length in range(5) for c in product(range(6), repeat=length)]:
        p = model.distribution(context)
        assert p.min() > 0 and abs(p.sum() - 1) < 1e-14


@LAWS
@given(st.data())
def test_laws_of_any_text(data):
    vocab_size = data.draw(st.integers(1, 6))
    ids = st.integers(0, vocab_size - 1)
    end_token = data.draw(st.none() | ids)
    model, oracle = both(
        data.draw(st.lists(ids, min_size=1, max_size=80)),
        order=data.draw(st.integers(1, 5)),
        vocab_size=vocab_size,
        end_token=end_token,
    )
    text = data.draw(st.lists(ids, min_size=1, max_size=12))
    start = [] if end_token is None else [end_token]
    nats = model.nats(np.array(text))
    np.testing.assert_allclose(nats, oracle.nats(text), rtol=1e-12, atol=1e-15)
    for i, token in enumerate(text):
        p = model.distribution(start + text[:i])
        assert p.min() > 0 and abs(p.sum() - 1) < 1e-14
        assert -np.log(p[token]) == pytest.approx(nats[i], rel=1e-13, abs=1e-15)
        np.testing.assert_allclose(
            model.distribution(text[:i]), oracle.distribution(text[:i]), **EXACT
        )


def documents_of(seed):
    random = np.random.default_rng(seed)
    return [[*random.integers(1, 4, random.integers(0, 9)).tolist(), 0] for _ in range(40)]


def test_the_order_of_the_documents_does_not_matter():
    documents = documents_of(0)
    models = [
        fit_kneser_ney(np.concatenate(rows), order=4, vocab_size=4, end_token=0)
        for rows in (documents, documents[::-1], sorted(documents))
    ]
    for model in models[1:]:
        for level, first in zip(model.levels, models[0].levels, strict=True):
            assert level.discounts == first.discounts
            assert np.array_equal(level.keys, first.keys)
            assert np.array_equal(level.seen, first.seen)
            assert np.array_equal(level.left, first.left)


def test_what_was_before_an_end_token_does_not_matter():
    model = fit_kneser_ney(np.concatenate(documents_of(1)), order=5, vocab_size=4, end_token=0)
    alone = [model.nats(np.array(document)) for document in documents_of(2)]
    np.testing.assert_array_equal(
        model.nats(np.concatenate(documents_of(2))), np.concatenate(alone)
    )
    for context in product(range(4), repeat=2):
        after = [model.distribution([*begin, 0, *context]) for begin in ([], [1], [3, 2], [0])]
        assert all(np.array_equal(p, after[0]) for p in after)
    # A document begins with the end token alone, not with nothing.
    assert not np.array_equal(model.distribution([0]), model.distribution([]))


def test_an_unfinished_document_and_an_end_token_that_never_comes():
    model, oracle = both([1, 2, 1, 2, 2], order=3, vocab_size=4, end_token=3)
    np.testing.assert_allclose(model.nats(np.array([1, 2, 3])), oracle.nats([1, 2, 3]), **EXACT)
    assert model.distribution([3])[1] > 0.5 > model.distribution([])[1]


def test_longer_contexts_help_where_they_tell_something():
    train, held_out = np.array(some_text(5, 20_000, 7)), np.array(some_text(6, 5_000, 7))
    nats = [
        fit_kneser_ney(train, order=order, vocab_size=7, end_token=None).nats(held_out).mean()
        for order in (1, 2, 3)
    ]
    # Geometric surprises of probability 1/2 have 2 ln 2 nats; modulo 7 nearly as many.
    assert nats[0] == pytest.approx(np.log(7), abs=0.02)
    assert nats[2] == pytest.approx(2 * np.log(2), abs=0.05) and nats[2] < nats[1] - 0.3


@pytest.mark.parametrize("end_token", [None, 0, 2])
@pytest.mark.parametrize("order", [1, 2, 6])
@pytest.mark.parametrize("text", [[0] * 50, [2], [0, 1], [*range(30)], [2, 2, 2, 1], [0, 1] * 20])
def test_texts_of_almost_nothing(text, order, end_token):
    model, oracle = both(text, order=order, vocab_size=31, end_token=end_token)
    np.testing.assert_allclose(model.nats(np.array(text)), oracle.nats(text), **EXACT)
    for context in ([], text[:3], text[-6:], [30, 30], [0], [2]):
        p = model.distribution(context)
        np.testing.assert_allclose(p, oracle.distribution(context), **EXACT)
        assert p.min() > 0 and abs(p.sum() - 1) < 1e-14


def test_a_vocabulary_of_one_token_holds_no_surprise():
    model = fit_kneser_ney(np.zeros(9, dtype=np.int64), order=3, vocab_size=1, end_token=None)
    np.testing.assert_allclose(model.nats(np.zeros(4, dtype=np.int64)), 0, atol=1e-15)


def test_discounts_that_would_leave_nothing_are_replaced():
    n2_is_small = np.repeat(np.arange(21), [1] * 10 + [2] + [3] * 10)  # D2 would be -23
    model = fit_kneser_ney(n2_is_small, order=1, vocab_size=22, end_token=None)
    assert model.levels[0].discounts == FALLBACK == (0.5, 1.0, 1.5)
    assert model.distribution([]).min() > 0


def test_keys_of_large_vocabularies_do_not_overflow():
    vocab_size = 50_000  # a bigram's key passes 2**31, and a number of 16 bits its last token
    random = np.random.default_rng(0)
    text = vocab_size - 1 - random.zipf(1.3, size=60_000).clip(max=vocab_size) % vocab_size
    model, oracle = both(text, order=4, vocab_size=vocab_size, end_token=vocab_size - 2)
    np.testing.assert_allclose(model.nats(text[:500]), oracle.nats(text[:500]), **EXACT)
    for context in ([], text[:3].tolist(), [vocab_size - 1] * 3, [0, 1, 2]):
        assert abs(model.distribution(context).sum() - 1) < 1e-12


def test_names_of_tokens_do_not_matter():
    random = np.random.default_rng(3)
    names, text = random.permutation(9), np.array(some_text(3, 500, 9))
    plain = fit_kneser_ney(text, order=3, vocab_size=9, end_token=4)
    renamed = fit_kneser_ney(names[text], order=3, vocab_size=9, end_token=int(names[4]))
    np.testing.assert_allclose(renamed.nats(names[text]), plain.nats(text), **EXACT)


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint32", "uint64"])
def test_any_integers_will_do(kind):
    text = np.array(some_text(4, 300, 250))
    expected = fit_kneser_ney(text, order=3, vocab_size=250, end_token=None).nats(text)
    same = text.astype(kind)
    model = fit_kneser_ney(same, order=3, vocab_size=250, end_token=None)
    np.testing.assert_array_equal(model.nats(same), expected)


@pytest.mark.parametrize("order", [0, -1])
def test_an_order_without_a_token_is_refused(order):
    with pytest.raises(ConfigError, match=f"order {order} predicts nothing"):
        fit_kneser_ney(np.array([0]), order=order, vocab_size=1, end_token=None)


@pytest.mark.parametrize(("vocab_size", "end_token"), [(0, None), (-3, None), (3, 3), (3, -1)])
def test_an_impossible_vocabulary_is_refused(vocab_size, end_token):
    with pytest.raises(ConfigError, match=f"of {vocab_size} with end token {end_token}"):
        fit_kneser_ney(np.array([0]), order=2, vocab_size=vocab_size, end_token=end_token)


def test_ids_outside_the_vocabulary_and_no_ids_are_refused():
    model = fit_kneser_ney(np.array([0, 1]), order=2, vocab_size=3, end_token=None)
    for text, message in (([0, 3], "id 3 .* of 3: ids from 0 to 2"), ([-1, 1], "id -1")):
        with pytest.raises(CorpusError, match=message):
            fit_kneser_ney(np.array(text), order=2, vocab_size=3, end_token=None)
        with pytest.raises(CorpusError, match=message):
            model.nats(np.array(text))
        with pytest.raises(CorpusError, match=message):
            model.distribution(text)
    nothing = np.zeros(0, dtype=np.int64)
    with pytest.raises(CorpusError, match="no tokens"):
        fit_kneser_ney(nothing, order=2, vocab_size=3, end_token=None)
    with pytest.raises(CorpusError, match="no tokens"):
        model.nats(nothing)


@pytest.mark.real_text
def test_it_has_the_loss_that_another_program_found_on_tiny_shakespeare(real_text):
    text = (real_text / "tinyshakespeare.txt").read_text(encoding="utf-8")
    letters, ids = np.unique(np.array(list(text)), return_inverse=True)
    train, val = np.split(ids, [int(0.9 * len(ids))])
    for order, nats in ((6, 1.5226), (7, 1.5165)):
        model = fit_kneser_ney(train, order=order, vocab_size=len(letters), end_token=None)
        assert model.nats(val).mean() == pytest.approx(nats, abs=6e-5)
