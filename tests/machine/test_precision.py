"""The numbers that each device does well, and the contexts that give them."""

import json

import pytest
import torch
from torch import nn

from bardling.errors import ConfigError, UsageError
from bardling.machine.config import MachineConfig
from bardling.machine.precision import (
    autocast,
    cpu_units,
    loss_scale,
    number_format,
    pick_precision,
)

CPU, MPS, CUDA = (torch.device(kind) for kind in ("cpu", "mps", "cuda"))


def pretend_units(monkeypatch, *, amx: bool, avx: bool) -> None:
    """Let torch find these units for bf16 in the processor."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx, raising=False)


@pytest.mark.parametrize(
    ("amx", "avx", "units", "best"),
    [
        (True, True, ["AMX", "AVX512-BF16"], "bf16"),
        (True, False, ["AMX"], "bf16"),
        (False, True, ["AVX512-BF16"], "bf16"),
        (False, False, [], "fp32"),
    ],
)
def test_a_processor_takes_bf16_where_it_has_units_for_it(monkeypatch, amx, avx, units, best):
    pretend_units(monkeypatch, amx=amx, avx=avx)
    assert cpu_units() == units
    assert pick_precision("auto", CPU) == best


def test_a_torch_that_cannot_tell_its_units_has_none(monkeypatch):
    pretend_units(monkeypatch, amx=True, avx=True)
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name)
    assert cpu_units() == [] and pick_precision("auto", CPU) == "fp32"


@pytest.mark.parametrize(
    ("capability", "best"),
    [
        ((5, 2), "fp32"), ((6, 1), "fp32"), ((7, 0), "fp16"), ((7, 5), "fp16"),
        ((8, 0), "bf16"), ((8, 9), "bf16"), ((9, 0), "bf16"), ((12, 0), "bf16"),
    ],
)  # fmt: skip
def test_a_cuda_gpu_takes_what_its_matrix_units_can(monkeypatch, capability, best):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    pretend_units(monkeypatch, amx=True, avx=True)  # the processor's do not count
    assert pick_precision("auto", CUDA) == best


def test_an_apple_gpu_takes_float32_and_has_no_float64(monkeypatch):
    pretend_units(monkeypatch, amx=True, avx=True)
    assert pick_precision("auto", MPS) == "fp32"
    with pytest.raises(UsageError, match="has no float64"):
        pick_precision("fp64", MPS)
    with pytest.raises(ConfigError, match="has no float64"):
        MachineConfig(device="mps", precision="fp64")


@pytest.mark.parametrize("wish", ["bf16", "fp16", "fp32", "fp64"])
@pytest.mark.parametrize("device", [CPU, CUDA, MPS], ids=str)
def test_what_was_asked_for_is_taken(monkeypatch, wish, device):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (6, 0))
    pretend_units(monkeypatch, amx=False, avx=False)
    if (device, wish) != (MPS, "fp64"):
        assert pick_precision(wish, device) == wish


@pytest.mark.parametrize(
    ("precision", "weights", "products"),
    [
        ("bf16", torch.float32, torch.bfloat16),
        ("fp16", torch.float32, torch.float16),
        ("fp32", torch.float32, torch.float32),
        ("fp64", torch.float64, torch.float64),
    ],
)
def test_products_come_in_the_type_and_weights_keep_theirs(precision, weights, products):
    assert number_format(precision) == weights
    layer = nn.Linear(4, 4).to(weights)
    with autocast(CPU, precision):
        assert layer(torch.ones(2, 4, dtype=weights)).dtype == products
    assert layer.weight.dtype == weights
    assert layer(torch.ones(2, 4, dtype=weights)).dtype == weights


@pytest.mark.parametrize("precision", ["bf16", "fp32", "fp64"])
def test_only_fp16_has_a_loss_scale(precision):
    scaler = loss_scale(CPU, precision, {"scale": 4.0})
    loss = torch.tensor(3.0)
    assert not scaler.is_enabled() and scaler.get_scale() == 1.0
    assert scaler.scale(loss) is loss
    assert scaler.state_dict() == {}


@pytest.mark.parametrize("state", [None, {}])
def test_the_loss_scale_of_fp16_begins_where_torch_says(state):
    scaler = loss_scale(CPU, "fp16", state)
    assert scaler.is_enabled() and scaler.get_scale() == 65536.0
    assert scaler.scale(torch.tensor(3.0)).item() == 3.0 * 65536.0


def test_the_state_of_a_loss_scale_goes_through_a_checkpoint_and_on():
    def overflow(scaler, value):
        weight = nn.Parameter(torch.ones(1))
        optimizer = torch.optim.SGD([weight])
        scaler.scale((weight * value).sum()).backward()
        scaler.unscale_(optimizer)
        scaler.update()

    scaler = loss_scale(CPU, "fp16")
    for value in (float("inf"), 1.0, 1.0):
        overflow(scaler, value)
    state = json.loads(json.dumps(scaler.state_dict()))
    assert (state["scale"], state["_growth_tracker"]) == (32768.0, 2)
    again = loss_scale(CPU, "fp16", state)
    assert again.state_dict() == scaler.state_dict()
    for value in (1.0, float("nan")):
        for one in (scaler, again):
            overflow(one, value)
        assert again.state_dict() == scaler.state_dict()
    assert again.get_scale() == 16384.0
