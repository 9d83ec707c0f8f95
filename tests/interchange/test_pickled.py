"""Weights leave a pickle only when someone asks for it and trusts it, and code never leaves it."""

import io
import os
import pickle
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bardling.cli import main
from bardling.errors import StorageError, UsageError
from bardling.interchange import pickled

WEIGHTS = {"wte.weight": torch.arange(12.0).reshape(3, 4), "ln_f.weight": torch.ones(4)}


unpickle = partial(pickled.unpickle, trust=True)


class Bomb:
    """Makes a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def written(folder: Path, held: object, **how) -> Path:
    path = folder / "model.pt"
    torch.save(held, path, **how)
    return path


def same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("zipped", [True, False])
def test_the_weights_of_a_file_become_safetensors(tmp_path, zipped):
    source = written(tmp_path, WEIGHTS, _use_new_zipfile_serialization=zipped)
    unpickle(source, tmp_path / "x.safetensors")
    same(load_file(tmp_path / "x.safetensors"), WEIGHTS)


def test_of_several_dictionaries_one_is_named(tmp_path):
    """As nanoGPT saves: model, optimizer, settings."""
    source = written(
        tmp_path, {"model": WEIGHTS, "ema": WEIGHTS, "iter_num": 7, "config": {"lr": 0.1}}
    )
    with pytest.raises(UsageError, match="holds 'model', 'ema'; say which by --within"):
        unpickle(source, tmp_path / "x.safetensors")
    same(unpickle(source, tmp_path / "x.safetensors", within="ema"), WEIGHTS)


def test_the_only_dictionary_need_not_be_named(tmp_path):
    source = written(tmp_path, {"model": WEIGHTS, "step": 3, "config": {}})
    same(unpickle(source, tmp_path / "x.safetensors"), WEIGHTS)


def test_tied_and_turned_weights_are_written_each_by_itself(tmp_path):
    tied = WEIGHTS["wte.weight"]
    source = written(tmp_path, {"wte": tied, "lm_head": tied, "turned": tied.T})
    unpickle(source, tmp_path / "x.safetensors")
    same(load_file(tmp_path / "x.safetensors"), {"wte": tied, "lm_head": tied, "turned": tied.T})


def test_code_in_it_does_not_run(tmp_path):
    for number, held in enumerate(({"w": Bomb(tmp_path / "ran")}, Bomb(tmp_path / "ran"))):
        source = tmp_path / f"{number}.pt"
        torch.save(held, source)
        with pytest.raises(StorageError, match="is no file of tensors alone"):
            unpickle(source, tmp_path / "x.safetensors")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(StorageError, match="is no file of tensors alone"):
        unpickle(tmp_path / "plain.pt", tmp_path / "x.safetensors")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize("held", [{}, {"model": {}}, [1, 2], {"a": 1}, {"a": [torch.ones(1)]}])
def test_a_file_without_named_tensors_is_refused(tmp_path, held):
    with pytest.raises(StorageError, match="holds no dictionary of tensors by name"):
        unpickle(written(tmp_path, held), tmp_path / "x.safetensors")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.eye(3).to_sparse(),
        lambda: torch.eye(3).to_sparse_csr(),
        lambda: torch.ones(1).expand(10**12),
        lambda: torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8),
    ],
    ids=["sparse", "rows", "the same number over and over", "quantized"],
)
def test_what_is_no_plain_tensor_is_refused(tmp_path, make):
    source = written(tmp_path, {"w": make()})
    with pytest.raises(StorageError):
        unpickle(source, tmp_path / "x.safetensors")


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: d[:40], lambda d: d[: len(d) // 2]])
def test_a_damaged_file_is_refused(tmp_path, damage):
    data = io.BytesIO()
    torch.save(WEIGHTS, data)
    (tmp_path / "x.pt").write_bytes(damage(data.getvalue()))
    with pytest.raises(StorageError, match="is no file of tensors alone"):
        unpickle(tmp_path / "x.pt", tmp_path / "x.safetensors")


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "x.safetensors").write_text("mine")
    with pytest.raises(UsageError, match="already there"):
        unpickle(written(tmp_path, WEIGHTS), tmp_path / "x.safetensors")
    assert (tmp_path / "x.safetensors").read_text() == "mine"


def test_without_trust_the_file_is_not_even_opened(tmp_path, capsys):
    words = ["unpickle", str(tmp_path / "no.pt"), str(tmp_path / "x.safetensors")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "a .pt file is a pickle" in said and "say --trust" in said and "no.pt" not in said


def test_nor_is_it_from_python(tmp_path):
    with pytest.raises(UsageError, match="trust=True"):
        pickled.unpickle(tmp_path / "no.pt", tmp_path / "x.safetensors")


def test_the_verb_says_what_there_was(tmp_path, capsys):
    source = written(tmp_path, {"model": WEIGHTS, "step": 3})
    assert main(["unpickle", str(source), str(tmp_path / "x.safetensors"), "--trust"]) == 0
    assert "2 tensors, 16 numbers" in capsys.readouterr().out
