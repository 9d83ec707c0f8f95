"""Fields: one strictness for values from JSON and from Python, said in the same sentences."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from bardling.config import RunConfig
from bardling.errors import ConfigError
from bardling.fields import check_fields, kinds, read_value, word_for, write_value
from bardling.model.config import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = 1


@dataclass(frozen=True, kw_only=True)
class Round:
    size: float = 1.0
    radius: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Square:
    size: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A part that is one of several types."""

    title: str = "x"
    shape: Round | Square = field(default_factory=Round)

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One field of every kind; beartype does not watch the classes of tests."""

    kind: Literal["none", "learned", "rotary"] = "none"
    count: int = 1
    share: float = 0.5
    on: bool = True
    name: str = "x"
    width: int | None = None
    steps: tuple[int, ...] = ()
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        check_fields(self)


WRONG: list[tuple[str, Any, str]] = [
    ("kind", "rotry", "'rotry'; it must be one of none, learned, rotary, did you mean 'rotary'?"),
    ("kind", None, "None; it must be one of none, learned, rotary, did you mean 'none'?"),
    ("kind", ["none"], "['none']; it must be one of none, learned, rotary, did you mean 'none'?"),
    ("count", 1.5, "1.5; it must be a whole number"),
    ("count", 2.0, "2.0; it must be a whole number"),
    ("count", True, "True; it must be a whole number"),
    ("count", "1", "'1'; it must be a whole number"),
    ("count", None, "None; it must be a whole number"),
    ("count", 10**5000, "a number of 16,610 bits; it must be a whole number of 64 bits"),
    ("count", -(2**64), "a number of 65 bits; it must be a whole number of 64 bits"),
    ("share", "high", "'high'; it must be a number"),
    ("share", False, "False; it must be a number"),
    ("share", 10**400, "a number of 1,329 bits; it must be a number of 64 bits"),
    ("share", math.nan, "nan; it must be a finite number"),
    ("share", -math.inf, "-inf; it must be a finite number"),
    ("on", 1, "1; it must be true or false"),
    ("name", 3, "3; it must be a text"),
    ("name", [0] * 100, "[" + "0, " * 19 + "0,...; it must be a text"),
    ("width", 1.5, "1.5; it must be a whole number"),
    ("name", [10**5000], "a list that cannot be shown; it must be a text"),
    ("steps", 5, "5; it must be a list"),
    ("steps", (1, "x"), "'x'; it must be a whole number"),
    ("inner", 3, "3; it must be a group of settings"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG, ids=range(len(WRONG)))
def test_python_and_json_are_refused_in_the_same_words(name, value, said):
    with pytest.raises(ConfigError) as refusal:
        Sample(**{name: value})
    assert str(refusal.value) == f"{name} is {said}"
    with pytest.raises(ConfigError) as refusal:
        read_value(Sample, {name: value}, "here")
    assert str(refusal.value) == f"here.{name} is {said}"


def test_what_the_types_allow_passes_unchanged():
    sample = Sample(kind="rotary", count=2**64 - 1, share=1, width=3, steps=(1, 2), inner=Inner())
    assert isinstance(sample.share, int) and Sample(width=None, share=0.25).width is None
    read = read_value(Sample, {"share": 1, "steps": [1, 2], "inner": {"depth": 2}}, "here")
    assert isinstance(read.share, float)
    assert (read.steps, read.inner) == ((1, 2), Inner(depth=2))


def test_a_list_would_make_a_config_that_no_set_can_hold():
    with pytest.raises(ConfigError, match=r"^steps is \[3\]; in Python it must be a tuple$"):
        Sample(steps=[3])


def test_groups_are_strict_about_names():
    with pytest.raises(
        ConfigError, match=r"here\.inner has no setting 'deep', did you mean 'depth'"
    ):
        read_value(Sample, {"inner": {"deep": 1}}, "here")


def test_a_choice_of_types_is_written_with_its_kind_and_read_back():
    for drawing, word in ((Drawing(), "round"), (Drawing(shape=Square(size=3.0)), "square")):
        values = write_value(drawing)
        assert values["title"] == "x" and values["shape"]["kind"] == word
        assert read_value(Drawing, json.loads(json.dumps(values)), "here") == drawing
    assert write_value(Sample()) == {**vars(Sample()), "inner": {"depth": 1}}


def test_without_a_kind_the_first_is_meant():
    assert read_value(Drawing, {"shape": {"radius": 1}}, "here").shape == Round(radius=1.0)


def test_kinds_are_groups_and_nothing_else():
    assert kinds(Round | Square) == {"round": Round, "square": Square}
    assert word_for(Square) == "square"
    for plain in (int, int | None, Round, Round | None, Literal["a", "b"], tuple[int, ...]):
        assert kinds(plain) == {}


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (3, "here.shape is 3; it must be a group of settings"),
        (
            {"kind": "squrae"},
            "here.shape.kind is 'squrae'; it must be one of round, square, did you mean 'square'?",
        ),
        ({"kind": None}, "here.shape.kind is None; it must be one of round, square"),
        (
            {"kind": "square", "radius": 1},
            "here.shape has no setting 'radius' when its kind is square; "
            "choose round, or leave it away",
        ),
        ({"kind": "square", "sizes": 1}, "here.shape has no setting 'sizes', did you mean 'size'?"),
        ({"sizes": 1}, "here.shape has no setting 'sizes', did you mean 'size'?"),
        ({"kind": "square", "size": "big"}, "here.shape.size is 'big'; it must be a number"),
    ],
)
def test_choices_are_strict_about_kinds_and_names(shape, said):
    with pytest.raises(ConfigError) as refusal:
        read_value(Drawing, {"shape": shape}, "here")
    assert str(refusal.value) == said


@pytest.mark.parametrize("shape", [3, Inner(), {"kind": "square"}, Square])
def test_in_python_a_choice_is_one_of_its_types(shape):
    with pytest.raises(ConfigError, match=r"^shape is .*; it must be a group of settings$"):
        Drawing(shape=shape)


def test_every_config_checks_its_fields_first():
    """In a process of its own, because here beartype would refuse most of these before us."""
    code = """
from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.errors import ConfigError
from bardling.model.config import ModelConfig
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import AdamW
for kind, values in (
    (ModelConfig, {"position": "rotry"}), (ModelConfig, {"n_layer": 1.5}),
    (DataConfig, {"val_fraction": "0.1"}), (AdamW, {"lr": 10**400}), (AdamW, {"lr": "1e-3"}),
    (TrainingConfig, {"schedule": "cosin"}), (TrainingConfig, {"budget": 5}),
    (RunConfig, {"model": 3}), (RunConfig, {"optimizer": 3}), (RunConfig, {"total_steps": 1.5}),
):
    try:
        kind(**values)
    except ConfigError as error:
        print(error)
    else:
        print("accepted", values)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "position is 'rotry'; it must be one of none, learned, sinusoidal, "
        "sinusoidal_scaled, rotary, "
        "did you mean 'rotary'?",
        "n_layer is 1.5; it must be a whole number",
        "val_fraction is '0.1'; it must be a number",
        "lr is a number of 1,329 bits; it must be a number of 64 bits",
        "lr is '1e-3'; it must be a number",
        "schedule is 'cosin'; it must be one of constant, exponential, cosine, linear, "
        "did you mean 'cosine'?",
        "budget is 5; it must be a text",
        "model is 3; it must be a group of settings",
        "optimizer is 3; it must be a group of settings",
        "total_steps is 1.5; it must be a whole number",
    ]


def test_what_beartype_lets_through_is_refused_here_too():
    with pytest.raises(ConfigError, match=r"^n_layer is True; it must be a whole number$"):
        ModelConfig(n_layer=True)


def test_numbers_that_json_can_write_and_no_float_can_hold():
    values = json.loads(json.dumps({"optimizer": {"lr": 10**400}}))
    with pytest.raises(ConfigError, match=r"config\.optimizer\.lr is a number of 1,329 bits"):
        RunConfig.from_json(values)


def test_configs_need_no_torch():
    modules = "bardling.fields, bardling.config, bardling.model.families"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
