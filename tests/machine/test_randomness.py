"""Every draw is a pure function of what it is for; Philox and splitmix64 are written out again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.machine.randomness import row_keys, stream, word

LAWS = settings(derandomize=True, deadline=None)
SEEDS = st.integers(0, 2**64 - 1)
WORD = 2**64 - 1


def philox(key, counter):
    """Philox4x64-10 (Salmon et al. 2011, table 2) on Python integers."""
    k0, k1 = key
    c0, c1, c2, c3 = counter
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c0, 2**64)
        high2, low2 = divmod(0xCA5A826395121157 * c2, 2**64)
        c0, c1, c2, c3 = high2 ^ c1 ^ k0, low2, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & WORD, (k1 + 0xBB67AE8584CAA73B) & WORD
    return [c0, c1, c2, c3]


def splitmix_key(base, row):
    x = (base + (row + 1) * 0x9E3779B97F4A7C15) & WORD
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x >> 32


def raw(seed, purpose, index, count):
    return stream(seed, purpose, index).bit_generator.random_raw(count)


def test_the_written_out_philox_gives_the_published_answer():
    expected = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox((0, 0), (0, 0, 0, 0)) == expected


@LAWS
@given(SEEDS, st.text(max_size=8), st.integers(0, 2**64 - 1))
def test_a_stream_is_philox_with_the_index_in_the_high_word(seed, purpose, index):
    key = (seed, word(purpose))
    expected = philox(key, (1, 0, 0, index)) + philox(key, (2, 0, 0, index))
    assert raw(seed, purpose, index, 8).tolist() == expected


def test_a_stream_does_not_remember_what_was_drawn_before():
    first = stream(7, "windows", 1200).integers(0, 1000, 50)
    for step in range(5):
        stream(7, "windows", step).random(99)
    assert np.array_equal(first, stream(7, "windows", 1200).integers(0, 1000, 50))


def test_neighbouring_indices_share_no_number():
    blocks = [set(raw(3, "windows/train", index, 5000).tolist()) for index in range(20)]
    assert len(set().union(*blocks)) == sum(map(len, blocks)) == 20 * 5000


@pytest.mark.parametrize("purpose", [f"purpose {i}" for i in range(8)])  # half have a high word
@pytest.mark.parametrize("seed", [0, 2**53, 2**63, 2**64 - 2])
def test_neighbouring_seeds_differ_in_every_number(seed, purpose):
    assert not np.any(raw(seed, purpose, 0, 100) == raw(seed + 1, purpose, 0, 100))


def test_a_negative_seed_is_a_seed_too():
    assert np.array_equal(raw(-1, "a", 0, 4), raw(2**64 - 1, "a", 0, 4))


@pytest.mark.parametrize("index", range(3))
def test_draws_are_uniform_in_unit_interval(index):
    draws = stream(1, "sampling", index).random(100_000)
    counts = np.histogram(draws, bins=100, range=(0.0, 1.0))[0]
    chi_square = ((counts - 1000.0) ** 2 / 1000.0).sum()
    assert counts.sum() == 100_000
    assert 50 < chi_square < 160  # 99 degrees of freedom: mean 99, deviation 14


def test_words_tell_apart_names_numbers_and_order():
    parts = [(), ("",), ("a",), ("a", "b"), ("b", "a"), ("ab",), ("a", 1), ("a", 2), (1, "a")]
    words = [word(*p) for p in parts]
    assert len(set(words)) == len(parts) - 1  # nothing and the empty name are the same
    assert all(0 <= w < 2**64 for w in words)


def test_words_stay_what_they_are_from_version_to_version():
    assert word("dropout", 0, 0) == 9632963928599132147
    assert word("sampling") == 3288340293887718240


@LAWS
@given(SEEDS, st.integers(0, 10**9), st.integers(0, 2**40))
def test_row_keys_are_the_high_half_of_splitmix64(seed, step, row):
    [key] = row_keys(seed, step, np.array([row]))
    assert int(key) % 2**32 == splitmix_key(word("dropout", seed, step), row)


@LAWS
@given(SEEDS, st.integers(0, 10**6), st.integers(0, 64), st.integers(0, 64))
def test_row_keys_of_a_slice_are_the_slice_of_the_row_keys(seed, step, start, stop):
    rows = np.arange(64)
    assert np.array_equal(
        row_keys(seed, step, rows)[start:stop], row_keys(seed, step, rows[start:stop])
    )


def test_row_keys_differ_between_rows_steps_and_seeds():
    rows = np.arange(1000)
    keys = np.concatenate([row_keys(seed, step, rows) for seed in range(5) for step in range(20)])
    assert keys.dtype == np.int32
    assert len(np.unique(keys)) > len(keys) - 12  # 1.2 of 10^5 words of 32 bits meet by chance


def test_every_bit_of_a_row_key_is_a_fair_coin():
    keys = row_keys(0, 0, np.arange(100_000)).view(np.uint32)
    shares = np.array([((keys >> np.uint32(bit)) & 1).mean() for bit in range(32)])
    assert np.abs(shares - 0.5).max() < 5 * 0.5 / 100_000**0.5
