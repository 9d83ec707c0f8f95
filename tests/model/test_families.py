"""Families: written out in full, so that defaults may move; parity itself is in test_parity."""

import ast
import dataclasses
import inspect

import pytest

from bardling.errors import ConfigError
from bardling.model import families
from bardling.model.config import ModelConfig
from bardling.model.families import classic, modern

SIZES = {"vocab_size", "block_size", "n_layer", "n_head", "n_kv_head", "head_dim", "n_embd", "d_ff"}


def test_modern_is_what_the_defaults_are():
    assert modern() == ModelConfig()


@pytest.mark.parametrize(
    ("family", "open_"), [("classic", {"dropout", "rope_base"}), ("modern", {"dropout"})]
)
def test_every_switch_of_a_family_is_written_out(family, open_):
    """No switch leans on a default; the base of a rotation that classic lacks is no switch."""
    tree = ast.parse(inspect.getsource(families))
    body = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == family)
    block = next(n for n in ast.walk(body) if isinstance(n, ast.Dict))
    written = {key.value for key in block.keys if isinstance(key, ast.Constant)}
    switches = {f.name for f in dataclasses.fields(ModelConfig)} - SIZES
    assert written == switches - open_


@pytest.mark.parametrize("family", [classic, modern])
def test_what_is_given_by_name_wins(family):
    config = family(n_layer=2, feedforward="relu", norm_eps=0.01)
    assert config == dataclasses.replace(family(), n_layer=2, feedforward="relu", norm_eps=0.01)
    with pytest.raises(ConfigError, match="n_head 5"):
        family(n_head=5)
