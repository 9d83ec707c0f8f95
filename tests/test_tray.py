"""Files laid out on a tray are what the library reads, and their memory is kept."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from bardling import tray
from bardling.storage import publish_folder, read_folder
from bardling.tray import Tray

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def tensors() -> dict[str, torch.Tensor]:
    """Return tensors of every type, some turned, one a single number, one empty."""
    generator = torch.Generator().manual_seed(0)
    found = {
        f"blocks.{number}.weight": torch.randn(3, 4 + number, generator=generator).to(dtype)
        for number, dtype in enumerate(DTYPES)
    }
    turned = torch.randn(5, 2, generator=generator).T
    return found | {"turned": turned, 'a"name/step': torch.tensor(7.0), "none": torch.empty(0, 3)}


def same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)


@pytest.mark.parametrize("joined", [0, 2**20])
def test_the_library_reads_what_was_laid_out(monkeypatch, joined):
    monkeypatch.setattr(tray, "JOINED_BYTES", joined)
    laid = Tray().lay("x", tensors())
    assert isinstance(laid, bytes) == (joined > 0)
    same(load(laid if isinstance(laid, bytes) else b"".join(laid)), tensors())


def test_the_header_says_what_it_is_told_and_data_begin_where_they_may(tmp_path):
    data = Tray().lay("x", tensors(), format="pt")
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
    assert int.from_bytes(data[:8], "little") % 8 == 0


def test_of_one_type_the_bytes_are_those_of_the_library():
    """Which puts tensors of wider types first, and otherwise goes by name."""
    ordered = dict(sorted((str(n), torch.full((3,), float(n))) for n in range(20)))
    mine, theirs = Tray().lay("x", ordered, format="pt"), save(ordered, metadata={"format": "pt"})
    start = [8 + int.from_bytes(data[:8], "little") for data in (mine, theirs)]
    assert mine[start[0] :] == theirs[start[1] :]


def test_no_tensors_make_a_file_too():
    assert load(Tray().lay("x", {})) == {}


def test_a_copy_is_not_reached_by_later_steps_but_by_the_next_copy(monkeypatch):
    monkeypatch.setattr(tray, "JOINED_BYTES", 0)
    kept, weights = Tray(), {"w": torch.zeros(4)}
    laid = kept.lay("x", weights)
    weights["w"].fill_(1.0)
    before = b"".join(laid)
    assert torch.equal(load(before)["w"], torch.zeros(4))
    again = kept.lay("x", weights)
    assert np.shares_memory(np.asarray(laid[1]), np.asarray(again[1]))
    assert torch.equal(load(b"".join(laid))["w"], torch.ones(4))


def test_memory_that_was_reserved_is_taken(monkeypatch):
    monkeypatch.setattr(tray, "JOINED_BYTES", 0)
    kept = Tray()
    kept.reserve("x", 100)
    place = kept._blocks["x"].data_ptr()
    kept.reserve("x", 50)
    assert np.asarray(kept.lay("x", {"w": torch.ones(20)})[1]).ctypes.data == place
    assert len(b"".join(kept.lay("x", {"w": torch.ones(200)}))) > 800  # more than was reserved
    other = kept.lay("y", {"w": torch.zeros(20)})
    assert torch.equal(load(b"".join(other))["w"], torch.zeros(20))


def test_pieces_are_one_file_on_the_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(tray, "JOINED_BYTES", 0)
    laid = Tray().lay("x", tensors())
    publish_folder(tmp_path / "x", {"a.safetensors": laid, "b": b"bytes"})
    found = read_folder(tmp_path / "x")
    assert found == {"a.safetensors": b"".join(laid), "b": b"bytes"}
