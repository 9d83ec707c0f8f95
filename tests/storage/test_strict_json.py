"""JSON is strict coming in and plain going out."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.errors import StorageError
from bardling.storage import json_bytes, parse_json

text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    max_leaves=10,
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(values)
def test_any_value_comes_back(value):
    data = json_bytes(value)
    assert parse_json(data, "x") == value == json.loads(data)


def test_the_form_is_stable_and_readable():
    assert json_bytes({"b": 1, "a": "é"}) == '{\n  "b": 1,\n  "a": "é"\n}\n'.encode()


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a": 1} x', "Extra data"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b"[1e999]", "the number 1e999 is too large"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' appears twice"),
        (b'"\xff"', "invalid start byte"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "limit"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data, reason):
    with pytest.raises(StorageError, match=f"config is not .*{reason}"):
        parse_json(data, "config")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(StorageError, match="cannot be written as JSON"):
        json_bytes({"a": value})
