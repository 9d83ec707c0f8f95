"""A damaged checkpoint is noticed wherever the damage is, and the one before it is used.

A flip is of one bit, which is the least that a disk can get wrong.
"""

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from promises import Protection

import bardling
from bardling import storage
from bardling.checkpoint import load_checkpoint, load_newest, open_checkpoint
from bardling.cli import main
from bardling.errors import CheckpointError
from bardling.run import resume_run
from bardling.run_folder import RunFolder
from tiny import SETTINGS, Listener, write_text

FILES = (
    "config.json", "model.safetensors", "optimizer.safetensors", "state.json", "tokenizer.json",
    "tokenizer_config.json", "manifest.json",
)  # fmt: skip
N_TRUNCATIONS, N_FLIPS = 10, 200
BEFORE, NEWEST = 2, 4
SECONDS = 5.0

PROTECTIONS = (
    Protection(
        file="storage/folders.py",
        line="    if digest != expected[1]:",
        broken="    if False:",
        test="test_every_damage_is_noticed_and_the_checkpoint_before_is_used",
    ),
    Protection(
        file="checkpoint.py",
        line='note(f"{error}; looking for the next one")',
        broken="raise error",
        test="test_every_damage_is_noticed_and_the_checkpoint_before_is_used",
    ),
    Protection(
        file="checkpoint.py",
        line="if folder.name != checkpoint_name(state.step):",
        broken="if False:",
        test="test_checkpoints_that_exchanged_their_names_are_both_noticed",
    ),
    Protection(
        file="run_folder.py",
        line="found = ((_STEP.fullmatch(p.name), p)",
        broken="found = ((_STEP.match(p.name), p)",
        test="test_what_only_looks_like_a_checkpoint_is_passed_over",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What happens to one file of the newest checkpoint."""

    file: str
    what: str
    change: Callable[[bytes], bytes]


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(share * len(data))]


def flip(place: float, bit: int) -> Callable[[bytes], bytes]:
    def flipped(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[int(place * len(data))] ^= 1 << bit
        return bytes(changed)

    return flipped


def damages(others: RunFolder) -> Iterator[Damage]:
    """Yield 10 truncations, 200 flips, and one file that is the one of the step before."""
    chance = random.Random(4)
    for number in range(N_TRUNCATIONS):
        share = chance.random()
        yield Damage(file=FILES[number % 7], what=f"cut at {share:.3f}", change=cut(share))
    for number in range(N_FLIPS):
        place, bit = chance.random(), chance.randrange(8)
        what = f"bit {bit} at {place:.3f}"
        yield Damage(file=FILES[number % 7], what=what, change=flip(place, bit))
    other = (others.checkpoint_path(BEFORE) / "model.safetensors").read_bytes()
    yield Damage(file="model.safetensors", what="of another step", change=lambda _: other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> RunFolder:
    """Return a run with checkpoints of steps 0, 2 and 4 that has not said that it ended."""
    folder = tmp_path_factory.mktemp("whole")
    settings = SETTINGS | {"n_layer": 1, "budget": "4steps", "eval_interval_steps": 2}
    run = bardling.train(write_text(folder), name="x", runs_dir=folder, **settings).folder
    run.result_path.unlink()
    return run


@pytest.fixture
def run(whole: RunFolder, tmp_path: Path) -> RunFolder:
    """Return a copy of it that may be damaged."""
    return RunFolder(Path(shutil.copytree(whole.path, tmp_path / "x")))


@pytest.fixture
def newest(run: RunFolder) -> Path:
    return run.checkpoint_path(NEWEST)


def noticed(run: RunFolder, file: str) -> bool:
    """Tell whether the newest is refused by a note that names the file, and the one before used."""
    notes: list[str] = []
    found = load_newest(run, notes.append)
    began = time.monotonic()
    with pytest.raises(CheckpointError, match="step-000004 cannot be used"):
        open_checkpoint(run, str(NEWEST), notes.append)
    named = [name for name in FILES if str(run.checkpoint_path(NEWEST) / name) in "".join(notes)]
    # what a manifest says of a file may be damaged too: then they differ, and either is named
    right = file in named or (file == "manifest.json" and named)
    quick = time.monotonic() - began < SECONDS
    return bool(right and quick and found and found.state.step == BEFORE and len(notes) == 1)


def test_every_damage_is_noticed_and_the_checkpoint_before_is_used(run, newest, record_property):
    cases, missed = [*damages(run)], []
    for damage in cases:
        path = newest / damage.file
        data = path.read_bytes()
        path.write_bytes(damage.change(data))
        if not noticed(run, damage.file):
            missed.append(f"{damage.file}, {damage.what}")
        path.write_bytes(data)
    assert missed == []
    assert load_newest(run, print).state.step == NEWEST
    record_property("measured", f"{len(cases)} of {len(cases)} noticed")
    assert len(cases) == 211


@pytest.mark.sweep
@pytest.mark.parametrize("file", FILES)
def test_no_single_bit_can_change_unnoticed(run, newest, file):
    """Every bit of a manifest, which nothing vouches for, and one of each byte of other files.

    Of large files that is each byte of the header and some after it.
    """
    path, chance = newest / file, random.Random(5)
    data = path.read_bytes()
    places = [*range(min(len(data), 1500)), *range(1500, len(data), 97)]
    for place in places:
        for bit in range(8) if file == "manifest.json" else [chance.randrange(8)]:
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            path.write_bytes(bytes(changed))
            with pytest.raises(CheckpointError, match="step-000004 cannot be used"):
                load_checkpoint(newest)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_gone_is_noticed(run, newest, file):
    (newest / file).unlink()
    notes: list[str] = []
    assert load_newest(run, notes.append).state.step == BEFORE
    with pytest.raises(CheckpointError):
        open_checkpoint(run, str(NEWEST), notes.append)
    if file == "manifest.json":  # it never was a checkpoint
        assert notes == [] and run.steps() == [0, BEFORE]
    else:
        assert len(notes) == 1 and str(newest / file) in notes[0]


@pytest.mark.parametrize("file", FILES[:-1])
def test_files_that_two_steps_exchanged_are_both_noticed(run, newest, file):
    one, other = newest / file, run.checkpoint_path(BEFORE) / file
    mine, theirs = one.read_bytes(), other.read_bytes()
    one.write_bytes(theirs)
    other.write_bytes(mine)
    notes: list[str] = []
    found = load_newest(run, notes.append)
    if mine == theirs:  # settings and tokenizer are the same at every step
        assert found.state.step == NEWEST and notes == []
    else:
        assert found.state.step == 0
        assert str(one) in notes[0] and str(other) in notes[1] and len(notes) == 2


def test_checkpoints_that_exchanged_their_names_are_both_noticed(run, newest, tmp_path):
    other = run.checkpoint_path(BEFORE)
    newest.rename(tmp_path / "aside")
    other.rename(newest)
    (tmp_path / "aside").rename(other)
    notes: list[str] = []
    assert load_newest(run, notes.append).state.step == 0
    assert [note.partition(": ")[2] for note in notes] == [
        "it was written as step-000002; looking for the next one",
        "it was written as step-000004; looking for the next one",
    ]


STRAY = ("step-9.tmp", "step-99x", "step-000099x", ".step-000099.tmp-1", "step-99", "xstep-000099")


def test_what_only_looks_like_a_checkpoint_is_passed_over(run, newest):
    """Whole ones lie under the stray names, so that nothing but the name speaks against them."""
    for name in STRAY:
        shutil.copytree(newest, run.checkpoints_path / name)
    (run.checkpoints_path / "step-000099").mkdir()
    (run.checkpoints_path / "step-000098").write_text("not a folder")
    assert run.steps() == [0, BEFORE, NEWEST]
    ears = Listener()
    resume_run(run, ears)
    folder = run.checkpoints_path
    assert ears.notes == [
        f"{folder}/step-000098 is not whole: set aside as step-000098.damaged-1",
        f"{folder}/step-000099 is not whole: set aside as step-000099.damaged-1",
    ]
    assert ears.facts[0].start_step == NEWEST and run.result()["last"]["step"] == NEWEST


def resumed(run: RunFolder, file: str, change: Callable[[bytes], bytes]) -> Listener:
    """Damage the newest checkpoint and go on with the run."""
    path = run.checkpoint_path(NEWEST) / file
    path.write_bytes(change(path.read_bytes()))
    ears = Listener()
    resume_run(run, ears)
    return ears


RESUMED = [
    pytest.param(file, marks=() if file == "model.safetensors" else pytest.mark.sweep)
    for file in FILES
]


@pytest.mark.parametrize("file", RESUMED)
def test_a_run_goes_on_from_the_one_before_to_the_same_end(whole, run, newest, file):
    ears = resumed(run, file, flip(0.5, 3))
    assert ears.facts[0].start_step == BEFORE
    # what a manifest says of another file may be damaged: then that one is named
    named = newest if file == "manifest.json" else newest / file
    assert f"{newest} cannot be used" in ears.notes[0] and str(named) in ears.notes[0]
    assert ears.notes[1:] == [f"{newest} is not whole: set aside as step-000004.damaged-1"]
    mine, first = (load_checkpoint(r.checkpoint_path(NEWEST)) for r in (run, whole))
    assert mine.weights.keys() == first.weights.keys()
    assert all(torch.equal(tensor, first.weights[name]) for name, tensor in mine.weights.items())


@pytest.mark.parametrize("file", FILES)
def test_whoever_names_a_damaged_one_hears_of_it(run, newest, capsys, file):
    path = newest / file
    path.write_bytes(cut(0.9)(path.read_bytes()))
    began = time.monotonic()
    assert main(["generate", str(run.path), "--checkpoint", "4"]) == 1
    assert main(["generate", str(newest)]) == 1
    assert time.monotonic() - began < SECONDS
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("step-000004 cannot be used") == 2
    assert told.err.count(str(path)) == 2


@pytest.mark.sweep
def test_so_does_a_command_of_its_own(run, newest):
    path = newest / "optimizer.safetensors"
    path.write_bytes(flip(0.5, 0)(path.read_bytes()))
    words = ["generate", str(run.path), "--checkpoint", "4"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "bardling", *words], capture_output=True, text=True, env=os.environ
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 1 and done.stdout == "" and str(path) in done.stderr
    assert after.ru_utime - before.ru_utime < SECONDS


def test_without_another_there_is_nothing_to_go_on_with(run):
    """It is not begun anew in silence."""
    for step in run.steps():
        (run.checkpoint_path(step) / "state.json").write_bytes(b"{}")
    assert storage.is_published(run.checkpoint_path(0))
    with pytest.raises(CheckpointError, match="none of the 3 checkpoints"):
        resume_run(run, Listener())


def test_a_checkpoint_named_as_a_run_is_refused_and_left_whole(newest, capsys):
    before = sorted(path.name for path in newest.iterdir())
    assert main(["train", "--resume", str(newest)]) == 2
    assert "is one checkpoint; go on with its run: --resume" in capsys.readouterr().err
    assert sorted(path.name for path in newest.iterdir()) == before
    load_checkpoint(newest)
